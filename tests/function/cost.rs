//! The calls to AWS of a scheduled run and of a million events, and their cost: the figures of
//! `docs/cost.md`, which these tests compute from the calls that the built function makes.
//!
//! Holds P14.

use std::collections::BTreeMap;

use mock::Generator;

use crate::process::Function;
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms};

/// Minutes in 30 days.
const MONTH: f64 = 30.0 * 24.0 * 60.0;
/// Minutes between two scheduled runs.
const SCHEDULES: [f64; 3] = [1.0, 5.0, 15.0];
/// A process reads its secret again after this many minutes, and makes a step of the pass through all
/// streams.
const HOUR_MINUTES: f64 = 60.0;
/// The calls of such a step.
const PASS: [&str; 3] = ["GetItem", "ListObjectsV2", "UpdateItem"];
/// What an organization and month at 5 minutes may cost, idle and active.
const DOLLARS_MAX: [f64; 2] = [0.085, 0.385];
/// What an organization with events in every hour adds to its runs, a day: a listing of the index for
/// each hourly comparison; for each hour of events one as the head comes to it; and for each of the two
/// sweeps, one and a slot object for each of 36 hours.
const LISTINGS_A_DAY: usize = 24 + 24 + 2 * 36;
const SLOTS_READ_A_DAY: usize = 2 * 36;
/// Organizations of a provider, and the values that `MaxConcurrency` may have.
const ORGANIZATIONS: [f64; 3] = [100.0, 1_000.0, 5_000.0];
const CONCURRENCIES: [u32; 5] = [5, 10, 20, 50, 100];
/// Requests to JumpCloud of a run: the head, and every hour a comparison of counts and what is dated
/// ahead, and two sweeps a day.
const REQUESTS: f64 = 1.0 + 2.0 / 12.0 + 2.0 / 288.0;
const SERVICES: [&str; 4] = ["directory", "sso", "systems", "radius"];

/// List prices in us-east-1, in dollars a call.
fn price(operation: &str) -> f64 {
    match operation {
        "PutObject" | "ListObjectsV2" => 0.005 / 1e3,
        "GetObject" | "HeadObject" => 0.0004 / 1e3,
        // Items of a cursor are below a kilobyte; consistent reads.
        "UpdateItem" => 0.625 / 1e6,
        "GetItem" | "BatchGetItem" => 0.125 / 1e6,
        "GetSecretValue" => 0.05 / 1e4,
        other => panic!("{other} has no price"),
    }
}

/// What an invocation logs at most, with what Lambda adds to it.
const LOG_KILOBYTES: f64 = 5.0;

/// The calls of one invocation, by operation.
async fn scheduled_run(environment: &Environment, function: &Function) -> BTreeMap<String, usize> {
    let (before, logged) = (environment.aws.proxy.count(), function.output().len());
    function.run("{}").await;
    let mut calls = BTreeMap::new();
    for seen in &environment.aws.proxy.seen()[before..] {
        *calls.entry(seen.operation.clone()).or_default() += 1;
    }
    // How often the secret is read depends on the time, not on the number of runs.
    calls.remove("GetSecretValue");
    let logged = function.output().len() - logged;
    assert!(logged < 5_000, "{logged} bytes of log");
    calls
}

/// What Lambda asks for so many seconds of an invocation, x86_64 with 512 MB.
fn lambda(seconds: f64) -> f64 {
    0.2 / 1e6 + seconds * 0.5 * 0.000_016_666_7
}

/// `1 GetObject, 2 UpdateItem`.
fn listed(calls: &BTreeMap<String, usize>) -> String {
    let listed: Vec<_> = calls.iter().map(|(name, count)| format!("{count} {name}")).collect();
    listed.join(", ")
}

fn dollars(calls: &BTreeMap<String, usize>) -> f64 {
    calls.iter().map(|(name, count)| price(name) * *count as f64).sum()
}

