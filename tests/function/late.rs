//! Late events: what appears hours after its time, past the overlap.

use mock::{Fault, Rule, When};
use serde_json::json;

use crate::support::event::{event, now_ms, series, spread};
use crate::support::function::Function;
use crate::support::stage::{STREAM, Stage, only_stream};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Hours past the overlap: the hourly counts give a late event away.
#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_finds_what_came_later_than_the_overlap() {
    let stage = Stage::start().await;
    let mut events = spread(60);
    stage.load(&events);
    let function = Function::spawn(&stage, &[]).await;
    let first = function.run("{}").await;
    assert_eq!(only_stream(&first)["lateness"], json!({}), "a look-back is not lateness");
    let late = [event(1_000, "sso", now_ms() - 5 * HOUR_MS)];
    stage.load(&late);
    events.extend(late);
    function.run("{}").await;
    assert_eq!(stage.archive().await.len(), 60, "no comparison is due yet");
    stage.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    let run = function.run("{}").await;
    let lateness = &only_stream(&run)["lateness"];
    assert_eq!(lateness["sso"]["count"], 1, "{lateness}");
    assert!(lateness["sso"]["p99_seconds"].as_i64() >= Some(5 * 3_600), "{lateness}");
    function.run("{}").await;
    let status = function.run(r#"{"task":"status"}"#).await;
    assert_eq!(only_stream(&status)["lateness"], *lateness, "kept over runs that add nothing");
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}

/// The same without counts: the full sweep reads everything back to the late horizon.
#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_finds_what_came_later_than_the_overlap() {
    let stage = Stage::start().await;
    let mut events = spread(60);
    stage.load(&events);
    let unavailable = Rule::new(Fault::error(500, "no counts"), When::Always);
    stage.jumpcloud.world().add_fault(unavailable.on("/events/interval"));
    let function = Function::spawn(&stage, &[("MAX_PAGES_PER_RUN", "3")]).await;
    function.run("{}").await;
    let late = series(1_000, 40, now_ms() - 9 * HOUR_MS, MINUTE_MS);
    stage.load(&late);
    events.extend(late);
    stage.aws.table.set_number(STREAM, "sweep_mark_ms", now_ms() - 13 * HOUR_MS);
    for _ in 0..4 {
        function.run("{}").await;
    }
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}

/// An event dated an hour ahead is not read before its time, and takes the frontier nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_the_future_moves_no_frontier() {
    let stage = Stage::start().await;
    let events = spread(10);
    stage.load(&events);
    stage.load(&[event(1_000, "sso", now_ms() + HOUR_MS)]);
    let function = Function::spawn(&stage, &[]).await;
    for _ in 0..2 {
        assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    }
    let frontier_ms = stage.aws.table.number(STREAM, "frontier_ms");
    assert!(frontier_ms.is_some_and(|ms| ms <= now_ms()), "{frontier_ms:?}");
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}

/// The same organization, service, id and time with other members: the first stays, alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_later_change_of_an_event_is_no_other_event() {
    let stage = Stage::start().await;
    let events = vec![event(1, "sso", now_ms() - 5 * MINUTE_MS)];
    stage.load(&events);
    let function = Function::spawn(&stage, &[]).await;
    function.run("{}").await;
    let changed =
        String::from_utf8_lossy(&events[0]).replace("\"success\":true", "\"success\":false");
    assert_ne!(changed.as_bytes(), events[0]);
    stage.load(&[changed.into_bytes()]);
    function.run("{}").await;
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}

/// A look-back to the edge of what JumpCloud keeps is no error, whatever it no longer has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_may_begin_where_retention_ends() {
    let stage = Stage::start().await;
    let day_ms = 24 * HOUR_MS;
    let events = series(1, 6, now_ms() - 89 * day_ms, 15 * day_ms);
    stage.load(&events);
    let function = Function::spawn(&stage, &[("START_LOOKBACK", "90d")]).await;
    assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}
