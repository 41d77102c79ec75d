//! One schedule: workers with real engines in a simulated world, a scheduler that decides which
//! request is answered next and how, then quiet, then the check of everything that happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use engine::collect::Engine;
use engine::cursor::{Cursor, QueryProgress};
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::Fleet;
use engine::ports::WorkQueue;
use engine::report::Outcome;
use engine::settings::Settings;

use crate::around::Around;
use crate::check;
use crate::choices::Choices;
use crate::invoke::Invocation;
use crate::ports::Ports;
use crate::promise::Promise;
use crate::schedule::Schedule;
use crate::stack::Asked;
use crate::starved::Starved;
use crate::tally::{Fault, Tally};
use crate::world::{Call, Local, Shared, World, lock};

/// Workers that every schedule has.
pub(crate) const WORKERS: usize = 3;
/// With those that take over while others are paused.
pub(crate) const WORKERS_MAX: usize = WORKER_NAMES.len();
pub(crate) const WORKER_NAMES: [&str; 6] = ["w0", "w1", "w2", "w3", "w4", "w5"];
/// Faults that every schedule has.
const FAULTS_MIN: u64 = 5;
/// Invocations without faults in which every stream must get to now.
const QUIET_RUNS_MAX: usize = 400;
/// More requests than any schedule needs.
const REQUESTS_MAX: u64 = 200_000;

/// What came of a schedule.
pub(crate) struct Ending {
    pub(crate) tally: Tally,
    /// What must not have been; empty if all is well.
    pub(crate) wrong: Vec<String>,
    /// Requests that leave something behind.
    pub(crate) effects: u64,
    /// The lines of its trace, if they were kept.
    pub(crate) trace: Vec<String>,
}

/// Whether a run that let others go first was woken: then it continues at once.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One schedule, under way.
pub(crate) struct Simulation {
    pub(crate) schedule: Schedule,
    pub(crate) world: Shared,
    pub(crate) workers: Vec<Worker>,
    pub(crate) chance: Choices,
    /// Chooses the settings of each process, and when the archive is verified.
    pub(crate) variety: Choices,
    pub(crate) troubled: bool,
    pub(crate) jumpcloud_down_until_ms: i64,
    pub(crate) stores_down_until_ms: i64,
    /// The one thing that goes wrong, instead of what chance brings.
    pub(crate) script: Option<Script>,
    /// Effects so far: requests that leave something behind.
    pub(crate) effects: u64,
    pub(crate) starved: Starved,
    pub(crate) last_outcomes: Vec<Outcome>,
}

/// What goes wrong with which effect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) effect: u64,
    pub(crate) fault: Fault,
}

/// A process: an engine with its warm slots, and at most one invocation at a time.
pub(crate) struct Worker {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) run: Option<Invocation>,
    /// What its last invocation was asked for.
    pub(crate) asked: Asked,
    /// When its invocation began, by the world's clock.
    pub(crate) invoked_ms: i64,
    /// When it must have ended, by the world's clock; later, it was paused.
    pub(crate) due_ms: i64,
    /// It is paused until then.
    pub(crate) resume_ms: i64,
}

impl Simulation {
    /// Runs the schedule to its end and checks everything that happened.
    pub(crate) fn run(mut self) -> Ending {
        lock(&self.world).say(|| format!("{:#?}", self.schedule));
        self.trouble();
        self.end()
    }

    /// Lets it become quiet, and checks everything that happened.
    pub(crate) fn end(mut self) -> Ending {
        self.quiet();
        self.look_at_work();
        self.look_at_health();
        self.verify();
        let mut world = lock(&self.world);
        let (findings, met) = check::whole_history(&world, &self.schedule);
        findings.into_iter().for_each(|finding| world.wrong(finding));
        met.into_iter().for_each(|met| world.tally.met(met));
        let mut tally = std::mem::take(&mut world.tally);
        tally.fewest_faults = tally.faults();
        let (wrong, trace) = (std::mem::take(&mut world.wrong), world.trace.lines());
        Ending { tally, wrong, effects: self.effects, trace }
    }

