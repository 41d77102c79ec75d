//! What goes wrong in a schedule: with a request, and around the invocations.

use std::sync::Arc;

use engine::limits::LEASE_MS_MAX;
use engine::page::Query;
use engine::ports::InsightsError;

use crate::around::Around;
use crate::request::{Answer, Request};
use crate::schedule::{DAY, DELAY_MS_MAX, MINUTE, SECOND, Schedule};
use crate::simulate::{Script, Simulation};
use crate::stack::Asked;
use crate::tally::Fault;
use crate::truth::{self, Flaw};
use crate::world::{World, lock};

impl Simulation {
    /// Answers a request, well or badly.
    pub(crate) fn serve(&mut self, at: usize) {
        let world = Arc::clone(&self.world);
        let mut world = lock(&world);
        let (worker, request) = (world.calls[at].worker, world.calls[at].request.clone());
        world.now_ms += self.latency_ms(&request);
        if self.is_down(&request, world.now_ms) {
            if request.changes_something() && self.chance.percent("made while down", 10) {
                world.make(worker, &request, Flaw::default());
            }
            world.say(|| format!("w{worker}  {request} -> down"));
            world.answer(at, request.unclear("down"));
            drop(world);
            return self.poll(worker);
        }
        let fault = self.fault(&request);
        self.settle(&mut world, at, &request, fault);
        drop(world);
        self.proceed(worker, fault);
    }

    /// Does what a request asks for, and answers it, if it comes to that.
    pub(crate) fn settle(
        &self,
        world: &mut World,
        at: usize,
        request: &Request,
        fault: Option<Fault>,
    ) {
        let worker = world.calls[at].worker;
        let Some(fault) = fault else {
            let answer = world.make(worker, request, Flaw::default());
            world.say(|| format!("w{worker}  {request} -> {answer}"));
            world.answer(at, answer);
            return;
        };
        world.fault(fault);
        world.say(|| format!("w{worker}  {request} !! {fault:?}"));
        spoil(world, at, request, fault);
    }

    /// Lets the sender continue, or not.
    pub(crate) fn proceed(&mut self, worker: usize, fault: Option<Fault>) {
        match fault {
            Some(Fault::CrashBefore | Fault::CrashAfter) => self.crash(worker),
            Some(Fault::PausedBefore | Fault::PausedAfter) => self.pause(worker),
            _ => self.poll(worker),
        }
    }

    /// The worker ends in the middle of what it does; what comes in its place is cold.
    fn crash(&mut self, at: usize) {
        self.workers[at].run = None;
        self.restart(at);
    }

    pub(crate) fn restart(&mut self, at: usize) {
        let mut world = lock(&self.world);
        (world.locals[at].measured_skew_ms, world.locals[at].credential) = (None, 0);
        drop(world);
        self.workers[at].fleet = self.process(at);
        self.workers[at].resume_ms = 0;
    }

    fn pause(&mut self, at: usize) {
        if self.script.is_some() {
            // Longer than any lease: the others continue without it, and then it resumes.
            self.workers[at].resume_ms = lock(&self.world).now_ms + 2 * LEASE_MS_MAX;
            return;
        }
        let pause_ms = self.chance.choose("pause", MINUTE, |chance| {
            let longest_ms = *chance.pick(&[MINUTE, 20 * MINUTE, DELAY_MS_MAX]);
            chance.between(1, longest_ms)
        });
        self.workers[at].resume_ms = lock(&self.world).now_ms + pause_ms;
    }

    fn latency_ms(&mut self, request: &Request) -> i64 {
        if !self.troubled {
            return self.chance.choose("quiet latency", 10, |chance| chance.between(1, 20));
        }
        self.chance.choose(("latency", request.kind()), 100, |chance| match chance.percent(1) {
            true => chance.between(5 * SECOND, MINUTE),
            false => chance.between(1, 400),
        })
    }

    fn is_down(&self, request: &Request, now_ms: i64) -> bool {
        let until_ms = if request.is_for_jumpcloud() {
            self.jumpcloud_down_until_ms
        } else {
            self.stores_down_until_ms
        };
        now_ms < until_ms
    }

    /// The fault a request meets, if any.
    fn fault(&mut self, request: &Request) -> Option<Fault> {
        if let Some(fault) = self.scripted_fault(request) {
            return fault;
        }
        if !self.troubled {
            return None;
        }
        let Schedule { faults, kinds, .. } = &self.schedule;
        self.chance.choose(("fault", request.kind()), None, |chance| {
            if !chance.per_mille(*faults) {
                return None;
            }
            let kinds: Vec<Fault> =
                kinds.iter().copied().filter(|kind| kind.fits(request)).collect();
            (!kinds.is_empty()).then(|| *chance.pick(&kinds))
        })
    }

