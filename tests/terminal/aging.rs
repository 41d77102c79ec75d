//! Months pass for the built function and the built `collector`: JumpCloud's clock begins months ago
//! and is moved to today, JumpCloud forgets, and S3 deletes the journal and index of 120 days ago.
//!
//! Holds P6 and P12.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;

use engine::limits::{DAY_MS, HOUR_MS};
use engine::time::{floor_hour_ms, rfc3339};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::{Environment, STREAM};
use fixtures::event::{ORGANIZATION, now_ms, series, stamped};
use fixtures::http::Server;
use fixtures::process::Function;
use serde_json::{Value, json};

use crate::{collector, text};

/// Journal and index are kept for so many days.
const KEPT_DAYS: i64 = 120;

struct Months {
    environment: Environment,
    /// S3 as an auditor sees it.
    s3: Server,
    events: Vec<Vec<u8>>,
    /// Where JumpCloud has the events that have no time.
    unplaced_ms: Vec<i64>,
    days_ago: i64,
    /// When each object of the state bucket was first seen.
    seen: BTreeMap<String, i64>,
}

impl Months {
    async fn start(days_ago: i64) -> Self {
        let environment = Environment::start().await;
        environment.jumpcloud.world().organization_mut(ORGANIZATION).unwrap().users =
            vec![json!({"_id": "5d0a1b2c3d4e5f6071829301", "username": "anna"})];
        let buckets = Arc::clone(&environment.aws.buckets);
        let s3 = Server::start(move |request| {
            let buckets = Arc::clone(&buckets);
            async move { Some(buckets.serve(request).await) }
        });
        let s3 = s3.await;
        let months = Self {
            environment,
            s3,
            events: Vec::new(),
            unplaced_ms: Vec::new(),
            days_ago,
            seen: BTreeMap::new(),
        };
        months.environment.set_clock_skew_ms(-days_ago * DAY_MS);
        months
    }

    fn now_ms(&self) -> i64 {
        now_ms() - self.days_ago * DAY_MS
    }

    /// Lets days pass, with an event every six hours, and one that has no time in the middle.
    fn pass(&mut self, days: i64) {
        let from_ms = self.now_ms();
        let count = usize::try_from(days * 4).unwrap();
        let events = series(self.events.len() + 1, count, from_ms, 6 * HOUR_MS);
        self.environment.load(&events);
        self.events.extend(events);
        let unplaced = stamped(1_000_000 + self.events.len(), "soon");
        let ms = from_ms + days * DAY_MS / 2;
        self.environment.jumpcloud.world().load_at(
            unplaced.clone(),
            ms,
            ORGANIZATION,
            "sso",
            i64::MIN,
        );
        self.events.push(unplaced);
        self.unplaced_ms.push(ms);
        self.set_days_ago(self.days_ago - days);
    }

    fn set_days_ago(&mut self, days_ago: i64) {
        self.days_ago = days_ago;
        self.environment.set_clock_skew_ms(-days_ago * DAY_MS);
    }

    /// What the bucket's lifecycle deletes. S3's clock is right where JumpCloud's is ahead.
    fn expire(&mut self) -> usize {
        let now_ms = now_ms() - self.days_ago.max(0) * DAY_MS;
        let mut expired = 0;
        for key in self.environment.aws.buckets.keys(STATE) {
            let is_kept = !["journal/", "index/"].iter().any(|prefix| key.starts_with(prefix));
            let seen_ms = *self.seen.entry(key.clone()).or_insert(now_ms);
            if !is_kept && seen_ms < now_ms - KEPT_DAYS * DAY_MS {
                self.environment.aws.buckets.remove(STATE, &key);
                expired += 1;
            }
        }
        expired
    }

    /// One scheduled run in a process of its own.
    async fn run(&mut self) -> Value {
        self.run_with(&[]).await
    }

    /// The same with other settings.
    async fn run_with(&mut self, settings: &[(&str, &str)]) -> Value {
        let function = Function::spawn(&self.environment, settings).await;
        let report = function.run("{}").await;
        self.expire();
        live(&report).clone()
    }

