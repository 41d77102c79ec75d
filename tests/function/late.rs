//! Late events: what appears hours after its time, past the overlap.

use engine::limits::{HOUR_MS, MINUTE_MS};
use engine::time::rfc3339;
use mock::{Fault, Rule, When};
use serde_json::json;

use crate::process::Function;
use fixtures::environment::{Environment, STREAM, only_stream};
use fixtures::event::{event, now_ms, series, spread};

/// Hours past the overlap: the hourly counts give a late event away.
#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_finds_what_came_later_than_the_overlap() {
    let environment = Environment::start().await;
    let mut events = spread(60);
    environment.load(&events);
    let function = Function::spawn(&environment, &[]).await;
    let first = function.run("{}").await;
    assert_eq!(only_stream(&first)["lateness"], json!({}), "a look-back is not lateness");
    let late = [event(1_000, "sso", now_ms() - 5 * HOUR_MS)];
    environment.load(&late);
    events.extend(late);
    function.run("{}").await;
    assert_eq!(environment.archive().await.event_count(), 60, "no comparison is due yet");
    environment.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    let run = function.run("{}").await;
    let lateness = &only_stream(&run)["lateness"];
    assert_eq!(lateness["sso"]["count"], 1, "{lateness}");
    assert!(lateness["sso"]["p99_seconds"].as_i64() >= Some(5 * 3_600), "{lateness}");
    function.run("{}").await;
    let status = function.run(r#"{"task":"status"}"#).await;
    assert_eq!(only_stream(&status)["lateness"], *lateness, "kept over runs that add nothing");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// The same without counts: the full sweep reads everything back to the late horizon.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_came_later_than_the_overlap() {
    let environment = Environment::start().await;
    let mut events = spread(60);
    environment.load(&events);
    let unavailable = Rule::new(Fault::error(500, "no counts"), When::Always);
    environment.jumpcloud.world().add_fault(unavailable.on("/events/interval"));
    let settings = [("MAX_PAGES_PER_RUN", "3"), ("METRICS", "detailed")];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    assert_eq!(function.metric("CountsFailed"), Some(1));
    let late = series(1_000, 40, now_ms() - 9 * HOUR_MS, MINUTE_MS);
    environment.load(&late);
    events.extend(late);
    environment.aws.table.set_swept(STREAM, now_ms() - 13 * HOUR_MS);
    for _ in 0..4 {
        function.run("{}").await;
    }
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// The same organization, service, id and time with other members: the first stays, alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_change_of_an_event_is_no_other_event() {
    let environment = Environment::start().await;
    let events = vec![event(1, "sso", now_ms() - 5 * MINUTE_MS)];
    environment.load(&events);
    let function = Function::spawn(&environment, &[]).await;
    function.run("{}").await;
    let changed =
        String::from_utf8_lossy(&events[0]).replace("\"success\":true", "\"success\":false");
    assert_ne!(changed.as_bytes(), events[0]);
    environment.load(&[changed.into_bytes()]);
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// Every event of 28 hours is sent twice and is one event: no reading makes counts and index agree.
#[tokio::test(flavor = "multi_thread")]
async fn hours_that_differ_for_ever_are_read_again_once() {
    let environment = Environment::start().await;
    let overlap = series(100, 20, now_ms() - 10 * MINUTE_MS, 10_000);
    let hours = series(1, 28, now_ms() - 29 * HOUR_MS, HOUR_MS);
    for events in [&overlap, &hours, &hours] {
        environment.load(events);
    }
    let settings = [("START_LOOKBACK", "30h"), ("LATE_HORIZON", "30h")];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    for _ in 0..3 {
        environment.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
        function.run("{}").await;
    }
    environment.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    let run = function.run("{}").await;
    let read = only_stream(&run)["read"].as_u64().unwrap();
    assert!(read <= 2 * 20, "{read} rows were read, the overlap has 20: {run}");
    environment.archive().await.assert_holds(&[overlap, hours].concat());
    environment.assert_disciplined();
}

/// A look-back to the edge of what JumpCloud keeps is no error, whatever it no longer has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_begin_where_retention_ends() {
    let environment = Environment::start().await;
    let day_ms = 24 * HOUR_MS;
    let events = series(1, 6, now_ms() - 89 * day_ms, 15 * day_ms);
    environment.load(&events);
    let function = Function::spawn(&environment, &[("START_LOOKBACK", "90d")]).await;
    assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    environment.archive().await.assert_holds(&events);
    let [start, end] = [now_ms() - 60 * day_ms, now_ms()].map(rfc3339);
    let audit = json!({"task": "audit", "start": start, "end": end}).to_string();
    let audit = function.run(&audit).await;
    let line = only_stream(&audit);
    assert_eq!((&line["counted"], &line["archived"]), (&json!(4), &json!(4)), "{audit}");
    environment.assert_disciplined();
}
