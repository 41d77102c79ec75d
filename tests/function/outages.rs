//! JumpCloud during an outage: transient errors are retried, and permanent ones are reported.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mock::{Fault, RetryAfter, Rule, When};

use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{now_ms, series};
use fixtures::http::{Server, answer};

const SETTINGS: [(&str, &str); 1] = [("PAGE_LIMIT", "10")];

async fn environment() -> (Environment, Vec<Vec<u8>>) {
    let environment = Environment::start().await;
    let events = series(1, 35, now_ms() - 3_600_000, 60_000);
    environment.load(&events);
    (environment, events)
}

/// All faults that are transient.
pub(super) fn passing() -> Vec<Fault> {
    let soon_ms = u64::try_from(now_ms() + 2_000).expect("a clock after 1970");
    vec![
        Fault::too_many_requests(RetryAfter::Seconds(1)),
        Fault::too_many_requests(RetryAfter::Date(soon_ms)),
        Fault::too_many_requests(RetryAfter::Absent),
        Fault::error(500, "internal error"),
        Fault::error(503, "service unavailable"),
        Fault::html(502),
        Fault::html(200),
        Fault::Reset,
        Fault::CutAfter(0),
        Fault::CutAfter(700),
        Fault::TruncatedGzip,
        Fault::GarbledJson,
        Fault::WrongContentLength(1_000_000),
        Fault::body("null"),
        Fault::body("{}"),
        Fault::body(r#"{"message":"try again"}"#),
        Fault::body(""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_within_a_run_leaves_no_trace() {
    let scenarios = passing().into_iter().map(|fault| async move {
        let (environment, events) = environment().await;
        environment.fault(fault.clone(), When::Nth(2));
        environment.fault(fault.clone(), When::Nth(4));
        let report = Function::spawn(&environment, &SETTINGS).await.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{fault:?}: {report}");
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    });
    join_all(scenarios).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lasts_fails_the_stream_and_loses_nothing() {
    let lasting = [
        Fault::error(503, "service unavailable"),
        Fault::Reset,
        // Before the end of a page of one row.
        Fault::CutAfter(100),
        Fault::GarbledJson,
        Fault::html(200),
        Fault::body("null"),
        Fault::body("{}"),
    ];
    let scenarios = lasting.map(|fault| async move {
        let (environment, events) = environment().await;
        environment.fault(fault.clone(), When::Always);
        let function = Function::spawn(&environment, &SETTINGS).await;
        let report = function.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "failed", "{fault:?}: {report}");
        assert!(
            only_stream(&report)["error"].as_str().is_some_and(|error| !error.is_empty()),
            "{report}"
        );
        assert_eq!(environment.archive().await.event_count(), 0, "{fault:?}: a half page was used");
        environment.jumpcloud.world().clear_faults();
        environment.aws.table.set_number(STREAM, "retry_after_ms", 0);
        let report = function.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{fault:?}: {report}");
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    });
    join_all(scenarios).await;
}

/// Two failures may pass; the third in a row, or soon after it on a stream that could not even be
/// born, is somebody's business.
#[tokio::test(flavor = "multi_thread")]
async fn a_third_failure_in_a_row_fails_the_invocation() {
    let (environment, events) = environment().await;
    let function = Function::spawn(&environment, &SETTINGS).await;
    function.run("{}").await;
    for _ in 0..2 {
        // After a success in between, counting begins again.
        environment.fault(Fault::body("null"), When::Always);
        for _ in 0..2 {
            let report = function.run("{}").await;
            assert_eq!(only_stream(&report)["outcome"], "failed", "{report}");
            environment.aws.table.set_number(STREAM, "retry_after_ms", 0);
        }
        environment.jumpcloud.world().clear_faults();
        function.run("{}").await;
    }
    environment.fault(Fault::body("null"), When::Always);
    for _ in 0..2 {
        function.run("{}").await;
        environment.aws.table.set_number(STREAM, "retry_after_ms", 0);
    }
    let message = function.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    environment.jumpcloud.world().clear_faults();
    environment.aws.table.set_number(STREAM, "retry_after_ms", 0);
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_born_does_not_fail_in_silence() {
    let (environment, _) = environment().await;
    environment.fault(Fault::body("null"), When::Always);
    let function = Function::spawn(&environment, &SETTINGS).await;
    for _ in 0..2 {
        function.run("{}").await;
    }
    let message = function.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_retry_after_ends_the_run_at_once() {
    let (environment, events) = environment().await;
    environment.fault(Fault::too_many_requests(RetryAfter::Seconds(31_536_000)), When::Always);
    let function = Function::spawn(&environment, &SETTINGS).await;
    let begun = Instant::now();
    let report = function.run("{}").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "it did not wait");
    let outcome = &only_stream(&report)["outcome"];
    assert!(outcome == "waiting" || outcome == "failed", "{report}");
    environment.jumpcloud.world().clear_faults();
    environment.aws.table.set_number(STREAM, "retry_after_ms", 0);
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_must_fix_fails_the_invocation_and_says_why() {
    for status in [400, 401, 402, 403, 404] {
        let (environment, events) = environment().await;
        environment.fault(Fault::error(status, "the reason JumpCloud gives"), When::Always);
        let function = Function::spawn(&environment, &SETTINGS).await;
        let message = function.fail("{}").await;
        assert!(message.contains(STREAM), "{status}: {message}");
        assert!(message.contains("the reason JumpCloud gives"), "{status}: {message}");
        environment.jumpcloud.world().clear_faults();
        function.run("{}").await;
        environment.archive().await.assert_holds(&events);
    }
}

/// Neither is a matter of the key or its role: the error says what to do instead.
#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_refused_key_is_told_from_one() {
    let unselected = Fault::error(401, "Unauthorized: no organization selected");
    for (fault, told, wrong) in [
        (unselected, "set JUMPCLOUD_ORG_IDS", "refuses the credential"),
        (Fault::blocked(), "this address are blocked by a firewall", "role"),
    ] {
        let (environment, events) = environment().await;
        environment.fault(fault.clone(), When::Always);
        // What a check of the deployment asks for.
        environment.jumpcloud.world().add_fault(Rule::new(fault, When::Always).on("/count"));
        let function = Function::spawn(&environment, &SETTINGS).await;
        let message = function.fail("{}").await;
        assert!(message.contains(told) && !message.contains(wrong), "{message}");
        let validated = function.fail(r#"{"task":"validate"}"#).await;
        assert!(validated.contains(told) && !validated.contains(wrong), "{validated}");
        environment.jumpcloud.world().clear_faults();
        function.run("{}").await;
        environment.archive().await.assert_holds(&events);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_error_and_is_not_followed() {
    let (reached, mut visits) = tokio::sync::mpsc::unbounded_channel();
    let elsewhere = Server::start(move |request| {
        let _ = reached.send(request);
        async { Some(answer(200, "application/json", "[]")) }
    })
    .await;
    for status in [301, 302, 307, 308] {
        let (environment, events) = environment().await;
        let location = format!("{}/insights/directory/v1/events", elsewhere.url());
        environment.fault(Fault::redirect(status, &location), When::Always);
        let function = Function::spawn(&environment, &SETTINGS).await;
        let message = function.fail("{}").await;
        assert!(message.contains(STREAM), "{status}: {message}");
        environment.jumpcloud.world().clear_faults();
        function.run("{}").await;
        environment.archive().await.assert_holds(&events);
    }
    assert!(visits.try_recv().is_err(), "our headers went to another host");
}

/// The frontier is in the future once JumpCloud's clock goes back: nothing is asked, nothing fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_waits() {
    let (environment, mut events) = environment().await;
    let settings = [("OVERLAP", "0s"), ("PAGE_LIMIT", "10")];
    Function::spawn(&environment, &settings).await.run("{}").await;
    environment.set_clock_skew_ms(-3_600_000);
    let function = Function::spawn(&environment, &settings).await;
    match function.invoke("{}", INVOCATION_LIMIT).await {
        Outcome::Response(report) => {
            assert_eq!(only_stream(&report)["outcome"], "waiting", "{report}");
        }
        other => panic!("{other:?}\n{}", function.output()),
    }
    environment.set_clock_skew_ms(0);
    let more = series(1_000, 5, now_ms() - 2_000, 1);
    environment.load(&more);
    events.extend(more);
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}