/// Rows of the first table in `docs/cost.md`: one a schedule.
fn rows(name: &str, calls: &BTreeMap<String, usize>, seconds: f64) -> Vec<String> {
    let logs = LOG_KILOBYTES * 1e3 / 1e9 * 0.5;
    let row = |minutes: f64| {
        let runs = MONTH / minutes;
        let (services, lambda) = (dollars(calls) + hourly(minutes), lambda(seconds));
        let month = |each: f64| format!("${:.2}", each * runs);
        format!(
            "| {name}, {minutes} min | {runs} | {} | {} | {} | **{}** |",
            month(services),
            month(lambda),
            month(logs),
            month(services + lambda + logs)
        )
    };
    SCHEDULES.map(row).to_vec()
}

/// What a run at this interval costs for what a process does once an hour.
fn hourly(minutes: f64) -> f64 {
    let pass = PASS.map(price).iter().sum::<f64>();
    (price("GetSecretValue") + pass) * (minutes / HOUR_MINUTES).min(1.0)
}

/// What an organization and month costs at 5 minutes.
fn month(calls: &BTreeMap<String, usize>, seconds: f64) -> f64 {
    let logs = LOG_KILOBYTES * 1e3 / 1e9 * 0.5;
    (dollars(calls) + hourly(5.0) + lambda(seconds) + logs) * MONTH / 5.0
}

/// Rows of the table of a provider: what a month costs if all organizations are idle or all active,
/// through the work queue.
fn provider(idle: f64, active: f64) -> Vec<String> {
    let row = |count: f64| {
        // Runs of a second, one after the other in each place.
        let busy = count / (5.0 * 60.0);
        let concurrency = CONCURRENCIES.into_iter().find(|places| f64::from(*places) >= busy);
        let (concurrency, requests) = (concurrency.unwrap(), count * REQUESTS / 300.0);
        // Three requests to the queue and a mark in the item; the secret and the pass are those of a
        // few processes.
        let queued = (3.0 * 0.4 / 1e6 + price("UpdateItem")) * MONTH / 5.0;
        let dispatcher = lambda(1.0 + count / 1_000.0) * MONTH / 5.0;
        let dollars = |each: f64| (each + queued - hourly(5.0) * MONTH / 5.0) * count + dispatcher;
        let [idle, active] = [idle, active].map(dollars);
        format!("| {count} | {concurrency} | {requests:.1} | ${idle:.0} | ${active:.0} |")
    };
    ORGANIZATIONS.map(row).to_vec()
}

/// What an organization with events in every hour adds to its runs in a month.
fn compared_and_swept() -> f64 {
    let day = LISTINGS_A_DAY as f64 * price("ListObjectsV2")
        + SLOTS_READ_A_DAY as f64 * price("GetObject");
    day * 30.0
}

/// Tells which of `rows` the page lacks.
fn assert_on_page(rows: &[String]) {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cost.md"));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&page.unwrap());
    let is_there = rows.iter().all(|row| page.contains(&words(row)));
    assert!(is_there, "docs/cost.md does not have these rows:\n{}", rows.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_cost_has_the_figures_of_the_calls_that_are_made() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    // Born, and with every service in its index.
    let mut number = 0;
    let mut load = || {
        let at_ms = now_ms() - 60_000;
        for service in SERVICES {
            number += 1;
            environment.load(&[event(number, service, at_ms)]);
        }
    };
    load();
    scheduled_run(&environment, &function).await;
    let idle = scheduled_run(&environment, &function).await;
    load();
    let before = environment.aws.proxy.created().len();
    let active = scheduled_run(&environment, &function).await;
    assert_eq!(environment.aws.proxy.created().len() - before, 6, "entry, four parts and a slot");
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 0);

    let months = [month(&idle, 0.5), month(&active, 1.0)];
    assert!(months[0] <= DOLLARS_MAX[0] && months[1] <= DOLLARS_MAX[1], "{months:?}");
    let mut table = [rows("idle", &idle, 0.5), rows("active", &active, 1.0)].concat();
    table.extend(provider(months[0], months[1] + compared_and_swept()));
    table.push(format!(
        "{LISTINGS_A_DAY} ListObjectsV2 and {SLOTS_READ_A_DAY} GetObject a day, ${:.2} a month",
        compared_and_swept()
    ));
    table.extend([("idle", idle), ("active", active)].map(|(name, calls)| {
        format!("| {name} | {} | ${:.2} |", listed(&calls), dollars(&calls) * 1e6)
    }));
    assert_on_page(&table);
}

