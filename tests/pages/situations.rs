//! Situations that alarms tell of and that no change of a parameter ends: each is caused on the
//! built function, and what its section of the runbook has people look at is taken from the page.

use engine::limits::{DAY_MS, LANE_RECOVERY_MS, MINUTE_MS};
use fixtures::aws::ARCHIVE;
use fixtures::environment::STREAM;
use fixtures::event::{ORGANIZATION, event, now_ms};
use fixtures::iam::reading::template;
use mock::{Fault, Rule, When};
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::account::{STACK, Served};
use crate::followed::section;
use crate::operation::{OTHER, add_other, day, deploy, event_of};
use crate::procedures::{Events, deployed, deployed_with, follow};
use crate::shell::Shell;
use crate::table::{Procedure, steps};

const RUNBOOK: &str = "docs/runbook.md";

/// A section of the runbook, and the metric that its alarm watches.
struct Situation {
    text: String,
    metric: String,
}

impl Situation {
    fn of(heading: &str) -> Self {
        let anchor = heading.to_lowercase().replace(' ', "-");
        let place = format!("docs/runbook.md#{anchor}");
        let template = template();
        let resources = template["Resources"].as_object().unwrap().values();
        let mut alarms = resources.map(|resource| &resource["Properties"]);
        let is_of = |alarm: &&Value| {
            alarm["AlarmDescription"].as_str().is_some_and(|text| text.trim().ends_with(&place))
        };
        let metric = alarms.find(is_of).unwrap()["MetricName"].as_str().unwrap().to_owned();
        Self { text: section(RUNBOOK, heading), metric }
    }

    /// The code that follows these words of the section.
    #[track_caller]
    fn quoted(&self, words: &str) -> &str {
        let (_, rest) = self.text.split_once(&format!("{words}`")).unwrap_or_else(|| {
            panic!("the section does not say any more: {words}`…`: {}", self.text)
        });
        rest.split_once('`').unwrap().0
    }

    /// The number before these words of the section.
    #[track_caller]
    fn number(&self, words: &str) -> i64 {
        let found = Regex::new(&format!(r"(\w+) {}", regex_lite::escape(words))).unwrap();
        let found = found.captures(&self.text).unwrap_or_else(|| panic!("{words}: {}", self.text));
        if &found[1] == "five" { 5 } else { found[1].parse().unwrap() }
    }

    /// The largest value that the alarm's metric had in these lines.
    fn value(&self, log: &[Value]) -> i64 {
        let emitted = log.iter().filter(|line| line.get("_aws").is_some());
        emitted.filter_map(|line| line[&self.metric].as_i64()).max().unwrap()
    }

    /// The schedule has run three times: the alarm ends, and no event is lost or archived twice.
    async fn ends(&self, served: &Served, events: &mut Events) {
        events.collect(served).await;
        served.account.take_log();
        served.account.run_schedule(1).await;
        assert_eq!(self.value(&served.account.take_log()), 0, "{}", self.metric);
    }
}

/// The first line of the log with a message.
#[track_caller]
fn logged<'a>(log: &'a [Value], message: &str) -> &'a Value {
    let line = log.iter().find(|line| line["message"] == message);
    line.unwrap_or_else(|| panic!("nothing logs `{message}`: {log:#?}"))
}

/// What the page's command shows of a stream, with the event of the section.
fn status_of(shell: &Shell, event: &str, stream: &str) -> Value {
    let mut asked = steps(RUNBOOK, Procedure::Operation).into_iter();
    let asked = asked.find(|step| step.text.contains(event)).unwrap();
    let shown = follow(shell, &asked, &[("<stack>", STACK)], "").text;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let mut lines = shown["streams"].as_array().unwrap().iter();
    lines.find(|line| line["stream"] == stream).unwrap_or_else(|| panic!("{shown}")).clone()
}

/// An event that names the other organization.
fn event_of_other(number: usize) -> Vec<u8> {
    let event = String::from_utf8(event(number, "sso", now_ms() - 5 * MINUTE_MS)).unwrap();
    event.replace(ORGANIZATION, OTHER).into_bytes()
}

async fn validate(served: &Served) {
    let validate = event_of("validate.json", &json!({}));
    let valid = served.account.invoke(&validate).await.unwrap();
    assert_eq!(valid["ok"], true, "{valid}");
}

