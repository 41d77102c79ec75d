//! One run over a stream of a schedule.

use engine::collect::{Engine, RunPurpose};
use engine::read::Budget;
use engine::report::StreamReport;
use engine::stream::StreamId;

/// Makes a run. A lane is opened before, as a backfill does: without that no run creates it.
pub(crate) async fn turn(
    engine: &Engine,
    stream: &StreamId,
    purpose: RunPurpose<'_>,
    budget: Budget,
) -> StreamReport {
    if stream.is_lane()
        && purpose == RunPurpose::Collect
        && let Err(error) = engine.ensure_open(stream).await
    {
        return StreamReport::failed(stream.clone(), &error);
    }
    engine.run(stream, purpose, budget).await
}
