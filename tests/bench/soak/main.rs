//! `infra/benchmark soak`: a month of one busy organization through the real engine, every five minutes,
//! with late events, an outage of a day and a new process every week. `infra/benchmark slots`: what the
//! index writes for each event at high rates.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for people, run by hand"
)]

mod jumpcloud;
#[path = "../memory.rs"]
mod memory;
#[path = "../../fixtures/settings.rs"]
#[expect(unreachable_pub, reason = "public among the fixtures")]
mod settings;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use engine::collect::Engine;
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{Fleet, collect};
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::read::Budget;
use engine::settings::Settings;
use engine::stream::StreamId;
use jumpcloud::{JumpCloud, Time};
use memory::mebibytes;
use settings::defaults;
use stores::{Stores, Written};

/// 2026-11-01T00:00:00Z
const START_MS: i64 = 1_793_491_200_000;
const INTERVAL_MS: i64 = 5 * MINUTE_MS;
const DAYS: i64 = 30;
/// Events of a day, unless another number is given.
const PER_DAY: i64 = 1_000_000;
/// The day on which JumpCloud does not answer.
const OUTAGE_DAY: i64 = 12;
/// Rows read per new event, at most.
const ROWS_PER_EVENT_MAX: f64 = 7.5;
/// What day 30 takes may differ from day 2 by this much.
const DRIFT_MAX: f64 = 0.02;
/// Memory of the last week against that of the week after the outage, and all of it, in mebibytes.
const MEMORY_GROWTH_MAX: f64 = 1.05;
const MEMORY_MAX: f64 = 128.0;

struct Month {
    time: Arc<Time>,
    jumpcloud: Arc<JumpCloud>,
    stores: Arc<Stores>,
    fleet: Fleet,
}

/// What a day took.
struct Day {
    events: u64,
    rows: u64,
    requests: u64,
    calls: BTreeMap<&'static str, u64>,
    written: BTreeMap<String, Written>,
    mebibytes: f64,
}

impl Month {
    fn new(per_day: i64) -> Self {
        let time = Arc::new(Time::default());
        time.set(START_MS);
        // The first run looks a day back.
        let since_ms = START_MS - DAY_MS;
        let jumpcloud = Arc::new(JumpCloud::new(Arc::clone(&time), since_ms, per_day));
        let stores = Arc::new(Stores::default());
        let fleet = process(&time, &jumpcloud, &stores);
        Self { time, jumpcloud, stores, fleet }
    }

    fn restart(&mut self) {
        self.fleet = process(&self.time, &self.jumpcloud, &self.stores);
    }

    /// Runs until `until_ms`; returns how many events were archived.
    async fn run_until(&self, until_ms: i64, interval_ms: i64, may_fail: bool) -> u64 {
        let mut events = 0;
        let mut now_ms = engine::ports::Clock::now_ms(&*self.time);
        while now_ms < until_ms {
            now_ms += interval_ms;
            self.time.set(now_ms);
            let budget = Budget { started_ms: now_ms, deadline_ms: now_ms + INTERVAL_MS };
            let report = collect(&self.fleet, budget).await.unwrap();
            for run in report.streams {
                assert!(may_fail || run.error.is_none(), "{run:?}");
                events += run.tally.written;
            }
        }
        events
    }

    async fn day(&self, until_ms: i64, may_fail: bool) -> Day {
        let events = self.run_until(until_ms, INTERVAL_MS, may_fail).await;
        Day {
            events,
            rows: self.jumpcloud.rows.swap(0, Ordering::Relaxed),
            requests: self.jumpcloud.requests.swap(0, Ordering::Relaxed),
            calls: self.stores.calls(),
            written: self.stores.written(),
            // What stands for AWS holds some of what is resident.
            mebibytes: mebibytes("VmRSS") - self.stores.held_bytes() as f64 / 1_048_576.0,
        }
    }
}

fn process(time: &Arc<Time>, jumpcloud: &Arc<JumpCloud>, stores: &Arc<Stores>) -> Fleet {
    let engine = Engine::new(
        Arc::clone(jumpcloud) as _,
        Arc::clone(jumpcloud) as _,
        Arc::clone(stores) as _,
        Arc::clone(stores) as _,
        Arc::clone(time) as _,
        settings(),
    );
    let stream = StreamId::of_organization("5c1c30d6a2f1b3e4d5c6b7a8").unwrap();
    let organizations = OrganizationSource::Named(vec![stream]);
    Fleet { engine, queue: None, concurrency: 1, organizations }
}

fn settings() -> Settings {
    // The bench may read all of an outage in one run; a level of compression is not what is measured.
    let pages_per_run = 1_000;
    Settings { names_organizations: true, pages_per_run, compression_level: 1, ..defaults() }
}