/// The list is refused, and then not answered: the known organizations are collected, and a new one
/// is found afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn organizations_that_could_not_be_listed_are_found_as_the_runbook_says() {
    let situation = Situation::of("Discovery");
    let (served, shell) = deployed().await;
    deploy(&shell, situation.quoted("organizations ("));
    let mut events = Events::default();
    events.collect(&served).await;
    add_other(&served);
    let new = event_of_other(9_000);
    served.account.environment.load(std::slice::from_ref(&new));
    let filter = situation.quoted("The log says why (");
    let message = filter.strip_prefix("filter message = '").unwrap().trim_end_matches('\'');
    for (fault, status) in [(Fault::error(403, "Forbidden"), "403"), (Fault::html(502), "502")] {
        assert!(situation.text.contains(&status.replace("502", "5xx")), "{}", situation.text);
        let world = || served.account.environment.jumpcloud.world();
        world().add_fault(Rule::new(fault, When::Always).on("/organizations"));
        served.account.take_log();
        events.load(&served);
        // It fails where an operator must correct it.
        assert_eq!(served.account.schedule().await.is_err(), status == "403");
        let log = served.account.take_log();
        let why = logged(&log, message);
        assert!(why["error"].as_str().unwrap().contains(status), "{why}");
        assert_eq!(situation.value(&log), 1);
        served.account.environment.archive().await.assert_holds(&events.0);
        world().clear_faults();
    }
    validate(&served).await;
    events.0.push(new);
    situation.ends(&served, &mut events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_others_are_where_the_runbook_says() {
    let situation = Situation::of("Events of others");
    let (served, _shell) = deployed_with(&format!("JumpCloudOrgIds={ORGANIZATION}")).await;
    let mut events = Events::default();
    events.collect(&served).await;
    served.account.take_log();
    let foreign = event_of_other(9_000);
    let environment = &served.account.environment;
    let at_ms = now_ms() - 5 * MINUTE_MS;
    environment.jumpcloud.world().load_at(foreign.clone(), at_ms, ORGANIZATION, "sso", i64::MIN);
    let report = served.account.schedule().await.unwrap();
    assert_eq!(situation.value(&served.account.take_log()), 1);
    let stream = report["streams"][0]["stream"].as_str().unwrap();
    let place = situation.quoted("unchanged in ").replace("<stream>", stream);
    let keys = environment.aws.buckets.keys(ARCHIVE);
    assert_eq!(keys.iter().filter(|key| key.starts_with(&place)).count(), 1, "{place}: {keys:?}");
    assert!(situation.text.contains("Check that the credential is the intended one"));
    validate(&served).await;
    situation.ends(&served, &mut events).await;
    let quarantined = environment.archive().await.quarantined;
    let quarantined: Vec<_> = quarantined.into_iter().filter_map(|row| row.bytes).collect();
    assert_eq!(quarantined, [foreign]);
}

/// One of two organizations is refused, so often that it is suspended.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_needs_an_operator_is_solved_as_the_runbook_says() {
    let situation = Situation::of("Needs an operator");
    let (served, shell) = deployed().await;
    add_other(&served);
    deploy(&shell, &format!("JumpCloudOrgIds={ORGANIZATION},{OTHER}"));
    let mut events = Events::default();
    events.collect(&served).await;
    let environment = &served.account.environment;
    let refused = Rule::new(Fault::error(401, "Unauthorized"), When::Always);
    environment.jumpcloud.world().add_fault(refused.on("/events").for_organization(OTHER));
    events.0.push(event_of_other(9_000));
    environment.load(&events.0[events.0.len() - 1..]);
    assert!(situation.text.contains("no invocation fails because of them"), "{}", situation.text);
    let tries = situation.number("times in a row is tried");
    let table = &environment.aws.table;
    let mut tried_ms = 0;
    for _ in 0..tries {
        assert!(table.number(OTHER, "failures").is_none_or(|failures| failures < tries));
        tried_ms = now_ms();
        events.load(&served);
        served.account.schedule().await.unwrap();
    }
    served.account.take_log();
    let report = served.account.schedule().await.unwrap();
    assert_eq!(report["queued"]["suspended"], 1, "{report}");
    assert_eq!(situation.value(&served.account.take_log()), 1);
    let line = status_of(&shell, situation.quoted("Invoke "), OTHER);
    let looked_for = situation.quoted("look for ");
    assert!(line.to_string().contains(looked_for), "{looked_for}: {line}");
    let why = line[situation.quoted("`\"needs_operator\":true`; ")].as_str().unwrap();
    assert!(why.contains("401"), "{line}");
    // The credential is put right, and the time until the next try is over.
    environment.jumpcloud.world().clear_faults();
    validate(&served).await;
    let retry_ms = table.number(OTHER, "retry_after_ms").unwrap();
    let wait_ms = situation.number("minutes or more after its last try") * MINUTE_MS;
    // JumpCloud tells its time by the second.
    assert!((retry_ms - wait_ms - tried_ms).abs() < MINUTE_MS, "{retry_ms} {wait_ms} {tried_ms}");
    table.set_number(OTHER, "retry_after_ms", now_ms() - MINUTE_MS);
    situation.ends(&served, &mut events).await;
}

