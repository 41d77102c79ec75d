//! Pages that cannot be fetched or read, and rows that are unlike what was asked for: what can be had
//! is archived, once, and what cannot is named.
//!
//! Holds P10.

use std::collections::BTreeSet;

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::time::rfc3339;
use mock::{Fault, When};
use serde_json::{Value, json};

use crate::process::{Function, Outcome};
use fixtures::aws::STATE;
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms, series, stamped};

/// Runs until one is over with everything, at most `runs` times; returns their reports.
async fn run_to_the_end(function: &Function, runs: usize) -> Vec<Value> {
    let mut reports = Vec::new();
    while reports.len() < runs {
        let Outcome::Response(report) = function.invoke("{}", INVOCATION_LIMIT).await else {
            panic!("{}", function.output());
        };
        let stream = only_stream(&report).clone();
        let became = ["seen", "written", "filtered", "quarantined", "cut_before", "cut_after"];
        let became: u64 = became.iter().filter_map(|name| stream[name].as_u64()).sum();
        assert_eq!(stream["read"], became, "{report}");
        reports.push(stream);
        if reports[reports.len() - 1]["outcome"] == "ok" {
            return reports;
        }
    }
    panic!("still not at the end after {runs} runs: {reports:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_small_pages_only_is_read_in_small_pages() {
    let environment = Environment::start().await;
    let events = series(1, 400, now_ms() - HOUR_MS, 1_000);
    environment.load(&events);
    environment.fault(Fault::slow_above(100), When::Always);
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "1600")]).await;
    run_to_the_end(&function, 3).await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// What is read behind the head comes in small pages, too, and the head with what is new does not wait
/// for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_small_pages_only_delays_no_sweep_hour_or_past_day() {
    let environment = Environment::start().await;
    environment.fault(Fault::slow_above(100), When::Always);
    let mut events = series(1, 10, now_ms() - HOUR_MS, 1_000);
    environment.load(&events);
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "400")]).await;
    let run = async |number, late: Vec<Vec<u8>>| {
        let new = series(number, 1, now_ms() - MINUTE_MS, 1);
        environment.load(&late);
        environment.load(&new);
        run_to_the_end(&function, 2).await;
        [late, new].concat()
    };
    run_to_the_end(&function, 1).await;
    // An hour whose counts differ.
    environment.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    events.extend(run(1_000, series(1_001, 300, now_ms() - 9 * HOUR_MS, 100)).await);
    environment.archive().await.assert_holds(&events);
    // A sweep; the next comparison is not due.
    environment.aws.table.set_swept(STREAM, now_ms() - 13 * HOUR_MS);
    events.extend(run(2_000, series(2_001, 300, now_ms() - 12 * HOUR_MS, 100)).await);
    environment.archive().await.assert_holds(&events);
    // A past day.
    let day_ms = (now_ms() - 3 * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
    let past = series(3_001, 300, day_ms + HOUR_MS, 100);
    environment.load(&past);
    let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
    let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
    let answer = function.run(&backfill).await;
    assert_eq!(answer["streams"][0]["outcome"], "ok", "{answer}");
    events.extend(past);
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// What asks for patience is no reason to ask for less.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_for_as_many_rows_as_before() {
    let environment = Environment::start().await;
    environment.load(&series(1, 40, now_ms() - HOUR_MS, 1_000));
    for status in [429, 503] {
        let mut answer = mock::Answer::error(status, "busy");
        answer.headers.push(("Retry-After".to_owned(), "0".to_owned()));
        environment.fault(answer.into(), When::Next(2));
    }
    Function::spawn(&environment, &[]).await.run("{}").await;
    let world = environment.jumpcloud.world();
    let limits: BTreeSet<_> = world
        .log()
        .iter()
        .filter(|record| record.path.ends_with("/events"))
        .filter_map(|record| record.body.as_ref()?.get("limit")?.as_u64())
        .collect();
    assert_eq!(limits, BTreeSet::from([1, 100]), "1 is for the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_json_are_quarantined_and_what_is_around_them_is_archived() {
    let environment = Environment::start().await;
    let first_ms = now_ms() - HOUR_MS;
    let events = series(1, 30, first_ms, 1_000);
    environment.load(&events);
    let rows: [&[u8]; 3] =
        [b"{\"id\":\"a\",\"n\":NaN}", b"{\"id\":\"b\",\"t\":\"a\x01b\"}", b"{\"id\":"];
    for (nth, row) in (0..).zip(rows) {
        let ms = first_ms + 7_500 * (nth + 1);
        environment.jumpcloud.world().load_at(row.to_vec(), ms, ORGANIZATION, "sso", i64::MIN);
    }
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "2")]).await;
    run_to_the_end(&function, 4).await;
    function.run("{}").await;
    let archive = environment.archive().await;
    archive.assert_holds(&events);
    let quarantined: Vec<_> =
        archive.quarantined.iter().map(|row| row.bytes.as_deref().unwrap_or_default()).collect();
    assert_eq!(quarantined, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_the_page_of_a_quiet_stream() {
    let environment = Environment::start().await;
    environment.fault(Fault::null_page(), When::Always);
    let function = Function::spawn(&environment, &[]).await;
    let reports = run_to_the_end(&function, 1).await;
    assert_eq!(reports[0]["read"], 0);
}

/// Name-based ids and whole seconds: RADIUS.
#[tokio::test(flavor = "multi_thread")]
async fn two_rows_under_one_identity_are_both_kept() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let row = |nth: usize| {
        let mut row = event(1, "radius", ms);
        row.truncate(row.len() - 1);
        row.extend_from_slice(format!(r#","port":{nth}}}"#).as_bytes());
        row
    };
    let rows: Vec<_> = (0..3).map(row).collect();
    for row in &rows {
        environment.load(&[row.clone(), row.clone()]);
    }
    // In pages of two and with more between them, so that they meet across pages.
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "2")]).await;
    let report = only_stream(&function.run("{}").await).clone();
    assert_eq!((&report["written"], &report["quarantined"]), (&1.into(), &2.into()), "{report}");
    let again = only_stream(&function.run("{}").await).clone();
    assert_eq!((&again["written"], &again["quarantined"]), (&0.into(), &0.into()), "{again}");
    let archive = environment.archive().await;
    assert_eq!(archive.event_count(), 1);
    let lines = archive.parts.iter().flat_map(|part| part.lines.clone());
    let quarantined = archive.quarantined.iter().filter_map(|row| row.bytes.clone());
    let mut kept: Vec<_> = lines.chain(quarantined).collect();
    kept.sort();
    assert_eq!(kept, rows);
    assert!(archive.quarantined.iter().all(|row| row.reason.contains("same identity")));
}