    /// Invocations with faults.
    fn trouble(&mut self) {
        let mut scheduled_run = 0;
        while scheduled_run < self.schedule.scheduled_runs || self.is_too_calm(scheduled_run) {
            self.jump(scheduled_run);
            self.restore_table(scheduled_run);
            self.replace_key(scheduled_run);
            self.reconfigure(scheduled_run);
            scheduled_run += 1;
            if self.variety.percent("verified", 10) {
                self.verify();
            }
            let asleep_ms = self.surroundings();
            self.invoke(Asked::Collect);
            for asked in self.schedule.asked(scheduled_run - 1) {
                self.invoke(asked);
            }
            if self.chance.percent("replayed", 25) {
                self.advance_by(self.schedule.schedule_interval_ms / 20);
                lock(&self.world).fault(Fault::Replayed);
                self.invoke(Asked::Collect);
            }
            let interval_ms = self.schedule.schedule_interval_ms;
            let jitter_ms =
                self.chance.choose("jitter", 0, |chance| chance.between(0, interval_ms / 4));
            self.advance_by(interval_ms + jitter_ms + asleep_ms);
        }
    }

    /// Whether there were too few faults so far to end here.
    fn is_too_calm(&mut self, scheduled_runs: u32) -> bool {
        let is_calm = self.script.is_none()
            && lock(&self.world).tally.faults() < FAULTS_MIN
            && scheduled_runs < 100;
        self.chance.choose("invoked again", false, |_| is_calm)
    }

    /// From here on nothing goes wrong.
    pub(crate) fn hush(&mut self) {
        self.troubled = false;
        let mut world = lock(&self.world);
        world.say(|| "from here on nothing goes wrong".to_owned());
        world.locals.iter_mut().for_each(|local| local.skew_ms = 0);
        world.orphans = false;
        world.end_refusals();
        world.odd_counts = None;
        world.put_key_back();
        let now_ms = world.now_ms;
        world.stack.iter_mut().for_each(|stack| stack.end_absences(now_ms));
        (self.jumpcloud_down_until_ms, self.stores_down_until_ms) = (0, 0);
    }

    /// Invocations without faults, until every stream has got to now.
    fn quiet(&mut self) {
        self.hush();
        let mut was_idle = false;
        for _ in 0..QUIET_RUNS_MAX {
            // What the last crash, or the last run that was overtaken, left is found by the next.
            let is_idle = self.is_idle();
            if was_idle && is_idle && self.is_settled() {
                return;
            }
            was_idle = is_idle;
            let now_ms = lock(&self.world).now_ms;
            let left_ms = self.latest_ms() - now_ms;
            self.invoke(Asked::Collect);
            self.advance_by(self.schedule.schedule_interval_ms.max(left_ms / 6));
        }
        let outcomes = self.last_outcomes.clone();
        lock(&self.world)
            .wrong(Promise::Progress.broken(format_args!("no stream got to now: {outcomes:?}")));
    }

    /// Until when something is still scheduled to happen.
    fn latest_ms(&self) -> i64 {
        let truth = |world: &World| world.truth.last_place_ms.max(world.truth.last_visible_ms);
        let until_ms = truth(&lock(&self.world));
        self.busy_until_ms().max(until_ms)
    }

    /// Until when workers are paused and requests are in progress.
    pub(crate) fn busy_until_ms(&self) -> i64 {
        let world = lock(&self.world);
        let resumes = self
            .workers
            .iter()
            .filter(|worker| worker.run.is_some())
            .map(|worker| worker.resume_ms);
        let late = world.stragglers.iter().map(|straggler| straggler.at_ms);
        resumes.chain(late).chain(world.messages.times_ms()).max().unwrap_or(0)
    }

    /// Whether no worker is running and no request is in progress.
    fn is_idle(&self) -> bool {
        let world = lock(&self.world);
        let is_any_running = self.workers.iter().any(|worker| worker.run.is_some());
        !is_any_running && world.stragglers.is_empty() && world.messages.is_empty()
    }

    /// Whether all that is promised must be in the archive by now.
    fn is_settled(&self) -> bool {
        let (place_ms, visible_ms, lanes_are_over) = {
            let world = lock(&self.world);
            let mut streams = self.schedule.read(|stream| world.store.is_born(stream));
            let are_over = streams.all(|stream| !stream.is_lane() || world.is_lane_over(stream));
            (world.truth.last_place_ms, world.truth.last_visible_ms, are_over)
        };
        let is_read = |query: &QueryProgress| {
            let was_swept = query.sweep_mark_ms > visible_ms;
            query.read_at_ms > visible_ms && query.read_to_ms > place_ms && was_swept
        };
        let read = lanes_are_over && self.all_queries(is_read);
        read && self.last_outcomes.iter().all(|outcome| *outcome == Outcome::Ok)
    }

