//! From what is configured to the streams that collect it: the one place where that is decided.
//!
//! An organization that is configured by id is collected by the stream it is assigned to, `self`
//! included; a key without an id by the stream of the key's own organization, where there is one.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::collect::{Engine, Inquiry};
use crate::cursor::{self, Items};
use crate::error::RunError;
use crate::limits::READS_AT_ONCE;
use crate::read::Budget;
use crate::stream::{Scope, StreamId};

/// The streams that collect `configured`, each once, in that order.
///
/// What a process has learned it does not ask again. An assignment is read only where an
/// organization's own stream has no cursor.
///
/// # Errors
/// [`RunError`] if table or state bucket cannot be read.
pub async fn collectors(
    engine: &Engine,
    configured: &[StreamId],
    inquiry: Inquiry,
    budget: Budget,
) -> Result<Vec<StreamId>, RunError> {
    let unknown: BTreeSet<_> =
        configured.iter().filter(|stream| !engine.is_assigned(stream)).cloned().collect();
    let items = &engine.cursors.get_many(&Vec::from_iter(unknown)).await?;
    let mut streams: Vec<_> = stream::iter(configured)
        .map(|stream| collector(engine, stream, items, inquiry, budget))
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    let mut met = BTreeSet::new();
    streams.retain(|stream| met.insert(stream.clone()));
    Ok(streams)
}

async fn collector(
    engine: &Engine,
    configured: &StreamId,
    items: &Items,
    inquiry: Inquiry,
    budget: Budget,
) -> Result<StreamId, RunError> {
    let found = match configured.scope() {
        Scope::Provider(_) => None,
        Scope::Organization(id) => {
            let has_cursor = items.get(configured).is_some_and(|item| cursor::seq(item).is_some());
            engine.assigned(&id, has_cursor).await?
        }
        Scope::Own => of_key(engine, configured, inquiry, budget).await?,
    };
    Ok(found.unwrap_or_else(|| configured.clone()))
}

/// The stream that collects the key's own organization, if it is another than `own`. One that has
/// an organization is not passed over, nor one that has decided events before any named theirs.
async fn of_key(
    engine: &Engine,
    own: &StreamId,
    inquiry: Inquiry,
    budget: Budget,
) -> Result<Option<StreamId>, RunError> {
    if engine.settings.names_organizations || engine.organization(own).await?.is_some() {
        return Ok(None);
    }
    // A quarter of the time: the stream needs its own.
    let quarter_ms = (budget.deadline_ms - budget.started_ms) / 4;
    let deadline_ms = budget.started_ms + quarter_ms;
    // Beside `self` alone, a run learns early enough whose the key is.
    let is_enough = inquiry == Inquiry::Events && engine.is_own_alone().await?;
    let inquiry = if is_enough { Inquiry::Nobody } else { inquiry };
    let asked = engine.key_organization(inquiry, &Arc::default(), deadline_ms).await;
    let Ok((_, Some(organization))) = asked else {
        // A run says why JumpCloud does not answer.
        return Ok(None);
    };
    match engine.assigned(&organization, false).await? {
        Some(stream) if stream != *own && engine.own_gives_way(&organization).await? => {
            Ok(Some(stream))
        }
        _ => Ok(None),
    }
}
