//! Claim and release: the first and the last update of a run.

use std::sync::Arc;

use super::engine::Engine;
use super::request::{RunPurpose, RunRequest};
use crate::cursor::{
    self, Cursor, Item, LeaseToken, Release, RunResult, Update, attribute, lease, number, text,
};
use crate::error::RunError;
use crate::limits::{LEASE_MARGIN_MS, LEASE_MS_MAX};
use crate::ports::Meter;
use crate::read::LaneEnd;
use crate::report::{StreamReport, lateness};
use crate::stream::StreamId;

/// How a claim ended.
pub(super) enum Claim {
    Mine(Item),
    /// Another run has it. The item is as that run has it.
    Busy(Item),
    /// There is nothing to do for the stream, and nothing was claimed.
    Nothing,
}

/// What the release has to write besides the result of the run.
pub(super) struct Unwritten {
    /// The cursor, if its reading state was not written yet.
    pub(super) cursor: Option<Cursor>,
    pub(super) lane_end: LaneEnd,
}

impl Engine {
    /// Records a failure of a stream that could not even be created, so that repeated failures are
    /// noticed. Returns the number of failures in a row.
    pub(super) async fn record_failure_before_creation(
        &self,
        request: &RunRequest<'_>,
        error: &RunError,
    ) -> i64 {
        let RunRequest { stream, is_from_queue, .. } = *request;
        let (text, needs_operator) = (error.to_string(), error.needs_operator());
        let now_ms = self.clock.now_ms();
        let update = lease::failed_before_creation(&text, now_ms, needs_operator, is_from_queue);
        match self.cursors.update(stream, &update).await {
            Ok(Some(item)) => number(&item, attribute::FAILURES).unwrap_or(1),
            Ok(None) | Err(_) => {
                if is_from_queue {
                    self.unqueue(stream).await;
                }
                1
            }
        }
    }

    /// Marks the stream as no longer queued. If that fails, the mark expires by its time.
    pub(crate) async fn unqueue(&self, stream: &StreamId) {
        if let Err(error) = self.cursors.update(stream, &lease::unqueue()).await {
            tracing::warn!(%stream, %error, "the stream counts as queued until its message expires");
        }
    }

    /// Claims the stream; where it has no cursor, that is created or rebuilt first. A recovery never
    /// creates one.
    pub(super) async fn claim(
        &self,
        request: &RunRequest<'_>,
        meter: &Arc<Meter>,
    ) -> Result<Claim, RunError> {
        let RunRequest { stream, purpose, budget, .. } = request;
        let owner = hex::encode(&self.clock.nonce()?[..8]);
        loop {
            let now_ms = self.clock.now_ms();
            let left_ms = (budget.deadline_ms - now_ms).max(0) + LEASE_MARGIN_MS;
            let claim = match purpose {
                RunPurpose::Repair(_) => lease::claim_for_repair,
                _ => lease::claim,
            };
            let claim = claim(&owner, now_ms, now_ms + left_ms.min(LEASE_MS_MAX));
            if let Some(item) = self.cursors.update(stream, &claim).await? {
                return Ok(Claim::Mine(item));
            }
            match self.cursors.get(stream).await? {
                // The adapter retried a request whose first try had succeeded: the claim is ours.
                Some(item)
                    if text(&item, attribute::LEASE_OWNER).is_ok_and(|found| found == owner) =>
                {
                    return Ok(Claim::Mine(item));
                }
                Some(item) if cursor::seq(&item).is_some() => {
                    Cursor::read(&item)?;
                    return Ok(Claim::Busy(item));
                }
                _ => {}
            }
            let has_work = match purpose {
                RunPurpose::Recover => self.ensure_rebuilt(stream).await?,
                _ => self.ensure_created(stream, meter, budget).await?,
            };
            if !has_work {
                return Ok(Claim::Nothing);
            }
        }
    }

    /// The run's last update: removes the lease, records the result, and writes reading state that
    /// needed no entry. If another run has claimed the stream since, nothing is written or removed.
    pub(super) async fn release(
        &self,
        request: &RunRequest<'_>,
        claimed: &Item,
        report: &StreamReport,
        left: Unwritten,
    ) -> Result<(), RunError> {
        let RunRequest { stream, purpose, is_from_queue, .. } = *request;
        let result = match &report.error {
            Some(error) => {
                let (failures, needs_operator) = (report.failures, report.needs_operator);
                RunResult::Failed { error, failures, needs_operator }
            }
            None => RunResult::Succeeded,
        };
        let at_ms = self.now_ms();
        let since_ms = |name| number(claimed, name).unwrap_or(at_ms);
        let is_finished = left.lane_end == LaneEnd::Finished;
        let finished_ms = is_finished.then(|| since_ms(attribute::FINISHED_MS));
        let is_expired = left.lane_end == LaneEnd::Expired;
        let expired_ms = is_expired.then(|| since_ms(attribute::EXPIRED_MS));
        let is_recovered = purpose == RunPurpose::Recover && report.error.is_none();
        let recovered_ms = is_recovered.then(|| since_ms(attribute::RECOVERED_MS));
        let release =
            Release { at_ms, result, is_from_queue, finished_ms, expired_ms, recovered_ms };
        let (token, before) = (LeaseToken::of(claimed), lateness::stored(claimed));
        let state = left.cursor.map(|cursor| cursor.progress());
        // A lane whose reading state was not written, because another run has claimed it, is not
        // finished.
        let unfinished = Release { finished_ms: None, ..release };
        let has_state = state.is_some();
        let mut updates = vec![(state.unwrap_or_default(), release)];
        if has_state {
            updates.push((Update::default(), unfinished));
        }
        for (update, release) in updates {
            let update = lease::release(update, &token, release);
            let update = lateness::add_to(update, &before, &report.tally.lateness);
            if self.cursors.update(stream, &update).await?.is_some() {
                return Ok(());
            }
        }
        if is_from_queue {
            self.unqueue(stream).await;
        }
        Ok(())
    }
}
