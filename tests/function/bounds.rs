//! Every setting at the bounds that its page gives: there the function collects, and beyond them it
//! says which setting is wrong.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::time::rfc3339;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{now_ms, series};
use fixtures::sqs::QUEUE_URL;

/// A setting, words of its row in `docs/settings.md`, values that are allowed, and others. A value may
/// come with other settings, behind a comma each.
type Bounds = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const BOUNDS: [Bounds; 17] = [
    ("ARCHIVE_RETENTION", "at least 121 days", &["121d", "36500d"], &["120d", "36501d"]),
    ("JUMPCLOUD_REGION", "`us`, `eu` or `in`", &["us", "eu", "in"], &["US", "au"]),
    ("JUMPCLOUD_RETENTION", "at most 730 days", &["15d", "730d"], &["731d"]),
    ("START_LOOKBACK", "at most 90 days", &["2d", "90d"], &["91d", "0s"]),
    ("SETTLE_LAG", "at most a day", &["0s", "1d"], &["25h", "86401s"]),
    (
        "OVERLAP",
        "at most `LATE_HORIZON`",
        &["0s", "24h", "60d,LATE_HORIZON=60d"],
        &["25h", "60d,LATE_HORIZON=59d"],
    ),
    (
        "LATE_HORIZON",
        "at most 60 days",
        &[
            "2s,OVERLAP=2s,SWEEP_EVERY=1s",
            "60d",
            "60d,SWEEP_EVERY=30d,OVERLAP=60d,START_LOOKBACK=90d",
        ],
        &["61d", "0s"],
    ),
    (
        "SWEEP_EVERY",
        "at most half of `LATE_HORIZON`",
        &["1s", "12h", "30d,LATE_HORIZON=60d"],
        &["721m", "0s", "30d,LATE_HORIZON=59d"],
    ),
    ("PAGE_LIMIT", "1 to 10000", &["1", "10000"], &["0", "10001"]),
    (
        "MAX_PAGES_PER_RUN",
        "pages that the heads of a stream",
        &["1", "1,PAGE_LIMIT=1", "1000000"],
        &["0"],
    ),
    ("COMPRESSION_LEVEL", "1 to 12", &["1", "12"], &["0", "13"]),
    ("OUTPUT_FORMAT", "`raw`", &["raw"], &["json"]),
    ("LOG_LEVEL", "`error`, `warn`, `info`, `debug` or `trace`", &["error", "trace"], &["off"]),
    ("METRICS", "`standard`", &["standard", "detailed"], &["all"]),
    ("SYSTEM_USERS", "`daily`", &["off", "daily"], &["hourly"]),
    ("WORK_CONCURRENCY", "2 to 1000", &["2", "1000"], &["1", "1001"]),
    ("STALE_AFTER", "longer than this counts as stale", &["1s", "90d"], &["0s"]),
];

/// What a person writes into the environment.
fn settings<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut parts = value.split(',');
    let own = (name, parts.next().unwrap_or_default());
    std::iter::once(own).chain(parts.filter_map(|part| part.split_once('='))).collect()
}

/// Runs until everything is read; in the end a run has nothing new.
async fn collect_at(name: &str, value: &str) {
    let environment = Environment::start().await;
    // Older than the longest lag, younger than the shortest look-back.
    let events = series(1, 10, now_ms() - 30 * HOUR_MS, MINUTE_MS);
    environment.load(&events);
    let overrides = [&[("START_LOOKBACK", "2d")], &settings(name, value)[..]].concat();
    let function = Function::spawn(&environment, &overrides).await;
    for run in 0.. {
        let Outcome::Response(report) = function.invoke("{}", INVOCATION_LIMIT).await else {
            panic!("{name}={value}: {}", function.output());
        };
        // Beside it there may be a stream of users.
        let lines = report["streams"].as_array().expect("streams");
        let line = lines.iter().find(|line| line["stream"] == STREAM).expect("the live stream");
        let outcome = line["outcome"].as_str().unwrap_or_default();
        assert!(["ok", "behind", "waiting"].contains(&outcome), "{report}");
        if outcome != "behind" && line["written"] == 0 {
            break;
        }
        assert!(run < 60, "{name}={value}: {report}");
    }
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

async fn refused_at(name: &str, value: &str) {
    let environment = Environment::start().await;
    let overrides = settings(name, value);
    let message = Function::spawn(&environment, &overrides).await.fail("{}").await;
    assert!(message.contains(&format!("{name} is ")), "{name}={value}: {message}");
    assert_eq!(environment.aws.buckets.everything(), Vec::<Vec<u8>>::new(), "{name}={value}");
}

/// So that a person sees it beside how long SIEM and auditor need it.
#[tokio::test(flavor = "multi_thread")]
async fn status_says_how_long_the_archive_is_kept() {
    let environment = Environment::start().await;
    let settings: [(&[(&str, &str)], Value); 2] =
        [(&[("ARCHIVE_RETENTION", "121d")], json!(121)), (&[], Value::Null)];
    for (settings, days) in settings {
        let function = Function::spawn(&environment, settings).await;
        let status = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(status["archive_retention_days"], days, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_collects_at_every_bound_and_refuses_what_lies_beyond() {
    let page = std::fs::read_to_string("docs/settings.md").expect("the page");
    for (name, words, allowed, refused) in BOUNDS {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` ")));
        assert!(row.is_some_and(|row| row.contains(words)), "{name}: {row:?}");
        join_all(allowed.iter().map(|value| collect_at(name, value))).await;
        join_all(refused.iter().map(|value| refused_at(name, value))).await;
    }
}

/// One place is left to live streams, and the others are what past days may take at once.
#[tokio::test(flavor = "multi_thread")]
async fn work_concurrency_at_its_bounds_is_how_many_past_days_are_queued() {
    let day = |back: i64| rfc3339((now_ms().div_euclid(DAY_MS) - back) * DAY_MS);
    let backfill = json!({"task": "backfill", "start": day(6), "end": day(2)}).to_string();
    for (concurrency, sent, waiting) in [("2", 1, 3), ("1000", 4, 0)] {
        let environment = Environment::start().await;
        let settings = [("WORK_CONCURRENCY", concurrency), ("WORK_QUEUE_URL", QUEUE_URL)];
        let function = Function::spawn(&environment, &settings).await;
        function.run(&backfill).await;
        let report = function.run("{}").await;
        let queued = &report["queued"];
        let waits = queued["waiting"].as_u64().unwrap_or(0);
        assert_eq!((queued["sent"].as_u64(), waits), (Some(sent), waiting), "{report}");
    }
}

/// A member of an object of `bytes` bytes.
fn custom_fields(bytes: usize) -> String {
    let empty = r#"{"note":""}"#.len();
    format!(r#"{{"note":"{}"}}"#, "x".repeat(bytes - empty))
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_fields_may_have_4096_bytes() {
    let environment = Environment::start().await;
    environment.load(&series(1, 3, now_ms() - HOUR_MS, MINUTE_MS));
    let longest = custom_fields(4096);
    let report =
        Function::spawn(&environment, &[("CUSTOM_FIELDS", &longest)]).await.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 3, "{report}");
    let parts = environment.archive().await.parts;
    for line in parts.iter().flat_map(|part| &part.lines) {
        let line: Value = serde_json::from_slice(line).expect("an event");
        assert_eq!(line["note"].as_str().map(str::len), Some(4096 - 11), "{line}");
    }
    let longer = custom_fields(4097);
    let message =
        Function::spawn(&environment, &[("CUSTOM_FIELDS", &longer)]).await.fail("{}").await;
    assert!(message.contains("CUSTOM_FIELDS"), "{message}");
}
