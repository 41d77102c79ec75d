//! `infra/benchmark`: what the built function costs, beside the least that it could.
//!
//! The function reads made-up events from a mock of JumpCloud and writes to emulators of AWS,
//! all on loopback. Its processor time is user and system from the first invocation until nothing
//! is left. The floor is measured in the same round: the same parts through the same compressor at
//! the same level, and nothing else.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a program for people, run by hand, on the tests' environment"
)]

mod measure;

use std::time::{Duration, Instant};

use engine::limits::HOUR_MS;
use fixtures::aws::ARCHIVE;
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{ORGANIZATION, now_ms};
use fixtures::gzip::gunzip;
use fixtures::process::{Function, Outcome};
use libdeflater::{CompressionLvl, Compressor};
use measure::median;
use mock::Generator;

const SPAN_MS: i64 = 23 * HOUR_MS;
const EVENTS: usize = 200_000;
const FEW_EVENTS: usize = 10_000;
const MANY_EVENTS: usize = 1_000_000;
const DISTANT_EVENTS: usize = 100_000;
const PAGE_ROWS: &str = "10000";
const LATENCY: Duration = Duration::from_millis(300);
const LEVEL: i32 = 6;
const ROUNDS: usize = 5;
const STARTS: usize = 21;
/// What Lambda allows.
const LIMIT: Duration = Duration::from_secs(900);
const MIB: f64 = 1024.0 * 1024.0;

/// What is asked of the environment.
#[derive(Clone, Copy)]
struct Case {
    events: usize,
    is_gzip: bool,
    latency: Duration,
}

/// What one process took to archive everything.
struct Measured {
    seconds: f64,
    processor_seconds: f64,
    floor_seconds: f64,
    resident_bytes: f64,
    raw_bytes: f64,
    gzip_bytes: f64,
    pages: f64,
}

/// An environment whose JumpCloud holds a case's events.
async fn environment(case: Case) -> Environment {
    let environment = Environment::start().await;
    let from_ms = now_ms() - SPAN_MS - HOUR_MS / 2;
    let mut generator = Generator::new(1, ORGANIZATION);
    // Huge events cost little beside their bytes; here there are none.
    generator.settings.huge = 0.0;
    {
        let mut world = environment.jumpcloud.world();
        world.behaviours.gzip = case.is_gzip;
        world.behaviours.latency = case.latency;
        for event in generator.events(from_ms..from_ms + SPAN_MS, case.events) {
            world.load(event.raw, i64::MIN).expect("a made-up event tells its place");
        }
    }
    environment
}

/// Lets a new process archive everything.
async fn archive(case: Case) -> Measured {
    let environment = environment(case).await;
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", PAGE_ROWS)]).await;
    function.start_time().await;
    let (started, before) = (Instant::now(), processor_seconds(&function.process().to_string()));
    let mut written = 0;
    loop {
        let Outcome::Response(report) = function.invoke("{}", LIMIT).await else {
            panic!("{}", function.output())
        };
        let stream = only_stream(&report);
        written += stream["written"].as_u64().unwrap();
        match stream["outcome"].as_str() {
            Some("ok") => break,
            Some("behind") => {}
            _ => panic!("{report}"),
        }
    }
    let (seconds, after) =
        (started.elapsed().as_secs_f64(), processor_seconds(&function.process().to_string()));
    // Made-up events without an id may be equal to the last byte: those are one.
    assert!(written > case.events as u64 * 999 / 1000, "{written} of {}", case.events);
    let parts = parts(&environment).await;
    Measured {
        seconds,
        processor_seconds: after - before,
        floor_seconds: floor_seconds(&parts),
        resident_bytes: function.peak_resident_bytes() as f64,
        raw_bytes: parts.iter().map(|part| part.raw.len()).sum::<usize>() as f64,
        gzip_bytes: parts.iter().map(|part| part.gzip_bytes).sum::<usize>() as f64,
        pages: environment.event_requests() as f64,
    }
}

/// A part of the archive: its lines, and how long it is compressed.
struct Part {
    raw: Vec<u8>,
    gzip_bytes: usize,
}

async fn parts(environment: &Environment) -> Vec<Part> {
    let mut parts = Vec::new();
    for key in
        environment.aws.buckets.keys(ARCHIVE).iter().filter(|key| key.ends_with(".ndjson.gz"))
    {
        let gzip = environment.aws.buckets.get(ARCHIVE, key).await.body;
        let raw = gunzip(&gzip).expect("a gzip member");
        parts.push(Part { raw, gzip_bytes: gzip.len() });
    }
    parts
}

