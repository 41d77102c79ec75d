//! Daily snapshots of an organization's users.
//!
//! Holds P15.

use std::time::Duration;

use engine::limits::DAY_MS;
use futures_util::{StreamExt, stream};
use mock::{Answer, Fault, RetryAfter, Rule, When};
use serde_json::{Value, json};

use crate::process::{Function, Outcome};
use fixtures::aws::ARCHIVE;
use fixtures::environment::{Environment, INVOCATION_LIMIT};
use fixtures::event::{ORGANIZATION, now_ms, series};
use fixtures::fault_proxy::{Fault as AwsFault, Way};
use fixtures::snapshot::{self, Snapshot};

const DAILY: (&str, &str) = ("SYSTEM_USERS", "daily");

fn id(number: usize) -> String {
    format!("{number:024x}")
}

/// Ragged: what a user has differs from user to user.
fn user(number: usize) -> Value {
    let mut user = json!({"_id": id(number), "username": format!("user{number}"), "n": 1.5});
    if number.is_multiple_of(3) {
        user["phoneNumbers"] = json!([{"type": "work", "number": "+1 555 0100"}]);
        user["mfa"] = json!({"configured": true, "secret": "s"});
    }
    if number.is_multiple_of(4) {
        user["displayname"] = json!("line\u{2028}break");
    }
    user
}

fn without_phone(mut user: Value) -> Value {
    user.as_object_mut().expect("an object").remove("phoneNumbers");
    user
}

async fn environment(users: usize) -> Environment {
    let environment = Environment::start().await;
    environment.load(&series(1, 5, now_ms() - 600_000, 1_000));
    let mut world = environment.jumpcloud.world();
    let organization = world.organization_mut(ORGANIZATION).expect("the organization");
    // In no order, as a directory may hold them.
    organization.users = (0..users).map(|number| user((number * 7) % users)).collect();
    drop(world);
    environment
}

fn fault(environment: &Environment, fault: Fault, when: When) {
    environment.jumpcloud.world().add_fault(Rule::new(fault, when).on("/systemusers"));
}

fn requests(environment: &Environment) -> usize {
    let world = environment.jumpcloud.world();
    world.log().iter().filter(|record| record.path.starts_with("/api/systemusers")).count()
}

fn line(report: &Value) -> &Value {
    let lines = report["streams"].as_array().expect("streams");
    lines.iter().find(|line| line["stream"] == "self.users").expect("a line of the users")
}

async fn only_snapshot(environment: &Environment) -> Snapshot {
    let mut snapshots = snapshot::read(&environment.aws.buckets).await;
    assert_eq!(snapshots.len(), 1);
    environment.archive().await.assert_holds(&events_of(environment));
    snapshots.pop_first().expect("one").1
}

fn events_of(environment: &Environment) -> Vec<Vec<u8>> {
    environment.jumpcloud.world().events().map(|(_, event)| event.raw.to_vec()).collect()
}

/// Each of these users is there once, by the default without telephone numbers.
fn assert_holds(snapshot: &Snapshot, users: impl IntoIterator<Item = usize>) {
    let mut found: Vec<Value> = snapshot
        .lines()
        .iter()
        .map(|line| serde_json::from_slice(line).expect("a user is JSON"))
        .collect();
    found.sort_by_key(|user| user["_id"].to_string());
    let mut expected: Vec<Value> = users.into_iter().map(|n| without_phone(user(n))).collect();
    expected.sort_by_key(|user| user["_id"].to_string());
    assert!(found == expected, "{} users for {}", found.len(), expected.len());
}

