//! Dispatches runs: which streams are due, and one run over each, directly or through the work
//! queue.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::collect::{Engine, Inquiry};
use crate::cursor::{Item, Items, attribute, lease, text};
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::fleet::message::{Message, MessageTask};
use crate::fleet::queue;
use crate::ports::WorkQueue;
use crate::read::Budget;
use crate::report::{Outcome, Queued, Report, StreamReport, StreamStatus};
use crate::stream::StreamId;

/// Everything that an invocation needs.
pub struct Fleet {
    /// Makes a run over one stream.
    pub engine: Engine,
    /// The queue that is used if more than one stream is due; `None` if all runs are made directly.
    pub queue: Option<Arc<dyn WorkQueue>>,
    /// Which organizations are collected.
    pub organizations: OrganizationSource,
}

/// Makes one run over each stream that is due: the configured ones, their lanes until they are
/// finished, and recovery for those that are no longer configured. A failure of one stream is in
/// its report and does not affect the others.
///
/// If there is a work queue and more than one stream is due, messages are sent instead.
///
/// # Errors
/// [`RunError`] if the streams or their cursors cannot be listed, or if organizations are
/// configured by id although `self` was collected before.
pub async fn collect(fleet: &Fleet, budget: Budget) -> Result<Report, RunError> {
    let engine = &fleet.engine;
    let born = engine.created_streams().await?;
    let Discovered { streams: configured, discovery } =
        discover::streams(engine, &fleet.organizations, &born, Inquiry::Events, budget).await?;
    let mut all = born.clone();
    all.extend(configured.iter().cloned());
    let all: Vec<_> = all.into_iter().collect();
    // A single stream is claimed regardless of its item, so the item is not read.
    let items = if all.len() > 1 { engine.cursors.get_many(&all).await? } else { Items::new() };
    // Users are read in their organization's turn.
    let asked: BTreeSet<_> = configured.iter().cloned().collect();
    let has_turn = |s: &StreamId| s.is_users() && discover::is_collected(engine, &asked, s);
    let apart = born.into_iter().filter(|stream| !has_turn(stream)).collect();
    let due = due(&configured, &apart, &items, engine.clock.now_ms());
    let mut report = run(fleet, due, &items, budget).await;
    report.discovery = discovery;
    let now_ms = engine.clock.now_ms();
    let status_of = |(stream, item): (&StreamId, &Item)| {
        let is_collected = discover::is_collected(engine, &asked, stream);
        StreamStatus::read(stream.clone(), is_collected, item, now_ms, engine.settings.retention_ms)
    };
    report.statuses_before = items.iter().map(status_of).collect();
    Ok(report)
}

/// The message for each stream that is due: live streams first, then lanes.
fn due(
    configured: &[StreamId],
    born: &BTreeSet<StreamId>,
    items: &Items,
    now_ms: i64,
) -> Vec<Message> {
    let is_over =
        |lane: &StreamId| items.get(lane).is_some_and(|item| lease::is_retired(item, now_ms));
    let is_finished = |lane: &StreamId| {
        items.get(lane).is_some_and(|item| item.contains_key(attribute::FINISHED_MS))
    };
    let others = born.iter().filter(|stream| !configured.contains(stream));
    let (lanes, gone): (Vec<_>, Vec<_>) = others.partition(|stream| stream.is_lane());
    let lanes = lanes.into_iter().filter(|lane| !is_over(lane));
    let message = |stream: &StreamId, task| Message::new(stream.clone(), task);
    let configured_ones = configured.iter().map(|stream| message(stream, MessageTask::Collect));
    configured_ones
        .chain(gone.into_iter().map(|stream| message(stream, MessageTask::Recover)))
        .chain(lanes.map(|lane| {
            let is_over = is_finished(lane) || !configured.contains(&lane.live());
            message(lane, if is_over { MessageTask::Recover } else { MessageTask::Collect })
        }))
        .collect()
}

