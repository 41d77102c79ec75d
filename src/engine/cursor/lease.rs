//! Which run works on a stream, and when the next one should: lease, work queue, failures. They
//! only avoid duplicate work; the archive's correctness does not depend on them.

use crate::cursor::attribute::{self, SCHEMA_VERSION};
use crate::cursor::{Condition, Item, Update, Value, number, text};
use crate::limits::{
    BREAKER_FAILURES, BREAKER_PROBE_INTERVAL_MS, LANE_RECOVERY_MS, LEASE_MS_MAX, MESSAGE_BYTES_MAX,
    QUEUED_MS_MAX,
};

/// Claims a stream that has a cursor: sets the lease and adds 1 to `fence`.
///
/// A lease is free if there is none, if it has ended, or if it ends later than the longest lease
/// could, because then a wrong clock wrote it.
#[must_use]
pub fn claim(owner: &str, now_ms: i64, lease_until_ms: i64) -> Update {
    Update {
        conditions: vec![
            Condition::Present(attribute::SEQ),
            // The cursor of a later version is not claimed at all.
            Condition::AtMost(attribute::SCHEMA, SCHEMA_VERSION),
            is_over(attribute::LEASE_UNTIL_MS, now_ms, LEASE_MS_MAX),
        ],
        set: vec![
            (attribute::LEASE_OWNER, Value::S(owner.to_owned())),
            (attribute::LEASE_UNTIL_MS, Value::N(lease_until_ms)),
        ],
        add: vec![(attribute::FENCE, 1)],
        remove: vec![],
    }
}

/// The claim of a run that reads hours again, which may decide something: a finished lane is over
/// only some time after that.
#[must_use]
pub fn claim_for_repair(owner: &str, now_ms: i64, lease_until_ms: i64) -> Update {
    let remove = vec![attribute::FINISHED_MS];
    Update { remove, ..claim(owner, now_ms, lease_until_ms) }
}

/// True if the time was never set, has passed, or is more than `ahead_ms_max` in the future,
/// because then a wrong clock wrote it.
fn is_over(name: &'static str, now_ms: i64, ahead_ms_max: i64) -> Condition {
    Condition::Any(vec![
        Condition::Absent(name),
        Condition::Below(name, now_ms),
        Condition::Above(name, now_ms + ahead_ms_max),
    ])
}

/// The opposite of [`is_over`], for an item that was read.
fn is_ahead(item: &Item, name: &'static str, now_ms: i64, ahead_ms_max: i64) -> bool {
    number(item, name).is_ok_and(|until_ms| (now_ms..=now_ms + ahead_ms_max).contains(&until_ms))
}

/// Identifies the claim of one run.
///
/// `fence` alone is not unique: after a cursor was lost or restored, its numbers are used again.
#[derive(Clone, Debug)]
pub struct LeaseToken {
    owner: Value,
    fence: i64,
}

impl LeaseToken {
    /// The claim in an item that [`claim`] has updated.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let owner = Value::S(text(item, attribute::LEASE_OWNER).unwrap_or_default().to_owned());
        Self { owner, fence: number(item, attribute::FENCE).unwrap_or(0) }
    }
}

/// The result of a run, which is recorded in the cursor.
#[derive(Clone, Copy, Debug)]
pub enum RunResult<'a> {
    /// The run ended without an error.
    Succeeded,
    /// The run failed.
    Failed {
        /// The error's message.
        error: &'a str,
        /// Failures in a row, including this one. It is set and not incremented, so that a retried
        /// update counts once.
        failures: i64,
        /// Whether it will fail again until an operator acts.
        needs_operator: bool,
    },
}

/// What a run's last update records besides the reading state.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// When the run ended, UTC milliseconds.
    pub at_ms: i64,
    /// The result of the run.
    pub result: RunResult<'a>,
    /// Whether the run handled a message of the work queue; the stream then no longer counts as
    /// queued.
    pub is_from_queue: bool,
    /// Since when the lane is finished, UTC milliseconds; `None` if it is not finished, or the
    /// stream is not a lane.
    pub finished_ms: Option<i64>,
    /// Since when the lane is closed although it is not finished; `None` if it is not.
    pub expired_ms: Option<i64>,
    /// When the first of the recoveries succeeded that nothing else has followed; `None` if this run
    /// was none, or has failed.
    pub recovered_ms: Option<i64>,
}

