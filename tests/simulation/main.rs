//! Nothing lost, nothing twice, whatever crashes, overlaps, arrives late or is retried: the real
//! engine in a simulated world, thousands of seeded schedules of it.
//!
//! ```text
//! cargo test -p jumpcloud-collector-simulation                   a minute of schedules
//! SIM_SEED=42 cargo test -p jumpcloud-collector-simulation replay -- --nocapture   one, traced
//! SIM_SEED=42 cargo test -p jumpcloud-collector-simulation shrink -- --nocapture   kept, small
//! infra/simulate 1000000                                         so many, optimized
//! infra/simulate --continue 100000                               so many more
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod around;
mod bounded;
mod chance;
mod check;
mod choices;
mod circumstances;
mod conformance;
mod console;
mod contents;
#[path = "../client/contract.rs"]
mod contract;
mod counts;
#[path = "../fixtures/settings.rs"]
#[expect(unreachable_pub, reason = "public among the fixtures")]
mod defaults;
mod draw;
mod ended;
mod explorer;
mod faults;
mod healthy;
mod indexed;
mod invoke;
mod jumps;
mod keys;
mod messages;
mod neutral;
mod ports;
mod promise;
mod refusals;
mod regressions;
mod request;
mod row;
mod schedule;
mod serve;
mod shrink;
mod simulate;
mod small;
mod stack;
mod start;
mod starved;
mod store;
mod streams;
mod table;
mod tally;
mod total;
mod trace;
mod truth;
mod turn;
mod unusual;
mod users;
mod variety;
mod verified;
mod walks;
mod world;
mod worlds;
mod written;

use std::cell::RefCell;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use promise::Promise;
use schedule::Schedule;
use simulate::{Ending, Script, Simulation};
use tally::{Fault, Tally};
use total::Total;
use trace::Trace;

/// Schedules of the test command: as many as fit in a minute, at most this many,
const SCHEDULES: u64 = 20_000;
/// and however slow the machine is, enough to meet every step and fault.
const SCHEDULES_MIN: u64 = 2_000;
const MINUTE: Duration = Duration::from_secs(60);
const THREADS: usize = 2;
/// So many failing seeds are enough; `SIM_FAILED_MAX` sets another number. With `SIM_PROMISE=P3` only those
/// count that break this promise.
const FAILED_MAX: u64 = 20;

/// A panic of the engine, an assertion that does not hold among them, is a violation like any other.
fn outcome(run: impl FnOnce() -> Ending) -> Ending {
    std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        let wrong = vec![Promise::Progress.broken(format_args!("the engine panicked: {why}"))];
        Ending { tally: Tally::default(), wrong, effects: 0, trace: Vec::new() }
    })
}

fn simulate(seed: u64) -> Ending {
    outcome(|| Simulation::new(Schedule::draw(seed), Trace::Off).run())
}

/// Runs every seed, or as many as `enough` allows; returns what was tried, and the seeds that
/// failed with why.
fn simulate_all(
    seeds: &Range<u64>,
    enough: &(dyn Fn(u64) -> bool + Sync),
) -> (Tally, Vec<(u64, Vec<String>)>) {
    let (next, found) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    let failed_max = number("SIM_FAILED_MAX").unwrap_or(FAILED_MAX);
    let wanted = std::env::var("SIM_PROMISE").map_or_else(|_| String::new(), |p| format!("{p}: "));
    let counts = |wrong: &[String]| wrong.iter().any(|how| how.starts_with(&wanted));
    let total = Mutex::new((Tally::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let (mut tally, mut failed) = (Tally::default(), Vec::new());
                while found.load(Ordering::Relaxed) < failed_max {
                    // Drawn one after the other, so that what was tried is one range.
                    let draw = |seed| {
                        (seed < seeds.end && !enough(seed - seeds.start)).then_some(seed + 1)
                    };
                    let Ok(seed) = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, draw)
                    else {
                        break;
                    };
                    let ending = simulate(seed);
                    tally.add(&ending.tally);
                    if !ending.wrong.is_empty() {
                        found.fetch_add(u64::from(counts(&ending.wrong)), Ordering::Relaxed);
                        failed.push((seed, ending.wrong));
                    }
                }
                let mut total = total.lock().unwrap();
                total.0.add(&tally);
                total.1.extend(failed);
            });
        }
    });
    let (tally, mut failed) = total.into_inner().unwrap();
    failed.sort_by_key(|(seed, wrong)| (!counts(wrong), *seed));
    (tally, failed)
}