/// List prices in us-east-1, in dollars a call.
fn price(call: &str) -> f64 {
    match call {
        "PutObject" | "ListObjectsV2" => 0.005 / 1e3,
        "GetObject" | "HeadObject" => 0.0004 / 1e3,
        "UpdateItem" => 0.625 / 1e6,
        _ => 0.125 / 1e6,
    }
}

impl Day {
    fn rows_per_event(&self) -> f64 {
        self.rows as f64 / self.events.max(1) as f64
    }

    fn dollars(&self) -> f64 {
        self.calls.iter().map(|(name, count)| price(name) * *count as f64).sum()
    }

    fn row(&self, day: i64) {
        let calls: u64 = self.calls.values().sum();
        let of = |folder: &str| self.written.get(folder).copied().unwrap_or_default();
        let (parts, journal, index) = (of("events"), of("journal"), of("index"));
        println!(
            "| {day} | {} | {:.2} | {} | {calls} | {} | {} | {:.0} | ${:.3} | {:.0} MiB |",
            self.events,
            self.rows_per_event(),
            self.requests,
            parts.objects,
            journal.objects + index.objects,
            index.bytes as f64 / self.events.max(1) as f64,
            self.dollars(),
            self.mebibytes,
        );
    }
}

async fn soak(per_day: i64) {
    let started = Instant::now();
    let mut month = Month::new(per_day);
    println!(
        "{per_day} events a day; dollars are those of calls to AWS\n\n\
         | day | new events | rows per event | requests to JumpCloud | calls to AWS | parts | entries and slots | index, bytes an event | dollars | resident |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    let mut days = Vec::new();
    for day in 1..=DAYS {
        if day % 7 == 0 {
            month.restart();
        }
        month.jumpcloud.set_down(day == OUTAGE_DAY);
        let taken = month.day(START_MS + day * DAY_MS, day == OUTAGE_DAY).await;
        taken.row(day);
        days.push(taken);
    }
    let events: u64 = days.iter().map(|day| day.events).sum();
    let end_ms = START_MS + DAYS * DAY_MS;
    let window = engine::time::Window::new(START_MS + INTERVAL_MS - DAY_MS, end_ms - 10_000);
    let seen = month.jumpcloud.visible(window, end_ms);
    assert_eq!(i64::try_from(events), Ok(seen), "every event is archived once");
    let rows: u64 = days.iter().map(|day| day.rows).sum();
    let per_event = rows as f64 / events as f64;
    let seconds = started.elapsed().as_secs_f64();
    println!("\nrows read per new event: {per_event:.2}; {seconds:.0} s");
    assert!(per_event <= ROWS_PER_EVENT_MAX, "{per_event}");
    let (second, last) = (&days[1], &days[DAYS as usize - 1]);
    for of in [Day::rows_per_event, Day::dollars] {
        let drift = (of(last) / of(second) - 1.0).abs();
        assert!(drift <= DRIFT_MAX, "day {DAYS} differs from day 2 by {drift:.3}");
    }
    let peak = |days: &[Day]| days.iter().map(|day| day.mebibytes).fold(0.0, f64::max);
    let growth = peak(&days[23..]) / peak(&days[14..21]);
    assert!(growth <= MEMORY_GROWTH_MAX, "memory has grown to {growth:.2} times as much");
    assert!(peak(&days) <= MEMORY_MAX, "{:.0} MiB", peak(&days));
}

/// Bytes of the index that are written for each event at so many events an hour, over an hour from its
/// beginning, and those of the journal.
async fn slots() {
    println!(
        "| events an hour | bytes of the index written an event | slot objects | bytes of the journal an event |\n|---|---|---|---|"
    );
    for per_hour in [10_000, 1_000_000, 10_000_000] {
        let mut month = Month::new(per_hour * 24);
        month.fleet.engine.settings.start_lookback_ms = INTERVAL_MS;
        // What is read again adds nothing to the index.
        month.fleet.engine.settings.overlap_ms = 0;
        let events = month.run_until(START_MS + HOUR_MS, INTERVAL_MS, false).await;
        let written = month.stores.written();
        let of = |folder: &str| written.get(folder).copied().unwrap_or_default();
        let per_event = |bytes: u64| bytes as f64 / events.max(1) as f64;
        println!(
            "| {per_hour} | {:.0} | {} | {:.0} |",
            per_event(of("index").bytes),
            of("index").objects,
            per_event(of("journal").bytes)
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let named: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    jumpcloud::check().await;
    match named.first().map(String::as_str) {
        Some("slots") => slots().await,
        Some(per_day) => soak(per_day.parse().unwrap()).await,
        None => soak(PER_DAY).await,
    }
}
