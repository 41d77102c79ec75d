//! Several queries of one stream: JumpCloud refuses one of them, or fails it for days, and the others
//! are read; what a query misses meanwhile comes when it is accepted again. And what is dated ahead.
//!
//! Holds P9.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use futures_util::future::join_all;
use mock::{Fault, Rule, When};
use serde_json::Value;

use crate::process::Function;
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{event, now_ms, series};

/// Refuses every question for events that names the service.
fn refuse(environment: &Environment, status: u16, service: &str) {
    let fault = Fault::error(status, "the reason JumpCloud gives");
    environment.jumpcloud.world().add_fault(Rule::new(fault, When::Always).for_service(service));
}

/// The queries that a report or a status calls refused.
fn refused(line: &Value) -> Vec<&str> {
    let refused = line["refused"].as_array().expect("a list of refused queries");
    refused.iter().map(|query| query["query"].as_str().expect("its names")).collect()
}

/// Whatever one query is answered, and for however long: the next run archives what is new in the
/// other.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_delays_no_other() {
    let scenarios = [400, 402, 403, 404, 500].map(|status| async move {
        let environment = Environment::start().await;
        let mut events = series(1, 20, now_ms() - HOUR_MS, MINUTE_MS);
        environment.load(&events);
        refuse(&environment, status, "alerts");
        let function = Function::spawn(&environment, &[("JUMPCLOUD_SERVICES", "all,alerts")]).await;
        for number in 1_000..1_003 {
            function.invoke("{}", INVOCATION_LIMIT).await;
            environment.archive().await.assert_holds(&events);
            let new = [event(number, "sso", now_ms() - MINUTE_MS)];
            environment.load(&new);
            events.extend(new);
        }
        let report = function.run("{}").await;
        environment.archive().await.assert_holds(&events);
        let line = only_stream(&report);
        let (outcome, refused_now) =
            if status == 500 { ("behind", vec![]) } else { ("ok", vec!["alerts"]) };
        assert_eq!(
            (line["outcome"].as_str(), refused(line)),
            (Some(outcome), refused_now),
            "{report}"
        );
        let status = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(refused(only_stream(&status)), refused(line));
        assert_eq!(only_stream(&status)["failures"], 0, "{status}");
        environment.assert_disciplined();
    });
    join_all(scenarios).await;
}

/// The list is asked without the name, and the name by itself until it is accepted again.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_name_leaves_its_list_and_comes_back() {
    join_all([400, 403].map(leaves_its_list_and_comes_back)).await;
}

async fn leaves_its_list_and_comes_back(status: u16) {
    let environment = Environment::start().await;
    let mut events = series(1, 20, now_ms() - HOUR_MS, MINUTE_MS);
    events.retain(|event| String::from_utf8_lossy(event).contains("directory"));
    let load = |number, service, events: &mut Vec<_>| {
        let new = [event(number, service, now_ms() - MINUTE_MS)];
        environment.load(&new);
        events.extend(new);
    };
    environment.load(&events);
    let function =
        Function::spawn(&environment, &[("JUMPCLOUD_SERVICES", "directory,alerts")]).await;
    load(100, "alerts", &mut events);
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
    refuse(&environment, status, "alerts");
    let mut withheld = Vec::new();
    load(200, "alerts", &mut withheld);
    for number in 101..104 {
        load(number, "directory", &mut events);
        function.invoke("{}", INVOCATION_LIMIT).await;
        environment.archive().await.assert_holds(&events);
    }
    assert_eq!(refused(only_stream(&function.run("{}").await)), ["alerts"]);
    environment.jumpcloud.world().clear_faults();
    let report = function.run("{}").await;
    assert_eq!(refused(only_stream(&report)), Vec::<&str>::new(), "{report}");
    environment.archive().await.assert_holds(events.iter().chain(&withheld));
    // One list again.
    function.run("{}").await;
    let asked = environment.event_requests();
    function.run("{}").await;
    assert_eq!(environment.event_requests(), asked + 1);
    environment.assert_disciplined();
}

/// 402 and 404 are about no name of a list: it is refused as a whole, and continues where it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_refused_as_a_whole_misses_nothing_when_it_is_accepted() {
    let scenarios = [402, 404].map(|status| async move {
        let environment = Environment::start().await;
        let services = |number| {
            let new = ["directory", "alerts"].map(|name| event(number, name, now_ms() - MINUTE_MS));
            environment.load(&new);
            new
        };
        let mut events = services(1).to_vec();
        let settings = [("JUMPCLOUD_SERVICES", "directory,alerts")];
        let function = Function::spawn(&environment, &settings).await;
        function.run("{}").await;
        refuse(&environment, status, "alerts");
        for number in 2..5 {
            let withheld = services(number);
            let message = function.fail("{}").await;
            assert!(message.contains("the reason JumpCloud gives"), "{status}: {message}");
            environment.archive().await.assert_holds(&events[..2]);
            events.extend(withheld);
        }
        let report = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(refused(only_stream(&report)), ["directory,alerts"], "{report}");
        environment.jumpcloud.world().clear_faults();
        let report = function.run("{}").await;
        assert_eq!(refused(only_stream(&report)), Vec::<&str>::new(), "{report}");
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    });
    join_all(scenarios).await;
}