/// The calls of a first run over an event that lies so many minutes back.
async fn first_run(minutes: i64) -> BTreeMap<String, usize> {
    let environment = Environment::start().await;
    environment.load(&[event(1, "sso", now_ms() - minutes * 60_000)]);
    let function = Function::spawn(&environment, &[]).await;
    scheduled_run(&environment, &function).await
}

/// Where JumpCloud counts no event in the hours that are compared, the index is not listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_lists_the_index_once_where_there_are_events() {
    let (mut silent, compared) = (first_run(1).await, first_run(180).await);
    *silent.get_mut("ListObjectsV2").unwrap() += 1;
    assert_eq!(silent, compared);
}

/// Events at once of which there are as many as a million's tenth, from all services over 23 hours.
const BULK: usize = 100_000;
/// Raw bytes of such an event, and how many of them become one in the archive.
const EVENT_BYTES: f64 = 1_020.0;
const RATIO: f64 = 6.5;
/// An identity, of which the journal and the index keep one for each event.
const IDENTITY_BYTES: f64 = 16.0;
/// A gigabyte and month in S3, and the months for which journal and index are kept.
const GIGABYTE: f64 = 0.023;
const KEPT_MONTHS: f64 = 4.0;
/// Bytes of the index that are written for each event at so many events an hour, runs every five
/// minutes: `infra/benchmark slots`.
const INDEX: [(&str, f64); 2] = [("10,000", 104.0), ("1,000,000", 201.0)];
/// How many calls there are depends on where midnight lies; they cost no more than this.
const CALLS_DOLLARS: f64 = 0.01;
/// What a run over a page of 10,000 takes, most of it JumpCloud's answer.
const PAGE_SECONDS: f64 = 3.0;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_cost_states_what_a_million_events_cost() {
    let environment = Environment::start().await;
    let to_ms = now_ms() - 60_000;
    let mut generator = Generator::new(1, ORGANIZATION);
    for event in generator.events(to_ms - 23 * 3_600_000..to_ms, BULK) {
        environment.jumpcloud.world().load(event.raw, i64::MIN).expect("it tells its place");
    }
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "10000")]).await;
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok");
    let mut calls = BTreeMap::new();
    for seen in environment.aws.proxy.seen() {
        *calls.entry(seen.operation).or_default() += 1_000_000 / BULK;
    }
    let services = dollars(&calls);
    let lambda = lambda(1_000_000.0 / 10_000.0 * PAGE_SECONDS);
    let stored = |bytes: f64| 1e6 * bytes / 1e9 * GIGABYTE;
    let storage = stored(EVENT_BYTES / RATIO);
    let journal = stored(EVENT_BYTES / RATIO + IDENTITY_BYTES) * KEPT_MONTHS;
    println!("{}: ${services:.4}", listed(&calls));
    assert!(services <= CALLS_DOLLARS, "{}: ${services:.4}", listed(&calls));
    let index = INDEX.map(|(per_hour, bytes)| {
        let dollars = stored(bytes) * KEPT_MONTHS;
        format!("| {per_hour} | {bytes} | ${dollars:.3} |")
    });
    assert_on_page(&index);
    assert_on_page(&[
        format!("| calls to AWS | at most ${CALLS_DOLLARS} |"),
        format!("| Lambda: 100 pages of {PAGE_SECONDS} seconds | ${lambda:.3} |"),
        format!("| a month of the archive's storage | ${storage:.3} |"),
        format!("| 120 days of the journal | ${journal:.3} |"),
    ]);
}