/// The least: each part through the compressor, into memory that is there already.
fn floor_seconds(parts: &[Part]) -> f64 {
    let mut compressor = Compressor::new(CompressionLvl::new(LEVEL).expect("a level"));
    let longest = parts.iter().map(|part| part.raw.len()).max().unwrap_or(0);
    let mut buffer = vec![0; compressor.gzip_compress_bound(longest)];
    let before = processor_seconds("thread-self");
    for Part { raw, gzip_bytes } in parts {
        let written = compressor.gzip_compress(raw, &mut buffer).expect("there is room");
        assert_eq!(written, *gzip_bytes, "the function compresses at another level");
    }
    processor_seconds("thread-self") - before
}

/// Processor time of what `/proc` has under this name.
fn processor_seconds(name: &str) -> f64 {
    measure::processor_seconds(name).expect("a system with /proc")
}

/// A row of results.
fn row(name: &str, value: &str) {
    println!("| {name} | {value} |");
}

async fn rounds(case: Case) -> Vec<Measured> {
    let mut measured = Vec::new();
    for _ in 0..ROUNDS {
        measured.push(archive(case).await);
    }
    measured
}

fn of(measured: &[Measured], value: impl Fn(&Measured) -> f64) -> f64 {
    median(measured.iter().map(value).collect())
}

/// The middle, and the least and the most.
fn spread(measured: &[Measured], value: impl Fn(&Measured) -> f64) -> String {
    let (least, most) = measured
        .iter()
        .map(&value)
        .fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(value), most.max(value)));
    format!("{:.2} ({least:.2} to {most:.2})", of(measured, value))
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0} MiB", bytes / MIB)
}

/// Processor time against the floor of the same round.
async fn cost() {
    let case = Case { events: EVENTS, is_gzip: false, latency: Duration::ZERO };
    let plain = rounds(case).await;
    let ratio = |measured: &Measured| measured.processor_seconds / measured.floor_seconds;
    let per_million = |measured: &Measured| measured.processor_seconds * 1e6 / EVENTS as f64;
    let megabytes = |measured: &Measured| measured.raw_bytes / 1e6 / measured.processor_seconds;
    row("processor time / the compressor's alone", &spread(&plain, ratio));
    let gzip = rounds(Case { is_gzip: true, ..case }).await;
    row("the same, answers compressed", &spread(&gzip, ratio));
    row("processor seconds a million events", &format!("{:.1}", of(&plain, per_million)));
    row("MB of events a processor second", &format!("{:.0}", of(&plain, megabytes)));
    row(
        "events a second, end to end",
        &format!("{:.0}", of(&plain, |measured| EVENTS as f64 / measured.seconds)),
    );
    row(
        "bytes of events / bytes written",
        &format!("{:.2}", of(&plain, |measured| measured.raw_bytes / measured.gzip_bytes)),
    );
    let resident_bytes = of(&plain, |measured| measured.resident_bytes);
    row("peak resident, 200,000 events", &mebibytes(resident_bytes));
}

/// Memory from ten thousand to a million events.
async fn growth() {
    let case = Case { events: FEW_EVENTS, is_gzip: false, latency: Duration::ZERO };
    let few = archive(case).await;
    let many = archive(Case { events: MANY_EVENTS, ..case }).await;
    row("peak resident, 10,000 events", &mebibytes(few.resident_bytes));
    row("peak resident, 1,000,000 events", &mebibytes(many.resident_bytes));
    let growth = |measured: &Measured, events: usize| measured.processor_seconds / events as f64;
    let growth = growth(&many, MANY_EVENTS) / growth(&few, FEW_EVENTS);
    row("processor time an event, 1,000,000 / 10,000", &format!("{growth:.2}"));
}

/// Time against what the latency of the pages alone takes.
async fn distance() {
    let case = Case { events: DISTANT_EVENTS, is_gzip: false, latency: LATENCY };
    let distant = rounds(case).await;
    let ratio = |measured: &Measured| measured.seconds / (measured.pages * LATENCY.as_secs_f64());
    row(
        "time / pages x latency, at 300 ms a page",
        &format!("{}, {} pages", spread(&distant, ratio), of(&distant, |measured| measured.pages)),
    );
}

/// From the start of the process to its first request for an invocation.
async fn start() {
    let environment = Environment::start().await;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Function::spawn(&environment, &[]).await.start_time().await.as_secs_f64());
    }
    row("start to the first request for work, median", &format!("{:.1} ms", median(starts) * 1e3));
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let named: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name| named.is_empty() || named.iter().any(|wanted| wanted == name);
    println!("| what | measured |\n|---|---|");
    if is_wanted("start") {
        start().await;
    }
    if is_wanted("cost") {
        cost().await;
    }
    if is_wanted("distance") {
        distance().await;
    }
    if is_wanted("growth") {
        growth().await;
    }
}
