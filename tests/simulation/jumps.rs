//! Jumps of virtual time: weeks and months without an invocation, after which journal, index and
//! JumpCloud's own events have expired by age.

use engine::cursor::QueryProgress;
use engine::limits::STATE_KEPT_MS;
use engine::stream::StreamId;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;
use crate::schedule::{DAY, HOUR, MINUTE};
use crate::simulate::{Simulation, WORKERS};
use crate::stack::Asked;
use crate::tally::{Circumstance, Fault, Step};
use crate::truth::Event;
use crate::world::{World, lock};

/// Before a jump to so long after the beginning everything that was decided is published: an entry
/// cannot be published once what it builds on has expired, and no stack is left like that.
const PUBLISHED_BEFORE_MS: i64 = 80 * DAY;
/// After a jump JumpCloud may have forgotten what is this old, or nobody may read it any more.
const FORGOTTEN_AGE_MS: i64 = 60 * DAY;
/// Invocations in which a stack without faults reads, or publishes, all there is.
const CALM_RUNS_MAX: usize = 100;
/// How far a clock is set back that is wrong by weeks.
const SET_BACK_MS: i64 = 40 * DAY;

/// Nothing is invoked for a while, and nothing happens at JumpCloud.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Jump {
    pub(crate) scheduled_run: u32,
    pub(crate) ms: i64,
    /// Before it everything is read.
    pub(crate) is_calm: bool,
}

/// What was not read before a jump, and may never be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgotten {
    /// Rows that lie before this,
    before_ms: i64,
    /// and were not there to be read by then.
    read_ms: i64,
}

impl Forgotten {
    fn has(&self, event: &Event) -> bool {
        let was_read = event.visible_ms.max(event.place_ms + MINUTE) <= self.read_ms;
        event.place_ms <= self.before_ms && !was_read
    }
}

/// The jumps of a schedule, and how long JumpCloud keeps events in it: for ever without any.
pub(crate) fn draw(seed: u64, scheduled_runs: u32) -> (Vec<Jump>, i64) {
    let mut chance = Chance::new(seed ^ 0x0a6e_d000);
    if !chance.percent(15) {
        return (Vec::new(), i64::MAX);
    }
    let kept_ms = *chance.pick(&[90 * DAY, 400 * DAY]);
    let count = 1 + chance.below(2);
    let jump = |_| Jump {
        scheduled_run: 3 + chance.below(u64::from(scheduled_runs).saturating_sub(3)) as u32,
        ms: *chance.pick(&[5 * HOUR, 3 * DAY, 40 * DAY, 85 * DAY, 110 * DAY, 125 * DAY, 200 * DAY]),
        is_calm: chance.percent(40),
    };
    let mut jumps: Vec<_> = (0..count).map(jump).collect();
    jumps.sort_by_key(|jump| jump.scheduled_run);
    jumps.dedup_by_key(|jump| jump.scheduled_run);
    (jumps, kept_ms)
}

impl Simulation {
    /// Makes the jump that is due before a scheduled run, and sets a clock back where there are jumps.
    pub(crate) fn jump(&mut self, scheduled_run: u32) {
        if self.schedule.jumps.is_empty() {
            return;
        }
        let due = |jump: &&Jump| jump.scheduled_run == scheduled_run;
        if let Some(jump) = self.schedule.jumps.iter().find(due).copied() {
            let read_ms = self.prepare(jump);
            let mut world = lock(&self.world);
            world.fault(Fault::Jumped);
            let before_ms = world.now_ms + jump.ms - FORGOTTEN_AGE_MS;
            world.forgotten.push(Forgotten { before_ms, read_ms });
            world.say(|| format!("--  {jump:?}"));
            drop(world);
            self.advance_by(jump.ms);
            // No process lives as long.
            let idle = |at: &usize| self.workers[*at].run.is_none();
            let idle: Vec<_> = (0..self.workers.len()).filter(idle).collect();
            idle.into_iter().for_each(|at| self.restart(at));
        }
        lock(&self.world).expire();
        let months_ms = self.schedule.jumps.iter().map(|jump| jump.ms).sum::<i64>();
        // By a clock that is set back what has expired looks as if it had been deleted.
        let is_simple = !self.schedule.alternates && self.schedule.stack.is_none();
        if is_simple
            && months_ms < FORGOTTEN_AGE_MS + SET_BACK_MS
            && self.variety.percent("clock set back", 20)
        {
            self.set_back();
        }
    }

