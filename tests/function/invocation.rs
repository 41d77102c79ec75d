//! What the function is asked, and how it answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Function;
use fixtures::aws::ARCHIVE;
use fixtures::environment::{API_KEY, Environment, STREAM, only_stream};
use fixtures::event::{now_ms, series};

/// From the start of the process to its first request for work.
const START_LIMIT: Duration = Duration::from_millis(100);

/// What EventBridge Scheduler sends to a target without an input of its own.
fn scheduler_payload() -> Value {
    json!({
        "version": "0",
        "id": "d32c5kdb-3e4b-4d3b-8d3f-0a3e1b2c4d5e",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "111122223333",
        "time": "2026-11-21T08:00:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:scheduler:us-east-1:111122223333:schedule/default/collect"],
        "detail": "{}"
    })
}

/// What a rule of EventBridge sends.
fn rule_payload() -> Value {
    let mut payload = scheduler_payload();
    payload["source"] = json!("aws.events");
    payload["resources"] = json!(["arn:aws:events:us-east-1:111122223333:rule/collect"]);
    payload["detail"] = json!({});
    payload
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schedule_collects() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    let payloads = [json!({}), json!({"task": "collect"}), scheduler_payload(), rule_payload()];
    let mut events = Vec::new();
    for (nth, payload) in payloads.into_iter().enumerate() {
        let news = series(100 * (nth + 1), 7, now_ms() - 600_000, 1_000);
        environment.load(&news);
        events.extend(news);
        let report = function.run(&payload.to_string()).await;
        assert_eq!(only_stream(&report)["written"], 7, "{payload}: {report}");
        assert!(report["duration_ms"].is_u64(), "{report}");
    }
    environment.archive().await.assert_holds(&events);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_what_was_done() {
    let environment = Environment::start().await;
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    let report = Function::spawn(&environment, &[("PAGE_LIMIT", "10")]).await.run("{}").await;
    let stream = only_stream(&report);
    for field in [
        "stream",
        "outcome",
        "read",
        "seen",
        "written",
        "late",
        "filtered",
        "quarantined",
        "pages",
        "requests",
        "retries",
        "bytes_in",
        "bytes_out",
        "objects",
        "frontier",
        "lag_seconds",
        "error",
    ] {
        assert!(stream.get(field).is_some(), "no {field} in {report}");
    }
    assert_eq!(stream["read"], 25, "{report}");
    assert_eq!(stream["objects"], environment.aws.buckets.keys(ARCHIVE).len(), "{report}");
    let frontier: jiff::Timestamp = stream["frontier"].as_str().expect("a time").parse().unwrap();
    assert!(frontier.duration_until(jiff::Timestamp::now()).as_secs() < 60, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_event_is_refused_with_what_is_accepted() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    let no_object = "the event is not a JSON object; accepted are: ";
    for (event, wrong) in [
        (r#"{"task":"explode"}"#, "unknown variant `explode`, expected one of `collect`, "),
        (r#"{"hello":"world"}"#, "the event names no `task`; accepted are: "),
        ("[]", no_object),
        ("\"collect\"", no_object),
        ("7", no_object),
    ] {
        let message = function.fail(event).await;
        assert!(message.starts_with(wrong), "{event}: {message}");
        for task in ["{}", "collect", "validate", "status", "backfill", "audit"] {
            let accepted = match task {
                "{}" => "`{}`".to_owned(),
                task => format!(r#"`{{"task":"{task}""#),
            };
            assert!(message.contains(&accepted), "{event}: {accepted}: {message}");
        }
    }
    assert_eq!(environment.event_requests(), 0);
    function.run("{}").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_checks_everything_and_pulls_nothing() {
    let environment = Environment::start().await;
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    let function = Function::spawn(&environment, &[]).await;
    for _ in 0..2 {
        function.run(r#"{"task":"validate"}"#).await;
    }
    let archived = environment.aws.buckets.keys(ARCHIVE);
    assert!(archived.iter().all(|key| !key.starts_with("events/")), "{archived:?}");
    assert!(environment.aws.table.items().iter().all(|item| item.get("seq").is_none()));

    environment.jumpcloud.world().remove_key(API_KEY);
    let told = Function::spawn(&environment, &[]).await.fail(r#"{"task":"validate"}"#).await;
    assert_eq!(
        told,
        "validation failed: JumpCloud, self, all: JumpCloud refuses the credential (401: \
         “Unauthorized”); put a valid one into the secret"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn status_lists_every_stream() {
    let environment = Environment::start().await;
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    let function = Function::spawn(&environment, &[]).await;
    function.run("{}").await;
    let requests = environment.event_requests();
    let status = function.run(r#"{"task":"status"}"#).await;
    let [stream] = status["streams"].as_array().unwrap().as_slice() else { panic!("{status}") };
    assert_eq!(stream["stream"], STREAM, "{status}");
    let frontier: jiff::Timestamp = stream["frontier"].as_str().expect("a time").parse().unwrap();
    let lag = frontier.duration_until(jiff::Timestamp::now()).as_secs();
    assert!((0..60).contains(&lag), "{status}");
    assert!(
        stream["lag_seconds"].as_i64().is_some_and(|told| (0..=lag).contains(&told)),
        "{status}"
    );
    assert_eq!((&stream["last_error"], &stream["gaps"]), (&Value::Null, &json!(0)), "{status}");
    assert_eq!(environment.event_requests(), requests, "status asks JumpCloud for no events");
}

/// Whoever got several settings wrong hears of all of them at once, and each by its name.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_all_reported_by_name() {
    let environment = Environment::start().await;
    let wrong = [
        ("PAGE_LIMIT", "0"),
        ("OVERLAP", "a while"),
        ("JUMPCLOUD_REGION", "mars"),
        ("JUMPCLOUD_CONSOLE_URL", "https://example.com"),
        ("ARCHIVE_PREFIX", "events"),
        ("JUMPCLOUD_ORG_IDS", "not an id"),
    ];
    let function = Function::spawn(&environment, &wrong).await;
    assert_eq!(
        function.fail("{}").await,
        "configuration: OVERLAP is `a while`: expected a duration like 90s, 15m, 24h or 15d; \
         ARCHIVE_PREFIX is `events`: expected folders that end in `/`; PAGE_LIMIT is `0`: expected \
         a whole number from 1 to 10000; JUMPCLOUD_REGION is `mars`: expected us, eu or in; \
         JUMPCLOUD_CONSOLE_URL is accepted for loopback addresses only; JUMPCLOUD_ORG_IDS names \
         `not an id`: expected organization ids of 24 lower-case hex digits"
    );
    assert_eq!(environment.event_requests(), 0);
}

/// The best of a few: what else the machine does is no matter of the function's.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_soon_asks_for_work() {
    let environment = Environment::start().await;
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let function = Function::spawn(&environment, &[]).await;
        best = best.min(function.start_time().await);
    }
    println!("first request for work after {best:?}");
    // A debug build is many times larger, and tests beside it take the processors.
    assert!(cfg!(debug_assertions) || best <= START_LIMIT, "{best:?}");
}
