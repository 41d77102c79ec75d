//! Who is asked: organizations by name, those of an administrator, those of a provider.
//!
//! Holds P7.

use engine::limits::HOUR_MS;
use mock::{Fault, Host, Key, Organization, Rule, When};
use serde_json::Value;

use crate::process::Function;
use fixtures::environment::{API_KEY, Environment};
use fixtures::event::{ORGANIZATION, event, now_ms};

const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";
const OF_PROVIDER: [(&str, &str); 1] = [("JUMPCLOUD_PROVIDER_ID", PROVIDER)];

fn id(number: usize) -> String {
    format!("{number:024x}")
}

/// Adds a provider's organization with one event of its own, visible at once.
fn add(environment: &Environment, number: usize) -> Vec<u8> {
    let organization = Organization::new(&id(number), "made up").managed_by(PROVIDER);
    let raw = String::from_utf8(event(number, "sso", now_ms() - 600_000)).expect("text");
    let raw = raw.replace(ORGANIZATION, &id(number)).into_bytes();
    let mut world = environment.jumpcloud.world();
    world.add_organization(organization);
    world.load(raw.clone(), i64::MIN).expect("an event that tells its place");
    raw
}

/// A portal with `count` organizations; the events of all of them.
fn portal(environment: &Environment, count: usize) -> Vec<Vec<u8>> {
    environment.jumpcloud.world().add_key(API_KEY, Key::provider("the key", PROVIDER));
    (0..count).map(|number| add(environment, number)).collect()
}

fn streams(report: &Value) -> Vec<&Value> {
    report["streams"].as_array().expect("streams").iter().collect()
}

