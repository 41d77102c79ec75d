//! What is archived of what was read, and what a line holds: filter, custom fields, documents.

use engine::limits::{HOUR_MS, MINUTE_MS};
use mock::Generator;
use serde_json::{Value, json};

use crate::process::Function;
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms, series};

const ONLY_SSO: (&str, &str) = (
    "EVENT_FILTER",
    r#"{"keep":[{"service":["sso"],"success":true}],"drop":[{"initiated_by.username":"user-2"}]}"#,
);

fn has(event: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(event).contains(text)
}

fn is_kept(event: &[u8]) -> bool {
    has(event, r#""service":"sso""#) && !has(event, r#""user-2""#)
}

/// What is filtered out is counted and known, so that it is neither counted again nor missed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_filtered_out_is_counted_and_known() {
    let environment = Environment::start().await;
    let events = series(1, 60, now_ms() - 5 * HOUR_MS, 5 * MINUTE_MS);
    environment.load(&events);
    let foreign = br#"{"id":"f","service":"ldap","organization":"ffffffffffffffffffffffff"}"#;
    environment.jumpcloud.world().load_at(
        foreign.to_vec(),
        now_ms() - HOUR_MS,
        ORGANIZATION,
        "ldap",
        i64::MIN,
    );
    let kept: Vec<_> = events.iter().filter(|event| is_kept(event)).cloned().collect();
    let function =
        Function::spawn(&environment, &[ONLY_SSO, ("JUMPCLOUD_ORG_IDS", ORGANIZATION)]).await;
    let report = function.run("{}").await;
    let counted = only_stream(&report);
    assert_eq!(counted["written"], kept.len(), "{report}");
    assert_eq!(counted["filtered"], 60 - kept.len(), "{report}");
    assert_eq!(
        counted["quarantined"], 1,
        "a row that is not an event of the stream is never filtered: {report}"
    );
    let archive = environment.archive().await;
    archive.assert_holds(&kept);
    assert_eq!(archive.quarantined.len(), 1);

    // The hourly counts of JumpCloud hold every event; the index must, too.
    environment.aws.table.set_number(ORGANIZATION, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["filtered"], 0, "{report}");
    let report = function.run(r#"{"task":"status"}"#).await;
    assert_eq!(report["streams"][0]["gaps"], 0, "{report}");
    environment.assert_disciplined();
}

/// An entry without parts is published, recovered and followed like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_may_hold_only_what_is_filtered_out() {
    let environment = Environment::start().await;
    let events: Vec<_> =
        (0..30).map(|n| event(n, "ldap", now_ms() - HOUR_MS + n as i64 * 1_000)).collect();
    environment.load(&events);
    let function = Function::spawn(&environment, &[ONLY_SSO]).await;
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["filtered"], 30, "{report}");
    assert_eq!(only_stream(&report)["objects"], 0, "{report}");
    assert_eq!(environment.archive().await.event_count(), 0);
    let created = environment.aws.proxy.created();
    assert_eq!(created.iter().filter(|key| key.contains("journal/")).count(), 1, "{created:?}");

    // Rebuilt from the journal, whose last entry has no part to publish.
    environment.aws.table.empty();
    let sso = [event(100, "sso", now_ms() - MINUTE_MS)];
    environment.load(&sso);
    let report = Function::spawn(&environment, &[ONLY_SSO]).await.run("{}").await;
    assert_eq!(only_stream(&report)["filtered"], 0, "{report}");
    assert_eq!(only_stream(&report)["written"], 1, "{report}");
    environment.archive().await.assert_holds(&sso);
}

/// Custom fields follow the event's bytes, and never replace its own fields.
#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_never_touch_an_events_own() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let mut own = event(2, "sso", ms + 1);
    own.pop();
    own.extend_from_slice(br#","environment":"its own"}"#);
    let events = [event(1, "sso", ms), own];
    environment.load(&events);
    environment.jumpcloud.world().load_at(b"[7]".to_vec(), ms, ORGANIZATION, "sso", i64::MIN);
    let fields = r#"{"environment":"production","severity": 1.50}"#;
    let function = Function::spawn(&environment, &[("CUSTOM_FIELDS", fields)]).await;
    function.run("{}").await;
    let with = |event: &[u8], fields: &str| {
        let mut line = event[..event.len() - 1].to_vec();
        line.extend_from_slice(fields.as_bytes());
        line
    };
    let expected = [
        with(&events[0], r#","environment":"production","severity":1.50}"#),
        with(&events[1], r#","severity":1.50}"#),
    ];
    let archive = environment.archive().await;
    archive.assert_holds(&expected);
    assert_eq!(archive.quarantined[0].bytes.as_deref(), Some(&b"[7]"[..]));

    // The identity is that of the event's own bytes: without the setting nothing is new.
    let report = Function::spawn(&environment, &[]).await.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 0, "{report}");
}

/// One document per event, keyed and partitioned as the event would be, filtered by its own bytes.
#[tokio::test(flavor = "multi_thread")]
async fn documents_lie_where_their_events_would() {
    let environment = Environment::start().await;
    let day = now_ms() - 20 * HOUR_MS..now_ms() - HOUR_MS;
    let mut generator = Generator::new(5, ORGANIZATION);
    let events: Vec<_> = generator.events(day, 400).map(|event| event.raw.to_vec()).collect();
    environment.load(&events);
    let settings = [
        ("OUTPUT_FORMAT", "ecs"),
        ("ECS_KEEP_ORIGINAL", "true"),
        ("EVENT_FILTER", r#"{"drop":[{"service":"radius"}]}"#),
        ("CUSTOM_FIELDS", r#"{"labels":{"env":"test"},"event":"taken"}"#),
    ];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    let archive = environment.archive().await;
    let documents: Vec<Value> = archive
        .parts
        .iter()
        .flat_map(|part| &part.lines)
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let mut originals: Vec<_> =
        documents.iter().map(|document| document["event"]["original"].as_str().unwrap()).collect();
    let mut expected: Vec<_> = events
        .iter()
        .filter(|event| !has(event, r#""service":"radius""#))
        .map(|event| std::str::from_utf8(event).unwrap())
        .collect();
    originals.sort_unstable();
    expected.sort_unstable();
    assert!(originals == expected, "{} documents, {} events", originals.len(), expected.len());
    assert!(documents.iter().all(|document| document["labels"] == json!({"env": "test"})));
    assert!(documents.iter().all(|document| document["ecs"]["version"] == "8.11.0"));

    // The identity is that of the event: the other format finds nothing new.
    let report = Function::spawn(&environment, &[]).await.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 0, "{report}");
}
