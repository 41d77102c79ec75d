//! What a tick asks of AWS, and what that costs: the figures of `infra/cost.md`, which this test
//! computes anew from the calls that the built function makes.

use std::collections::BTreeMap;

use crate::support::event::{event, now_ms};
use crate::support::function::Function;
use crate::support::stage::{Stage, only_stream};

/// Ticks of five minutes in 30 days.
const TICKS: f64 = 30.0 * 24.0 * 12.0;
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
async fn tick(stage: &Stage, function: &Function) -> BTreeMap<String, usize> {
    let (before, logged) = (stage.aws.front.count(), function.output().len());
    function.run("{}").await;
    let mut calls = BTreeMap::new();
    for seen in &stage.aws.front.seen()[before..] {
        *calls.entry(seen.operation.clone()).or_default() += 1;
    }
    // The process of this test is seconds old. One that lives longer reads its secret every five
    // minutes.
    calls.entry("GetSecretValue".to_owned()).or_insert(1);
    let logged = function.output().len() - logged;
    assert!(logged < 5_000, "{logged} bytes of log");
    calls
}

/// A row of the table in `infra/cost.md`.
fn row(name: &str, calls: &BTreeMap<String, usize>, seconds: f64) -> String {
    let listed: Vec<_> = calls.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let services: f64 = calls.iter().map(|(name, count)| price(name) * *count as f64).sum();
    let lambda = 0.2 / 1e6 + seconds * 0.5 * 0.000_016_666_7;
    let logs = LOG_KILOBYTES * 1e3 / 1e9 * 0.5;
    let month = |each: f64| format!("${:.2}", each * TICKS);
    format!(
        "| {name} | {} | {} | {} | {} | **{}** |",
        listed.join(", "),
        month(services),
        month(lambda),
        month(logs),
        month(services + lambda + logs)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_cost_has_the_figures_of_the_calls_that_are_made() {
    let stage = Stage::start().await;
    let function = Function::spawn(&stage, &[]).await;
    // Born, and with every service in its index.
    let mut number = 0;
    let mut load = || {
        let at_ms = now_ms() - 60_000;
        for service in SERVICES {
            number += 1;
            stage.load(&[event(number, service, at_ms)]);
        }
    };
    load();
    tick(&stage, &function).await;
    let idle = tick(&stage, &function).await;
    load();
    let before = stage.aws.front.created().len();
    let active = tick(&stage, &function).await;
    assert_eq!(stage.aws.front.created().len() - before, 6, "entry, four parts and a slot");
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["written"], 0);

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/infra/cost.md"));
    let page = page.unwrap();
    let rows = [row("idle", &idle, 0.5), row("active", &active, 1.0)];
    let is_there = rows.iter().all(|row| page.contains(row));
    assert!(is_there, "infra/cost.md does not have these rows:\n{}", rows.join("\n"));
}
