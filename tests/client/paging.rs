//! Pages: what their headers say, in every spelling and with every lie, and that a walk through
//! them reads every event.
//!
//! Holds P11.

use std::collections::BTreeSet;

use engine::ports::{Insights as _, PageRequest};
use engine::read::{PageSummary, Step, Walk, position};
use engine::stream::Scope;
use engine::time::Window;
use mock::{Behaviours, EmptyPageToken, Fault, HeaderSpelling, Host, When};

use super::environment::{Environment, NOW_MS, ORGANIZATION, rows};

/// Reads the hour before [`NOW_MS`] in pages of `limit`, as the engine does; returns what each page
/// held.
async fn walk(environment: &Environment, limit: u32) -> Vec<Vec<Vec<u8>>> {
    let mut walk = Walk::new(Window::new(NOW_MS - 3_600_000, NOW_MS), limit);
    let mut pages = Vec::new();
    loop {
        let request = PageRequest { ask: walk.ask(), ..environment.request() };
        let page = environment.client.page(request).await.unwrap();
        pages.push(rows(&page));
        let Window { start_ms, end_ms } = walk.ask().window;
        let last_ms = position::last_ms(&page, start_ms, end_ms);
        if walk.passed(&PageSummary::of(&page, last_ms)).unwrap() == Step::End {
            return pages;
        }
        assert!(pages.len() < 200, "the walk does not end");
    }
}

/// As texts, "20" is not below "100" and "9" is above "10".
#[tokio::test]
async fn numbers_in_headers_are_numbers() {
    for (limit, count, pages) in [(100, 120, vec![100, 20]), (9, 10, vec![9, 1])] {
        let environment = Environment::start().await;
        let sent = environment.load(count);
        let read = walk(&environment, limit).await;
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), pages);
        assert_eq!(read.concat(), sent);
        environment.assert_disciplined();
    }
}

/// Only a page that is not full is the last one, so an exact multiple costs an empty page more.
#[tokio::test]
async fn an_exact_multiple_of_the_page_size_is_read_to_its_end() {
    for token in [
        EmptyPageToken::Absent,
        EmptyPageToken::EmptyArray,
        EmptyPageToken::Null,
        EmptyPageToken::Echo,
    ] {
        let environment = Environment::start().await;
        environment.world().behaviours.empty_page_token = token;
        let sent = environment.load(20);
        let read = walk(&environment, 10).await;
        assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 0], "{token:?}");
        assert_eq!(read.concat(), sent, "{token:?}");
        environment.assert_disciplined();
    }
}

/// Where the description is silent, the walk reads the same events whichever is true.
#[tokio::test]
async fn every_way_the_service_may_behave_gives_the_same_events() {
    type Change = fn(&mut Behaviours);
    let ways: [(&str, Change); 10] = [
        ("as described", |_| {}),
        ("exclusive end", |ways| ways.end_inclusive = false),
        ("exact bounds", |ways| ways.full_precision_bounds = true),
        ("exact bounds, exclusive end", |ways| {
            (ways.full_precision_bounds, ways.end_inclusive) = (true, false);
        }),
        ("headers in lower case", |ways| ways.header_spelling = HeaderSpelling::Lower),
        ("headers in upper case", |ways| ways.header_spelling = HeaderSpelling::Upper),
        ("gzip", |ways| ways.gzip = true),
        ("chunked", |ways| ways.chunked = true),
        ("gzip in chunks", |ways| (ways.gzip, ways.chunked) = (true, true)),
        ("without date", |ways| ways.date_header = false),
    ];
    for (name, change) in ways {
        let environment = Environment::start().await;
        change(&mut environment.world().behaviours);
        let sent = environment.load(55);
        assert_eq!(walk(&environment, 10).await.concat(), sent, "{name}");
        environment.assert_disciplined();
        assert!(environment.world().log().iter().all(|record| record.offers_gzip), "{name}");
    }
}

/// A header that is wrong may cost repeated rows and requests, never an event.
#[tokio::test]
async fn headers_that_lie_lose_nothing() {
    for fault in [
        Fault::LimitLowered(7),
        Fault::LimitAbsent,
        Fault::CountAbsent,
        Fault::CountGarbage,
        Fault::CountLies(1),
        Fault::CountLies(-1),
        Fault::TokenAbsent,
        Fault::TokenAbsentOnFullPages,
        Fault::TokenGarbage,
        Fault::TokenRepeated,
    ] {
        let environment = Environment::start().await;
        let sent: BTreeSet<_> = environment.load(55).into_iter().collect();
        environment.fail(fault.clone(), When::Always);
        let read: BTreeSet<_> = walk(&environment, 10).await.concat().into_iter().collect();
        assert_eq!(read, sent, "{fault:?}");
    }
}

/// The page may have been cut on its way; if it comes the same again, the array is believed.
#[tokio::test]
async fn a_count_unlike_the_rows_is_asked_for_once_more_and_then_believed() {
    for (when, count) in [(When::Nth(1), 3), (When::Always, 5)] {
        let environment = Environment::start().await;
        environment.load(3);
        environment.fail(Fault::CountLies(2), when);
        let page = environment.page().await.unwrap();
        assert_eq!((page.rows().len(), page.headers.count), (3, Some(count)));
        assert_eq!(environment.answered(Host::Insights), [200, 200]);
    }
}

#[tokio::test]
async fn events_are_counted_without_being_read() {
    let environment = Environment::start().await;
    environment.load(12);
    assert_eq!(environment.client.count(environment.request()).await.unwrap(), 12);
    assert!(environment.world().log()[0].path.ends_with("/events/count"));
    assert_eq!(environment.world().log()[0].rows, 0);
}

/// An organization is named exactly where the stream has one, a provider alone.
#[tokio::test]
async fn the_scope_is_named_in_its_own_header() {
    let provider = "5c86b6cf9fdce00001d3800c";
    for (scope, organizations, named) in [
        (Scope::Own, vec![], None),
        (Scope::Organization(ORGANIZATION.to_owned()), vec![ORGANIZATION], None),
        (Scope::Provider(provider.to_owned()), vec![], Some(provider)),
    ] {
        let environment = Environment::start().await;
        // A key of one organization has no trail of a provider; what counts is what was asked.
        let answer =
            environment.client.page(PageRequest { scope: scope.clone(), ..environment.request() });
        assert_eq!(answer.await.is_ok(), named.is_none(), "{scope:?}");
        let record = environment.world().log()[0].clone();
        assert_eq!(record.organizations, organizations, "{scope:?}");
        assert_eq!(record.provider.as_deref(), named, "{scope:?}");
    }
}

#[tokio::test]
async fn what_a_page_costs_is_metered() {
    use std::sync::atomic::Ordering::Relaxed;
    let environment = Environment::start().await;
    let sent = environment.load(2).concat().len() as u64;
    environment.fail(Fault::error(503, "busy"), When::Next(2));
    environment.page().await.unwrap();
    let meter = &environment.meter;
    assert_eq!((meter.requests.load(Relaxed), meter.retries.load(Relaxed)), (3, 2));
    assert_eq!(meter.bytes_in.load(Relaxed), sent + 3, "two brackets and a comma");
}
