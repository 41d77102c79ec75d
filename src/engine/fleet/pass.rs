//! The pass through all streams that were ever created: it finds those that are no longer collected,
//! so that what was decided for them is published. A scheduled run makes a step of it, so that its
//! work does not grow with the number of streams there were.

use std::collections::BTreeSet;

use crate::collect::Engine;
use crate::cursor::{Item, OpenLanes, Pass, lease};
use crate::error::RunError;
use crate::fleet::discover;
use crate::fleet::lanes::Lanes;
use crate::fleet::message::{Message, MessageTask};
use crate::journal::certificate;
use crate::limits::PASS_KEYS_MAX;
use crate::ports::StoreError;
use crate::report::StreamStatus;
use crate::stream::StreamId;

/// What a step has found.
#[derive(Default)]
pub(crate) struct Found {
    /// Recoveries of streams that are not collected and may have something pending.
    pub(crate) due: Vec<Message>,
    /// Their open lanes: those that may have something pending are due.
    pub(crate) lanes: Lanes,
    /// How many streams that are not collected need an operator, as of the last pass that came to its
    /// end.
    pub(crate) needing_operator: u64,
}

/// Makes the step that is due, if any. `collected` are the live streams that are collected now.
///
/// # Errors
/// [`RunError`] if table or state bucket cannot be read or written.
pub(crate) async fn step(
    engine: &Engine,
    collected: &BTreeSet<StreamId>,
) -> Result<Found, RunError> {
    let (now_ms, place) = (engine.clock.now_ms(), StreamId::of_pass());
    if let Some(known) = engine.kept_pass().filter(|known| !known.is_due(now_ms)) {
        return Ok(Found { needing_operator: count(&known), ..Found::default() });
    }
    let item = engine.cursors.get(&place).await?.unwrap_or_default();
    let mut pass = Pass::read(&item);
    let mut found = Found::default();
    if pass.is_due(now_ms) {
        pass = pass.under_way(now_ms);
        let bucket = &engine.settings.state_bucket;
        let listing = engine.objects.list(bucket, certificate::PREFIX, pass.after(), PASS_KEYS_MAX);
        let keys = listing.await?;
        let others = keys.iter().filter_map(|key| certificate::stream_of(key));
        let others = others.filter(|stream| !discover::is_collected(engine, collected, stream));
        let failing = look(engine, &others.collect::<Vec<_>>(), &mut found).await?;
        let last = keys.last().filter(|_| keys.len() == PASS_KEYS_MAX).cloned();
        pass = pass.at(last, failing);
        // If another run has made the same step meanwhile, its place counts.
        engine.cursors.update(&place, &pass.replace(&item)).await?;
    }
    found.needing_operator = count(&pass);
    engine.keep_pass(pass);
    Ok(found)
}

fn count(pass: &Pass) -> u64 {
    pass.needing_operator().unsigned_abs()
}

/// Adds the recoveries that are due of `streams` and of the open lanes of those that are live.
/// Returns how many of them all need an operator.
async fn look(engine: &Engine, streams: &[StreamId], found: &mut Found) -> Result<i64, StoreError> {
    let now_ms = engine.clock.now_ms();
    let retention_ms = engine.settings.retention_ms;
    let items = engine.cursors.get_many(streams).await?;
    let (none, mut open, mut failing) = (Item::new(), Vec::new(), 0);
    for stream in streams {
        let item = items.get(stream).unwrap_or(&none);
        open.extend(OpenLanes::read(item).unwrap_or_default().of(stream));
        let status = StreamStatus::read(stream.clone(), false, item, now_ms, retention_ms);
        failing += i64::from(status.needs_operator);
        if lease::may_be_pending(item) && !status.queued && !status.suspended {
            found.due.push(Message::new(stream.clone(), MessageTask::Recover));
        }
    }
    let Lanes { due, outstanding, unhealthy, .. } =
        Lanes::look(engine, &open, MessageTask::Recover).await?;
    failing += unhealthy.iter().map(|lane| i64::from(lane.needs_operator)).sum::<i64>();
    found.lanes = Lanes { due, outstanding, ..Lanes::default() };
    Ok(failing)
}