/// Adds the release to a run's last update: removes the lease on condition that the claim is still
/// `token`'s, and records the result.
#[must_use]
pub fn release(mut update: Update, token: &LeaseToken, release: Release<'_>) -> Update {
    update.conditions.extend([
        Condition::Is(attribute::FENCE, Value::N(token.fence)),
        Condition::Is(attribute::LEASE_OWNER, token.owner.clone()),
    ]);
    update.remove.extend([attribute::LEASE_OWNER, attribute::LEASE_UNTIL_MS]);
    let at_ms = release.at_ms;
    match release.result {
        RunResult::Succeeded => {
            update.set.extend([
                (attribute::LAST_SUCCESS_MS, Value::N(at_ms)),
                (attribute::FAILURES, Value::N(0)),
            ]);
            update.remove.extend([
                attribute::LAST_ERROR,
                attribute::RETRY_AFTER_MS,
                attribute::NEEDS_OPERATOR,
            ]);
        }
        RunResult::Failed { error, failures, needs_operator } => {
            record_failure(&mut update, error, at_ms, needs_operator);
            update.set.push((attribute::FAILURES, Value::N(failures)));
        }
    }
    if release.is_from_queue {
        update.remove.push(attribute::QUEUED_UNTIL_MS);
    }
    update.put(attribute::FINISHED_MS, release.finished_ms.map(Value::N));
    update.put(attribute::EXPIRED_MS, release.expired_ms.map(Value::N));
    update.put(attribute::RECOVERED_MS, release.recovered_ms.map(Value::N));
    update
}

/// Whether a lane needs no further run: it is finished, or closed for its age, no run has claimed it
/// since without releasing it, and so much time has passed that all runs that were overtaken before
/// have ended and cannot decide an entry that no run would publish.
#[must_use]
pub fn is_retired(lane: &Item, now_ms: i64) -> bool {
    is_long_over(lane, now_ms) && !lane.contains_key(attribute::LEASE_OWNER)
}

/// Whether a lane was finished, or closed for its age, so long ago that all runs that were overtaken
/// before have ended.
#[must_use]
pub fn is_long_over(lane: &Item, now_ms: i64) -> bool {
    let ended_ms =
        number(lane, attribute::FINISHED_MS).or_else(|_| number(lane, attribute::EXPIRED_MS));
    ended_ms.is_ok_and(|ended_ms| now_ms - ended_ms > LANE_RECOVERY_MS)
}

/// Whether a stream that is no longer collected may have a decided entry that is not published.
///
/// It has none once a recovery has succeeded so long after the first one that all runs that were
/// overtaken before had ended, and no run has claimed it since without releasing it.
#[must_use]
pub fn may_be_pending(item: &Item) -> bool {
    let recovered_ms = number(item, attribute::RECOVERED_MS);
    let is_done = recovered_ms.is_ok_and(|first_ms| {
        number(item, attribute::LAST_SUCCESS_MS).is_ok_and(|ms| ms - first_ms > LANE_RECOVERY_MS)
    });
    !is_done || item.contains_key(attribute::LEASE_OWNER)
}

/// Records the failure of a stream that has no cursor yet.
#[must_use]
pub fn failed_before_creation(
    error: &str,
    at_ms: i64,
    needs_operator: bool,
    is_from_queue: bool,
) -> Update {
    let mut update = Update {
        conditions: vec![Condition::Absent(attribute::SEQ)],
        add: vec![(attribute::FAILURES, 1)],
        remove: if is_from_queue { vec![attribute::QUEUED_UNTIL_MS] } else { vec![] },
        ..Update::default()
    };
    record_failure(&mut update, error, at_ms, needs_operator);
    update
}

fn record_failure(update: &mut Update, error: &str, at_ms: i64, needs_operator: bool) {
    update.set.extend([
        (attribute::LAST_ERROR, Value::S(shortened(error).to_owned())),
        (attribute::RETRY_AFTER_MS, Value::N(at_ms + BREAKER_PROBE_INTERVAL_MS)),
    ]);
    update.put(attribute::NEEDS_OPERATOR, needs_operator.then_some(Value::N(1)));
}

/// Whether the circuit breaker has suspended the stream: it has failed [`BREAKER_FAILURES`] times
/// in a row or more, and the time of its next probe has not come.
#[must_use]
pub fn is_suspended(item: &Item, now_ms: i64) -> bool {
    number(item, attribute::FAILURES).is_ok_and(|failures| failures >= BREAKER_FAILURES)
        && is_ahead(item, attribute::RETRY_AFTER_MS, now_ms, BREAKER_PROBE_INTERVAL_MS)
}