/// A lane that was never read for as long as the section says, and half an hour after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_is_closed_ends_its_alarm_as_the_runbook_says() {
    let situation = Situation::of("Needs an operator");
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    let environment = &served.account.environment;
    environment.fault(Fault::error(403, "Forbidden"), When::Always);
    let days = json!({"start": day(-5), "end": day(-4)});
    let opened = served.account.invoke(&event_of("backfill.json", &days)).await;
    // Its first run creates the lane, and is refused as that of the live stream is.
    let refused = served.account.schedule().await.unwrap_err();
    assert!(refused.to_string().contains("403"), "{refused}");
    environment.jumpcloud.world().clear_faults();
    let (lane, table) = (format!("{STREAM}.backfill-{}", day(-5)), &environment.aws.table);
    let days = situation.number("days, and is read no more");
    assert!(table.number(&lane, "born_ms").is_some(), "{opened:?}");
    table.set_number(&lane, "born_ms", now_ms() - (days + 1) * DAY_MS);
    served.account.schedule().await.unwrap();
    served.account.take_log();
    served.account.schedule().await.unwrap();
    assert_eq!(situation.value(&served.account.take_log()), 1);
    let line = status_of(&shell, situation.quoted("Invoke "), &lane);
    assert!(line.to_string().contains(situation.quoted("look for ")), "{line}");
    let why = line["last_error"].as_str().unwrap();
    let closed = situation.quoted("2. ").trim_end_matches(" …");
    assert!(why.contains(closed) && why.contains(&day(-5)), "{closed}: {why}");
    // Half an hour passes.
    assert!(situation.text.contains("with the lane's last run, half an hour later"));
    let expired_ms = table.number(&lane, "expired_ms").unwrap();
    table.set_number(&lane, "expired_ms", expired_ms - LANE_RECOVERY_MS - MINUTE_MS);
    served.account.schedule().await.unwrap();
    situation.ends(&served, &mut events).await;
}

/// The stack was off for longer than a stream may read back.
#[tokio::test(flavor = "multi_thread")]
async fn ranges_that_are_lost_are_named_where_the_runbook_says() {
    let situation = Situation::of("Ranges lost");
    let (served, _shell) = deployed().await;
    let environment = &served.account.environment;
    let paused_ms = (situation.number("days, or names were added") + 2) * DAY_MS;
    environment.set_clock_skew_ms(-paused_ms);
    let mut events = Events::default();
    events.add(&served, vec![event(9_000, "sso", now_ms() - paused_ms - 5 * MINUTE_MS)]);
    served.account.run_schedule(3).await;
    environment.set_clock_skew_ms(0);
    // The mock of JumpCloud keeps events for 90 days: of the range that is skipped it has none.
    events.add(&served, vec![event(9_001, "sso", now_ms() - 80 * DAY_MS)]);
    served.account.take_log();
    let report = served.account.schedule().await.unwrap();
    let log = served.account.take_log();
    assert_eq!(situation.value(&log), 1);
    let lost = &report["streams"][0][situation.quoted("report (")];
    assert_eq!(lost.as_array().map(Vec::len), Some(1), "{report}");
    let line = logged(&log, situation.quoted("log line "));
    assert_eq!(line["stream"], STREAM, "{line}");
    assert!(situation.text.contains("name stream, query and range"), "{}", situation.text);
    for name in ["query", "from", "to"] {
        assert_eq!(line[name], lost[0][name], "{line}");
    }
    situation.ends(&served, &mut events).await;
}

/// One query is not answered: the stream is behind until JumpCloud answers again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_behind_says_why_as_the_runbook_has_it() {
    let situation = Situation::of("Freshness lag");
    let (served, _shell) = deployed_with("JumpCloudServices=all,alerts").await;
    let mut events = Events::default();
    events.collect(&served).await;
    let world = || served.account.environment.jumpcloud.world();
    let fault = Fault::error(503, "Service Unavailable");
    world().add_fault(Rule::new(fault, When::Always).for_service("alerts"));
    events.load(&served);
    served.account.take_log();
    served.account.schedule().await.unwrap();
    let log = served.account.take_log();
    let (field, line) = (situation.quoted("why: - "), situation.quoted("Its last line "));
    let is_behind = situation.quoted("why: - `outcome` is ");
    assert_eq!(logged(&log, line)[field], is_behind, "{log:#?}");
    let failed = logged(&log, situation.quoted("and the log has "));
    assert_eq!(failed["query"], "alerts", "{failed}");
    world().clear_faults();
    events.collect(&served).await;
    served.account.take_log();
    served.account.run_schedule(1).await;
    let log = served.account.take_log();
    assert_ne!(logged(&log, line)[field], is_behind, "{log:#?}");
    assert!(situation.value(&log) < MINUTE_MS / 1_000, "{log:#?}");
}