/// With nothing left to read the run fails for good, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn only_if_all_queries_are_refused_the_run_fails() {
    let environment = Environment::start().await;
    for service in ["all", "alerts"] {
        refuse(&environment, 403, service);
    }
    let function = Function::spawn(&environment, &[("JUMPCLOUD_SERVICES", "all,alerts")]).await;
    let message = function.fail("{}").await;
    assert!(
        message.contains(STREAM) && message.contains("the reason JumpCloud gives"),
        "{message}"
    );
}

/// An event dated an hour ahead is archived within `SWEEP_EVERY`, and not again when its time has
/// come; one dated a little ahead when its time has come. Neither takes the frontier anywhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dated_ahead_is_archived_once() {
    let environment = Environment::start().await;
    environment.set_clock_skew_ms(-2 * HOUR_MS);
    let then_ms = now_ms() - 2 * HOUR_MS;
    let mut events = series(1, 10, then_ms - HOUR_MS, MINUTE_MS);
    environment.load(&events);
    let far = [event(1_000, "sso", then_ms + HOUR_MS)];
    let near = [event(1_001, "sso", then_ms + 15_000)];
    environment.load(&far);
    environment.load(&near);
    let function = Function::spawn(&environment, &[]).await;
    assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    events.extend(far);
    environment.archive().await.assert_holds(&events);
    let frontier_ms = environment.aws.table.number(STREAM, "frontier_ms");
    assert!(frontier_ms.is_some_and(|ms| ms <= now_ms() - 2 * HOUR_MS), "{frontier_ms:?}");
    drop(function);
    // Both times have come.
    environment.set_clock_skew_ms(0);
    let function = Function::spawn(&environment, &[]).await;
    for _ in 0..2 {
        assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    }
    events.extend(near);
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// JumpCloud refuses a start in its future: neither smaller pages, nor a run's number of pages, nor
/// an answer that is missing makes the function ask for one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dated_ahead_is_archived_however_its_pages_come() {
    let small = ("PAGE_LIMIT", "5");
    for (settings, fault) in [
        ([("PAGE_LIMIT", "16"), ("MAX_PAGES_PER_RUN", "50")], Some(Fault::slow_above(4))),
        ([small, ("MAX_PAGES_PER_RUN", "1")], None),
        ([small, ("MAX_PAGES_PER_RUN", "50")], Some(Fault::TokenAbsentOnFullPages)),
    ] {
        let environment = Environment::start().await;
        let mut events = vec![event(1, "sso", now_ms() - HOUR_MS / 2)];
        events.extend(series(10, 18, now_ms() + HOUR_MS, HOUR_MS));
        environment.load(&events);
        let is_without_token = fault == Some(Fault::TokenAbsentOnFullPages);
        if let Some(fault) = fault {
            environment.fault(fault, When::Always);
        }
        let function = Function::spawn(&environment, &settings).await;
        for _ in 0..3 {
            let report = function.run("{}").await;
            let stream = only_stream(&report);
            let expected = if is_without_token { "X-Search_after" } else { "[]" };
            assert!(stream["refused"].to_string().contains(expected), "{settings:?}: {report}");
        }
        // Without a token, only the first page of it can be had.
        let held = if is_without_token { 1 + 5 } else { events.len() };
        environment.archive().await.assert_holds(&events[..held]);
        environment.assert_disciplined();
    }
}

/// The index would not know it any more when its time has come: it waits until it is nearer.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dated_further_ahead_is_archived_once_it_is_nearer() {
    let environment = Environment::start().await;
    let then_ms = now_ms() - 2 * DAY_MS;
    environment.set_clock_skew_ms(-2 * DAY_MS);
    let mut events = series(1, 10, then_ms - HOUR_MS, MINUTE_MS);
    let far = [event(1_000, "sso", then_ms + 20 * DAY_MS)];
    environment.load(&events);
    environment.load(&far);
    let function = Function::spawn(&environment, &[]).await;
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 10, "{report}");
    environment.archive().await.assert_holds(&events);
    drop(function);
    // It is 18 days ahead.
    environment.set_clock_skew_ms(0);
    let function = Function::spawn(&environment, &[]).await;
    for _ in 0..2 {
        assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    }
    events.extend(far);
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}