/// The first of them is decided before the second one comes.
#[tokio::test(flavor = "multi_thread")]
async fn two_rows_under_one_identity_meet_across_batches() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let with = |port: usize| {
        let mut row = event(1, "radius", ms);
        row.truncate(row.len() - 1);
        row.extend_from_slice(format!(r#","port":{port}}}"#).as_bytes());
        row
    };
    // A batch has as many partitions as there are days and the first row; the row between the two
    // would need one more.
    let day = |nth: i64| event(10 + nth as usize, "sso", ms - (63 - nth) * DAY_MS);
    let before: Vec<_> = (1..=63).map(day).collect();
    environment.load(&before);
    environment.load(&[with(1), event(2, "ldap", ms + 1)]);
    environment.jumpcloud.world().load_at(with(2), ms + 2, ORGANIZATION, "radius", i64::MIN);
    let function = Function::spawn(&environment, &[("START_LOOKBACK", "90d")]).await;
    let report = only_stream(&function.run("{}").await).clone();
    assert_eq!((&report["written"], &report["quarantined"]), (&65.into(), &1.into()), "{report}");
    let entries = environment.aws.buckets.keys(STATE);
    assert!(entries.iter().filter(|key| key.starts_with("journal/")).count() > 1, "{entries:?}");
    let archive = environment.archive().await;
    let quarantined: Vec<_> =
        archive.quarantined.iter().filter_map(|row| row.bytes.clone()).collect();
    assert_eq!(quarantined, [with(2)]);
    assert!(archive.quarantined[0].reason.contains("same identity"));
}

/// JumpCloud sorts them where it sorts them, whatever they say themselves: what lies around such a
/// row is read, and what becomes of each is counted.
#[tokio::test(flavor = "multi_thread")]
async fn rows_outside_of_the_window_hide_nothing() {
    let environment = Environment::start().await;
    let ms = now_ms() - HOUR_MS;
    let at =
        |ms: i64| jiff::Timestamp::from_millisecond(ms).expect("a time jiff knows").to_string();
    let unreadable = |number| stamped(number, "soon");
    let around = [event(1, "sso", ms - MINUTE_MS), event(9, "sso", ms + MINUTE_MS)];
    environment.load(&around);
    let within = [
        // Before the origin, ahead of the end, and each with a row behind it that tells no time.
        (stamped(2, "1970-01-01T00:00:00Z"), false),
        (unreadable(3), true),
        (stamped(4, "2038-01-19T03:14:07Z"), false),
        (unreadable(5), true),
    ];
    let load = |row: &Vec<u8>, ms| {
        let mut world = environment.jumpcloud.world();
        world.load_at(row.clone(), ms, ORGANIZATION, "sso", i64::MIN);
    };
    within.iter().zip(0..).for_each(|((row, _), nth)| load(row, ms + nth));
    let function = Function::spawn(&environment, &[]).await;
    let report = &run_to_the_end(&function, 1).await[0];
    // At least: an hour whose counts differ may be read again in the same run.
    assert!(report["cut_before"].as_u64() >= Some(1), "{report}");
    assert!(report["cut_after"].as_u64() >= Some(1), "{report}");
    // Before the window of the next run, and behind the origin.
    let late = [stamped(6, &at(ms - 20 * HOUR_MS)), unreadable(7)];
    late.iter().for_each(|row| load(row, now_ms() - 5 * MINUTE_MS));
    let report = &run_to_the_end(&function, 1).await[0];
    assert_eq!(report["written"], 2, "{report}");
    let kept = within.iter().filter(|(_, is_kept)| *is_kept).map(|(row, _)| row);
    environment.archive().await.assert_holds(around.iter().chain(kept).chain(&late));
}

/// It may be full: nobody says how many rows would be.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_page_without_a_limit_in_force_ends_no_query() {
    let environment = Environment::start().await;
    let events = series(1, 90, now_ms() - HOUR_MS, 1_000);
    environment.load(&events);
    environment.fault(Fault::LimitLoweredUnsaid(30), When::Always);
    let function = Function::spawn(&environment, &[]).await;
    run_to_the_end(&function, 1).await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}
