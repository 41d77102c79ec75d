//! Months pass: JumpCloud's clock begins months ago and is moved to today, JumpCloud forgets, and S3
//! deletes the journal and index of 120 days ago.

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

pub(crate) struct Months {
    /// What every function is set to.
    pub(crate) settings: Vec<(&'static str, &'static str)>,
    /// The stream that is looked at.
    pub(crate) stream: &'static str,
    pub(crate) environment: Environment,
    /// S3 as an auditor sees it.
    s3: Server,
    pub(crate) events: Vec<Vec<u8>>,
    /// Where JumpCloud has the events that have no time.
    unplaced_ms: Vec<i64>,
    pub(crate) days_ago: i64,
    /// When each object of the state bucket was first seen.
    seen: BTreeMap<String, i64>,
}

impl Months {
    pub(crate) async fn start(days_ago: i64) -> Self {
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
            settings: Vec::new(),
            stream: STREAM,
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

    pub(crate) fn now_ms(&self) -> i64 {
        now_ms() - self.days_ago * DAY_MS
    }

    /// Lets days pass, with an event every six hours, and one that has no time in the middle.
    pub(crate) fn pass(&mut self, days: i64) {
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

    pub(crate) fn set_days_ago(&mut self, days_ago: i64) {
        self.days_ago = days_ago;
        self.environment.set_clock_skew_ms(-days_ago * DAY_MS);
    }

    /// What the bucket's lifecycle deletes. S3's clock is right where JumpCloud's is ahead.
    pub(crate) fn expire(&mut self) -> usize {
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

    /// A function in a process of its own, with these settings more.
    pub(crate) async fn function(&self, more: &[(&str, &str)]) -> Function {
        Function::spawn(&self.environment, &[&self.settings[..], more].concat()).await
    }

    /// One scheduled run in a process of its own.
    pub(crate) async fn run(&mut self) -> Value {
        self.run_with(&[]).await
    }

    /// The same with other settings.
    pub(crate) async fn run_with(&mut self, settings: &[(&str, &str)]) -> Value {
        let function = self.function(settings).await;
        let report = function.run("{}").await;
        self.expire();
        self.live(&report).clone()
    }

    /// Archives the day that ended before the live stream begins, whose lane is finished with that.
    pub(crate) async fn archive_past_day(&mut self) {
        let day_ms = (self.now_ms() - 4 * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
        let events = series(900_000, 8, day_ms + HOUR_MS, HOUR_MS);
        self.environment.load(&events);
        self.events.extend(events);
        let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
        let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
        let function = self.function(&[]).await;
        function.run("{}").await;
        let answer = function.run(&backfill).await;
        assert_eq!(answer["streams"][0]["written"], 8, "{answer}");
    }

    /// What an answer says of the stream.
    pub(crate) fn live<'a>(&self, answer: &'a Value) -> &'a Value {
        let lines = answer["streams"].as_array().unwrap();
        lines.iter().find(|line| line["stream"] == self.stream).unwrap()
    }

    /// What `status` says of the stream; it goes by the local clock.
    pub(crate) async fn status(&self) -> Value {
        let status = self.function(&[]).await.run(r#"{"task":"status"}"#).await;
        self.live(&status).clone()
    }

    /// The parts of a lane or of snapshots of users.
    pub(crate) fn parts(&self, of: &str) -> usize {
        let keys = self.environment.aws.buckets.keys(ARCHIVE);
        keys.iter().filter(|key| key.contains(of)).count()
    }

    /// The lines of `collector verify`, which must find nothing wrong.
    pub(crate) fn verify(&self) -> String {
        let output = self.run_verify(ARCHIVE, STATE);
        assert!(output.status.success(), "{} days ago: {}", self.days_ago, text(&output));
        text(&output)
    }

    pub(crate) fn run_verify(&self, archive: &str, state: &str) -> Output {
        let mut variables = self.environment.aws.variables();
        variables.push(("AWS_ENDPOINT_URL_S3".to_owned(), self.s3.url()));
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let verify = ["verify", "--archive-bucket", archive, "--state-bucket", state];
        collector(&verify, &variables)
    }

    /// Everybody is content: `verify`, `audit` of the last weeks, and `status`.
    pub(crate) async fn assert_healthy(&self) -> String {
        let function = self.function(&[]).await;
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
        let line = self.live(&audit);
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

/// The number in a line of `collector verify`.
pub(crate) fn verified(told: &str, what: &str) -> usize {
    let line = told.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
