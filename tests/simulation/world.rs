//! Everything outside the engine: time, both stores, JumpCloud, and the requests under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use engine::cursor::Update;
use engine::page::{Ask, PageHeaders};
use engine::ports::InsightsError;
use engine::stream::StreamId;
use sha2::{Digest as _, Sha256};

use crate::bounded::Served;
use crate::chance::Chance;
use crate::choices::Choices;
use crate::circumstances::circumstances;
use crate::healthy::Said;
use crate::jumps::Forgotten;
use crate::messages::Messages;
use crate::promise::Promise;
use crate::request::{Answer, Request};
use crate::schedule::{DELAY_MS_MAX, Refusal, SECOND, Schedule};
use crate::simulate::WORKER_NAMES;
use crate::stack::Stack;
use crate::store::Store;
use crate::table::{self, Table};
use crate::tally::{Fault, Step, Tally};
use crate::trace::Trace;
use crate::truth::{Flaw, Truth};
use crate::walks::Walks;

/// A request under way.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) worker: usize,
    pub(crate) request: Request,
    pub(crate) answer: Option<Answer>,
    waker: Option<Waker>,
}

/// A request that reaches its store long after its sender has stopped waiting.
#[derive(Debug)]
pub(crate) struct Straggler {
    pub(crate) at_ms: i64,
    request: Request,
    fault: Fault,
}

/// What a worker's own machine knows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Local {
    /// Its clock is ahead by this much.
    pub(crate) skew_ms: i64,
    /// What it has learned of that from JumpCloud.
    pub(crate) measured_skew_ms: Option<i64>,
    /// The rows of a page that are configured there.
    pub(crate) page_limit: u32,
    /// The number of the key that its last request was made with, from 1.
    pub(crate) credential: u64,
}

/// The world; one per schedule.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now_ms: i64,
    pub(crate) chance: Choices,
    pub(crate) store: Store,
    pub(crate) table: Table,
    pub(crate) truth: Truth,
    pub(crate) calls: Vec<Call>,
    pub(crate) stragglers: Vec<Straggler>,
    pub(crate) locals: Vec<Local>,
    pub(crate) walks: Walks,
    pub(crate) tally: Tally,
    /// What must not have been.
    pub(crate) wrong: Vec<String>,
    /// Requests of ended workers may still be made.
    pub(crate) orphans: bool,
    pub(crate) trace: Trace,
    /// When other services were configured.
    pub(crate) reconfigured_ms: Option<i64>,
    /// What JumpCloud refuses, and when.
    pub(crate) refusals: Vec<Refusal>,
    /// The organizations of the stack, where there is one.
    pub(crate) stack: Option<Stack>,
    /// When each lane was asked for last, as far as the answer said so.
    pub(crate) opened_ms: BTreeMap<StreamId, i64>,
    /// The console's list says whose the key is.
    pub(crate) is_listed: bool,
    /// Nothing is left to be done.
    pub(crate) is_healthy: bool,
    pub(crate) said: Said,
    /// Those of the work queue, where there is one.
    pub(crate) messages: Messages,
    /// What live streams are served, while that is counted.
    pub(crate) served: Option<Served>,
    /// The number of the key, from 0. Every other one is another organization's.
    pub(crate) key_number: u64,
    /// Draws what is wrong with counts, where that is.
    pub(crate) odd_counts: Option<Choices>,
    /// Where the first of each organization's streams begins.
    pub(crate) origins: BTreeMap<usize, i64>,
    /// What may never be read, because time was jumped over.
    pub(crate) forgotten: Vec<Forgotten>,
    next_call: u64,
    /// When the last page was served.
    pub(crate) paged_ms: i64,
    /// The last page that was garbled: no page is garbled twice in a row.
    pub(crate) garbled: Option<Ask>,
    /// When a query last failed because a page could not be fetched in this run.
    pub(crate) last_unfetched_ms: i64,
    start_ms: i64,
}

/// The world, shared by the workers' ports.
pub(crate) type Shared = Arc<Mutex<World>>;

pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the parts of a world choose by; none moves the choices of another one.
pub(crate) struct OfWorld {
    pub(crate) requests: Choices,
    pub(crate) messages: Choices,
    /// Where hourly counts are wrong for a while.
    pub(crate) counts: Option<Choices>,
}