/// Makes a run over each stream that is due, or queues it. A suspended stream is left out until its
/// next probe, unless it is the only one.
pub(crate) async fn run(fleet: &Fleet, due: Vec<Message>, items: &Items, budget: Budget) -> Report {
    let engine = &fleet.engine;
    let now_ms = engine.clock.now_ms();
    let is_one = due.len() == 1;
    let (suspended, mut due): (Vec<_>, Vec<_>) = due.into_iter().partition(|message| {
        !is_one && items.get(&message.stream).is_some_and(|item| lease::is_suspended(item, now_ms))
    });
    shuffle(&mut due, engine.clock.random());
    let mut report = Report::default();
    match &fleet.queue {
        Some(queue) if !is_one => {
            let (queued, failed) = queue::send(engine, &**queue, due, items, budget).await;
            report.queued = Some(Queued { suspended: suspended.len(), ..queued });
            report.streams = failed;
        }
        _ => report.streams = run_each(engine, &due, budget).await,
    }
    let reports = suspended.iter().map(|message| suspended_report(&message.stream, items));
    report.streams.extend(reports.take(queue::LINES_MAX));
    report.duration_ms = engine.clock.now_ms() - budget.started_ms;
    report
}

async fn run_each(engine: &Engine, due: &[Message], budget: Budget) -> Vec<StreamReport> {
    let mut reports = Vec::new();
    for (done, message) in due.iter().enumerate() {
        let share = budget.share(engine.clock.now_ms(), due.len() - done);
        let lines = engine.turn(&message.stream, message.purpose(), share, false).await;
        lines.iter().for_each(StreamReport::log);
        reports.extend(lines);
    }
    reports
}

/// Puts the messages in random order, so that no stream is always the last one, but lanes after
/// live streams.
fn shuffle(due: &mut [Message], seed: [u8; 16]) {
    let mut random = fastrand::Rng::with_seed(u128::from_le_bytes(seed) as u64);
    random.shuffle(due);
    due.sort_by_key(|message| message.stream.is_lane());
}

/// The report of a stream that is suspended.
fn suspended_report(stream: &StreamId, items: &Items) -> StreamReport {
    let error =
        items.get(stream).and_then(|item| text(item, attribute::LAST_ERROR).ok()).unwrap_or("");
    let error = Some(format!("suspended after repeated failures, not tried in this run: {error}"));
    StreamReport { outcome: Outcome::Waiting, error, ..StreamReport::new(stream.clone()) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cursor::Value;
    use crate::limits::LANE_RECOVERY_MS;

    fn organization(n: u8) -> StreamId {
        format!("{n:024x}").try_into().unwrap()
    }

    fn names(due: &[Message]) -> Vec<String> {
        due.iter()
            .map(|m| {
                format!("{}{}", m.stream, ["", "!"][usize::from(m.task == MessageTask::Recover)])
            })
            .collect()
    }

    #[test]
    fn lanes_are_due_until_they_are_finished_and_what_is_gone_is_recovered() {
        let (here, gone) = (organization(1), organization(2));
        let day = 1_790_812_800_000_i64;
        let lane = |stream: &StreamId, days: i64| stream.lane(day + days * 86_400_000).unwrap();
        let lanes = [lane(&here, 0), lane(&here, 1), lane(&here, 2), lane(&gone, 0)];
        let born = [here.clone(), gone.clone()].into_iter().chain(lanes).collect();
        let now_ms = LANE_RECOVERY_MS + 1;
        let finished = |ms| Item::from([("finished_ms".to_owned(), Value::N(ms))]);
        let items = Items::from([(lane(&here, 0), finished(0)), (lane(&here, 2), finished(1))]);
        let due = due(std::slice::from_ref(&here), &born, &items, now_ms);
        let expected = [
            here.to_string(),
            format!("{gone}!"),
            lane(&here, 1).to_string(),
            format!("{}!", lane(&here, 2)),
            format!("{}!", lane(&gone, 0)),
        ];
        assert_eq!(names(&due), expected);
    }

    #[test]
    fn each_scheduled_run_has_an_order_of_its_own_with_the_lanes_last() {
        let live = (1..=20).map(organization);
        let lanes = (1..=20).map(|n| organization(n).lane(0).unwrap());
        let due: Vec<_> =
            lanes.chain(live).map(|stream| Message::new(stream, MessageTask::Collect)).collect();
        let shuffled = |seed| {
            let mut due = due.clone();
            shuffle(&mut due, [seed; 16]);
            names(&due)
        };
        assert_ne!(shuffled(1), shuffled(2));
        assert!(shuffled(1)[..20].iter().all(|name| !name.contains("backfill")));
    }
}
