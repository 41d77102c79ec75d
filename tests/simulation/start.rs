//! How a simulation begins: with the schedule of a seed, or a written one.

use std::sync::{Arc, Mutex};

use crate::chance::Chance;
use crate::choices::{Choices, Recorder};
use crate::counts;
use crate::schedule::Schedule;
use crate::simulate::{Script, Simulation, WORKERS};
use crate::starved::Starved;
use crate::trace::Trace;
use crate::truth::{Event, Truth};
use crate::unusual::Unusual;
use crate::world::{OfWorld, World, lock};
use crate::written::Written;

impl Simulation {
    /// Draws everything from the schedule's seed.
    pub(crate) fn new(schedule: Schedule, trace: Trace) -> Self {
        Self::recorded(schedule, trace, None)
    }

    /// The same; what is chosen is recorded.
    pub(crate) fn recorded(schedule: Schedule, trace: Trace, recorder: Option<&Recorder>) -> Self {
        let mut chance = Chance::new(schedule.seed ^ 0x5eed);
        let truth = Truth::draw(&schedule, &mut chance.branch());
        let drawn = |chance| Choices::drawn(chance, recorder.cloned());
        let of_world = OfWorld {
            requests: drawn(chance.branch()),
            messages: drawn(Chance::new(schedule.seed ^ 0x0051_5005)),
            counts: counts::draw(schedule.seed).map(drawn),
        };
        let variety = drawn(Chance::new(schedule.seed ^ 0x00d1_ffe2));
        Self::begin(schedule, truth, [drawn(chance), variety], of_world, trace)
    }

    /// A schedule in which nothing goes wrong but what `script` says.
    pub(crate) fn scripted(seed: u64, script: Script, trace: Trace) -> Self {
        let schedule =
            Schedule { scheduled_runs: 8, skewed: false, surroundings: 0, ..Schedule::draw(seed) };
        let schedule = Schedule { jumps: Vec::new(), kept_ms: i64::MAX, ..schedule };
        let schedule = Schedule { unusual: Unusual::default(), ..schedule };
        let mut simulation = Self::new(schedule, trace);
        simulation.script = Some(script);
        simulation
    }

    /// Chooses as it is written.
    pub(crate) fn written(written: &Written, trace: Trace) -> Self {
        let record = Arc::new(written.choices.clone());
        let choices = || Choices::written(Arc::clone(&record));
        let mut schedule = written.schedule.clone();
        schedule.complete();
        let truth = Truth::of(&schedule, written.events.clone());
        let counts = schedule.has_odd_counts.then(choices);
        let of_world = OfWorld { requests: choices(), messages: choices(), counts };
        Self::begin(schedule, truth, [choices(), choices()], of_world, trace)
    }

    fn begin(
        schedule: Schedule,
        truth: Truth,
        [chance, variety]: [Choices; 2],
        of_world: OfWorld,
        trace: Trace,
    ) -> Self {
        let world = World::new(&schedule, truth, of_world, trace);
        let mut simulation = Self {
            schedule,
            world: Arc::new(Mutex::new(world)),
            workers: Vec::new(),
            chance,
            variety,
            troubled: true,
            jumpcloud_down_until_ms: 0,
            stores_down_until_ms: 0,
            script: None,
            effects: 0,
            starved: Starved::default(),
            last_outcomes: Vec::new(),
        };
        (0..WORKERS).for_each(|_| simulation.add_worker());
        simulation
    }

    /// Every row of JumpCloud's, in its order.
    pub(crate) fn events(&self) -> Vec<Event> {
        lock(&self.world).truth.events.clone()
    }
}