    /// What happens around an invocation. Returns how long nothing is invoked after it.
    pub(crate) fn surroundings(&mut self) -> i64 {
        let schedule = &self.schedule;
        let around = self.chance.choose("around", None, |chance| Around::draw(schedule, chance));
        let Some(Around { fault, worker, stream, amount }) = around else { return 0 };
        let Some(stream) = self.schedule.all_streams().get(stream).cloned() else { return 0 };
        let now_ms = lock(&self.world).now_ms;
        let mut asleep_ms = 0;
        let happens = match fault {
            Fault::ClockSet if self.schedule.skewed => {
                lock(&self.world).locals[worker].skew_ms = amount;
                true
            }
            Fault::Restarted if self.workers[worker].run.is_none() => {
                self.restart(worker);
                true
            }
            Fault::CursorLost => {
                let mut world = lock(&self.world);
                world.may_be_lost(&stream) && world.table.lose(&stream)
            }
            Fault::CursorRestored => {
                let mut world = lock(&self.world);
                world.may_be_restored(&stream)
                    && world.table.restore(now_ms, &stream, amount.unsigned_abs())
            }
            Fault::ReaderRemoved => lock(&self.world).store.remove_read(now_ms - DAY) > 0,
            Fault::RecoveredOnly => {
                self.invoke(Asked::Recover);
                true
            }
            Fault::JumpCloudDown => {
                self.jumpcloud_down_until_ms = now_ms + amount;
                true
            }
            Fault::StoresDown => {
                self.stores_down_until_ms = now_ms + amount;
                true
            }
            Fault::Asleep => {
                asleep_ms = amount;
                true
            }
            _ => false,
        };
        if happens {
            let mut world = lock(&self.world);
            world.fault(fault);
            world.say(|| format!("--  {fault:?} (worker {worker}, {stream}, {asleep_ms} ms)"));
        }
        asleep_ms
    }

    /// Configures other services where the schedule says so: from the next invocation of a process on.
    pub(crate) fn reconfigure(&mut self, scheduled_run: u32) {
        let other = self.schedule.reconfigured.as_ref();
        if other.is_some_and(|other| other.scheduled_run == scheduled_run) {
            let mut world = lock(&self.world);
            world.reconfigured_ms = Some(world.now_ms);
        }
    }

    /// The queries that are configured now.
    pub(crate) fn queries(&self) -> &[Query] {
        match lock(&self.world).reconfigured_ms {
            Some(_) => self.schedule.queries(),
            None => &self.schedule.settings.queries,
        }
    }

    /// What goes wrong with a request, where a script says so and not chance.
    fn scripted_fault(&mut self, request: &Request) -> Option<Option<Fault>> {
        let Script { effect, fault } = self.script?;
        let at = self.effects;
        self.effects += u64::from(self.troubled && request.changes_something());
        Some((at == effect && self.effects > at).then_some(fault))
    }
}

/// Does to the world and the call what a fault does.
fn spoil(world: &mut World, at: usize, request: &Request, fault: Fault) {
    let worker = world.calls[at].worker;
    let none = Flaw::default();
    let flaw = match fault {
        Fault::LimitLowered => Flaw { limit_lowered: true, ..none },
        Fault::TokenAbsent => Flaw { token_absent: true, ..none },
        Fault::TokenRepeated => Flaw { token_repeated: true, ..none },
        Fault::CountTooHigh => Flaw { count_too_high: true, ..none },
        Fault::PageGarbled => Flaw { garbled: true, ..none },
        _ => none,
    };
    let answer = match fault {
        Fault::CrashBefore | Fault::PausedBefore => return,
        Fault::NotMade | Fault::PageUnavailable => request.unclear("throttled"),
        Fault::PageUnfetched => match request {
            Request::Page(asked) => {
                Answer::Page(Box::new(Err(truth::unfetched(asked, None, None))))
            }
            Request::Body(asked) => {
                Answer::Body(Box::new(Err(truth::unfetched(asked, None, None))))
            }
            _ => request.unclear("throttled"),
        },
        Fault::PageTooLate if request.is_body() => {
            Answer::Body(Box::new(Err(InsightsError::OutOfTime)))
        }
        Fault::PageTooLate => Answer::Page(Box::new(Err(InsightsError::OutOfTime))),
        Fault::BodyBroken => world.ask_again(worker, request),
        Fault::AnswerLost => {
            world.make(worker, request, none);
            request.unclear("timed out")
        }
        Fault::MadeLater => {
            world.delay(request.clone(), Fault::MadeLater);
            request.unclear("timed out")
        }
        Fault::MadeTwice => {
            world.make(worker, request, none);
            world.make(worker, request, none)
        }
        _ => world.make(worker, request, flaw),
    };
    world.say(|| format!("    -> {answer}"));
    world.answer(at, answer);
}

impl Fault {
    /// Whether it can happen to a request.
    pub(crate) fn fits(self, request: &Request) -> bool {
        match self {
            Self::LimitLowered
            | Self::TokenAbsent
            | Self::TokenRepeated
            | Self::CountTooHigh
            | Self::PageGarbled => request.is_page(),
            Self::PageTooLate | Self::PageUnfetched => request.is_page() || request.is_body(),
            Self::BodyBroken => request.is_body(),
            Self::PageUnavailable => request.is_for_jumpcloud(),
            Self::AnswerLost | Self::MadeLater | Self::MadeTwice => request.changes_something(),
            Self::NotMade => !request.is_for_jumpcloud(),
            _ => true,
        }
    }
}
