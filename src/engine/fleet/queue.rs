//! Sends one message per stream to the work queue, unless one is outstanding, and handles the
//! messages that SQS delivers.

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;

use crate::collect::Engine;
use crate::cursor::{Items, OpenLanes, lease};
use crate::error::RunError;
use crate::fleet::lanes::Lanes;
use crate::fleet::message::{Message, Record};
use crate::limits::{QUEUE_BATCH_MAX, QUEUE_REQUESTS_AT_ONCE};
use crate::ports::{StoreError, WorkQueue};
use crate::read::Budget;
use crate::report::{Outcome, Queued, Report, StreamReport};
use crate::stream::StreamId;

/// The largest number of streams that a report lists as failed or suspended; the others are only
/// counted.
pub const LINES_MAX: usize = 100;

/// The result of queueing streams.
#[derive(Default)]
struct Sent {
    counts: Queued,
    /// A report for each stream that could not be queued.
    left: Vec<StreamReport>,
}

/// Queues each stream that is due and has no outstanding message. Returns the counts, and a report
/// for each stream that could not be queued (at most [`LINES_MAX`]): it has failed, or it is waiting
/// if only the time was over.
///
/// A stream is marked as queued before its message is sent. A crash between the two delays it by
/// [`QUEUED_MS_MAX`](crate::limits::QUEUED_MS_MAX), at most ten streams per request.
pub(crate) async fn send(
    engine: &Engine,
    queue: &dyn WorkQueue,
    due: Vec<Message>,
    items: &Items,
    budget: Budget,
) -> (Queued, Vec<StreamReport>) {
    let now_ms = engine.clock.now_ms();
    let (outstanding, due): (Vec<_>, Vec<_>) = due.into_iter().partition(|message| {
        items.get(&message.stream).is_some_and(|item| lease::is_queued(item, now_ms))
    });
    let chunks = due.chunks(QUEUE_BATCH_MAX).map(|chunk| send_chunk(engine, queue, chunk, budget));
    let sent = stream::iter(chunks).buffer_unordered(QUEUE_REQUESTS_AT_ONCE);
    let all = sent
        .fold(Sent::default(), |mut all, chunk| {
            all.counts.sent += chunk.counts.sent;
            all.counts.outstanding += chunk.counts.outstanding;
            all.left.extend(chunk.left);
            std::future::ready(all)
        })
        .await;
    let Sent { mut counts, mut left } = all;
    counts.outstanding += outstanding.len();
    counts.waiting = left.iter().filter(|line| line.outcome == Outcome::Waiting).count();
    counts.failed = left.len() - counts.waiting;
    left.truncate(LINES_MAX);
    (counts, left)
}

/// Marks a stream as queued. `false` if a message for it is in the queue already.
async fn place(engine: &Engine, stream: &StreamId, now_ms: i64) -> Result<bool, StoreError> {
    if engine.cursors.update(stream, &lease::queue(now_ms)).await?.is_some() {
        return Ok(true);
    }
    // The adapter may have retried a request whose first try had succeeded: the mark is ours.
    let item = engine.cursors.get(stream).await.ok().flatten();
    Ok(item.is_some_and(|item| lease::was_queued_at(&item, now_ms)))
}

/// Marks up to ten streams as queued, and sends their messages in one request.
async fn send_chunk(
    engine: &Engine,
    queue: &dyn WorkQueue,
    chunk: &[Message],
    budget: Budget,
) -> Sent {
    let now_ms = engine.clock.now_ms();
    let mut all = Sent::default();
    if now_ms >= budget.read_until_ms(0) {
        let why = || "the time was over before it could be queued".to_owned();
        all.left = chunk.iter().map(|m| StreamReport::waiting(m.stream.clone(), why())).collect();
        return all;
    }
    let places = chunk
        .iter()
        .map(|message| async move { (message, place(engine, &message.stream, now_ms).await) });
    let mut placed = Vec::new();
    for (message, is_placed) in join_all(places).await {
        match is_placed {
            Ok(true) => placed.push(message),
            Ok(false) => all.counts.outstanding += 1,
            Err(error) => {
                all.left.push(StreamReport::failed(message.stream.clone(), &error.into()));
            }
        }
    }
    if placed.is_empty() {
        return all;
    }
    let bodies: Vec<_> = placed.iter().map(|message| message.write()).collect();
    let (left, error) = match queue.send(&bodies).await {
        Ok(left) => (left, "the work queue did not accept it".to_owned()),
        Err(error) => ((0..placed.len()).collect(), error.to_string()),
    };
    all.counts.sent = placed.len() - left.len();
    for message in left.iter().filter_map(|number| placed.get(*number)) {
        engine.unqueue(&message.stream).await;
        // The invocation must fail: a queue that accepts nothing would not be noticed otherwise.
        let error = RunError::refused(error.clone());
        all.left.push(StreamReport::failed(message.stream.clone(), &error));
    }
    all
}

