//! The contract of [`Insights`], to which both fakes of JumpCloud are held, so that they cannot
//! drift apart: the mock, which the real client asks over HTTP, and the simulation's world.
//!
//! Whoever is held to it has been given [`events`], and its time is [`NOW_MS`].

use std::sync::Arc;

use engine::limits::{HOUR_MS, MINUTE_MS};
use engine::page::{Ask, Page, Token};
use engine::ports::{Insights, InsightsError, PageRequest};
use engine::stream::Scope;
use engine::time::{Window, rfc3339};

/// Calls a macro with every behaviour of the contract.
macro_rules! behaviours {
    ($hold:ident) => {
        $hold! {
            a_page_holds_what_lies_in_the_window,
            rows_ascend_and_are_the_bytes_that_were_loaded,
            a_page_is_as_long_as_asked_and_says_so,
            a_page_that_is_not_full_is_the_last_one,
            continuations_lead_through_every_row_once,
            only_services_that_are_asked_for_are_served,
            what_is_not_there_yet_is_not_served,
            an_empty_window_is_an_empty_page,
            headers_come_before_the_page_and_are_the_same,
            a_window_in_the_future_is_refused,
            the_count_is_that_of_the_rows,
            hours_are_counted_by_their_first_millisecond,
            services_are_those_of_the_rows,
            every_answer_tells_the_time,
        }
    };
}
pub(crate) use behaviours;

/// 2027-01-15T08:00:00Z
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
pub(crate) const ORGANIZATION: &str = "64a1b2c3d4e5f60718293a4b";

/// The two hours before now.
const WINDOW: Window = Window { start_ms: NOW_MS - 2 * HOUR_MS, end_ms: NOW_MS };
const ALL: &[&str] = &["all"];

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) ms: i64,
    pub(crate) visible_ms: i64,
    pub(crate) service: &'static str,
    pub(crate) raw: String,
}

/// On and beside the bounds of the window and of an hour, several in one millisecond, and one that
/// appears only later.
pub(crate) fn events() -> Vec<Event> {
    let (start_ms, middle_ms) = (WINDOW.start_ms, NOW_MS - HOUR_MS);
    let places = [
        (start_ms - 1, "sso"),
        (start_ms, "sso"),
        (start_ms + 1, "directory"),
        (middle_ms - 1, "directory"),
        (middle_ms, "sso"),
        (middle_ms + MINUTE_MS, "sso"),
        (middle_ms + MINUTE_MS, "directory"),
        (middle_ms + MINUTE_MS, "sso"),
        (middle_ms + MINUTE_MS, "ldap"),
        (middle_ms + MINUTE_MS, "sso"),
        (middle_ms + 2 * MINUTE_MS, "ldap"),
        (NOW_MS - 1, "sso"),
        (NOW_MS, "sso"),
    ];
    let mut events: Vec<_> =
        places.iter().zip(1..).map(|((ms, service), id)| event(id, *ms, service)).collect();
    events.push(Event { visible_ms: NOW_MS + HOUR_MS, ..event(99, middle_ms, "sso") });
    events
}

fn event(id: usize, ms: i64, service: &'static str) -> Event {
    let time = rfc3339(ms);
    let raw = format!(
        r#"{{"id":"{id:024x}","service":"{service}","organization":"{ORGANIZATION}","timestamp":"{time}"}}"#
    );
    Event { ms, visible_ms: ms, service, raw }
}

/// What is to be served of a window: its start is inclusive, its end is not.
fn expected(window: Window, services: &[&str]) -> Vec<Event> {
    let is_asked_for = |event: &Event| services == ALL || services.contains(&event.service);
    let mut events = events();
    events.retain(|event| {
        window.contains(event.ms) && event.visible_ms <= NOW_MS && is_asked_for(event)
    });
    events
}

fn request(window: Window, limit: u32, token: Option<Token>, services: &[&str]) -> PageRequest {
    PageRequest {
        scope: Scope::Own,
        query: services.iter().map(|service| (*service).to_owned()).collect(),
        ask: Ask { window, limit, token },
        tries: None,
        deadline_ms: NOW_MS + 10 * MINUTE_MS,
        meter: Arc::default(),
    }
}

