//! The small worlds that are tried exhaustively.
//!
//! Holds P1, P2, P4 and P5.

use std::time::Instant;

use crate::small::{Bounds, Explored, FAULTS, Small};
use crate::tally::{Fault, Step, Tally};
use crate::written::Written;

/// A stream that is created, read and decided by two processes at once.
const BIRTH: &str = r#"
[schedule]
settings {"start_lookback_ms":600000}
[rows]
-0:02:00.000 +0 1 sso 0 = {"id":"0000000000000001",@o,@s,@t,"n":1}
-0:01:00.000 +0 2 sso 0 = {"id":"0000000000000002",@o,@s,@t,"n":2}
-0:00:30.000 +31000 3 directory 0 = {"id":"0000000000000003",@o,@s,@t,"n":3}
"#;

/// Two pages, each decided by itself, of which one process reads both.
const PAGES: &str = r#"
[schedule]
settings {"page_limit":2,"pages_per_run":1,"start_lookback_ms":600000}
[rows]
-0:02:00.000 +0 1 sso 0 = {"id":"0000000000000001",@o,@s,@t,"n":1}
0:01:00.000 +0 2 sso 0 = {"id":"0000000000000002",@o,@s,@t,"n":2}
0:02:00.000 +0 3 directory 0 = {"id":"0000000000000003",@o,@s,@t,"n":3}
0:03:00.000 +0 4 sso 0 = {"id":"0000000000000004",@o,@s,@t,"n":4}
0:02:30.000 +151000 5 sso 0 = {"id":"0000000000000005",@o,@s,@t,"n":5}
"#;

/// A lane, whose day has one row and gets another, beside the live stream, which has nothing new.
const LANE: &str = r#"
[schedule]
streams ["self","self.backfill-2026-11-19"]
[rows]
-24:00:00.000 +0 1 sso 0 = {"id":"0000000000000001",@o,@s,@t,"n":1}
-24:00:01.000 +86702000 2 sso 0 = {"id":"0000000000000002",@o,@s,@t,"n":2}
"#;

/// Preemptions and faults of each test run,
const EACH_TIME: [(usize, usize); 2] = [(2, 0), (0, 1)];
/// and of each night.
const AT_NIGHT: [(usize, usize); 2] = [(3, 0), (2, 1)];

fn birth() -> Small {
    small(BIRTH, 0, [1, 1])
}

fn pages() -> Small {
    small(PAGES, 1, [1, 2])
}

fn lane() -> Small {
    small(LANE, 1, [1, 1])
}

fn small(text: &str, before: u32, invocations: [u32; 2]) -> Small {
    Small { written: Written::read(text).unwrap(), before, invocations }
}

/// Tries every way in a world, in which all these steps must happen.
fn explore(name: &str, small: &Small, bounds: &[(usize, usize)], steps: &[Step]) {
    let mut all = Tally::default();
    for (preemptions, faults) in bounds {
        let started = Instant::now();
        let Explored { ways, states, tally } =
            small.explore(Bounds { preemptions: *preemptions, faults: *faults });
        all.add(&tally);
        println!(
            "{name}, {preemptions} preemptions and {faults} faults at most: {ways} ways, \
             {states} states, 0 violations, {:.1} s",
            started.elapsed().as_secs_f64()
        );
    }
    let faults = FAULTS.iter().chain(&[Fault::CursorLost]);
    let faults = faults.map(|fault| format!("fault {fault:?}"));
    let wanted: Vec<_> = steps.iter().map(|step| format!("step  {step:?}")).chain(faults).collect();
    let never: Vec<_> = all.never().into_iter().filter(|name| wanted.contains(name)).collect();
    assert!(never.is_empty(), "never met: {never:?}");
}

/// What happens only where both processes are at work.
const RACES: [Step; 6] = [
    Step::DecisionLost,
    Step::AdvancedByAnother,
    Step::ProgressRefused,
    Step::RecoveredLast,
    Step::PartFound,
    Step::SlotFound,
];

#[test]
fn small_world_of_a_birth() {
    explore("birth", &birth(), &EACH_TIME, &[&RACES[..], &[Step::BirthLost]].concat());
}

#[test]
fn small_world_of_two_pages() {
    explore(
        "pages",
        &pages(),
        &[(2, 0), (1, 1)],
        &[&RACES[..], &[Step::RecoveredEarlier]].concat(),
    );
}

#[test]
fn small_world_of_a_lane() {
    explore("lane", &lane(), &EACH_TIME, &[&RACES[..], &[Step::Finished]].concat());
}

#[test]
#[ignore = "takes minutes: infra/test small-worlds"]
fn small_world_of_a_birth_at_night() {
    explore("birth", &birth(), &AT_NIGHT, &RACES);
}

#[test]
#[ignore = "takes minutes: infra/test small-worlds"]
fn small_world_of_two_pages_at_night() {
    explore("pages", &pages(), &AT_NIGHT, &RACES);
}

#[test]
#[ignore = "takes minutes: infra/test small-worlds"]
fn small_world_of_a_lane_at_night() {
    explore("lane", &lane(), &AT_NIGHT, &RACES);
}