/// The answer of a Lambda function to SQS: the messages to deliver again.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsBatchResponse {
    /// Empty if all were handled.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message to deliver again.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its `messageId`.
    pub item_identifier: String,
}

/// What a lane's message asks for, done for other lanes of the same live stream until half of the time
/// is over. Lanes are short, and only few have a message at the same time.
async fn other_lanes(engine: &Engine, message: &Message, budget: Budget) -> Vec<StreamReport> {
    let until_ms = budget.started_ms + (budget.deadline_ms - budget.started_ms) / 2;
    let mut reports = Vec::new();
    if engine.clock.now_ms() >= until_ms {
        return reports;
    }
    let mut due = match due_beside(engine, message).await {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(lane = %message.stream, %error, "no other lane is run after it");
            return reports;
        }
    };
    // Another worker may be doing the same.
    shuffle(&mut due, engine.clock.random());
    for message in due {
        let now_ms = engine.clock.now_ms();
        if now_ms >= until_ms {
            break;
        }
        let budget = Budget { started_ms: now_ms, ..budget };
        let lines = engine.turn(&message.stream, message.purpose(), budget, false).await;
        lines.iter().for_each(StreamReport::log);
        reports.extend(lines);
    }
    reports
}

/// The other lanes of a lane's live stream that are due and have no message.
async fn due_beside(engine: &Engine, message: &Message) -> Result<Vec<Message>, RunError> {
    let live = message.stream.live();
    let item = engine.cursors.get(&live).await?.unwrap_or_default();
    let mut open = OpenLanes::read(&item)?.of(&live);
    open.retain(|(other, _)| *other != message.stream);
    Ok(Lanes::look(engine, &open, message.task).await?.due)
}

/// Puts messages in random order, so that none is always the last one.
pub(crate) fn shuffle(messages: &mut [Message], seed: [u8; 16]) {
    fastrand::Rng::with_seed(u128::from_le_bytes(seed) as u64).shuffle(messages);
}

/// Makes one run over each message's stream. A message counts as failed only if it could not be
/// handled, because it cannot be read or the time was over before its turn. The result of a run is
/// in the stream's cursor and in the report.
pub async fn handle_messages(
    engine: &Engine,
    records: &[Record],
    budget: Budget,
) -> (SqsBatchResponse, Report) {
    let mut report = Report::default();
    let mut failed = SqsBatchResponse::default();
    for (done, record) in records.iter().enumerate() {
        let now_ms = engine.clock.now_ms();
        match Message::read(&record.body) {
            Ok(message) if now_ms < budget.read_until_ms(0) => {
                let share = budget.share(now_ms, records.len() - done);
                let lines = engine.turn(&message.stream, message.purpose(), share, true).await;
                lines.iter().for_each(StreamReport::log);
                report.streams.extend(lines);
                if message.stream.is_lane() {
                    report.streams.extend(other_lanes(engine, &message, share).await);
                }
                continue;
            }
            Ok(message) => {
                tracing::warn!(stream = %message.stream, "the time was over before its turn");
            }
            Err(error) => {
                tracing::error!(message = record.message_id, %error, "a message cannot be read");
            }
        }
        let item_identifier = record.message_id.clone();
        failed.batch_item_failures.push(BatchItemFailure { item_identifier });
    }
    report.duration_ms = engine.clock.now_ms() - budget.started_ms;
    (failed, report)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::fleet::message::MessageTask;

    #[test]
    fn each_scheduled_run_has_an_order_of_its_own() {
        let stream = |n: u8| StreamId::try_from(format!("{n:024x}")).unwrap();
        let shuffled = |seed| {
            let streams = (1..=20).map(stream);
            let mut messages: Vec<_> =
                streams.map(|stream| Message::new(stream, MessageTask::Collect)).collect();
            shuffle(&mut messages, [seed; 16]);
            messages
        };
        assert_ne!(shuffled(1), shuffled(2));
    }
}
