//! Procedures of an operator that are sentences of a page more than commands: other versions, other
//! parameters, past days, a gap, refusals, and moving from another collector. What a person does
//! between the commands is in `followed.rs`.

use std::fs;

use engine::limits::{DAY_MS, HOUR_MS};
use engine::time::{date, rfc3339};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::API_KEY;
use fixtures::event::{ORGANIZATION, event, now_ms, series};
use fixtures::iam::stack::SECRET;
use mock::{Fault, Key, Organization, Rule, When};
use serde_json::{Value, json};

use crate::account::{STACK, Served};
use crate::commands::{Command, root};
use crate::followed::section;
use crate::procedures::{Events, deployed, deployed_with, follow};
use crate::shell::Shell;
use crate::table::{Procedure, steps};

const OPERATE: &str = "docs/operate.md";
const RUNBOOK: &str = "docs/runbook.md";
pub const OTHER: &str = "5d0a1b2c3d4e5f60718293b5";

/// The UTC date so many days from now.
pub fn day(days: i64) -> String {
    date(now_ms() + days * DAY_MS).to_string()
}

/// An event of `events/`, with other values.
pub fn event_of(name: &str, values: &Value) -> String {
    let text = fs::read_to_string(root().join("events").join(name)).unwrap();
    let mut event: Value = serde_json::from_str(&text).unwrap();
    for (name, value) in values.as_object().unwrap() {
        assert!(event.get(name).is_some(), "{event} has no {name}");
        event[name] = value.clone();
    }
    event.to_string()
}

/// The key's administrator sees another organization, too.
pub fn add_other(served: &Served) {
    let mut world = served.account.environment.jumpcloud.world();
    world.add_organization(Organization::new(ORGANIZATION, "one"));
    world.add_organization(Organization::new(OTHER, "two"));
    world.add_key(API_KEY, Key::several("several", &[ORGANIZATION, OTHER]));
}

/// Deploys other parameters, as a person does who is told to by a page.
pub fn deploy(shell: &Shell, overrides: &str) {
    let ended = shell.run(&format!("sam deploy --parameter-overrides {overrides}"), &[], "");
    assert_eq!(ended.code, 0, "{overrides}: {}", ended.text);
}

/// The line of the only stream that is not a lane.
async fn status(served: &Served) -> Value {
    let status = served.account.invoke(r#"{"task":"status"}"#).await.unwrap();
    let lines = status["streams"].as_array().unwrap();
    let is_live = |line: &&Value| !line["stream"].as_str().unwrap().contains(".backfill-");
    let live: Vec<_> = lines.iter().filter(is_live).collect();
    assert_eq!(live.len(), 1, "{status}");
    live[0].clone()
}

/// Upgraded, and rolled back, from the source; `infra/check-upgrade` does both with releases.
#[tokio::test(flavor = "multi_thread")]
async fn versions_are_changed_as_the_page_says() {
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    shell.is_outdated();
    for step in steps(OPERATE, Procedure::Versions) {
        follow(&shell, &step, &[("<version>", "v1")], "");
        if step.text.contains("sam deploy") {
            events.collect(&served).await;
        }
    }
    assert_eq!(served.account.versions(), ["", "2", "1"]);
}

/// What to change, by page, section and the words that say so. After each change the schedule runs.
const CHANGES: [(&str, &str, &str); 13] = [
    (
        "Freshness lag",
        "Raise `Timeout` to 900 and `MemorySize` to 1024",
        "Timeout=900 MemorySize=1024",
    ),
    ("Freshness lag", "with many streams raise `MaxConcurrency`", "MaxConcurrency=10"),
    ("Errors", "correct the parameters and deploy", "JumpCloudServices=all LateHorizon=48h"),
    ("Errors", "raise `MemorySize` or `Timeout`", "MemorySize=2048"),
    ("Throttles", "lower `MaxConcurrency`", "MaxConcurrency=3"),
    ("Work dead letters", "Raise `MemorySize` or `Timeout`", "Timeout=600"),
    ("Work queue age", "Raise it, but not above the account's quota", "MaxConcurrency=20"),
    ("Snapshot age", "raise `Timeout`", "Timeout=900 SystemUsers=daily"),
    ("Snapshot age", "`SystemUsers=daily`", "SystemUsers=off"),
    ("Duration", "Otherwise raise `MemorySize`", "MemorySize=3008 Timeout=900"),
    ("Data loss", "Check that `JumpCloudRetention` is that of your plan", "JumpCloudRetention=15d"),
    (
        "Invocations",
        "set that parameter to three times the scheduled runs",
        "InvocationsAnHourMax=3600",
    ),
    ("Invocations", "set `MaxConcurrency` to 2", "MaxConcurrency=2"),
];

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_changed_as_the_runbook_says() {
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    for (heading, words, overrides) in CHANGES {
        let text = section(RUNBOOK, heading);
        assert!(text.contains(words), "{heading} does not say any more: {words}");
        deploy(&shell, overrides);
        if overrides.contains("SystemUsers=daily") {
            served.account.run_schedule(3).await;
        } else {
            events.collect(&served).await;
        }
    }
}

/// A permission was taken away by hand: every run fails and says which; a deployment puts it back.
#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named_and_put_back_by_a_deployment() {
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    served.account.environment.account().lose("CollectorRole", "MoveCursors");
    for task in [r#"{"task":"status"}"#, "{}"] {
        let error = served.account.invoke(task).await.unwrap_err().to_string();
        assert!(error.contains("dynamodb:") && error.contains("not authorized"), "{task}: {error}");
    }
    assert!(section(RUNBOOK, "Streams stale").contains("`AccessDenied` names the permission"));
    deploy(&shell, "ValidateOnDeploy=$(date +%s)");
    events.collect(&served).await;
}