/// Each event lies below keys that name its organization, and below no others.
async fn assert_apart(environment: &Environment, events: &[Vec<u8>]) {
    let archive = environment.archive().await;
    archive.assert_holds(events);
    for part in &archive.parts {
        for line in &part.lines {
            let event: Value = serde_json::from_slice(line).expect("an event");
            assert_eq!(event["organization"], part.name.stream.as_str(), "{}", part.key);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_organizations_are_discovered_over_short_unstable_pages() {
    let environment = Environment::start().await;
    let events = portal(&environment, 25);
    {
        let mut world = environment.jumpcloud.world();
        world.behaviours.unstable_lists = true;
        world.behaviours.list_cap = Some(7);
    }
    let function = Function::spawn(&environment, &OF_PROVIDER).await;
    let report = function.run("{}").await;
    assert_eq!(report["discovery"]["organizations"], 25, "{report}");
    assert_eq!(streams(&report).len(), 26, "and the provider's own trail: {report}");
    let trail = format!("provider-{PROVIDER}");
    assert!(streams(&report).iter().any(|line| line["stream"] == trail), "{report}");
    assert_apart(&environment, &events).await;
    environment.assert_disciplined();
}

/// It is about its organizations, which are not foreign there.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_providers_trail_name_any_organization() {
    let environment = Environment::start().await;
    let events = portal(&environment, 1);
    let of_trail = |number: usize| {
        let event = String::from_utf8(event(number, "portal", now_ms() - 600_000)).expect("text");
        let provider = format!(r#""provider":"{PROVIDER}","organization""#);
        let event = event.replacen(r#""organization""#, &provider, 1);
        event.replace(ORGANIZATION, &id(number)).into_bytes()
    };
    let trail = [of_trail(77), of_trail(78)];
    for event in &trail {
        let mut world = environment.jumpcloud.world();
        world.load(event.clone(), i64::MIN).expect("an event that tells its place");
    }
    let function = Function::spawn(&environment, &OF_PROVIDER).await;
    let report = function.run("{}").await;
    let name = format!("provider-{PROVIDER}");
    let line = streams(&report).into_iter().find(|line| line["stream"] == name.as_str());
    let line = line.expect("a line for the trail");
    let counts = ["written", "foreign", "quarantined"].map(|count| line[count].clone());
    assert_eq!(counts, [2, 0, 0].map(Value::from), "{report}");
    let archive = environment.archive().await;
    archive.assert_holds(&[&events[..], &trail[..]].concat());
    let lines = archive.parts.iter().filter(|part| part.name.stream.as_str() == name);
    assert_eq!(lines.map(|part| part.lines.len()).sum::<usize>(), 2);
}

/// Without a deployment, and without a new process.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_organization_is_found_and_a_vanished_one_recovered_and_reported() {
    let environment = Environment::start().await;
    let mut events = portal(&environment, 3);
    let function = Function::spawn(&environment, &OF_PROVIDER).await;
    function.run("{}").await;
    events.push(add(&environment, 3));
    environment.jumpcloud.world().remove_organization(&id(1));
    // A new pass through all streams begins an hour after the last one.
    environment.aws.table.set_number(".streams", "pass_started_ms", now_ms() - 2 * HOUR_MS);
    let function = Function::spawn(&environment, &OF_PROVIDER).await;
    let report = function.run("{}").await;
    let vanished = streams(&report).into_iter().find(|line| line["stream"] == id(1));
    let vanished = vanished.expect("a line for what was born");
    assert_eq!((&vanished["outcome"], &vanished["requests"]), (&"ok".into(), &0.into()));
    assert_apart(&environment, &events).await;
    let status = function.run(r#"{"task":"status"}"#).await;
    let configured = |number: usize| {
        let lines = streams(&status).into_iter();
        lines.filter(|line| line["stream"] == id(number)).all(|line| line["configured"] == true)
    };
    assert!(!configured(1) && configured(3), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_discovery_the_known_organizations_are_collected_and_the_report_says_so() {
    let environment = Environment::start().await;
    portal(&environment, 3);
    let function = Function::spawn(&environment, &OF_PROVIDER).await;
    function.run("{}").await;
    assert_eq!(function.metric("DiscoveryFailed"), Some(0));
    for (fault, needs_operator) in
        [(Fault::error(403, "Forbidden"), true), (Fault::html(502), false)]
    {
        environment.jumpcloud.world().clear_faults();
        environment
            .jumpcloud
            .world()
            .add_fault(Rule::new(fault, When::Always).on("/organizations"));
        let before = environment.event_requests();
        if needs_operator {
            let message = function.fail("{}").await;
            assert!(message.contains("discovery") && message.contains("403"), "{message}");
        } else {
            let report = function.run("{}").await;
            let error = report["discovery"]["error"].as_str().expect("an error");
            assert!(error.contains("502"), "{report}");
            assert_eq!(streams(&report).len(), 4, "{report}");
        }
        assert!(environment.event_requests() >= before + 4, "each known stream is asked");
        assert_eq!(function.metric("DiscoveryFailed"), Some(1));
        let validated = function.fail(r#"{"task":"validate"}"#).await;
        assert!(validated.contains("discovery"), "{validated}");
    }
}

/// `discover` is about the administrator, whom no provider need have.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_organizations_are_discovered() {
    let environment = Environment::start().await;
    let events = portal(&environment, 12);
    let function = Function::spawn(&environment, &[("JUMPCLOUD_ORG_IDS", "discover")]).await;
    function.run(r#"{"task":"validate"}"#).await;
    let report = function.run("{}").await;
    assert_eq!(streams(&report).len(), 12, "{report}");
    assert_apart(&environment, &events).await;
    let world = environment.jumpcloud.world();
    assert!(world.log().iter().all(|record| record.provider.is_none()));
    let asked = world.log().iter().filter(|record| record.host == Host::Console);
    assert!(asked.clone().count() > 0 && asked.clone().all(|r| r.organizations.is_empty()));
}

/// What another organization's event would be worth an alarm for.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_organization_is_quarantined_and_counted() {
    let environment = Environment::start().await;
    let foreign = String::from_utf8(event(1, "sso", now_ms() - 600_000)).expect("text");
    let foreign = foreign.replace(ORGANIZATION, &id(9));
    environment.jumpcloud.world().load_at(
        foreign,
        now_ms() - 600_000,
        ORGANIZATION,
        "sso",
        i64::MIN,
    );
    let function = Function::spawn(&environment, &[("JUMPCLOUD_ORG_IDS", ORGANIZATION)]).await;
    let report = function.run("{}").await;
    let line = streams(&report)[0];
    assert_eq!((&line["quarantined"], &line["foreign"]), (&1.into(), &1.into()), "{report}");
}

const BY_ID: [(&str, &str); 1] = [("JUMPCLOUD_ORG_IDS", ORGANIZATION)];

/// The line of the live stream that reads, beside those that are recovered only.
fn reading<'a>(report: &'a Value, stream: &str) -> &'a Value {
    let lines = streams(report);
    assert!(lines.iter().all(|line| line["outcome"] == "ok"), "{report}");
    let reading: Vec<_> = lines.into_iter().filter(|line| line["pages"] != 0).collect();
    assert_eq!(reading.len(), 1, "{report}");
    assert_eq!(reading[0]["stream"], stream, "{report}");
    reading[0]
}

/// Three runs each in a new process, there and back; then both in turn, as in the middle of a
/// deployment.
async fn assert_keeps(stream: &str, first: &[(&str, &str)], then: &[(&str, &str)]) {
    let environment = Environment::start().await;
    let mut events = fixtures::event::series(1, 20, now_ms() - 600_000, 1_000);
    environment.load(&events);
    let mut number = 100;
    let mut happen = || {
        number += 1;
        let new = event(number, "sso", now_ms() - 60_000);
        environment.load(std::slice::from_ref(&new));
        new
    };
    for overrides in [first, then, first] {
        let function = Function::spawn(&environment, overrides).await;
        for _ in 0..3 {
            events.push(happen());
            assert_eq!(reading(&function.run("{}").await, stream)["foreign"], 0);
        }
        environment.archive().await.assert_holds(&events);
    }
    let old = Function::spawn(&environment, first).await;
    let new = Function::spawn(&environment, then).await;
    for function in [&old, &new, &old, &new, &old, &new] {
        events.push(happen());
        reading(&function.run("{}").await, stream);
    }
    let archive = environment.archive().await;
    archive.assert_holds(&events);
    assert!(archive.parts.iter().all(|part| part.name.stream == stream));
    for function in [&old, &new] {
        let status = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(streams(&status).len(), 1, "{status}");
        assert_eq!(streams(&status)[0]["configured"], true, "{status}");
        let validated = function.run(r#"{"task":"validate"}"#).await;
        assert_eq!(validated["ok"], true, "{validated}");
    }
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_own_organization_keeps_its_stream_when_it_is_named() {
    assert_keeps("self", &[], &BY_ID).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_organization_keeps_its_stream_when_it_is_no_longer_named() {
    assert_keeps(ORGANIZATION, &BY_ID, &[]).await;
}

/// With events that were archived before, and back again.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_own_organization_keeps_its_stream_when_it_is_discovered() {
    const DISCOVERED: [(&str, &str); 1] = [("JUMPCLOUD_ORG_IDS", "discover")];
    assert_keeps("self", &[], &DISCOVERED).await;
    assert_keeps(ORGANIZATION, &DISCOVERED, &[]).await;
}

/// Nothing of it comes into the stream, whether the process has known another key or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_tenant_stops_the_stream() {
    const OTHER_KEY: &str = "jca_another_tenants_key";
    let environment = Environment::start().await;
    let events = fixtures::event::series(1, 20, now_ms() - 600_000, 1_000);
    environment.load(&events);
    let function = Function::spawn(&environment, &[]).await;
    reading(&function.run("{}").await, "self");
    {
        let mut world = environment.jumpcloud.world();
        world.add_organization(Organization::new(&id(9), "another tenant"));
        world.add_key(OTHER_KEY, Key::single("another", &id(9)));
        world.remove_key(API_KEY);
        for number in 200..220 {
            let raw = String::from_utf8(event(number, "sso", now_ms() - 300_000)).expect("text");
            world.load(raw.replace(ORGANIZATION, &id(9)), i64::MIN).expect("it tells its place");
        }
    }
    environment.aws.secrets.set(OTHER_KEY);
    let later = Function::spawn(&environment, &[]).await;
    for function in [&function, &later, &function, &later] {
        let message = function.fail("{}").await;
        assert!(message.contains(ORGANIZATION) && message.contains(&id(9)), "{message}");
        let message = function.fail(r#"{"task":"validate"}"#).await;
        assert!(message.contains(ORGANIZATION) && message.contains(&id(9)), "{message}");
    }
    environment.archive().await.assert_holds(&events);

    environment.jumpcloud.world().add_key(API_KEY, Key::single("the key", ORGANIZATION));
    environment.aws.secrets.set(API_KEY);
    environment.jumpcloud.world().remove_key(OTHER_KEY);
    for function in [&function, &later] {
        reading(&function.run("{}").await, "self");
    }
    environment.archive().await.assert_holds(&events);
}
