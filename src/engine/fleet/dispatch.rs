//! Dispatches runs: which streams are due, and one run over each, directly or through the work
//! queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::collect::{Engine, Inquiry};
use crate::cursor::{Item, Items, attribute, lease, text};
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::fleet::lanes::{self, Lanes};
use crate::fleet::message::{Message, MessageTask};
use crate::fleet::{pass, queue};
use crate::ports::WorkQueue;
use crate::read::Budget;
use crate::report::{Queued, Report, StreamReport, StreamStatus};
use crate::stream::StreamId;

/// Everything that an invocation needs.
pub struct Fleet {
    /// Makes a run over one stream.
    pub engine: Engine,
    /// The queue that is used if more than one stream is due; `None` if all runs are made directly.
    pub queue: Option<Arc<dyn WorkQueue>>,
    /// How many streams are worked on at the same time from the queue; at least 2. One of them is
    /// kept for live streams.
    pub concurrency: usize,
    /// Which organizations are collected.
    pub organizations: OrganizationSource,
}

/// What is to be run.
#[derive(Default)]
pub(crate) struct Due {
    /// Live streams, and recoveries of streams that are no longer collected.
    streams: Vec<Message>,
    /// Open lanes, which come after all others.
    lanes: Lanes,
}

/// What is known of the streams that are collected before any is run.
struct Before {
    /// Their items, and those of their users.
    items: Items,
    /// Their open lanes.
    lanes: Lanes,
    /// Their status, and that of unhealthy lanes.
    statuses: Vec<StreamStatus>,
    /// A report for each lane whose item could not be read (at most [`queue::LINES_MAX`]).
    unread: Vec<StreamReport>,
}

/// Makes one run over each stream that is due: the configured ones, their open lanes as often as they
/// are to be read, and recovery for those that are no longer configured. A failure of one stream is
/// in its report and does not affect the others.
///
/// If there is a work queue, messages are sent instead. A stream that is the only one that is
/// configured is run at once all the same, after the others were queued.
///
/// # Errors
/// [`RunError`] if it cannot be found out which streams are configured, if a step of the pass through
/// all streams fails, or if the items of several streams cannot be read.
pub async fn collect(fleet: &Fleet, budget: Budget) -> Result<Report, RunError> {
    let engine = &fleet.engine;
    let Discovered { streams, discovery } =
        discover::streams(engine, &fleet.organizations, Inquiry::Events, budget).await?;
    let collected = streams.iter().cloned().collect();
    let found = pass::step(engine, &collected).await?;
    let Before { items, mut lanes, statuses, unread } = Before::read(engine, &streams).await?;
    lanes.join(found.lanes);
    let mut due = Due { streams: found.due, lanes };
    let mut report = match streams.as_slice() {
        [only] => collect_one(fleet, only, due, &items, budget).await,
        _ => {
            due.streams.extend(streams.iter().map(message));
            run(fleet, due, &items, budget).await
        }
    };
    report.streams.extend(unread);
    report.statuses_before = statuses;
    report.discovery = discovery;
    report.others_needing_operator = found.needing_operator;
    report.duration_ms = engine.clock.now_ms() - budget.started_ms;
    Ok(report)
}

/// The only stream that is configured, and what is due besides: if there is a queue, that is queued
/// before, because the run may use all of the time.
async fn collect_one(
    fleet: &Fleet,
    stream: &StreamId,
    others: Due,
    items: &Items,
    budget: Budget,
) -> Report {
    let own = Due { streams: vec![message(stream)], lanes: Lanes::default() };
    if others.is_empty() {
        return run_directly(&fleet.engine, &own, budget).await;
    }
    let (own, rest) = match fleet.queue {
        Some(_) => {
            let rest = run(fleet, others, items, budget).await;
            (run_directly(&fleet.engine, &own, budget).await, rest)
        }
        None => {
            let own = run_directly(&fleet.engine, &own, budget).await;
            (own, run(fleet, others, items, budget).await)
        }
    };
    let streams = own.streams.into_iter().chain(rest.streams).collect();
    Report { streams, ..rest }
}