    /// Archives the day that ended before the live stream begins, whose lane is finished with that.
    async fn archive_past_day(&mut self) {
        let day_ms = (self.now_ms() - 4 * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
        let events = series(900_000, 8, day_ms + HOUR_MS, HOUR_MS);
        self.environment.load(&events);
        self.events.extend(events);
        let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
        let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
        let function = Function::spawn(&self.environment, &[]).await;
        function.run("{}").await;
        let answer = function.run(&backfill).await;
        assert_eq!(answer["streams"][0]["written"], 8, "{answer}");
    }

    /// The parts of a lane or of snapshots of users.
    fn parts(&self, of: &str) -> usize {
        let keys = self.environment.aws.buckets.keys(ARCHIVE);
        keys.iter().filter(|key| key.contains(of)).count()
    }

    /// The lines of `collector verify`, which must find nothing wrong.
    fn verify(&self) -> String {
        let output = self.run_verify(ARCHIVE, STATE);
        assert!(output.status.success(), "{} days ago: {}", self.days_ago, text(&output));
        text(&output)
    }

    fn run_verify(&self, archive: &str, state: &str) -> Output {
        let mut variables = self.environment.aws.variables();
        variables.push(("AWS_ENDPOINT_URL_S3".to_owned(), self.s3.url()));
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let verify = ["verify", "--archive-bucket", archive, "--state-bucket", state];
        collector(&verify, &variables)
    }

    /// Everybody is content: `verify`, `audit` of the last weeks, and `status`.
    async fn assert_healthy(&self) -> String {
        let function = Function::spawn(&self.environment, &[]).await;
        // A run tells the process what time it is for JumpCloud.
        function.run("{}").await;
        let status = function.run(r#"{"task":"status"}"#).await;
        for line in status["streams"].as_array().unwrap() {
            assert_eq!(
                (&line["last_error"], &line["gaps"], &line["needs_operator"]),
                (&Value::Null, &json!(0), &json!(false)),
                "{status}"
            );
        }
        let [start, end] = [20, 0].map(|days| rfc3339(self.now_ms() - days * DAY_MS));
        let audit = json!({"task": "audit", "start": start, "end": end}).to_string();
        let audit = function.run(&audit).await;
        let line = live(&audit);
        assert_eq!(
            (&line["not_comparable"], &line["error"]),
            (&Value::Null, &Value::Null),
            "{audit}"
        );
        // JumpCloud counts an event without a time in some hour, and the index has it in none.
        let hours: Vec<_> = self.unplaced_ms.iter().map(|ms| floor_hour_ms(*ms)).collect();
        for differing in line["differing"].as_array().unwrap() {
            let hour: jiff::Timestamp = differing["hour"].as_str().unwrap().parse().unwrap();
            assert!(hours.contains(&hour.as_millisecond()), "{differing}");
            assert_eq!(differing["counted"], differing["archived"].as_i64().unwrap() + 1);
        }
        self.verify()
    }
}

/// What an answer says of the live stream.
fn live(answer: &Value) -> &Value {
    let lines = answer["streams"].as_array().unwrap();
    lines.iter().find(|line| line["stream"] == STREAM).unwrap()
}

/// The number in a line of `collector verify`.
fn verified(told: &str, what: &str) -> usize {
    let line = told.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// With a past day that was archived in the beginning, and snapshots of users that were stopped after a
/// few days.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_healthy_at_any_age_and_wherever_the_clock_is_set() {
    let mut months = Months::start(136).await;
    let daily = [("SYSTEM_USERS", "daily")];
    for _ in 0..2 {
        assert_eq!(months.run_with(&daily).await["outcome"], "ok");
        months.pass(1);
    }
    months.archive_past_day().await;
    let stopped = months.parts(".users-") + months.parts(".backfill-");
    assert!(stopped >= 3, "{:?}", months.environment.aws.buckets.keys(ARCHIVE));
    let mut passed = 0;
    while months.days_ago > 0 {
        months.pass(4);
        assert_eq!(months.run().await["outcome"], "ok", "{} days ago", months.days_ago);
        passed += 1;
        // Around the day on which the first entries expire at each, before it now and then.
        if passed % 8 == 0 || months.days_ago < 24 {
            months.assert_healthy().await;
        }
    }
    let kept = months.environment.aws.buckets.keys(STATE);
    assert!(!kept.iter().any(|key| key.ends_with(&format!("{:020}", 1))), "entry 1 has expired");
    let told = months.assert_healthy().await;
    assert!(verified(&told, "older ") > stopped, "{stopped} of streams that stopped: {told}");
    months.environment.archive().await.assert_holds(&months.events);

    // JumpCloud's clock is set forth, back and right again.
    for (days_ago, outcome) in [(-40, "ok"), (0, "ok"), (3, "waiting"), (0, "ok")] {
        months.set_days_ago(days_ago);
        let line = months.run().await;
        assert_eq!(line["outcome"], outcome, "{days_ago}: {line}");
        months.set_days_ago(0);
        months.assert_healthy().await;
    }
    months.environment.archive().await.assert_holds(&months.events);
}

/// Longer than a stream may read back: what was not read is told once, and everything else goes well.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_months_says_what_was_not_read() {
    let mut months = Months::start(130).await;
    for _ in 0..3 {
        months.run().await;
        months.pass(1);
    }
    let before = months.events.clone();
    months.run().await;
    months.environment.archive().await.assert_holds(&before);
    months.set_days_ago(0);
    assert!(months.expire() > 0, "journal and index have expired meanwhile");
    let kept = series(500_000, 8, now_ms() - 80 * DAY_MS, DAY_MS);
    months.environment.load(&kept);
    let function = Function::spawn(&months.environment, &[]).await;
    let report = function.run("{}").await;
    let line = &report["streams"][0];
    assert_eq!(line["outcome"], "ok", "{report}");
    let lost = line["lost"].as_array().unwrap();
    assert_eq!((lost.len(), &lost[0]["query"]), (1, &json!("all")), "{report}");
    let output = function.output();
    for told in ["skipped unread", "\"RangesLost\":1"] {
        assert!(output.contains(told), "{told}: {output}");
    }
    let again = months.run().await;
    assert_eq!((&again["outcome"], &again["lost"]), (&json!("ok"), &Value::Null), "{again}");
    months.assert_healthy().await;
    let all: Vec<_> = before.iter().chain(&kept).collect();
    months.environment.archive().await.assert_holds(all);
}

/// Buckets into which nothing was ever collected, and a name that none has, prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn empty_and_misspelt_buckets_are_not_verified() {
    let months = Months::start(0).await;
    for (state, told) in [(STATE, "there is nothing to verify"), ("stat", "stat")] {
        let output = months.run_verify(ARCHIVE, state);
        assert_eq!(output.status.code(), Some(1), "{state}: {}", text(&output));
        assert!(text(&output).contains(told), "{state}: {}", text(&output));
        assert!(!text(&output).contains("\nverified"), "{state}: {}", text(&output));
    }
}
