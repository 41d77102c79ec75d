//! The world that ages: a JumpCloud that forgets, buckets whose objects expire, and a time that is
//! moved by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use engine::cause::Cause;
use engine::limits::DAY_MS;
use engine::page::{Page, PageHeaders};
use engine::ports::{
    Clock, Console, Incoming, Insights, InsightsError, List, ListPage, ListRequest, NoRandomness,
    PageRequest, Services,
};
use engine::time::{Window, floor_hour_ms, rfc3339};
use futures_util::future::BoxFuture;

/// The time, and how far this machine's clock is from it.
#[derive(Default)]
pub(crate) struct Time {
    now_ms: AtomicI64,
    skew_ms: AtomicI64,
    draws: AtomicU64,
}

impl Time {
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Sets the local clock forth, or back, by this much.
    pub(crate) fn skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Time {
    fn now_ms(&self) -> i64 {
        self.now_ms() + self.skew_ms.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.now_ms.fetch_add(ms.cast_signed(), Ordering::Relaxed);
    }

    fn random(&self) -> [u8; 16] {
        (u128::from(self.draws.fetch_add(1, Ordering::Relaxed)) << 96 | 1).to_be_bytes()
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}

/// One event.
#[derive(Clone)]
struct Event {
    ms: i64,
    visible_ms: i64,
    service: &'static str,
    raw: String,
}

/// Where a JumpCloud that answers everything is down.
const UP: Window = Window { start_ms: 0, end_ms: 0 };

/// A JumpCloud that keeps events for [`JumpCloud::retention_ms`].
pub(crate) struct JumpCloud {
    time: Arc<Time>,
    pub(crate) retention_ms: i64,
    /// A service that `all` leaves out.
    pub(crate) not_in_all: &'static str,
    /// It does not list the services of a window's events.
    pub(crate) lists_services: bool,
    /// It answers no request for events that begins in this.
    down: Mutex<Window>,
    /// A name that it refuses, alone and in a list.
    refused: Mutex<&'static str>,
    /// Names that it does not answer alone: at once, and in time.
    unanswered: Mutex<&'static str>,
    hangs_alone: Mutex<&'static str>,
    /// It has no hourly counts.
    counts_are_down: AtomicBool,
    /// A page of more rows than this does not come while anybody waits for it.
    rows_max: AtomicUsize,
    events: Mutex<Vec<Event>>,
    /// What it counts beyond the events it sends, by the hour's first millisecond.
    surplus: Mutex<BTreeMap<i64, i64>>,
    rows_sent: AtomicU64,
}

impl JumpCloud {
    pub(crate) fn new(time: Arc<Time>) -> Self {
        Self {
            time,
            retention_ms: 90 * DAY_MS,
            not_in_all: "",
            lists_services: true,
            down: Mutex::new(UP),
            refused: Mutex::default(),
            unanswered: Mutex::default(),
            hangs_alone: Mutex::default(),
            counts_are_down: AtomicBool::new(false),
            rows_max: AtomicUsize::new(usize::MAX),
            events: Mutex::default(),
            surplus: Mutex::default(),
            rows_sent: AtomicU64::new(0),
        }
    }

    /// Loads an event that is there from `visible_ms` on.
    pub(crate) fn load(&self, ms: i64, visible_ms: i64, service: &'static str) {
        let mut events = lock(&self.events);
        let (id, time) = (events.len(), rfc3339(ms));
        let raw = format!(r#"{{"id":"{id:024x}","service":"{service}","timestamp":"{time}"}}"#);
        events.push(Event { ms, visible_ms, service, raw });
    }

    /// Loads an event without a timestamp, which lies at `ms`.
    pub(crate) fn load_unplaced(&self, ms: i64) {
        let mut events = lock(&self.events);
        let raw = format!(r#"{{"id":"{:024x}","service":"sso"}}"#, events.len());
        events.push(Event { ms, visible_ms: ms, service: "sso", raw });
    }

    /// Counts this many events more in an hour than it sends.
    pub(crate) fn count_more(&self, hour_ms: i64, more: i64) {
        lock(&self.surplus).insert(hour_ms, more);
    }

    /// From now on it answers no request for events, or all again.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.set_down_in(if is_down { Window::new(i64::MIN, i64::MAX) } else { UP });
    }

    /// From now on it answers no request for events that begins in `window`, but all others.
    pub(crate) fn set_down_in(&self, window: Window) {
        *lock(&self.down) = window;
    }

    /// From now on it refuses this name, alone and in a list.
    pub(crate) fn refuse(&self, name: &'static str) {
        *lock(&self.refused) = name;
    }

    /// From now on it is down for a request for this name alone.
    pub(crate) fn do_not_answer_alone(&self, name: &'static str) {
        *lock(&self.unanswered) = name;
    }

    /// From now on a request for this name alone ends in a time-out.
    pub(crate) fn hang_alone(&self, name: &'static str) {
        *lock(&self.hangs_alone) = name;
    }

    /// From now on it has no hourly counts, or has them again.
    pub(crate) fn set_counts_down(&self, are_down: bool) {
        self.counts_are_down.store(are_down, Ordering::Relaxed);
    }

    /// From now on a request for a page of more than `rows` rows ends in a time-out.
    pub(crate) fn time_out_above(&self, rows: usize) {
        self.rows_max.store(rows, Ordering::Relaxed);
    }

    /// How many rows were sent since this was asked last.
    pub(crate) fn rows_sent(&self) -> u64 {
        self.rows_sent.swap(0, Ordering::Relaxed)
    }

    /// The events of a window that are there now.
    fn selected(&self, request: &PageRequest) -> Vec<Event> {
        let now_ms = self.time.now_ms();
        let is_asked_for = |service: &str| match request.query.iter().any(|name| name == "all") {
            true => service != self.not_in_all,
            false => request.query.iter().any(|name| name == service),
        };
        let mut events = lock(&self.events).clone();
        events.retain(|event| {
            request.ask.window.contains(event.ms)
                && (now_ms - self.retention_ms..).contains(&event.ms)
                && event.visible_ms <= now_ms
                && is_asked_for(event.service)
        });
        events.sort_by_key(|event| event.ms);
        events
    }
}

impl JumpCloud {
    /// A page that has not come when the request's time is over.
    fn time_out(&self, deadline_ms: i64) -> Incoming {
        let time = Arc::clone(&self.time);
        let page = async move {
            time.set(deadline_ms);
            Err(InsightsError::OutOfTime)
        };
        Incoming::new(Box::pin(ready(None)), Box::pin(page), || {})
    }
}

impl Insights for JumpCloud {
    /// The first events of the window, as many as a page has: usually all.
    fn page(&self, request: PageRequest) -> Incoming {
        if request.query.iter().any(|name| name == *lock(&self.refused)) {
            let cause = "it is forbidden".into();
            let refusal = Err(InsightsError::Refused { status: 403, cause });
            return Incoming::new(Box::pin(ready(None)), Box::pin(ready(refusal)), || {});
        }
        if request.query == [*lock(&self.hangs_alone)] {
            return self.time_out(request.deadline_ms);
        }
        let is_down = lock(&self.down).contains(request.ask.window.start_ms);
        if is_down || request.query == [*lock(&self.unanswered)] {
            let down = Err(InsightsError::Unavailable("it is down".into()));
            return Incoming::new(Box::pin(ready(None)), Box::pin(ready(down)), || {});
        }
        let asked = request.ask.limit as usize;
        let mut rows = self.selected(&request);
        let rows_max = self.rows_max.load(Ordering::Relaxed);
        let is_one_page = rows.len() < asked || rows_max < usize::MAX;
        assert!(asked == 1 || is_one_page, "the events of most tests fit one page");
        rows.truncate(asked);
        if rows.len() > rows_max {
            return self.time_out(request.deadline_ms);
        }
        let rows: Vec<_> = rows.into_iter().map(|event| event.raw).collect();
        let count = rows.len() as u64;
        self.rows_sent.fetch_add(count, Ordering::Relaxed);
        let limit = Some(u64::from(request.ask.limit));
        let headers = PageHeaders { limit, count: Some(count), token: None };
        let page = Page::parse(format!("[{}]", rows.join(",")).into_bytes(), headers.clone());
        let page = page.map_err(|error| InsightsError::Unavailable(Cause::of(error)));
        Incoming::new(Box::pin(ready(Some(headers))), Box::pin(ready(page)), || {})
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        Box::pin(ready(Ok(self.selected(&request).len() as u64)))
    }

    /// Every hour of the window, as long as the answer fits the 64 KiB that the client once read.
    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        const LIMIT_BYTES: usize = 64 * 1024;
        const HOUR_BYTES: usize =
            r#"{"key":1795222800000,"key_as_string":"2026-11-21T01:00:00.000Z","doc_count":12},"#
                .len();
        let window = request.ask.window;
        if self.counts_are_down.load(Ordering::Relaxed) {
            let cause = "your role may not see counts".into();
            return Box::pin(ready(Err(InsightsError::Refused { status: 403, cause })));
        }
        if window.hours().count() * HOUR_BYTES > LIMIT_BYTES {
            let error = InsightsError::TooLarge {
                limit_bytes: LIMIT_BYTES,
                headers: PageHeaders::default(),
            };
            return Box::pin(ready(Err(error)));
        }
        let mut hours: BTreeMap<i64, i64> = window.hours().map(|hour_ms| (hour_ms, 0)).collect();
        for event in self.selected(&request) {
            *hours.entry(floor_hour_ms(event.ms)).or_default() += 1;
        }
        for (hour_ms, more) in lock(&self.surplus).iter().filter(|(ms, _)| window.contains(**ms)) {
            *hours.entry(*hour_ms).or_default() += more;
        }
        Box::pin(ready(Ok(hours)))
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        let events = self.selected(&request);
        let names: BTreeSet<_> = events.iter().map(|event| event.service.to_owned()).collect();
        Box::pin(ready(Ok(self.lists_services.then_some(names))))
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some((Clock::now_ms(&*self.time) - self.time.now_ms()).max(0))
    }
}

/// One organization, which no event names: so it is the API key's own. It has two users.
impl Console for JumpCloud {
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        if matches!(request.list, List::Organizations) {
            let body = br#"[{"_id":"5c1c30d6a2f1b3e4d5c6b7a8"}]"#.to_vec();
            let rows = Page::parse(body, PageHeaders::default()).unwrap();
            return Box::pin(ready(Ok(ListPage { total: 1, rows })));
        }
        let rows = [r#"{"_id":"a"}"#, r#"{"_id":"b"}"#];
        let rows = &rows[usize::try_from(request.skip).unwrap().min(2)..];
        let body = format!("[{}]", rows.join(",")).into_bytes();
        let rows = Page::parse(body, PageHeaders::default()).unwrap();
        Box::pin(ready(Ok(ListPage { total: 2, rows })))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
