//! Everything at once: faults of JumpCloud and of AWS, kills, late events, cursors lost and sweeps
//! set back, in thirty runs, each drawn from a seed of its own. Nothing is lost, nothing is archived twice.

use engine::limits::HOUR_MS;
use fastrand::Rng;
use futures_util::{StreamExt, stream};
use mock::When;

use super::outages::passing;
use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{event, now_ms, spread};
use fixtures::fault_proxy::{Fault, Way};

const RUNS: u64 = 30;
/// Runs at the same time: they mostly wait.
const AT_ONCE: usize = 6;
/// Interrupted invocations per run.
const ROUNDS: usize = 5;

const SETTINGS: [(&str, &str); 3] =
    [("PAGE_LIMIT", "20"), ("AWS_MAX_ATTEMPTS", "2"), ("SWEEP_EVERY", "1s")];
const WAYS: [Way; 5] = [Way::Kill, Way::KillAfter, Way::Cut, Way::CutAfter, Way::Answer500];

#[tokio::test(flavor = "multi_thread")]
async fn thirty_runs_with_faults_lose_nothing_and_repeat_nothing() {
    let runs = stream::iter(0..RUNS).map(run_with_faults).buffer_unordered(AT_ONCE);
    let met: usize = runs.fold(0, async |all, met| all + met).await;
    println!("{met} faults of AWS in {RUNS} runs");
    assert!(met > 30, "only {met} faults were met");
}

/// One run with faults. Returns how many of its faults of AWS were met.
async fn run_with_faults(seed: u64) -> usize {
    let mut chance = Rng::with_seed(seed);
    let environment = Environment::start().await;
    let proxy = &environment.aws.proxy;
    let mut events = spread(40);
    environment.load(&events);
    let mut met = 0;
    for round in 0..ROUNDS {
        let number = 1_000 * (round + 1);
        // Up to hours late, and some of the last minutes.
        let late: Vec<_> = (0..chance.usize(..12))
            .map(|nth| event(number + nth, "sso", now_ms() - chance.i64(1_000..12 * HOUR_MS)))
            .collect();
        environment.load(&late);
        events.extend(late);
        let faults = passing();
        environment
            .fault(faults[chance.usize(..faults.len())].clone(), When::Next(chance.u64(..4)));
        let (at, lasting) = (proxy.count() + chance.usize(..25), chance.u8(..4) == 0);
        let way = WAYS[chance.usize(..WAYS.len())];
        proxy.arm(Fault {
            at,
            way,
            lasting: lasting && !matches!(way, Way::Kill | Way::KillAfter),
        });
        match chance.u8(..6) {
            0 => environment.aws.table.empty(),
            1 | 2 => {
                let back_ms = now_ms() - chance.i64(HOUR_MS..30 * HOUR_MS);
                environment.aws.table.set_swept(STREAM, back_ms);
            }
            _ => {}
        }
        let function = Function::spawn(&environment, &SETTINGS).await;
        for _ in 0..2 {
            let outcome = function.invoke("{}", INVOCATION_LIMIT).await;
            assert!(!matches!(outcome, Outcome::TimedOut), "{seed}: {}", function.output());
            if matches!(outcome, Outcome::Died) {
                break;
            }
        }
        drop(function);
        met += proxy.met();
        proxy.heal();
        environment.jumpcloud.world().clear_faults();
        environment.aws.table.expire_leases();
    }
    // What came within the last hours is found by a comparison or a sweep.
    let function = Function::spawn(&environment, &SETTINGS).await;
    function.run("{}").await;
    environment.aws.table.set_swept(STREAM, now_ms() - 13 * HOUR_MS);
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok", "{seed}: {report}");
    environment.archive().await.assert_holds(&events);
    met
}