async fn page(insights: &dyn Insights, window: Window, services: &[&str]) -> Page {
    insights.page(request(window, 100, None, services)).await.unwrap()
}

/// The events of a page. What lies at the window's end is cut: it may be served or not.
fn rows(page: &Page, window: Window) -> Vec<Event> {
    let known = events();
    let bytes = page.rows().iter().map(|row| page.bytes(row));
    let find = |raw: &[u8]| known.iter().find(|event| event.raw.as_bytes() == raw).cloned();
    let rows: Vec<_> = bytes.map(|raw| find(raw).unwrap()).collect();
    assert!(rows.iter().all(|row| row.ms <= window.end_ms), "beyond the end: {rows:?}");
    rows.into_iter().filter(|row| row.ms < window.end_ms).collect()
}

/// The same events, in whatever order those of one millisecond are.
fn assert_same(mut rows: Vec<Event>, mut expected: Vec<Event>) {
    for events in [&mut rows, &mut expected] {
        events.sort_by(|one, other| (one.ms, &one.raw).cmp(&(other.ms, &other.raw)));
    }
    assert_eq!(rows, expected);
}

pub(crate) async fn a_page_holds_what_lies_in_the_window(insights: &dyn Insights) {
    let middle_ms = NOW_MS - HOUR_MS;
    for window in [
        WINDOW,
        Window::new(WINDOW.start_ms, middle_ms),
        Window::new(middle_ms, NOW_MS),
        Window::new(middle_ms - 1, middle_ms),
        Window::new(middle_ms + 1, middle_ms + MINUTE_MS),
    ] {
        assert_same(rows(&page(insights, window, ALL).await, window), expected(window, ALL));
    }
}

pub(crate) async fn rows_ascend_and_are_the_bytes_that_were_loaded(insights: &dyn Insights) {
    let rows = rows(&page(insights, WINDOW, ALL).await, WINDOW);
    assert!(rows.is_sorted_by_key(|row| row.ms), "{rows:?}");
    assert_eq!(rows.len(), 11);
}

pub(crate) async fn a_page_is_as_long_as_asked_and_says_so(insights: &dyn Insights) {
    for limit in [1, 3, 7] {
        let page = insights.page(request(WINDOW, limit, None, ALL)).await.unwrap();
        assert_eq!(page.rows().len() as u64, u64::from(limit));
        assert_eq!(page.headers.limit, Some(u64::from(limit)));
        assert_eq!(page.headers.count, Some(u64::from(limit)));
        assert!(page.headers.token.is_some(), "a full page has a continuation");
    }
}

pub(crate) async fn a_page_that_is_not_full_is_the_last_one(insights: &dyn Insights) {
    let page = page(insights, WINDOW, ALL).await;
    assert_eq!(page.headers.limit, Some(100));
    assert_eq!(page.headers.count, Some(page.rows().len() as u64));
    assert_same(rows(&page, WINDOW), expected(WINDOW, ALL));
}

/// Also where a page ends within a millisecond.
pub(crate) async fn continuations_lead_through_every_row_once(insights: &dyn Insights) {
    for limit in [1, 2, 3, 4, 5] {
        let (mut read, mut token) = (Vec::new(), None);
        loop {
            let page = insights.page(request(WINDOW, limit, token, ALL)).await.unwrap();
            read.extend(rows(&page, WINDOW));
            if page.rows().len() < limit as usize {
                break;
            }
            token = page.headers.token.clone();
            assert!(token.is_some(), "a full page has a continuation");
            assert!(read.len() < 100, "the pages never end");
        }
        assert!(read.is_sorted_by_key(|row| row.ms), "{limit}");
        assert_same(read, expected(WINDOW, ALL));
    }
}

pub(crate) async fn only_services_that_are_asked_for_are_served(insights: &dyn Insights) {
    for services in [&["sso"][..], &["directory"], &["ldap", "sso"], &["mdm"]] {
        let read = rows(&page(insights, WINDOW, services).await, WINDOW);
        assert_same(read, expected(WINDOW, services));
    }
}