/// Runs until the snapshot has ended.
async fn finish(function: &Function) -> Value {
    for _ in 0..20 {
        let report = function.run("{}").await;
        if line(&report)["outcome"] == "ok" {
            return report;
        }
        assert_eq!(line(&report)["outcome"], "behind", "{report}");
    }
    panic!("never finished\n{}", function.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_2350_users_is_there_once_over_moving_pages_a_429_and_a_kill() {
    let environment = environment(2_350).await;
    environment.jumpcloud.world().behaviours.moved_rows = 3;
    environment.jumpcloud.world().behaviours.list_cap = Some(93);
    fault(&environment, Fault::too_many_requests(RetryAfter::Seconds(1)), When::Nth(3));
    let settings = [DAILY, ("MAX_PAGES_PER_RUN", "9")];
    let function = Function::spawn(&environment, &settings).await;
    let report = function.run("{}").await;
    assert_eq!(line(&report)["outcome"], "behind", "{report}");
    assert_eq!(line(&report)["retries"], 1, "{report}");

    fault(&environment, Fault::Stall(Duration::from_secs(50)), When::Nth(4));
    let before = requests(&environment);
    let killing = async {
        while requests(&environment) < before + 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        function.kill();
    };
    let (outcome, ()) = tokio::join!(function.invoke("{}", INVOCATION_LIMIT), killing);
    assert!(matches!(outcome, Outcome::Died), "{outcome:?}");
    environment.jumpcloud.world().clear_faults();
    environment.aws.table.expire_leases();

    let function = Function::spawn(&environment, &settings).await;
    let report = finish(&function).await;
    let told = &line(&report)["snapshot"];
    assert_eq!((&told["complete"], &told["users"]), (&true.into(), &2_350.into()), "{report}");
    let snapshot = only_snapshot(&environment).await;
    assert_holds(&snapshot, 0..2_350);
    let record = snapshot.record.expect("a record");
    let field = |name: &str| record[name].clone();
    assert_eq!(
        (field("complete"), field("users"), field("totalCount"), field("passes")),
        (json!(true), json!(2_350), json!(2_350), json!(2))
    );
    assert!(snapshot.parts.len() > 2, "several runs, several parts");
    assert_eq!(record["stream"], "self.users");

    let (asked, keys) = (requests(&environment), environment.aws.proxy.created().len());
    function.run("{}").await;
    let report = Function::spawn(&environment, &settings).await.run("{}").await;
    assert_eq!(line(&report)["outcome"], "ok", "{report}");
    assert_eq!(line(&report)["requests"], 0, "{report}");
    assert_eq!((requests(&environment), environment.aws.proxy.created().len()), (asked, keys));
    let status = function.run(r#"{"task":"status"}"#).await;
    assert_eq!(line(&status)["snapshot"]["complete"], true, "{status}");
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_users_are_not_requested() {
    let environment = environment(10).await;
    for settings in [vec![], vec![("SYSTEM_USERS", "off")]] {
        let function = Function::spawn(&environment, &settings).await;
        let report = function.run("{}").await;
        assert_eq!(report["streams"].as_array().map(Vec::len), Some(1), "{report}");
        function.run(r#"{"task":"validate"}"#).await;
    }
    assert_eq!(requests(&environment), 0);
    assert!(snapshot::read(&environment.aws.buckets).await.is_empty());
}

/// A day later by JumpCloud's clock; what the first day holds stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_day_has_a_new_snapshot() {
    let environment = environment(150).await;
    environment.set_clock_skew_ms(-DAY_MS);
    Function::spawn(&environment, &[DAILY]).await.run("{}").await;
    environment.set_clock_skew_ms(0);
    let report = Function::spawn(&environment, &[DAILY]).await.run("{}").await;
    assert_eq!(line(&report)["written"], 150, "{report}");
    let snapshots = snapshot::read(&environment.aws.buckets).await;
    assert_eq!(snapshots.len(), 2, "{:?}", snapshots.keys());
    for (name, snapshot) in snapshots {
        assert_holds(&snapshot, 0..150);
        assert_eq!(snapshot.record.expect("a record")["complete"], true, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_changes_meanwhile_is_gone_through_once_more() {
    for (change, expected, complete) in [
        (Fault::UserAdded { organization: ORGANIZATION.to_owned(), user: user(250) }, 251, true),
        (Fault::UserRemoved { organization: ORGANIZATION.to_owned(), id: id(3) }, 250, false),
    ] {
        let environment = environment(250).await;
        fault(&environment, change, When::Nth(2));
        let report = Function::spawn(&environment, &[DAILY]).await.run("{}").await;
        assert_eq!(line(&report)["outcome"], "ok", "{report}");
        let snapshot = only_snapshot(&environment).await;
        assert_holds(&snapshot, 0..expected);
        let record = snapshot.record.expect("a record");
        assert_eq!((&record["passes"], &record["complete"]), (&2.into(), &complete.into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_kept_or_left_out_and_values_untouched() {
    for (settings, expected) in [
        (vec![("SYSTEM_USERS_EXCLUDE", "none")], user(0)),
        (vec![("SYSTEM_USERS_EXCLUDE", "mfa.secret,n")], {
            let mut user = user(0);
            user.as_object_mut().expect("an object").remove("n");
            user["mfa"] = json!({"configured": true});
            user
        }),
        (
            vec![("SYSTEM_USERS_FIELDS", "n,mfa.configured")],
            json!({"_id": id(0), "n": 1.5, "mfa": {"configured": true}}),
        ),
    ] {
        let environment = environment(1).await;
        let settings: Vec<_> = settings.into_iter().chain([DAILY]).collect();
        Function::spawn(&environment, &settings).await.run("{}").await;
        let snapshot = only_snapshot(&environment).await;
        let found: Value = serde_json::from_slice(snapshot.lines()[0]).expect("a user");
        assert_eq!(found, expected, "{settings:?}");
    }
}

/// The events are collected whatever is the matter with the users, and it is told.
#[tokio::test(flavor = "multi_thread")]
async fn users_that_cannot_be_read_do_not_block_events() {
    let environment = environment(10).await;
    fault(&environment, Fault::error(403, "Forbidden"), When::Always);
    let function = Function::spawn(&environment, &[DAILY]).await;
    let message = function.fail("{}").await;
    assert!(message.contains("self.users") && message.contains("403"), "{message}");
    assert!(function.fail(r#"{"task":"validate"}"#).await.contains("users of self"));
    environment.archive().await.assert_holds(&events_of(&environment));
}

/// A row that is not UTF-8 or not an object is quarantined and counted, and does not affect other users.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_cannot_be_read_takes_no_other_along() {
    let environment = environment(0).await;
    let (first, last) = (user(0).to_string(), user(1).to_string());
    let results =
        [first.as_bytes(), b"{\"_id\":\"b\",\"username\":\"M\xfcller\"}", b"7", last.as_bytes()];
    let body = [b"{\"totalCount\":4,\"results\":[", &results.join(&b","[..])[..], b"]}"].concat();
    let page = Answer::new(200, "application/json", body);
    fault(&environment, Fault::from(page), When::Always);
    let report = Function::spawn(&environment, &[DAILY]).await.run("{}").await;
    assert_eq!(
        (&line(&report)["outcome"], &line(&report)["quarantined"]),
        (&"ok".into(), &2.into())
    );
    let aside = environment.aws.buckets.keys(ARCHIVE);
    let aside = aside.iter().filter(|key| key.starts_with("quarantine/self.users/"));
    assert_eq!(aside.count(), 1, "both rows in one part");
    let (_, snapshot) = snapshot::read(&environment.aws.buckets).await.pop_first().expect("one");
    assert_holds(&snapshot, 0..2);
    let record = snapshot.record.expect("a record");
    let told = [&record["complete"], &record["users"], &record["quarantined"]];
    assert_eq!(told, [&json!(true), &json!(2), &json!(2)]);
}

/// Two pages a run, so that some points lie between decided parts.
const SMALL: [(&str, &str); 3] = [DAILY, ("MAX_PAGES_PER_RUN", "2"), ("AWS_MAX_ATTEMPTS", "2")];

/// Says whether there was a request to fail at.
async fn survives(at: usize, way: Way) -> bool {
    let environment = environment(330).await;
    let proxy = &environment.aws.proxy;
    proxy.arm(AwsFault { at, way, lasting: false });
    for _ in 0..2 {
        let function = Function::spawn(&environment, &SMALL).await;
        let _ = function.invoke("{}", INVOCATION_LIMIT).await;
        drop(function);
        environment.aws.table.expire_leases();
    }
    let met = proxy.met() > 0;
    proxy.heal();
    finish(&Function::spawn(&environment, &SMALL).await).await;
    let snapshot = only_snapshot(&environment).await;
    assert_holds(&snapshot, 0..330);
    assert_eq!(snapshot.record.expect("a record")["complete"], true, "{way:?} at {at}");
    met
}

const WAYS: [Way; 3] = [Way::Kill, Way::KillAfter, Way::CutAfter];

/// Each request fails in another way than the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_may_be_killed_at_every_request() {
    let met = stream::iter(0..).map(|at| survives(at, WAYS[at % WAYS.len()])).buffered(4);
    let points = met.take_while(|met| std::future::ready(*met)).count().await;
    assert!(points > 40, "{points}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: infra/test crash-points"]
async fn a_snapshot_may_be_killed_at_every_request_in_every_way() {
    for way in WAYS {
        let met = stream::iter(0..).map(|at| survives(at, way)).buffered(4);
        let points = met.take_while(|met| std::future::ready(*met)).count().await;
        println!("{points} points x {way:?}");
        assert!(points > 40, "{way:?}: {points}");
    }
}
