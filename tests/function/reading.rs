//! Reading: pages, windows and their bounds, continuation, late events.

use std::time::Duration;

use engine::limits::{HOUR_MS, MINUTE_MS};
use mock::{Fault, When};
use serde_json::Value;

use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{now_ms, series, spread};

/// Runs once over `events` under a lasting fault of JumpCloud's headers; all must arrive.
async fn reads_everything_despite(fault: Fault, when: When, events: &[Vec<u8>]) {
    let environment = Environment::start().await;
    environment.load(events);
    environment.fault(fault.clone(), when);
    let report = Function::spawn(&environment, &[]).await.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok", "{fault:?}: {report}");
    environment.archive().await.assert_holds(events);
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_archives_every_page() {
    let environment = Environment::start().await;
    let events = spread(450);
    environment.load(&events);
    let function = Function::spawn(&environment, &[]).await;
    let report = function.run("{}").await;
    let stream = only_stream(&report);
    assert_eq!((&stream["stream"], &stream["outcome"]), (&STREAM.into(), &"ok".into()), "{report}");
    assert_eq!(stream["written"], 450, "{report}");

    let archive = environment.archive().await;
    archive.assert_holds(&events);
    assert!(archive.parts.iter().all(|part| part.name.stream == STREAM));
    assert!(archive.parts.iter().all(|part| part.name.epoch == archive.parts[0].name.epoch));
    assert!(archive.quarantined.is_empty());
    environment.assert_disciplined();

    let written = environment.aws.proxy.created().len();
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 0, "{report}");
    assert_eq!(environment.aws.proxy.created().len(), written, "a run without news writes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_multiple_of_the_page_size_ends() {
    let environment = Environment::start().await;
    let events = spread(300);
    environment.load(&events);
    Function::spawn(&environment, &[]).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// The body of no page is read beside one as large as these; but each is asked for once.
#[tokio::test(flavor = "multi_thread")]
async fn large_pages_are_asked_for_as_often_as_small_ones() {
    let mut requests = Vec::new();
    for filler in [1, 9 * 1024 * 1024] {
        let environment = Environment::start().await;
        let events: Vec<_> = spread(7)
            .into_iter()
            .map(|mut event| {
                event.truncate(event.len() - 1);
                event.extend_from_slice(format!(r#","x":"{}"}}"#, "x".repeat(filler)).as_bytes());
                event
            })
            .collect();
        environment.load(&events);
        let report = Function::spawn(&environment, &[("PAGE_LIMIT", "3")]).await.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{report}");
        environment.archive().await.assert_holds(&events);
        requests.push(environment.event_requests());
    }
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_millisecond_may_hold_many_pages() {
    let environment = Environment::start().await;
    let events = series(1, 2_500, now_ms() - HOUR_MS, 0);
    environment.load(&events);
    let report = Function::spawn(&environment, &[]).await.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 2_500, "{report}");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// The page budget does not end a reading inside the millisecond it began in.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_page_budget_gets_through_a_dense_millisecond() {
    let environment = Environment::start().await;
    let mut events = series(1, 450, now_ms() - HOUR_MS, 0);
    events.extend(series(1_000, 250, now_ms() - HOUR_MS / 2, 1_000));
    environment.load(&events);
    let function = Function::spawn(&environment, &[("MAX_PAGES_PER_RUN", "2")]).await;
    let mut outcomes = Vec::new();
    while outcomes.last() != Some(&Value::from("ok")) {
        assert!(outcomes.len() < 20, "still behind: {}", function.output());
        let report = function.run("{}").await;
        outcomes.push(only_stream(&report)["outcome"].clone());
    }
    assert_eq!(outcomes[0], "behind");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// JumpCloud's clock is stopped in the middle of events a millisecond apart, so each window ends
/// exactly on one. Without an overlap nothing hides a bound that is off by one.
#[tokio::test(flavor = "multi_thread")]
async fn windows_meet_whether_the_end_bound_is_inclusive_or_not() {
    for end_inclusive in [true, false] {
        let environment = Environment::start().await;
        environment.jumpcloud.world().behaviours.end_inclusive = end_inclusive;
        environment.set_clock_skew_ms(-10_000);
        let events = series(1, 4_000, now_ms() - 11_000, 1);
        environment.load(&events);
        let settings = [("OVERLAP", "0s"), ("PAGE_LIMIT", "10000")];
        let function = Function::spawn(&environment, &settings).await;
        let mut counts = Vec::new();
        for _ in 0..3 {
            counts.push(only_stream(&function.run("{}").await)["written"].as_u64());
        }
        environment.set_clock_skew_ms(0);
        Function::spawn(&environment, &settings).await.run("{}").await;
        assert!(counts.iter().any(|count| *count > Some(0)), "no window ended among the events");
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events_within_the_overlap_are_archived_once() {
    let environment = Environment::start().await;
    let mut events = series(1, 50, now_ms() - 14 * MINUTE_MS, 10_000);
    environment.load(&events);
    let function = Function::spawn(&environment, &[]).await;
    function.run("{}").await;
    let late = series(1_000, 50, now_ms() - 13 * MINUTE_MS, 10_000);
    environment.load(&late);
    events.extend(late);
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["late"], 50, "{report}");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn continuation_that_fails_is_replaced_by_the_last_row() {
    let events = spread(450);
    for (fault, when) in [
        (Fault::TokenAbsentOnFullPages, When::Nth(2)),
        (Fault::TokenAbsentOnFullPages, When::Always),
        (Fault::TokenGarbage, When::Always),
        (Fault::TokenRepeated, When::Nth(3)),
        (Fault::TokenRepeated, When::Always),
    ] {
        reads_everything_despite(fault, when, &events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_ends_are_told_by_the_rows() {
    let events = spread(450);
    for fault in [
        Fault::LimitLowered(30),
        Fault::LimitAbsent,
        Fault::CountAbsent,
        Fault::CountGarbage,
        Fault::CountLies(7),
        Fault::CountLies(-7),
    ] {
        reads_everything_despite(fault, When::Always, &events).await;
    }
    reads_everything_despite(Fault::LimitLowered(30), When::Nth(2), &events).await;
}

/// Nothing could tell the rows of the next page from those of this one: an alarm, not a silent end.
#[tokio::test(flavor = "multi_thread")]
async fn a_millisecond_that_fills_a_page_without_a_token_is_an_alarm() {
    let environment = Environment::start().await;
    let events = series(1, 250, now_ms() - HOUR_MS, 0);
    environment.load(&events);
    environment.fault(Fault::TokenAbsentOnFullPages, When::Always);
    let function = Function::spawn(&environment, &[]).await;
    match function.invoke("{}", INVOCATION_LIMIT).await {
        Outcome::Response(report) => {
            assert_eq!(only_stream(&report)["outcome"], "failed", "{report}");
        }
        Outcome::Error(error) => assert!(error.to_string().contains(STREAM), "{error}"),
        other => panic!("{other:?}\n{}", function.output()),
    }
    assert!(environment.event_requests() < 20, "it does not loop");
    environment.jumpcloud.world().clear_faults();
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn header_names_and_bodies_travel_in_any_form() {
    use mock::{EmptyPageToken, HeaderSpelling};
    let events = spread(300);
    for token in [EmptyPageToken::EmptyArray, EmptyPageToken::Null, EmptyPageToken::Echo] {
        let environment = Environment::start().await;
        environment.load(&events);
        {
            let ways = &mut environment.jumpcloud.world().behaviours;
            ways.empty_page_token = token;
            ways.header_spelling = HeaderSpelling::Lower;
            ways.gzip = true;
            ways.chunked = true;
            ways.full_precision_bounds = true;
        }
        Function::spawn(&environment, &[]).await.run("{}").await;
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    }
}

/// A run that gets too little time ends cleanly, keeps what it has, and the next ones finish.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_deadline_ends_a_run_cleanly() {
    let environment = Environment::start().await;
    let events = spread(900);
    environment.load(&events);
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "20")]).await;
    let mut outcome = Value::Null;
    for _ in 0..20 {
        outcome = match function.invoke("{}", Duration::from_secs(3)).await {
            Outcome::Response(report) => only_stream(&report)["outcome"].clone(),
            other => panic!("{other:?}\n{}", function.output()),
        };
        if outcome == "ok" {
            break;
        }
        assert_eq!(outcome, "behind", "{}", function.output());
    }
    assert_eq!(outcome, "ok");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}
