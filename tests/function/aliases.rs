//! An organization that is collected by the stream `self` and then named: its users, its messages,
//! its past days and its audits are those of that stream.
//!
//! Holds P7.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::time::{date, rfc3339};
use mock::Key;
use serde_json::{Value, json};

use crate::process::Function;
use fixtures::aws::STATE;
use fixtures::environment::{API_KEY, Environment, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms, series};
use fixtures::snapshot;
use fixtures::sqs::{QUEUE_URL, event as messages};

const DAILY: (&str, &str) = ("SYSTEM_USERS", "daily");

/// Another organization of the same administrator: a single one takes no queue.
const OTHER: &str = "000000000000000000000001";

/// An organization with users, whose events of yesterday's end `self` has archived, with a snapshot.
async fn collected_by_self() -> (Environment, Vec<Vec<u8>>) {
    let environment = Environment::start().await;
    environment.set_clock_skew_ms(-DAY_MS);
    environment.jumpcloud.world().organization_mut(ORGANIZATION).expect("the tenant").users =
        (0..120).map(|number| json!({"_id": format!("{number:024x}")})).collect();
    let events = series(1, 20, now_ms() - DAY_MS - HOUR_MS, MINUTE_MS);
    environment.load(&events);
    let function = Function::spawn(&environment, &[DAILY]).await;
    let report = function.run("{}").await;
    let streams = report["streams"].as_array().expect("streams");
    assert!(streams.iter().all(|line| line["outcome"] == "ok"), "{report}");
    environment.set_clock_skew_ms(0);
    (environment, events)
}

/// Handles every message there is; the streams that they name, sorted.
async fn work(environment: &Environment, function: &Function) -> Vec<Value> {
    let event = environment.aws.queue.deliver(10).expect("messages");
    assert_eq!(function.run(&event).await, json!({"batchItemFailures": []}));
    let event: Value = serde_json::from_str(&event).expect("an event");
    let bodies = event["Records"].as_array().expect("messages").iter();
    let bodies = bodies.map(|record| record["body"].as_str().expect("a body"));
    let mut streams: Vec<_> = bodies
        .map(|body| serde_json::from_str::<Value>(body).expect("JSON")["stream"].clone())
        .collect();
    streams.sort_by_key(ToString::to_string);
    streams
}

/// The streams of `status`, sorted, each well.
async fn streams(function: &Function) -> Vec<String> {
    let status = function.run(r#"{"task":"status"}"#).await;
    let lines = status["streams"].as_array().expect("streams");
    for line in lines {
        let told = [&line["configured"], &line["needs_operator"], &line["last_error"]];
        assert_eq!(told, [&json!(true), &json!(false), &Value::Null], "{line}");
    }
    let mut names: Vec<_> =
        lines.iter().map(|line| line["stream"].as_str().expect("a name").to_owned()).collect();
    names.sort();
    names
}

/// Through the queue.
#[tokio::test(flavor = "multi_thread")]
async fn users_and_messages_are_those_of_the_stream_that_collects() {
    let (environment, mut events) = collected_by_self().await;
    let both = Key::several("both", &[ORGANIZATION, OTHER]);
    environment.jumpcloud.world().add_key(API_KEY, both);
    let ids = format!("{ORGANIZATION},{OTHER}");
    let settings = [("JUMPCLOUD_ORG_IDS", &*ids), ("WORK_QUEUE_URL", QUEUE_URL), DAILY];
    for number in 100..103 {
        let new = event(number, "sso", now_ms() - MINUTE_MS);
        environment.load(std::slice::from_ref(&new));
        events.push(new);
        let function = Function::spawn(&environment, &settings).await;
        let report = function.run("{}").await;
        assert_eq!(report["queued"]["sent"], 2, "{report}");
        assert_eq!(work(&environment, &function).await, [OTHER, "self"]);
        environment.archive().await.assert_holds(&events);
        let users = format!("{OTHER}.users");
        assert_eq!(streams(&function).await, [OTHER, &users, "self", "self.users"]);
    }
    let archive = environment.archive().await;
    assert!(archive.parts.iter().all(|part| part.name.stream == "self"));
    let mut snapshots = snapshot::read(&environment.aws.buckets).await;
    snapshots.retain(|name, _| !name.starts_with(OTHER));
    let days = [DAY_MS, 0].map(|ago_ms| format!("self.users-{}", date(now_ms() - ago_ms)));
    assert!(snapshots.keys().eq(&days), "{:?}", snapshots.keys());
    for (name, snapshot) in snapshots {
        assert_eq!(snapshot.lines().len(), 120, "{name}");
        assert_eq!(snapshot.record.expect("a record")["complete"], true, "{name}");
    }
    environment.assert_disciplined();
}

/// As it may have been sent before the stream had the organization: it makes no stream beside it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_names_the_organization_archives_nothing_twice() {
    let (environment, mut events) = collected_by_self().await;
    let collect = json!({"version": 1, "stream": ORGANIZATION, "task": "collect"}).to_string();
    for number in 100..103 {
        let new = event(number, "sso", now_ms() - MINUTE_MS);
        environment.load(std::slice::from_ref(&new));
        let by_id = [DAILY, ("JUMPCLOUD_ORG_IDS", ORGANIZATION)];
        let function = Function::spawn(&environment, &by_id).await;
        let answer = function.run(&messages(std::slice::from_ref(&collect))).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
        assert!(function.output().contains("is collected by the stream self"));
        environment.archive().await.assert_holds(&events);
        function.run("{}").await;
        events.push(new);
        environment.archive().await.assert_holds(&events);
    }
    let created = environment.aws.buckets.keys(STATE).into_iter();
    let created: Vec<_> = created.filter(|key| key.starts_with("streams/")).collect();
    assert_eq!(created, ["streams/v1/self.json", "streams/v1/self.users.json"]);
    environment.assert_disciplined();
}

/// What is asked for by the organization's id is told of the stream that has it, and a day that it
/// archived is not archived again.
#[tokio::test(flavor = "multi_thread")]
async fn audits_and_past_days_are_those_of_the_stream_that_collects() {
    let (environment, mut events) = collected_by_self().await;
    let day_ms = now_ms().div_euclid(DAY_MS) * DAY_MS - 4 * DAY_MS;
    let past = series(500, 8, day_ms + HOUR_MS, HOUR_MS);
    environment.load(&past);
    events.extend(past);
    let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
    let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
    let [start, end] = [now_ms() - 30 * HOUR_MS, now_ms()].map(rfc3339);
    let audit = json!({"task": "audit", "start": start, "end": end}).to_string();
    let lane = format!("self.backfill-{}", date(day_ms));
    let by_id = [("JUMPCLOUD_ORG_IDS", ORGANIZATION), ("SWEEP_EVERY", "12h")];
    for settings in [&[][..], &by_id, &[], &by_id] {
        let function = Function::spawn(&environment, settings).await;
        for _ in 0..3 {
            let report = function.run("{}").await;
            let lines = report["streams"].as_array().expect("streams");
            assert!(lines.iter().all(|line| line["outcome"] == "ok"), "{report}");
        }
        let answer = function.run(&backfill).await;
        assert_eq!(only_stream(&answer)["stream"], lane, "{answer}");
        let audited = function.run(&audit).await;
        let line = only_stream(&audited);
        let told = (&line["stream"], &line["differing"], &line["archived"]);
        assert_eq!(told, (&json!("self"), &json!([]), &json!(20)), "{audited}");
        environment.archive().await.assert_holds(&events);
    }
    environment.assert_disciplined();
}