impl World {
    pub(crate) fn new(schedule: &Schedule, truth: Truth, choices: OfWorld, trace: Trace) -> Self {
        let mut tally = Tally::of_one(truth.events.len());
        circumstances(schedule, &truth, &mut tally);
        Self {
            now_ms: schedule.start_ms,
            chance: choices.requests,
            store: Store::default(),
            table: Table::default(),
            truth,
            calls: Vec::new(),
            stragglers: Vec::new(),
            locals: Vec::new(),
            walks: Walks::default(),
            tally,
            wrong: Vec::new(),
            orphans: true,
            trace,
            reconfigured_ms: None,
            refusals: schedule.refusals.clone(),
            stack: schedule.stack.clone(),
            opened_ms: BTreeMap::new(),
            is_listed: schedule.is_listed,
            is_healthy: false,
            said: Said::nothing(schedule),
            messages: Messages::new(choices.messages),
            served: None,
            key_number: 0,
            odd_counts: choices.counts,
            origins: BTreeMap::new(),
            forgotten: Vec::new(),
            next_call: 0,
            paged_ms: schedule.start_ms,
            garbled: None,
            last_unfetched_ms: i64::MIN,
            start_ms: schedule.start_ms,
        }
    }

    /// Adds a line to the trace, where there is one.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        self.trace.add(self.now_ms - self.start_ms, what);
    }

    pub(crate) fn wrong(&mut self, what: String) {
        self.say(|| format!("WRONG: {what}"));
        self.wrong.push(what);
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.tally.fault(fault);
    }

    /// Begins a request; the scheduler decides when and how it is answered.
    pub(crate) fn begin(&mut self, worker: usize, request: Request) -> u64 {
        self.next_call += 1;
        if self.is_needless(&request) {
            let how = format_args!("all lanes are over, and a process asks: {request}");
            self.wrong(Promise::Bounded.broken(how));
        }
        self.tally.requests += 1;
        if request.is_for_jumpcloud()
            && let Some(local) = self.locals.get_mut(worker)
        {
            local.credential = self.key_number + 1;
        }
        let is_next = |call: &Call| call.worker == worker && call.request.is_page();
        if request.is_body() && self.calls.iter().any(is_next) {
            self.tally.step(Step::PageForeseen);
        }
        self.calls.push(Call { id: self.next_call, worker, request, answer: None, waker: None });
        self.next_call
    }

    /// The answer to a call, if it came.
    pub(crate) fn take_answer(&mut self, id: u64, waker: &Waker) -> Option<Answer> {
        let at = self.calls.iter().position(|call| call.id == id)?;
        if self.calls[at].answer.is_some() {
            return self.calls.remove(at).answer;
        }
        self.calls[at].waker = Some(waker.clone());
        None
    }

    /// The headers of a page, if its answer came: `Some(None)` where there are none.
    pub(crate) fn headers(&mut self, id: u64, waker: &Waker) -> Option<Option<PageHeaders>> {
        let call = self.calls.iter_mut().find(|call| call.id == id)?;
        let Some(answer) = &call.answer else {
            call.waker = Some(waker.clone());
            return None;
        };
        let Answer::Page(page) = answer else { unreachable!("{answer}") };
        Some(page.as_ref().as_ref().ok().map(|page| page.headers.clone()))
    }

    /// The caller waits no longer. What it asked for may still be done, much later.
    pub(crate) fn hang_up(&mut self, id: u64) {
        let Some(at) = self.calls.iter().position(|call| call.id == id) else { return };
        let call = self.calls.remove(at);
        let is_open = call.answer.is_none() && call.request.changes_something();
        if is_open && self.orphans && self.chance.percent("made without sender", 25) {
            self.delay(call.request, Fault::OrphanMade);
        }
    }

    /// Lets a request be made at some later time.
    pub(crate) fn delay(&mut self, request: Request, fault: Fault) {
        let delay_ms = self.chance.choose("delay", SECOND, |chance| {
            let longest_ms = *chance.pick(&[2 * SECOND, 60 * SECOND, DELAY_MS_MAX]);
            chance.between(1, longest_ms)
        });
        let at_ms = self.now_ms + delay_ms;
        self.stragglers.push(Straggler { at_ms, request, fault });
    }

    /// Random to a worker; where nothing else is written, a function of its worker and number.
    pub(crate) fn random(&mut self, worker: usize) -> [u8; 16] {
        let neutral = |number: u64| {
            let hash = Sha256::digest([worker as u64, number].map(u64::to_be_bytes).concat());
            hash[..16].try_into().unwrap()
        };
        self.chance.choose_by_number(("random", WORKER_NAMES[worker]), neutral, Chance::bytes)
    }

    /// Makes the requests whose time has come.
    pub(crate) fn make_stragglers(&mut self) {
        while let Some(at) =
            self.stragglers.iter().position(|straggler| straggler.at_ms <= self.now_ms)
        {
            let Straggler { request, fault, .. } = self.stragglers.remove(at);
            self.fault(fault);
            let answer = self.make(usize::MAX, &request, Flaw::default());
            self.say(|| format!("--  {request} -> {answer} (late, {fault:?})"));
        }
    }

    /// Answers a call.
    pub(crate) fn answer(&mut self, at: usize, answer: Answer) {
        let error = match &answer {
            Answer::Page(page) => page.as_ref().as_ref().err(),
            Answer::Body(page) => page.as_ref().as_ref().err(),
            _ => None,
        };
        let has_failed_query = match error {
            Some(InsightsError::Unfetched(why)) => why.is_over,
            Some(InsightsError::Throttled(_) | InsightsError::Unavailable(_)) => true,
            _ => false,
        };
        if has_failed_query {
            self.last_unfetched_ms = self.now_ms;
        }
        let call = &mut self.calls[at];
        call.answer = Some(answer);
        if let Some(waker) = call.waker.take() {
            waker.wake();
        }
    }

    /// Whether a call has not been answered.
    pub(crate) fn is_unanswered(call: &Call) -> bool {
        call.answer.is_none()
    }

    /// Does what a request asks for.
    pub(crate) fn make(&mut self, worker: usize, request: &Request, flaw: Flaw) -> Answer {
        match request {
            Request::Create { bucket, key, body, sha256 } => {
                let creation = self.store.create(self.now_ms, bucket, key, body, *sha256);
                self.tally.step(creation.step);
                if let Some(wrong) = creation.wrong {
                    self.wrong(wrong);
                } else if creation.step == Step::Born {
                    self.note_origin(body);
                }
                Answer::Created(Ok(creation.created))
            }
            Request::Get { bucket, key } => {
                Answer::Bytes(Ok(self.store.get(bucket, key).map(|object| object.body.clone())))
            }
            Request::Sha256 { bucket, key } => self.sha256(bucket, key),
            Request::List { bucket, prefix, after, most } => {
                Answer::Keys(Ok(self.store.list(bucket, prefix, after, *most)))
            }
            Request::Item { stream } => Answer::Item(Ok(self.table.get(stream).cloned())),
            Request::Update { stream, update } => self.update(stream, update),
            Request::Page(asked) => {
                self.tell_the_time(worker);
                Answer::Page(Box::new(self.page(worker, asked, flaw)))
            }
            Request::Body(_) => Answer::Body(Box::new(Ok(None))),
            Request::Count(asked) => {
                self.tell_the_time(worker);
                Answer::Count(self.count(worker, asked))
            }
            Request::Hourly(asked) => {
                self.tell_the_time(worker);
                self.tally.step(Step::Compared);
                Answer::Hourly(self.hourly(worker, asked))
            }
            Request::Services(asked) => {
                self.tell_the_time(worker);
                Answer::Services(self.services(worker, asked))
            }
            Request::Listed(asked) => {
                self.tell_the_time(worker);
                Answer::Listed(self.listed(worker, asked))
            }
            Request::Send(bodies) => {
                self.send(bodies);
                Answer::Sent(Ok(Vec::new()))
            }
            Request::Sleep(ms) => {
                self.now_ms += i64::try_from(*ms).unwrap_or(0);
                Answer::Slept
            }
        }
    }

    fn sha256(&mut self, bucket: &str, key: &str) -> Answer {
        let found = self.store.get(bucket, key).map(|object| hex::encode(object.sha256));
        let step = match (key.split('/').next(), &found) {
            (Some("journal"), Some(_)) => Some(Step::RecoveredEarlier),
            (Some("journal"), None) => Some(Step::RecoveredLast),
            (Some("index"), Some(_)) => Some(Step::FoundPublished),
            _ => None,
        };
        step.into_iter().for_each(|step| self.tally.step(step));
        Answer::Sha256(Ok(found))
    }

    fn update(&mut self, stream: &StreamId, update: &Update) -> Answer {
        let (item, sound) = self.table.update(self.now_ms, stream, update, &self.store);
        table::steps(update, item.is_some()).into_iter().for_each(|step| self.tally.step(step));
        if let Err(wrong) = sound {
            self.wrong(wrong);
        }
        Answer::Item(Ok(item))
    }

    /// The `Date` of an answer, in whole seconds.
    fn tell_the_time(&mut self, worker: usize) {
        let date_ms = self.now_ms / SECOND * SECOND;
        if let Some(local) = self.locals.get_mut(worker) {
            local.measured_skew_ms = Some((self.now_ms + local.skew_ms - date_ms).max(0));
        }
    }
}