/// Planned, archived, and asked for again: by the event and by the command of the pages.
#[tokio::test(flavor = "multi_thread")]
async fn past_days_of_a_stack_are_archived_as_the_page_says() {
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.add(&served, series(1_000, 40, now_ms() - 5 * DAY_MS, HOUR_MS));
    served.account.run_schedule(3).await;

    let page = section("docs/past-days.md", "");
    let asked = page.split('`').find(|code| code.starts_with("{\"task\":\"backfill\"")).unwrap();
    assert!(page.contains("`\"plan\":true`"), "{page}");
    let (start, end) = (day(-5), day(-2));
    let asked = asked.replace("2026-10-01", &start).replace("2026-11-01", &end);
    let plan = asked.replace('}', ",\"plan\":true}");
    let planned = served.account.invoke(&plan).await.unwrap();
    let lanes = planned["lanes"].as_array().unwrap();
    assert!(lanes.iter().all(|lane| lane["state"] == "new") && lanes.len() == 3, "{planned}");

    let command = steps("docs/tasks.md", Procedure::Terminal);
    let command = command.into_iter().find(|step| step.text.contains("collector backfill"));
    let command = command.unwrap();
    let step = |more: &str| {
        let (text, _) = command.text.split_once('#').unwrap();
        Command { text: format!("{text}{more}"), ..command.clone() }
    };
    let stack = format!("--stack {STACK}");
    let filled = [("--to ./jumpcloud", &*stack), ("2026-10-01", &*start), ("2026-11-01", &*end)];
    let shown = follow(&shell, &step(""), &filled, "").text;
    assert!(shown.contains("3 days") && shown.contains("Nothing was done"), "{shown}");
    let shown = follow(&shell, &step("--yes"), &filled, "").text;
    assert!(shown.contains("3 of 3 days, 40 of 40 events"), "{shown}");
    events.collect(&served).await;
    // Asked for again, everything is read again and nothing is archived.
    let again = served.account.invoke(&asked).await.unwrap();
    let lanes = again["lanes"].as_array().unwrap();
    assert!(lanes.iter().all(|lane| lane["state"] == "reopened"), "{again}");
    served.account.run_schedule(1).await;
    events.collect(&served).await;
}

/// JumpCloud has more of an hour than the archive: the hour is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_repaired_as_the_runbook_says() {
    let (served, _shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    let late_ms = now_ms() - 7 * HOUR_MS;
    events.add(&served, vec![event(5_000, "sso", late_ms)]);
    let text = section(RUNBOOK, "Reconcile gap");
    assert!(text.contains("`\"repair\": true`") && text.contains("`events/audit.json`"), "{text}");
    let (start, end) = (rfc3339(late_ms - 8 * HOUR_MS), rfc3339(late_ms + 8 * HOUR_MS));
    let audit = |repair: bool| {
        event_of("audit.json", &json!({"start": start, "end": end, "repair": repair}))
    };
    let found = served.account.invoke(&audit(false)).await.unwrap();
    let line = &found["streams"][0];
    assert_eq!(line["differing"].as_array().map(Vec::len), Some(1), "{found}");
    let repaired = served.account.invoke(&audit(true)).await.unwrap();
    assert_eq!(repaired["streams"][0]["repair"]["written"], 1, "{repaired}");
    let clean = served.account.invoke(&audit(false)).await.unwrap();
    assert_eq!(clean["streams"][0]["differing"], json!([]), "{clean}");
    events.collect(&served).await;
}

