//! Many organizations through the work queue.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::limits::MINUTE_MS;
use mock::{Fault, Key, Organization, Rule, When};
use serde_json::{Value, json};

use crate::process::Function;
use fixtures::environment::{API_KEY, Environment};
use fixtures::event::{ORGANIZATION, event, now_ms};
use fixtures::snapshot;
use fixtures::sqs::{QUEUE_URL, event as messages};

const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";

fn id(number: usize) -> String {
    format!("{number:024x}")
}

/// `count` organizations with three events each; the events.
fn organizations(environment: &Environment, count: usize) -> Vec<Vec<u8>> {
    let mut world = environment.jumpcloud.world();
    world.add_key(API_KEY, Key::provider("the key", PROVIDER));
    let mut events = Vec::new();
    for number in 0..count {
        let own = id(number);
        world.add_organization(Organization::new(&own, "made up").managed_by(PROVIDER));
        for nth in 0..3 {
            let at_ms = now_ms() - (nth + 10) * MINUTE_MS;
            let raw = event(number * 3 + usize::try_from(nth).unwrap(), "sso", at_ms);
            let raw = String::from_utf8(raw).unwrap().replace(ORGANIZATION, &own).into_bytes();
            world.load(raw.clone(), i64::MIN).expect("an event that tells its place");
            events.push(raw);
        }
    }
    events
}

fn settings(ids: &str) -> [(&str, &str); 2] {
    [("JUMPCLOUD_ORG_IDS", ids), ("WORK_QUEUE_URL", QUEUE_URL)]
}

fn list(numbers: impl IntoIterator<Item = usize>) -> String {
    numbers.into_iter().map(id).collect::<Vec<_>>().join(",")
}

