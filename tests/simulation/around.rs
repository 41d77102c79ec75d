//! What happens around an invocation: to a clock, a process, a cursor, the archive, an outage.

use crate::chance::Chance;
use crate::choices::Choice;
use crate::schedule::{DAY, HOUR, SKEW_MS_MAX, Schedule};
use crate::simulate::WORKERS;
use crate::tally::Fault;

/// A choice between any of a cursor's snapshots, of which there are at most twelve, is a number
/// that each of their numbers divides.
const SNAPSHOT_OF: u64 = 27_720;

/// One such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) fault: Fault,
    pub(crate) worker: usize,
    /// Its place among the schedule's streams, and then those of users.
    pub(crate) stream: usize,
    /// By how much a clock is ahead, which snapshot is restored, or how long it lasts, in
    /// milliseconds.
    pub(crate) amount: i64,
}

impl Around {
    pub(crate) fn draw(schedule: &Schedule, chance: &mut Chance) -> Option<Self> {
        if !chance.per_mille(schedule.surroundings) {
            return None;
        }
        let all = [
            Fault::ClockSet,
            Fault::Restarted,
            Fault::CursorLost,
            Fault::CursorRestored,
            Fault::ReaderRemoved,
            Fault::RecoveredOnly,
            Fault::JumpCloudDown,
            Fault::StoresDown,
            Fault::Asleep,
        ];
        let fault = *chance.pick(&all);
        let horizon_ms = schedule.settings.late_horizon_ms;
        let worker = chance.below(WORKERS as u64) as usize;
        let stream = chance.index(schedule.all_streams().len());
        let amount = match fault {
            Fault::ClockSet if schedule.skewed => Self::skew(chance),
            Fault::CursorRestored => (chance.below(u64::MAX) % SNAPSHOT_OF).cast_signed(),
            Fault::JumpCloudDown | Fault::StoresDown => chance.between(1, 2 * horizon_ms),
            Fault::Asleep => *chance.pick(&[2 * horizon_ms, DAY + 2 * HOUR, 8 * DAY]),
            _ => 0,
        };
        Some(Self { fault, worker, stream, amount })
    }

    /// By how much a clock is ahead.
    pub(crate) fn skew(chance: &mut Chance) -> i64 {
        chance.between(-SKEW_MS_MAX, SKEW_MS_MAX + 1)
    }
}

/// As in `ClockSet,1,0,-3000`.
impl Choice for Around {
    fn written(&self) -> String {
        let Self { fault, worker, stream, amount } = self;
        format!("{fault:?},{worker},{stream},{amount}")
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(',');
        let fault = Fault::read(parts.next()?)?;
        let worker = parts.next()?.parse().ok().filter(|worker| *worker < WORKERS)?;
        let stream = parts.next()?.parse().ok()?;
        Some(Self { fault, worker, stream, amount: parts.next()?.parse().ok()? })
    }
}