/// The administrator has several organizations: the key is good, and `discover` finds them.
#[tokio::test(flavor = "multi_thread")]
async fn no_organization_selected_is_solved_as_the_runbook_says() {
    let (served, shell) = deployed().await;
    add_other(&served);
    let error = served.account.invoke("{}").await.unwrap_err().to_string();
    assert!(error.contains("no organization selected"), "{error}");
    let text = section(RUNBOOK, "Upstream auth");
    assert!(text.contains("`JumpCloudOrgIds` to their ids, or to `discover`"), "{text}");
    deploy(&shell, "JumpCloudOrgIds=discover");
    let validate = event_of("validate.json", &json!({}));
    let valid = served.account.invoke(&validate).await.unwrap();
    assert_eq!(valid["ok"], true, "{valid}");
    let mut events = Events::default();
    events.collect(&served).await;
    let status = served.account.invoke(r#"{"task":"status"}"#).await.unwrap();
    assert_eq!(status["streams"].as_array().map(Vec::len), Some(2), "{status}");
}

/// The service is enabled; the name is removed.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_query_is_solved_as_the_runbook_says() {
    let (served, shell) = deployed().await;
    let refuse = || {
        let fault = Fault::error(403, "not in your plan");
        let rule = Rule::new(fault, When::Always).for_service("alerts");
        served.account.environment.jumpcloud.world().add_fault(rule);
    };
    deploy(&shell, "JumpCloudServices=all,alerts");
    let mut events = Events::default();
    let text = section(RUNBOOK, "Queries refused");
    for words in ["Have it enabled", "or remove the name from `JumpCloudServices`"] {
        assert!(text.contains(words), "{words}");
        refuse();
        events.collect(&served).await;
        let line = status(&served).await;
        assert_eq!(line["refused"][0]["query"], "alerts", "{line}");
        if words.contains("remove") {
            deploy(&shell, "JumpCloudServices=all");
        } else {
            served.account.environment.jumpcloud.world().clear_faults();
        }
        events.collect(&served).await;
        let line = status(&served).await;
        assert_eq!(line["refused"], json!([]), "{line}");
    }
}

/// With a look-back of days, the days before as past days, and the other application's key revoked.
#[tokio::test(flavor = "multi_thread")]
async fn jumpclouds_own_application_is_replaced_as_the_page_says() {
    const NEW_KEY: &str = "jca_r34d0nlyKEYr34d0nlyKEYr34d0nly03";
    let text = section(OPERATE, "From JumpCloud's own serverless app");
    let (served, shell) = deployed_with("StartLookback=3d").await;
    let mut events = Events::default();
    events.add(&served, series(10_000, 9 * 24, now_ms() - 9 * DAY_MS, HOUR_MS));
    served.account.run_schedule(1).await;
    // 1. The days before, up to where the stream begins.
    assert!(text.contains("run a backfill (`events/backfill.json`)"), "{text}");
    let days = json!({"start": day(-9), "end": day(-2)});
    let opened = served.account.invoke(&event_of("backfill.json", &days)).await.unwrap();
    assert_eq!(opened["refused"], json!([]), "{opened}");
    served.account.run_schedule(2).await;
    let status_event = event_of("status.json", &json!({}));
    let all = served.account.invoke(&status_event).await.unwrap();
    let lanes = all["streams"].as_array().unwrap().iter().filter(|line| !line["end"].is_null());
    assert!(lanes.clone().all(|lane| !lane["finished"].is_null()), "{all}");
    assert!(lanes.count() >= 7, "{all}");
    // 2. It has caught up.
    let line = status(&served).await;
    assert!(line["lag_seconds"].as_i64().is_some_and(|lag| lag < 60), "{line}");
    // 3. Compared with JumpCloud, the day before yesterday and one of the past days.
    for back in [-2, -6] {
        let range = json!({"start": day(back), "end": day(back + 1)});
        let audit = served.account.invoke(&event_of("audit.json", &range)).await.unwrap();
        let lines = audit["streams"].as_array().unwrap();
        let clean = |line: &Value| line["differing"] == json!([]) && line["error"].is_null();
        assert!(lines.iter().all(clean), "{audit}");
        let archived: i64 = lines.iter().filter_map(|line| line["archived"].as_i64()).sum();
        assert_eq!(archived, 24, "{audit}");
    }
    // 6. A key of its own.
    let world = || served.account.environment.jumpcloud.world();
    world().add_key(NEW_KEY, Key::single("read-only", ORGANIZATION));
    for step in steps(OPERATE, Procedure::Rotation) {
        let typed = format!("{NEW_KEY}\n");
        follow(&shell, &step, &[("<SecretArn>", SECRET), ("<stack>", STACK)], &typed);
    }
    world().remove_key(API_KEY);
    events.collect(&served).await;
    let verify = format!("collector verify --archive-bucket {ARCHIVE} --state-bucket {STATE}");
    let verified = shell.run(&verify, &[], "");
    assert_eq!(verified.code, 0, "{}", verified.text);
}
