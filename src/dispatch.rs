//! Many streams: which ones there are, and one run over each.

use std::collections::BTreeSet;

use crate::collect::Engine;
use crate::cursor;
use crate::discover::{self, Asked, Who};
use crate::error::RunError;
use crate::plan::Budget;
use crate::report::{Report, StreamReport};
use crate::stream::StreamId;

/// One run over each stream that is asked for, one after the other, and the recovery of those that
/// no longer are. What goes wrong with one is in its report and holds up no other.
///
/// # Errors
/// [`RunError`] if it cannot be told which streams there are.
pub async fn collect(engine: &Engine, who: &Who, budget: Budget) -> Result<Report, RunError> {
    let born = engine.born().await?;
    let Asked { streams: configured, discovery } =
        discover::streams(engine, who, &born, budget).await;
    refuse_beside_own(engine, &configured, &born).await?;
    let mut streams = Vec::new();
    for (done, stream) in configured.iter().enumerate() {
        let share = share(engine.clock.now_ms(), budget, configured.len() - done);
        let report = engine.run(stream, share).await;
        log(&report);
        streams.push(report);
    }
    for stream in born.iter().filter(|stream| !configured.contains(stream)) {
        let report = engine.recover_only(stream, budget).await;
        log(&report);
        streams.push(report);
    }
    let duration_ms = engine.clock.now_ms() - budget.started_ms;
    Ok(Report { streams, discovery, duration_ms })
}

/// Organizations by id are refused while the cursor `self` exists: they may be the same one,
/// and would be archived twice.
async fn refuse_beside_own(
    engine: &Engine,
    configured: &[StreamId],
    born: &BTreeSet<StreamId>,
) -> Result<(), RunError> {
    let own = StreamId::own();
    if configured.contains(&own) || !born.contains(&own) {
        return Ok(());
    }
    if engine.cursors.get(&own).await?.as_ref().and_then(cursor::seq).is_none() {
        return Ok(());
    }
    let names: Vec<_> = configured.iter().take(NAMED_MAX).map(StreamId::as_str).collect();
    let more = if configured.len() > NAMED_MAX { " and more" } else { "" };
    Err(RunError::Mend(format!(
        "JUMPCLOUD_ORG_IDS or JUMPCLOUD_PROVIDER_ID ask for {}{more}, and the API key's own \
         organization was collected as `self`: one of them may be the same, see the README on \
         moving from `self`",
        names.join(", ")
    )))
}

/// Streams that a message names.
const NAMED_MAX: usize = 10;

/// A stream's part of the time: what is left, shared equally among those still to come.
fn share(now_ms: i64, budget: Budget, streams_left: usize) -> Budget {
    let left_ms = (budget.deadline_ms - now_ms).max(0);
    let streams_left = i64::try_from(streams_left).unwrap_or(i64::MAX).max(1);
    Budget { started_ms: now_ms, deadline_ms: now_ms + left_ms / streams_left }
}

fn log(report: &StreamReport) {
    let StreamReport { stream, outcome, read, seen, written, late, quarantined, pages, .. } =
        report;
    let (lag_seconds, objects) = (report.lag_seconds, report.objects);
    match &report.error {
        None => tracing::info!(
            %stream, ?outcome, read, seen, written, late, quarantined, pages, objects, lag_seconds,
            "run ended"
        ),
        Some(error) => tracing::error!(
            %stream, ?outcome, read, seen, written, late, quarantined, pages, objects, lag_seconds, error,
            "run failed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_among_the_streams_to_come() {
        let budget = Budget { started_ms: 0, deadline_ms: 100 };
        assert_eq!(share(0, budget, 4).deadline_ms, 25);
        assert_eq!(share(10, budget, 3).deadline_ms, 40, "what one leaves over the others have");
        assert_eq!(share(200, budget, 1).deadline_ms, 200);
    }
}