    /// Whether all queries of the live streams that are read are so.
    pub(crate) fn all_queries(&self, is_so: impl Fn(&QueryProgress) -> bool) -> bool {
        let world = lock(&self.world);
        let streams = self.schedule.read(|stream| world.store.is_born(stream));
        streams.filter(|stream| !stream.is_lane()).all(|stream| {
            let cursor = world.table.get(stream).and_then(|item| Cursor::read(item).ok());
            cursor.is_some_and(|cursor| cursor.state.queries.iter().all(&is_so))
        })
    }

    pub(crate) fn add_worker(&mut self) {
        let worker = self.workers.len();
        let skew_ms = match self.schedule.skewed && self.troubled {
            true => self.chance.choose("skew", 0, Around::skew),
            false => 0,
        };
        lock(&self.world).locals.push(Local { skew_ms, ..Local::default() });
        let (fleet, asked) = (self.process(worker), Asked::Collect);
        let (invoked_ms, due_ms, resume_ms) = (0, 0, 0);
        let worker = Worker { fleet, run: None, asked, invoked_ms, due_ms, resume_ms };
        self.workers.push(worker);
    }

    /// A process that has just begun.
    pub(crate) fn process(&mut self, worker: usize) -> Arc<Fleet> {
        let variants = self.schedule.of_processes.len();
        let at = self.variety.one_of("settings", variants);
        let mut settings = self.schedule.of_processes[at].clone();
        lock(&self.world).locals[worker].page_limit = settings.page_limit;
        settings.names_organizations ^=
            self.schedule.alternates && self.chance.percent("named", 50);
        let ports = Arc::new(Ports { world: Arc::clone(&self.world), worker });
        let settings = Settings { queries: self.queries_of_process(), ..settings };
        let queue = Arc::clone(&ports);
        let queue = self.schedule.unusual.has_queue.then_some(queue as Arc<dyn WorkQueue>);
        let (insights, console, objects) = (ports.clone(), ports.clone(), ports.clone());
        let mut engine = Engine::new(insights, console, objects, ports.clone(), ports, settings);
        engine.batch_limits = self.schedule.batch_limits;
        engine.slot_bytes_max = self.schedule.slot_bytes_max;
        let world = lock(&self.world);
        let organizations = match &world.stack {
            Some(stack) => stack.source(world.now_ms),
            None => {
                let names_organizations = engine.settings.names_organizations;
                OrganizationSource::Named(self.schedule.configured(names_organizations))
            }
        };
        Arc::new(Fleet { engine, queue, concurrency: 2, organizations })
    }

    /// Lets a worker continue as far as its answers allow.
    pub(crate) fn poll(&mut self, at: usize) {
        let Some(run) = self.workers[at].run.as_mut() else { return };
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let reports = loop {
            match run.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(reports) => break reports,
                Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => return,
            }
        };
        self.workers[at].run = None;
        self.look_at(at, reports);
    }

    pub(crate) fn advance_by(&mut self, ms: i64) {
        let until_ms = lock(&self.world).now_ms + ms;
        self.advance_to(until_ms);
    }

    /// Lets everything that can happen before `until_ms` happen, in random order.
    fn advance_to(&mut self, until_ms: i64) {
        loop {
            self.resume();
            self.deliver();
            let mut world = lock(&self.world);
            world.make_stragglers();
            if world.now_ms >= until_ms || world.tally.requests > REQUESTS_MAX {
                return;
            }
            let is_ready = |call: &Call| {
                World::is_unanswered(call) && self.workers[call.worker].resume_ms <= world.now_ms
            };
            let ready: Vec<usize> =
                (0..world.calls.len()).filter(|at| is_ready(&world.calls[*at])).collect();
            if ready.is_empty() {
                let wakes = self.workers.iter().filter(|w| w.run.is_some()).map(|w| w.resume_ms);
                let next = wakes.chain(world.stragglers.iter().map(|straggler| straggler.at_ms));
                let next = next.chain(world.messages.times_ms());
                world.now_ms =
                    next.filter(|ms| *ms > world.now_ms).min().unwrap_or(until_ms).min(until_ms);
                continue;
            }
            drop(world);
            let at = ready[self.chance.one_of("next", ready.len())];
            self.serve(at);
        }
    }

    /// Resumes workers that were paused after an answer.
    fn resume(&mut self) {
        let now_ms = lock(&self.world).now_ms;
        for at in 0..self.workers.len() {
            if self.workers[at].resume_ms != 0 && self.workers[at].resume_ms <= now_ms {
                self.workers[at].resume_ms = 0;
                lock(&self.world).say(|| format!("w{at}  continues"));
                self.poll(at);
            }
        }
    }
}