/// Whether a message for the stream is in the work queue, as far as the item shows.
#[must_use]
pub fn is_queued(item: &Item, now_ms: i64) -> bool {
    is_ahead(item, attribute::QUEUED_UNTIL_MS, now_ms, QUEUED_MS_MAX)
}

/// Marks the stream as queued, on condition that it is not. Creates the item if the stream does not
/// exist yet.
#[must_use]
pub fn queue(now_ms: i64) -> Update {
    Update {
        conditions: vec![
            is_over(attribute::QUEUED_UNTIL_MS, now_ms, QUEUED_MS_MAX),
            Condition::Any(vec![
                Condition::Absent(attribute::SCHEMA),
                Condition::AtMost(attribute::SCHEMA, SCHEMA_VERSION),
            ]),
        ],
        set: vec![(attribute::QUEUED_UNTIL_MS, Value::N(now_ms + QUEUED_MS_MAX))],
        ..Update::default()
    }
}

/// Whether the mark in an item is the one that [`queue`] made at `now_ms`.
#[must_use]
pub fn was_queued_at(item: &Item, now_ms: i64) -> bool {
    number(item, attribute::QUEUED_UNTIL_MS) == Ok(now_ms + QUEUED_MS_MAX)
}

/// Marks the stream as no longer queued, if its run did not get as far as a release.
#[must_use]
pub fn unqueue() -> Update {
    removal(attribute::QUEUED_UNTIL_MS)
}

/// Notes that a finished lane was opened again.
#[must_use]
pub fn reopen() -> Update {
    removal(attribute::FINISHED_MS)
}

/// Removes an attribute, on condition that it exists.
fn removal(name: &'static str) -> Update {
    Update { conditions: vec![Condition::Present(name)], remove: vec![name], ..Update::default() }
}

/// An update whose condition is never true. It tests the permission to write the table without
/// writing anything.
#[must_use]
pub fn permission_probe() -> Update {
    Update {
        conditions: vec![Condition::Absent("stream"), Condition::Present("stream")],
        set: vec![(attribute::SCHEMA, Value::N(SCHEMA_VERSION))],
        ..Update::default()
    }
}