/// Runs the seeds for as long as `time` allows, and tells what was tried.
fn report(seeds: &Range<u64>, time: Option<Duration>) -> Tally {
    let started = Instant::now();
    let enough =
        |done: u64| time.is_some_and(|time| done >= SCHEDULES_MIN && started.elapsed() >= time);
    let (tally, failed) = simulate_all(seeds, &enough);
    let Tally { schedules, events, .. } = tally;
    print!("{tally}");
    println!(
        "{schedules} schedules, {events} events, {} faults, {} violations, seeds {}..{}, {:.1} s",
        tally.faults(),
        failed.len(),
        seeds.start,
        seeds.start + schedules,
        started.elapsed().as_secs_f64(),
    );
    for (seed, wrong) in failed.iter().take(100) {
        println!("seed {seed}: {}", wrong.join("\n    "));
    }
    if let Some((seed, _)) = failed.first() {
        panic!(
            "SIM_SEED={seed} cargo test -p jumpcloud-collector-simulation replay -- --nocapture\n\
             shrink and keep it: {}",
            regressions::how_to_keep(*seed)
        );
    }
    assert!(tally.never().is_empty(), "never met: {:?}", tally.never());
    tally
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn a_minute_of_schedules() {
    report(&(0..SCHEDULES), Some(MINUTE));
}

#[test]
#[ignore = "as many as SIM_SCHEDULES says, in SIM_SECONDS"]
fn many() {
    let schedules = number("SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let time = number("SIM_SECONDS").map(Duration::from_secs);
    let Some(mut total) = std::env::var_os("SIM_TOTAL").map(Total::read) else {
        let first = number("SIM_SEED").unwrap_or(0);
        report(&(first..first + schedules), time);
        return;
    };
    let seeds = total.next_seed()..total.next_seed() + schedules;
    total.add(&report(&seeds, time));
    println!("{total}");
}

/// Crashes before and after each effect, and a zombie that comes back after it.
const MOMENTS: [Fault; 4] =
    [Fault::CrashBefore, Fault::CrashAfter, Fault::PausedBefore, Fault::PausedAfter];

/// Every crash point of whole schedules, one after the other.
#[test]
fn every_crash_point() {
    let mut tried = 0;
    for seed in 0..4 {
        let effects = scripted(seed, u64::MAX, Fault::CrashBefore).effects;
        assert!(effects > 50, "seed {seed} has {effects} effects");
        for effect in 0..effects {
            for fault in MOMENTS {
                let wrong = scripted(seed, effect, fault).wrong;
                let which = format!("SIM_SEED={seed} SIM_EFFECT={effect} SIM_FAULT={fault:?}");
                assert!(wrong.is_empty(), "{which}: {}", wrong.join("\n    "));
                tried += 1;
            }
        }
    }
    println!("{tried} crash points, 0 violations");
}

fn scripted(seed: u64, effect: u64, fault: Fault) -> Ending {
    Simulation::scripted(seed, Script { effect, fault }, Trace::Off).run()
}

/// A seed determines everything that happens: a failing one can be replayed.
#[test]
fn a_seed_gives_the_same_trace_twice() {
    for seed in 0..20 {
        let run = || Simulation::new(Schedule::draw(seed), Trace::Kept(RefCell::default())).run();
        let (first, second) = (run().trace, run().trace);
        assert!(first.len() > 100, "seed {seed} has {} lines", first.len());
        let at = first.iter().zip(&second).position(|(first, second)| first != second);
        let lines = at.map(|at| (&first[at], &second[at]));
        assert!(first == second, "seed {seed} differs: {lines:?}");
    }
}

#[test]
fn replay() {
    if let Some(file) = std::env::var_os("SIM_FILE") {
        let written = regressions::read(file.as_ref());
        let ending = Simulation::written(&written, Trace::Printed).run();
        assert!(ending.wrong.is_empty(), "{}", ending.wrong.join("\n    "));
        return;
    }
    let Some(seed) = number("SIM_SEED") else { return };
    if let Some(effect) = number("SIM_EFFECT") {
        let name = std::env::var("SIM_FAULT").unwrap_or_default();
        let fault = MOMENTS.into_iter().find(|fault| format!("{fault:?}") == name).unwrap();
        let ending = Simulation::scripted(seed, Script { effect, fault }, Trace::Printed).run();
        assert!(ending.wrong.is_empty(), "{}", ending.wrong.join("\n    "));
        return;
    }
    let ending = Simulation::new(Schedule::draw(seed), Trace::Printed).run();
    assert!(ending.wrong.is_empty(), "seed {seed}: {}", ending.wrong.join("\n    "));
}