    /// Makes sure that what must be done before a jump is done. Returns by when everything was there
    /// that has been read.
    fn prepare(&mut self, jump: Jump) -> i64 {
        let since_ms = lock(&self.world).now_ms;
        let earlier = self.schedule.jumps.iter();
        let earlier = earlier.take_while(|earlier| earlier.scheduled_run <= jump.scheduled_run);
        // What an entry builds on may be as old as the first of them.
        if !jump.is_calm && earlier.map(|jump| jump.ms).sum::<i64>() < PUBLISHED_BEFORE_MS {
            return i64::MIN;
        }
        self.hush();
        let mut runs = 0;
        while !self.is_prepared(jump, since_ms) && runs < CALM_RUNS_MAX {
            runs += 1;
            let reads = jump.is_calm || !self.have_cursors();
            self.invoke(if reads { Asked::Collect } else { Asked::Recover });
            let left_ms = self.busy_until_ms() - lock(&self.world).now_ms;
            self.advance_by(self.schedule.schedule_interval_ms.max(left_ms / 6));
        }
        let is_read = jump.is_calm && self.is_prepared(jump, since_ms);
        self.verify();
        self.troubled = true;
        let mut world = lock(&self.world);
        world.orphans = true;
        if !is_read {
            return i64::MIN;
        }
        world.tally.step(Step::Calm);
        since_ms
    }

    fn is_prepared(&self, jump: Jump, since_ms: i64) -> bool {
        let is_read = |query: &QueryProgress| {
            query.read_at_ms.min(query.sweep_mark_ms) > since_ms
                && query.read_to_ms > since_ms - MINUTE
        };
        // A message that comes in the meantime would begin a run that nobody continues.
        let is_quiet = lock(&self.world).messages.is_empty();
        let is_published = self.is_published() && self.have_cursors() && self.are_at_heads();
        let is_published = is_published && is_quiet;
        is_published && (!jump.is_calm || self.all_queries(is_read))
    }

    /// Whether every stream that was created has a cursor.
    fn have_cursors(&self) -> bool {
        let world = lock(&self.world);
        let streams = self.schedule.all_streams();
        streams
            .iter()
            .filter(|stream| world.store.is_born(stream) && !world.is_left(stream))
            .all(|stream| world.cursor_number(stream, "seq").is_some())
    }

    fn are_at_heads(&self) -> bool {
        let world = lock(&self.world);
        let streams = self.schedule.all_streams();
        let born = |stream: &&StreamId| world.store.is_born(stream) && !world.is_left(stream);
        streams.iter().filter(born).all(|stream| {
            let last = i64::try_from(world.store.last_seq(stream)).ok();
            world.cursor_number(stream, "seq") == last
        })
    }

    /// A clock is set back by weeks, once all streams are created: what is created has its time.
    fn set_back(&mut self) {
        let whose = |chance: &mut Chance| chance.below(WORKERS as u64) as usize;
        let at = self.variety.choose("whose clock", 0, whose);
        let mut world = lock(&self.world);
        let is_born = |stream: &StreamId| world.store.is_born(stream);
        let are_born = self.schedule.read(is_born).all(is_born);
        if are_born {
            world.locals[at].skew_ms = -SET_BACK_MS;
            world.fault(Fault::ClockSetBack);
            world.say(|| format!("--  the clock of w{at} is set back by weeks"));
        }
    }
}

impl World {
    /// Deletes what the rules of the state bucket delete.
    pub(crate) fn expire(&mut self) {
        let expired = self.store.expire(self.now_ms);
        (0..expired).for_each(|_| self.tally.met(Circumstance::Expired));
    }

    /// Whether an event must be there whatever time was jumped over.
    pub(crate) fn is_remembered(&self, event: &Event) -> bool {
        !self.forgotten.iter().any(|forgotten| forgotten.has(event))
    }

    /// The same of one that was not asked for before the jumps.
    pub(crate) fn is_young(&self, event: &Event) -> bool {
        let all = |forgotten: &Forgotten| Forgotten { read_ms: i64::MIN, ..*forgotten };
        !self.forgotten.iter().any(|forgotten| all(forgotten).has(event))
    }
}

/// When S3 deletes an object of the state bucket: at the midnight after its time is over.
pub(crate) fn expires_ms(created_ms: i64) -> i64 {
    next_midnight_ms(created_ms + STATE_KEPT_MS)
}

/// The midnight at or after a time.
pub(crate) fn next_midnight_ms(ms: i64) -> i64 {
    (ms + DAY - 1).div_euclid(DAY) * DAY
}