/// The beginning of a message, cut between two characters.
fn shortened(message: &str) -> &str {
    let mut end = message.len().min(MESSAGE_BYTES_MAX);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cursor::ReadingState;
    use crate::cursor::tests::cursor_at as cursor;

    fn born() -> Item {
        let mut item = Item::new();
        cursor(ReadingState::at_birth(1_000, 3_000, &[])).create().apply(&mut item);
        item
    }

    fn well(at_ms: i64) -> Release<'static> {
        Release {
            at_ms,
            result: RunResult::Succeeded,
            is_from_queue: false,
            finished_ms: None,
            expired_ms: None,
            recovered_ms: None,
        }
    }

    /// Claims and releases.
    fn run(item: &mut Item, ended: Release<'_>) {
        claim("me", ended.at_ms, ended.at_ms + 10).apply(item);
        let update = release(Update::default(), &LeaseToken::of(item), ended);
        assert!(update.allows(item));
        update.apply(item);
    }

    fn badly(at_ms: i64, error: &str, failures: i64) -> Release<'_> {
        let result = RunResult::Failed { error, failures, needs_operator: failures == 2 };
        Release { result, ..well(at_ms) }
    }

    #[test]
    fn a_lease_is_free_when_absent_ended_or_impossible() {
        let mut item = born();
        let free = |item: &Item, now| claim("me", now, now + 60_000).allows(item);
        assert!(!free(&Item::new(), 0), "no cursor, no claim");
        assert!(free(&item, 10));
        claim("me", 10, 70_000).apply(&mut item);
        assert_eq!(number(&item, "fence"), Ok(1));
        assert!(!free(&item, 70_000) && free(&item, 70_001));
        item.insert("lease_until_ms".to_owned(), Value::N(LEASE_MS_MAX + 11));
        assert!(free(&item, 10) && !free(&item, 11));
    }

    #[test]
    fn the_release_keeps_how_the_run_went() {
        let mut item = born();
        let long = "é".repeat(200);
        run(&mut item, badly(9, &long, 2));
        assert_eq!(number(&item, "failures"), Ok(2));
        assert_eq!(text(&item, "last_error").unwrap().len(), MESSAGE_BYTES_MAX);
        assert!(item.contains_key("needs_operator"));
        run(&mut item, badly(9, "it may pass", 3));
        assert!(!item.contains_key("needs_operator"), "a transient reason is none for an operator");
        run(&mut item, badly(9, "no", 2));
        assert!(!item.contains_key("lease_until_ms"));
        run(&mut item, well(9));
        assert_eq!(number(&item, "failures"), Ok(0));
        for gone in ["last_error", "retry_after_ms", "needs_operator"] {
            assert!(!item.contains_key(gone), "{gone}");
        }
    }

    #[test]
    fn only_the_current_claim_is_released() {
        let mut item = born();
        let allows = |token: &LeaseToken, item: &Item| {
            release(Update::default(), token, well(9)).allows(item)
        };
        claim("first", 10, 20).apply(&mut item);
        let first = LeaseToken::of(&item);
        assert!(allows(&first, &item));
        claim("second", 30, 40).apply(&mut item);
        assert!(!allows(&first, &item) && allows(&LeaseToken::of(&item), &item));
        // A cursor that was lost counts from the beginning.
        let mut item = born();
        claim("third", 50, 60).apply(&mut item);
        assert_eq!(number(&item, "fence"), Ok(first.fence));
        assert!(!allows(&first, &item) && allows(&LeaseToken::of(&item), &item));
    }

    #[test]
    fn a_stream_that_keeps_failing_is_suspended_between_probes() {
        let mut item = born();
        for failures in 1..=BREAKER_FAILURES {
            assert!(!is_suspended(&item, 1_000));
            run(&mut item, badly(1_000, "no", failures));
        }
        assert!(
            is_suspended(&item, 1_000) && is_suspended(&item, 1_000 + BREAKER_PROBE_INTERVAL_MS)
        );
        assert!(!is_suspended(&item, 1_001 + BREAKER_PROBE_INTERVAL_MS), "the next probe");
        assert!(!is_suspended(&item, 999), "a clock that was ahead set the time of the probe");
        run(&mut item, well(2_000));
        assert!(!is_suspended(&item, 2_000));
    }

    #[test]
    fn a_stream_has_one_place_in_the_queue() {
        assert!(queue(10).allows(&Item::new()), "also one that does not exist yet");
        let mut item = born();
        queue(10).apply(&mut item);
        assert!(is_queued(&item, 10) && !queue(10).allows(&item));
        assert!(queue(11 + QUEUED_MS_MAX).allows(&item), "its message is lost");
        unqueue().apply(&mut item);
        assert!(!is_queued(&item, 10) && !unqueue().allows(&item));
        queue(10).apply(&mut item);
        run(&mut item, well(20));
        assert!(is_queued(&item, 20), "a run that answers no message leaves it");
        run(&mut item, Release { is_from_queue: true, ..well(20) });
        assert!(!is_queued(&item, 20));
        item.insert("schema".to_owned(), Value::N(SCHEMA_VERSION + 1));
        assert!(!queue(20).allows(&item), "a later version's cursor is not touched");
    }

    #[test]
    fn a_stream_is_pending_until_a_late_recovery_has_succeeded() {
        let mut item = born();
        assert!(may_be_pending(&item), "it was never recovered");
        run(&mut item, Release { recovered_ms: Some(20), ..well(20) });
        assert!(may_be_pending(&item), "a run that was overtaken may still decide");
        run(&mut item, Release { recovered_ms: Some(20), ..well(21 + LANE_RECOVERY_MS) });
        assert!(!may_be_pending(&item));
        claim("me", 30, 40).apply(&mut item);
        assert!(may_be_pending(&item), "claimed and not released");
        run(&mut item, well(50 + LANE_RECOVERY_MS));
        assert!(may_be_pending(&item), "it was collected since");
    }

    #[test]
    fn a_lane_is_retired_when_no_run_can_have_left_work_undone() {
        let late_ms = 21 + LANE_RECOVERY_MS;
        let mut item = born();
        assert!(!is_retired(&item, late_ms), "it is not finished");
        run(&mut item, Release { finished_ms: Some(20), ..well(20) });
        assert!(!is_retired(&item, late_ms - 1), "others may still be at it");
        assert!(is_retired(&item, late_ms));
        claim("me", late_ms, late_ms + 10).apply(&mut item);
        assert!(!is_retired(&item, late_ms + 100), "claimed and not released");
        run(&mut item, badly(late_ms + 100, "no", 1));
        assert!(!is_retired(&item, i64::MAX), "what failed is done again");
        run(&mut item, Release { expired_ms: Some(50), ..badly(60, "not read", 1) });
        assert!(is_retired(&item, 51 + LANE_RECOVERY_MS), "closed for its age");
    }

    #[test]
    fn the_permission_probe_never_writes() {
        assert!(!permission_probe().allows(&Item::new()));
        assert!(!permission_probe().allows(&born()));
    }
}