pub(crate) async fn what_is_not_there_yet_is_not_served(insights: &dyn Insights) {
    let window = Window::new(NOW_MS - HOUR_MS, NOW_MS - HOUR_MS + 1);
    let all = events().into_iter().filter(|event| window.contains(event.ms)).count();
    assert_eq!((all, rows(&page(insights, window, ALL).await, window).len()), (2, 1));
    assert_eq!(insights.count(request(window, 1, None, ALL)).await.unwrap(), 1);
}

pub(crate) async fn an_empty_window_is_an_empty_page(insights: &dyn Insights) {
    let window = Window::new(NOW_MS - 30 * MINUTE_MS, NOW_MS - 20 * MINUTE_MS);
    let page = page(insights, window, ALL).await;
    assert_eq!((page.rows().len(), page.headers.count), (0, Some(0)));
    assert_eq!(insights.count(request(window, 1, None, ALL)).await.unwrap(), 0);
}

pub(crate) async fn headers_come_before_the_page_and_are_the_same(insights: &dyn Insights) {
    let mut incoming = insights.page(request(WINDOW, 3, None, ALL));
    let headers = incoming.headers().await.unwrap();
    assert_eq!((headers.limit, headers.count), (Some(3), Some(3)));
    assert_eq!(incoming.await.unwrap().headers, headers);
}

pub(crate) async fn a_window_in_the_future_is_refused(insights: &dyn Insights) {
    let window = Window::new(NOW_MS + 2 * HOUR_MS, NOW_MS + 3 * HOUR_MS);
    let answer = insights.page(request(window, 1, None, ALL)).await;
    let Err(InsightsError::Refused { status: 400, cause: why }) = answer else {
        panic!("it was served")
    };
    assert!(why.text().contains("in the future"), "{why}");
}

pub(crate) async fn the_count_is_that_of_the_rows(insights: &dyn Insights) {
    // An end without an event: whether it is inclusive is open.
    for window in [Window::new(WINDOW.start_ms, NOW_MS - 2), Window::new(0, NOW_MS - 2)] {
        for services in [ALL, &["sso"], &["ldap", "directory"]] {
            let count = insights.count(request(window, 1, None, services)).await.unwrap();
            assert_eq!(count, expected(window, services).len() as u64, "{window:?} {services:?}");
        }
    }
}

pub(crate) async fn hours_are_counted_by_their_first_millisecond(insights: &dyn Insights) {
    let window = Window::new(NOW_MS - 4 * HOUR_MS, NOW_MS - 2);
    let mut hours = insights.hourly(request(window, 1, None, ALL)).await.unwrap();
    hours.retain(|_, count| *count > 0);
    let (first_ms, second_ms) = (WINDOW.start_ms, NOW_MS - HOUR_MS);
    let expected = [(first_ms - HOUR_MS, 1), (first_ms, 3), (second_ms, 7)];
    assert_eq!(hours.into_iter().collect::<Vec<_>>(), expected);
}

pub(crate) async fn services_are_those_of_the_rows(insights: &dyn Insights) {
    let hour = Window::new(WINDOW.start_ms, NOW_MS - HOUR_MS - 1);
    for (window, asked, expected) in [
        (WINDOW, ALL, &["directory", "ldap", "sso"][..]),
        (hour, ALL, &["directory", "sso"]),
        (WINDOW, &["ldap", "mdm"], &["ldap"]),
        (WINDOW, &["mdm"], &[]),
    ] {
        let services = insights.services(request(window, 1, None, asked)).await.unwrap().unwrap();
        assert_eq!(services.into_iter().collect::<Vec<_>>(), expected, "{window:?} {asked:?}");
    }
}

pub(crate) async fn every_answer_tells_the_time(insights: &dyn Insights) {
    assert_eq!(insights.clock_skew_ms(), None, "nothing was answered yet");
    insights.count(request(WINDOW, 1, None, ALL)).await.unwrap();
    assert_eq!(insights.clock_skew_ms(), Some(0), "the clocks are the same");
}