impl Before {
    /// Reads the items of the streams that are collected, and of their open lanes.
    async fn read(engine: &Engine, streams: &[StreamId]) -> Result<Self, RunError> {
        // Users are read in their organization's turn.
        let users = streams.iter().filter(|_| engine.settings.system_users.is_some());
        let users: Vec<_> = users.filter_map(StreamId::users).collect();
        let items = match engine.cursors.get_many(&[streams, &users].concat()).await {
            Ok(items) => items,
            // The run of an only stream shows whether that lasts.
            Err(error) if streams.len() == 1 => {
                tracing::warn!(%error, "the cursor could not be read before the run");
                Items::new()
            }
            Err(error) => return Err(error.into()),
        };
        let open = lanes::open(&items);
        let (mut lanes, unread) = match Lanes::look(engine, &open, MessageTask::Collect).await {
            Ok(lanes) => (lanes, Vec::new()),
            Err(error) => {
                let error = RunError::from(error);
                let failed = |(lane, _): &(StreamId, _)| StreamReport::failed(lane.clone(), &error);
                (Lanes::default(), open.iter().take(queue::LINES_MAX).map(failed).collect())
            }
        };
        let now_ms = engine.clock.now_ms();
        let status_of = |(stream, item): (&StreamId, &Item)| {
            StreamStatus::read(stream.clone(), true, item, now_ms, engine.settings.retention_ms)
        };
        let mut statuses = std::mem::take(&mut lanes.unhealthy);
        statuses.extend(items.iter().map(status_of));
        Ok(Self { items, lanes, statuses, unread })
    }
}

fn message(stream: &StreamId) -> Message {
    Message::new(stream.clone(), MessageTask::Collect)
}

impl Due {
    /// Lanes only.
    pub(crate) fn lanes(lanes: Lanes) -> Self {
        Self { streams: Vec::new(), lanes }
    }

    fn is_empty(&self) -> bool {
        let Lanes { due, outstanding, suspended, .. } = &self.lanes;
        self.streams.is_empty() && due.is_empty() && *outstanding == 0 && suspended.is_empty()
    }
}

/// Makes a run over each stream that is due, or queues it. A suspended stream is left out until its
/// next probe.
pub(crate) async fn run(fleet: &Fleet, mut due: Due, items: &Items, budget: Budget) -> Report {
    let engine = &fleet.engine;
    let now_ms = engine.clock.now_ms();
    let is_suspended = |message: &mut Message| {
        items.get(&message.stream).is_some_and(|item| lease::is_suspended(item, now_ms))
    };
    let suspended: Vec<_> = due.streams.extract_if(.., is_suspended).collect();
    let lanes = std::mem::take(&mut due.lanes.suspended);
    queue::shuffle(&mut due.streams, engine.clock.random());
    queue::shuffle(&mut due.lanes.due, engine.clock.random());
    // Recoveries are short, and a pass finds them once.
    due.lanes.due.sort_by_key(|message| message.task == MessageTask::Collect);
    let mut report = match &fleet.queue {
        Some(queue) => {
            let places = fleet.concurrency.saturating_sub(1).saturating_sub(due.lanes.outstanding);
            // A worker recovers the other lanes of the same stream, too.
            let mut met = BTreeSet::new();
            due.lanes
                .due
                .retain(|lane| lane.task == MessageTask::Collect || met.insert(lane.stream.live()));
            let waiting = due.lanes.due.len().saturating_sub(places);
            due.lanes.due.truncate(places);
            let outstanding = due.lanes.outstanding;
            let messages = due.streams.into_iter().chain(due.lanes.due).collect();
            let (queued, left) = queue::send(engine, &**queue, messages, items, budget).await;
            let queued = Queued {
                outstanding: queued.outstanding + outstanding,
                suspended: suspended.len() + lanes.len(),
                waiting: queued.waiting + waiting,
                ..queued
            };
            Report { queued: Some(queued), streams: left, ..Report::default() }
        }
        None => run_directly(engine, &due, budget).await,
    };
    let of_streams = suspended.iter().map(|message| {
        let item = items.get(&message.stream);
        let error = item.and_then(|item| text(item, attribute::LAST_ERROR).ok());
        StreamReport::suspended(message.stream.clone(), error)
    });
    let of_lanes = lanes
        .into_iter()
        .map(|lane| StreamReport::suspended(lane.stream, lane.last_error.as_deref()));
    report.streams.extend(of_streams.chain(of_lanes).take(queue::LINES_MAX));
    report.duration_ms = engine.clock.now_ms() - budget.started_ms;
    report
}

/// One run after the other, each with an equal share of the time that is left; the lanes together
/// have the share of one stream before them.
async fn run_directly(engine: &Engine, due: &Due, budget: Budget) -> Report {
    let mut streams = Vec::new();
    let (others, lanes) = (due.streams.len(), due.lanes.due.len());
    for (done, message) in due.streams.iter().chain(&due.lanes.due).enumerate() {
        let is_lane = done >= others;
        if is_lane && engine.clock.now_ms() >= budget.read_until_ms(0) {
            break;
        }
        let left = match is_lane {
            true => others + lanes - done,
            false => others - done + usize::from(lanes > 0),
        };
        let share = budget.share(engine.clock.now_ms(), left);
        let lines = engine.turn(&message.stream, message.purpose(), share, false).await;
        lines.iter().for_each(StreamReport::log);
        streams.extend(lines);
    }
    Report { streams, ..Report::default() }
}
