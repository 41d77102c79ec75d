//! Small worlds, tried exhaustively: two processes over a few rows, in every way in which their
//! requests can take turns with so many preemptions, and with one fault, one cursor that is lost,
//! or one row that appears, at every place of it.
//!
//! A preemption is a turn of the other process while the one before could continue. The requests
//! of one process are answered in its order, and take no time, and a lease is over as soon as the
//! other process claims: a process that is preempted may have been paused for as long as one lasts,
//! and safety does not depend on leases. What follows from a state depends on what is stored and on
//! what each process was answered, so that a way which comes to a state where another one was is
//! not followed any further.

use std::hash::{DefaultHasher, Hash, Hasher};

use engine::limits::LEASE_MS_MAX;

use crate::explorer::Explorer;
use crate::request::Request;
use crate::schedule::MINUTE;
use crate::simulate::{Ending, Simulation, WORKER_NAMES, Worker};
use crate::stack::Asked;
use crate::tally::{Fault, Tally};
use crate::trace::Trace;
use crate::world::{World, lock};
use crate::written::Written;

/// What goes wrong once, at every place.
pub(crate) const FAULTS: [Fault; 7] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::AnswerLost,
    Fault::MadeLater,
    Fault::MadeTwice,
    Fault::PausedBefore,
    Fault::PausedAfter,
];

/// A world, and how many invocations each process makes in it.
pub(crate) struct Small {
    pub(crate) written: Written,
    /// Invocations of one process before, one after the other, for live streams alone.
    pub(crate) before: u32,
    pub(crate) invocations: [u32; 2],
}

/// How much may happen.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct Bounds {
    pub(crate) preemptions: usize,
    pub(crate) faults: usize,
}

/// What was tried.
pub(crate) struct Explored {
    pub(crate) ways: u64,
    pub(crate) states: usize,
    /// Of the ways that ended where no other had ended.
    pub(crate) tally: Tally,
}

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The first request of a process is answered.
    Of { worker: usize, fault: Option<Fault> },
    /// A request whose sender waits no longer is made.
    Late,
    /// Time passes until another row appears, which counts as a fault.
    Appears,
    /// The cursor of one of the streams is lost, a fault, too.
    Lost(usize),
}

/// One way, while it is tried.
struct Way {
    simulation: Simulation,
    left: Bounds,
    /// Invocations to come.
    invocations: [u32; 2],
    /// What each process was answered since it began.
    heard: [DefaultHasher; 2],
    last: usize,
    /// The other process was invoked once more while one was paused.
    was_invoked_again: bool,
}

impl Small {
    /// Tries every way, and tells what was tried.
    pub(crate) fn explore(&self, bounds: Bounds) -> Explored {
        let mut explorer = Explorer::default();
        let mut tally = Tally::default();
        while explorer.begin_next() {
            let wrong = match self.way(bounds, Trace::Off).run(&mut explorer) {
                Ok(Ending { wrong, tally: of_way, .. }) => {
                    tally.add(&of_way);
                    wrong
                }
                Err(wrong) => wrong,
            };
            if !wrong.is_empty() {
                explorer.begin_again();
                self.way(bounds, Trace::Printed).run(&mut explorer).ok();
                panic!("{}", wrong.join("\n    "));
            }
        }
        Explored { ways: explorer.sequences(), states: explorer.states(), tally }
    }

    fn way(&self, left: Bounds, trace: Trace) -> Way {
        let mut simulation = Simulation::written(&self.written, trace);
        let all = simulation.schedule.streams.clone();
        simulation.schedule.streams.retain(|stream| !stream.is_lane());
        for _ in 0..self.before {
            simulation.invoke_on(0, Asked::Collect);
            simulation.advance_by(simulation.schedule.schedule_interval_ms);
        }
        simulation.schedule.streams = all;
        Way {
            simulation,
            left,
            invocations: self.invocations,
            heard: Default::default(),
            last: 0,
            was_invoked_again: false,
        }
    }
}

impl Way {
    /// Chooses to the end. An error, with what was wrong so far, if it comes to where another way
    /// was.
    fn run(mut self, explorer: &mut Explorer) -> Result<Ending, Vec<String>> {
        loop {
            self.invoke();
            let turns = self.turns();
            if turns.is_empty() && self.resume() {
                continue;
            }
            let state = if explorer.repeats() { 0 } else { self.state() };
            let Some(chosen) = explorer.choose(turns.len().max(1), state) else {
                return Err(std::mem::take(&mut lock(&self.simulation.world).wrong));
            };
            match turns.get(chosen) {
                Some(turn) => self.take(*turn),
                None => return Ok(self.simulation.end()),
            }
        }
    }

    fn invoke(&mut self) {
        for worker in 0..2 {
            let Worker { run, resume_ms, .. } = &self.simulation.workers[worker];
            if self.invocations[worker] > 0 && run.is_none() && *resume_ms == 0 {
                self.invocations[worker] -= 1;
                self.simulation.invoke_on(worker, Asked::Collect);
            }
        }
    }

    /// The place of a process's next request, if it can continue.
    fn call(&self, worker: usize) -> Option<usize> {
        let is_paused = self.simulation.workers[worker].resume_ms != 0;
        let world = lock(&self.simulation.world);
        let mut calls = world.calls.iter();
        let next = calls.position(|call| call.worker == worker && World::is_unanswered(call));
        next.filter(|_| !is_paused)
    }

    fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        let could_continue = self.call(self.last).is_some();
        let may_preempt = !could_continue || self.left.preemptions > 0;
        for worker in [self.last, 1 - self.last] {
            let Some(at) = self.call(worker).filter(|_| worker == self.last || may_preempt) else {
                continue;
            };
            turns.push(Turn::Of { worker, fault: None });
            if self.left.faults > 0 {
                let world = lock(&self.simulation.world);
                let request = &world.calls[at].request;
                let fitting = FAULTS.into_iter().filter(|fault| fault.fits(request));
                turns.extend(fitting.map(|fault| Turn::Of { worker, fault: Some(fault) }));
            }
        }
        if may_preempt && !lock(&self.simulation.world).stragglers.is_empty() {
            turns.push(Turn::Late);
        }
        if self.left.faults > 0 && self.appears_ms().is_some() {
            turns.push(Turn::Appears);
        }
        if self.left.faults > 0 && !turns.is_empty() {
            let world = lock(&self.simulation.world);
            let streams = self.simulation.schedule.streams.iter().enumerate();
            let lost = streams.filter(|(_, stream)| world.table.get(stream).is_some());
            turns.extend(lost.map(|(at, _)| Turn::Lost(at)));
        }
        turns
    }

    /// When the next row appears.
    fn appears_ms(&self) -> Option<i64> {
        let world = lock(&self.simulation.world);
        let times = world.truth.events.iter().map(|event| event.visible_ms);
        times.filter(|visible_ms| *visible_ms > world.now_ms).min()
    }

    fn take(&mut self, turn: Turn) {
        let could_continue = self.call(self.last).is_some();
        let appears_ms = self.appears_ms();
        match turn {
            Turn::Late => {
                self.left.preemptions -= usize::from(could_continue);
                let mut world = lock(&self.simulation.world);
                let now_ms = world.now_ms;
                world.stragglers.iter_mut().for_each(|straggler| straggler.at_ms = now_ms);
                world.make_stragglers();
            }
            Turn::Appears => {
                self.left.faults -= 1;
                let mut world = lock(&self.simulation.world);
                world.now_ms = world.now_ms.max(appears_ms.unwrap_or(0));
            }
            Turn::Lost(at) => {
                self.left.faults -= 1;
                let mut world = lock(&self.simulation.world);
                world.fault(Fault::CursorLost);
                let stream = &self.simulation.schedule.streams[at];
                world.say(|| format!("--  {:?} ({stream})", Fault::CursorLost));
                world.table.lose(stream);
            }
            Turn::Of { worker, fault } => {
                self.left.preemptions -= usize::from(could_continue && worker != self.last);
                self.left.faults -= usize::from(fault.is_some());
                self.last = worker;
                self.answer(worker, fault);
            }
        }
    }

    fn answer(&mut self, worker: usize, fault: Option<Fault>) {
        let Some(at) = self.call(worker) else { return };
        {
            let mut world = lock(&self.simulation.world);
            let request = world.calls[at].request.clone();
            if let Request::Update { stream, .. } = &request
                && request.kind() == "claim"
            {
                world.table.end_lease(stream);
            }
            let heard = &mut self.heard[worker];
            (world.now_ms, request.to_string()).hash(heard);
            self.simulation.settle(&mut world, at, &request, fault);
            format!("{:?}", world.calls[at].answer).hash(heard);
        }
        self.simulation.proceed(worker, fault);
        // In its place comes another one, which knows nothing.
        if matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter)) {
            self.heard[worker] = DefaultHasher::new();
            self.invocations[worker] += 1;
        }
        let now_ms = lock(&self.simulation.world).now_ms;
        let resume_ms = &mut self.simulation.workers[worker].resume_ms;
        if *resume_ms != 0 {
            *resume_ms = now_ms + 2 * LEASE_MS_MAX;
        }
    }

    /// Lets time pass for a process that is paused: once for another run of the other one, then
    /// until it continues itself.
    fn resume(&mut self) -> bool {
        let Some(worker) = (0..2).find(|at| self.simulation.workers[*at].resume_ms != 0) else {
            return false;
        };
        if !self.was_invoked_again {
            self.was_invoked_again = true;
            lock(&self.simulation.world).now_ms += LEASE_MS_MAX + MINUTE;
            self.invocations[1 - worker] += 1;
            return true;
        }
        let resume_ms = std::mem::take(&mut self.simulation.workers[worker].resume_ms);
        lock(&self.simulation.world).now_ms = resume_ms;
        self.simulation.poll(worker);
        true
    }

    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let Self { simulation, left, invocations, heard, last, was_invoked_again } = self;
        (left, invocations, last, was_invoked_again).hash(&mut hasher);
        heard.iter().for_each(|heard| heard.finish().hash(&mut hasher));
        for worker in &simulation.workers {
            (worker.run.is_some(), worker.resume_ms).hash(&mut hasher);
        }
        let world = lock(&simulation.world);
        let World { now_ms, store, table, truth, stragglers, chance, .. } = &*world;
        (now_ms, store, table, format!("{stragglers:?}")).hash(&mut hasher);
        truth.events.iter().for_each(|event| event.served.hash(&mut hasher));
        WORKER_NAMES.map(|worker| chance.made(("random", worker))).hash(&mut hasher);
        hasher.finish()
    }
}
