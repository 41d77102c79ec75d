//! The work queue of a stack. SQS delivers a message at least once, in any order; here some are delivered
//! twice or much later, and some never.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::fleet::dispatch::Fleet;
use engine::fleet::message::Record;
use engine::fleet::queue::handle_messages;
use engine::read::Budget;
use engine::report::View;

use crate::chance::Chance;
use crate::choices::Choices;
use crate::healthy::keep_metrics;
use crate::invoke::Invocation;
use crate::schedule::{DAY, DELAY_MS_MAX, SECOND};
use crate::simulate::{Simulation, WORKERS_MAX};
use crate::stack::Asked;
use crate::tally::{Fault, Step};
use crate::world::{Shared, World, lock};

/// How often a message is delivered that is not handled.
const RECEIVED_MAX: u32 = 5;
/// How long it is kept.
const KEPT_MS: i64 = DAY;
/// A message that was delivered is hidden for so many times as long as an invocation lasts.
const HIDDEN_RUNS: i64 = 6;

/// The messages that were not handled yet.
#[derive(Debug)]
pub(crate) struct Messages {
    choices: Choices,
    last: u64,
    waiting: BTreeMap<u64, Message>,
}

#[derive(Debug)]
struct Message {
    body: String,
    sent_ms: i64,
    /// When it is delivered next.
    at_ms: i64,
    received: u32,
}

impl Messages {
    pub(crate) fn new(choices: Choices) -> Self {
        Self { choices, last: 0, waiting: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When they are delivered.
    pub(crate) fn times_ms(&self) -> impl Iterator<Item = i64> {
        self.waiting.values().map(|message| message.at_ms)
    }

    fn due(&self, now_ms: i64) -> Option<u64> {
        let mut messages = self.waiting.iter();
        messages.find(|(_, message)| message.at_ms <= now_ms).map(|(id, _)| *id)
    }

    /// The message, unless it is kept no longer or was delivered too often.
    fn receive(&mut self, id: u64, now_ms: i64, hidden_ms: i64) -> Option<Record> {
        let mut message = self.waiting.remove(&id)?;
        message.received += 1;
        message.at_ms = now_ms + hidden_ms;
        if message.received > RECEIVED_MAX || now_ms - message.sent_ms > KEPT_MS {
            return None;
        }
        let (message_id, body) = (id.to_string(), message.body.clone());
        self.waiting.insert(id, message);
        Some(Record { event_source: "aws:sqs".to_owned(), message_id, body })
    }
}

impl World {
    /// Messages are sent.
    pub(crate) fn send(&mut self, bodies: &[String]) {
        for body in bodies {
            self.tally.step(Step::Queued);
            let may_fail = self.orphans;
            let fault =
                self.messages.choices.choose("message", None, |chance| match chance.below(100) {
                    _ if !may_fail => None,
                    0..4 => Some(Fault::MessageLost),
                    4..14 => Some(Fault::MessageTwice),
                    14..29 => Some(Fault::MessageLate),
                    _ => None,
                });
            let times = match fault {
                Some(Fault::MessageLost) => 0,
                Some(Fault::MessageTwice) => 2,
                _ => 1,
            };
            for _ in 0..times {
                let longest_ms = match fault {
                    Some(Fault::MessageLate) => DELAY_MS_MAX,
                    _ => 3 * SECOND,
                };
                let after = |chance: &mut Chance| chance.between(1, longest_ms);
                let at_ms = self.now_ms + self.messages.choices.choose("message after", 1, after);
                let message =
                    Message { body: body.clone(), sent_ms: self.now_ms, at_ms, received: 0 };
                self.messages.last += 1;
                self.messages.waiting.insert(self.messages.last, message);
            }
            if let Some(fault) = fault {
                self.fault(fault);
                self.say(|| format!("--  {fault:?}: {body}"));
            }
        }
    }
}

impl Simulation {
    /// Delivers the messages that are due, as far as there are workers for them.
    pub(crate) fn deliver(&mut self) {
        loop {
            let is_idle = self.workers.iter().any(|worker| worker.run.is_none());
            if !is_idle && self.workers.len() == WORKERS_MAX {
                return;
            }
            let world = lock(&self.world);
            let Some(id) = world.messages.due(world.now_ms) else { return };
            drop(world);
            self.invoke(Asked::Handle(id));
        }
    }
}

/// What the function does with a message.
pub(crate) fn handle(world: Shared, fleet: Arc<Fleet>, id: u64, budget: Budget) -> Invocation {
    Box::pin(async move {
        let record = {
            let mut world = lock(&world);
            let hidden_ms = HIDDEN_RUNS * (budget.deadline_ms - budget.started_ms);
            let now_ms = world.now_ms;
            world.messages.receive(id, now_ms, hidden_ms)
        };
        let Some(record) = record else { return Vec::new() };
        let (answer, report) = handle_messages(&fleet.engine, &[record], budget).await;
        if answer.batch_item_failures.is_empty() {
            let mut world = lock(&world);
            world.messages.waiting.remove(&id);
            world.tally.step(Step::Handled);
        }
        keep_metrics(&world, &fleet, &report, View::Streams);
        report.streams
    })
}