/// Delivers every message there is, ten at a time.
async fn work(environment: &Environment, function: &Function) {
    while let Some(event) = environment.aws.queue.deliver(10) {
        let answer = function.run(&event).await;
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
}

/// What the log says of streams that failed.
fn failed(function: &Function) -> BTreeSet<String> {
    let output = function.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let failed = lines.filter(|line| line["message"] == "run failed");
    failed.filter_map(|line| Some(line["stream"].as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_organizations_take_one_round_of_the_queue() {
    let environment = Environment::start().await;
    let events = organizations(&environment, 97);
    let ids = list(0..100);
    let function = Function::spawn(&environment, &settings(&ids)).await;
    let report = function.run("{}").await;
    assert_eq!(
        report["queued"],
        json!({"sent": 100, "outstanding": 0, "suspended": 0, "failed": 0})
    );
    assert_eq!(report["streams"], json!([]), "the runs have reports of their own");
    let again = function.run("{}").await;
    assert_eq!(again["queued"]["sent"], 0, "no stream is queued twice");
    assert_eq!(
        (&again["queued"]["outstanding"], environment.aws.queue.message_count()),
        (&100.into(), 100)
    );

    let sent = environment.aws.proxy.count();
    work(&environment, &function).await;
    let sends = environment.aws.proxy.seen().into_iter().skip(sent);
    assert_eq!(sends.filter(|seen| seen.operation.starts_with("Send")).count(), 0);
    let archive = environment.archive().await;
    archive.assert_holds(&events);
    for part in &archive.parts {
        for line in &part.lines {
            let event: Value = serde_json::from_slice(line).expect("an event");
            assert_eq!(event["organization"], part.name.stream.as_str(), "{}", part.key);
        }
    }
    assert_eq!(failed(&function), (97..100).map(id).collect(), "those JumpCloud does not know");
    let next = function.run("{}").await;
    assert_eq!(next["queued"]["sent"], 100, "each may be queued again");
    environment.assert_disciplined();
}

/// The time is printed and not asserted: `cargo test --release` on a quiet machine shows it.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_streams_are_queued_by_one_invocation() {
    let environment = Environment::start().await;
    organizations(&environment, 0);
    let ids = list(0..2_000);
    let function = Function::spawn(&environment, &settings(&ids)).await;
    let report = function.run("{}").await;
    assert_eq!(report["queued"]["sent"], 2_000, "{report}");
    assert_eq!(environment.aws.queue.message_count(), 2_000);
    println!("2000 streams were queued in {} ms", report["duration_ms"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organization_that_is_refused_or_throttled_does_not_block_others() {
    let environment = Environment::start().await;
    let mut events = organizations(&environment, 6);
    {
        let mut world = environment.jumpcloud.world();
        let storm = Fault::error(429, "slow down");
        world.add_fault(Rule::new(storm, When::Always).for_organization(&id(1)));
        let refused = Fault::error(401, "Unauthorized");
        world.add_fault(Rule::new(refused, When::Always).for_organization(&id(4)));
    }
    let ids = list(0..6);
    let function = Function::spawn(&environment, &settings(&ids)).await;
    function.run("{}").await;
    // One message per invocation and a short one, as if each had the time of its own.
    while let Some(event) = environment.aws.queue.deliver(1) {
        let limit = Duration::from_secs(6);
        let outcome = function.invoke(&event, limit).await;
        assert!(
            matches!(&outcome, crate::process::Outcome::Response(answer)
                if *answer == json!({"batchItemFailures": []})),
            "{outcome:?}"
        );
    }
    events.retain(|event| {
        let event: Value = serde_json::from_slice(event).expect("an event");
        event["organization"] != id(1) && event["organization"] != id(4)
    });
    environment.archive().await.assert_holds(&events);
    assert_eq!(failed(&function), [id(1), id(4)].into());
    let status = function.run(r#"{"task":"status"}"#).await;
    let line = |number: usize| {
        let lines = status["streams"].as_array().unwrap().iter();
        lines.clone().find(|line| line["stream"] == id(number)).unwrap().clone()
    };
    assert!(line(1)["last_error"].as_str().unwrap().contains("429"), "{status}");
    assert!(line(4)["last_error"].as_str().unwrap().contains("401"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_keeps_failing_is_suspended_until_its_next_probe() {
    let environment = Environment::start().await;
    organizations(&environment, 2);
    let ids = list(0..3);
    let function = Function::spawn(&environment, &settings(&ids)).await;
    for _ in 0..5 {
        let report = function.run("{}").await;
        assert_eq!(report["queued"]["sent"], 3, "{report}");
        work(&environment, &function).await;
    }
    let report = function.run("{}").await;
    assert_eq!((&report["queued"]["sent"], &report["queued"]["suspended"]), (&2.into(), &1.into()));
    let line = &report["streams"][0];
    assert_eq!((&line["stream"], &line["outcome"]), (&id(2).into(), &"waiting".into()));
    assert!(line["error"].as_str().unwrap().contains("404"), "{report}");
    work(&environment, &function).await;

    environment.aws.table.set_number(&id(2), "retry_after_ms", now_ms() - 1);
    environment
        .jumpcloud
        .world()
        .add_organization(Organization::new(&id(2), "new").managed_by(PROVIDER));
    assert_eq!(function.run("{}").await["queued"]["sent"], 3, "the probe");
    work(&environment, &function).await;
    assert_eq!(environment.aws.table.number(&id(2), "failures"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_messages_that_could_not_be_handled_come_again() {
    let environment = Environment::start().await;
    organizations(&environment, 1);
    let ids = list(0..1);
    let function = Function::spawn(&environment, &settings(&ids)).await;
    let fine = format!(r#"{{"version":1,"stream":"{}","task":"collect"}}"#, id(0));
    let unknown = format!(r#"{{"version":1,"stream":"{}","task":"collect"}}"#, id(7));
    let newer = r#"{"version":99}"#.to_owned();
    let event = messages(&[fine, "{}".to_owned(), unknown, newer]);
    let failed = [json!({"itemIdentifier": "message-1"}), json!({"itemIdentifier": "message-3"})];
    assert_eq!(function.run(&event).await, json!({"batchItemFailures": failed}));
    assert_eq!(environment.archive().await.event_count(), 3);
}

/// A stream whose message is never delivered is queued again after a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_takes_nothing_fails_the_invocation_and_leaves_no_place_taken() {
    let environment = Environment::start().await;
    organizations(&environment, 3);
    let ids = list(0..3);
    let [organizations, _] = settings(&ids);
    let elsewhere = ("WORK_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/111122223333/other");
    let function = Function::spawn(&environment, &[organizations, elsewhere]).await;
    let message = function.fail("{}").await;
    assert!(message.contains("work queue") && message.contains(&id(0)), "{message}");
    for number in 0..3 {
        assert_eq!(environment.aws.table.number(&id(number), "queued_until_ms"), None);
    }
    let function = Function::spawn(&environment, &settings(&ids)).await;
    environment.aws.queue.leave([1].into());
    assert!(function.fail("{}").await.contains("did not accept it"));
    assert!(function.output().contains(r#""code":"InternalError""#), "{}", function.output());
    environment.aws.queue.leave([].into());
    assert_eq!(function.run("{}").await["queued"]["sent"], 1, "the one that was left");
    environment.aws.queue.deliver(3);
    assert_eq!(function.run("{}").await["queued"]["sent"], 0, "its messages may still come");
    for number in 0..3 {
        environment.aws.table.set_number(&id(number), "queued_until_ms", now_ms() - 1);
    }
    assert_eq!(function.run("{}").await["queued"]["sent"], 3, "they are taken for lost");
}

/// Users are read in their organization's turn: no message of their own, and a snapshot each.
#[tokio::test(flavor = "multi_thread")]
async fn users_are_read_in_their_organizations_turn() {
    let environment = Environment::start().await;
    let events = organizations(&environment, 3);
    for number in 0..3 {
        let mut world = environment.jumpcloud.world();
        let organization = world.organization_mut(&id(number)).expect("the organization");
        organization.users = (0..120).map(|user| json!({"_id": id(1_000 + user)})).collect();
    }
    let ids = list(0..3);
    let [ids, queue] = settings(&ids);
    let function = Function::spawn(&environment, &[ids, queue, ("SYSTEM_USERS", "daily")]).await;
    for _ in 0..2 {
        let report = function.run("{}").await;
        assert_eq!(report["queued"]["sent"], 3, "{report}");
        work(&environment, &function).await;
    }
    environment.archive().await.assert_holds(&events);
    let snapshots = snapshot::read(&environment.aws.buckets).await;
    assert_eq!(snapshots.len(), 3);
    for (name, snapshot) in snapshots {
        assert_eq!(snapshot.lines().len(), 120, "{name}");
        assert_eq!(snapshot.record.expect("a record")["complete"], true, "{name}");
    }
    let world = environment.jumpcloud.world();
    let asked = world.log().iter().filter(|record| record.path.starts_with("/api/systemusers"));
    assert_eq!(asked.count(), 6, "two pages each, once");
}
