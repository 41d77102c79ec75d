//! Which organizations are collected: those that are configured by id, or those that JumpCloud
//! lists now. With a list, new organizations are collected and removed ones no longer, without a
//! deployment.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cause::Cause;
use crate::collect::{Engine, Inquiry};
use crate::cursor::{Item, attribute};
use crate::error::RunError;
use crate::fleet::collectors::collectors;
use crate::limits::{ITEMS_READ_AT_ONCE, LIST_PASSES_MAX, ORGANIZATIONS_MAX};
use crate::page::{ListWalk, Next, listed_organization};
use crate::ports::{Console, List, ListRequest, Meter, is_denied};
use crate::read::Budget;
use crate::report::Discovery;
use crate::stream::StreamId;

/// Where the organizations to collect come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrganizationSource {
    /// The configuration: these streams.
    Named(Vec<StreamId>),
    /// JumpCloud's list of the organizations that the administrator may see.
    Administrator,
    /// JumpCloud's list of a provider's organizations, and the provider's own trail, which is this
    /// stream.
    Provider(StreamId),
}

/// The streams to collect.
#[derive(Debug)]
pub struct Discovered {
    /// The streams, each once; a provider's own trail is the first.
    pub streams: Vec<StreamId>,
    /// The result of listing organizations; `None` if they are configured by id.
    pub discovery: Option<Discovery>,
}

/// The organizations found in a list.
#[derive(Default)]
struct Found {
    organizations: BTreeSet<StreamId>,
    error: Option<RunError>,
}

/// The streams to collect now.
///
/// If organizations cannot be listed, or not all of them, the streams that were collected until now
/// are collected as well, and the result has the error.
///
/// # Errors
/// [`RunError`] if it cannot be read which streams collect the organizations.
pub async fn streams(
    engine: &Engine,
    organizations: &OrganizationSource,
    inquiry: Inquiry,
    budget: Budget,
) -> Result<Discovered, RunError> {
    let Discovered { streams, discovery } = configured(engine, organizations, budget).await?;
    Ok(Discovered { streams: collectors(engine, &streams, inquiry, budget).await?, discovery })
}

/// What is configured, as the streams that would be born for it.
async fn configured(
    engine: &Engine,
    organizations: &OrganizationSource,
    budget: Budget,
) -> Result<Discovered, RunError> {
    let (list, trail) = match organizations {
        OrganizationSource::Named(streams) => {
            return Ok(Discovered { streams: streams.clone(), discovery: None });
        }
        OrganizationSource::Administrator => (List::Organizations, None),
        OrganizationSource::Provider(trail) => {
            (List::ProviderOrganizations(trail.scope().id().to_owned()), Some(trail))
        }
    };
    // Listing has at most a quarter of the time, so that a slow list does not use up that of the
    // streams.
    let deadline_ms = budget.started_ms + (budget.deadline_ms - budget.started_ms) / 4;
    let Found { mut organizations, error } = find(&*engine.console, &list, deadline_ms).await;
    let found = organizations.len();
    if let Some(error) = &error {
        tracing::error!(found, %error, "organizations could not be listed");
        organizations.extend(known(engine).await?);
    }
    Ok(Discovered {
        streams: trail.cloned().into_iter().chain(organizations).collect(),
        discovery: Some(Discovery {
            organizations: found,
            error: error.as_ref().map(ToString::to_string),
            needs_operator: error.as_ref().is_some_and(RunError::needs_operator),
            is_denied: error.as_ref().is_some_and(|error| is_denied(error)),
        }),
    })
}

/// The organizations whose streams were created, without those that have left: of these nothing but
/// recoveries has been done since.
async fn known(engine: &Engine) -> Result<BTreeSet<StreamId>, RunError> {
    let mut created: Vec<_> = engine.created_streams().await?.into_iter().collect();
    created.retain(StreamId::is_organization);
    let mut known = BTreeSet::new();
    for chunk in created.chunks(ITEMS_READ_AT_ONCE) {
        let items = engine.cursors.get_many(chunk).await?;
        let has_left = |item: &Item| item.contains_key(attribute::RECOVERED_MS);
        let remain = chunk.iter().filter(|stream| !items.get(*stream).is_some_and(has_left));
        known.extend(remain.cloned());
    }
    let own = StreamId::own();
    if known.remove(&own) {
        let id = engine.organization(&own).await?;
        known.extend(id.and_then(|id| StreamId::of_organization(&id)));
    }
    Ok(known)
}

/// Whether a stream that was created is collected now: it, or the live stream to which it belongs,
/// is in `configured`, and snapshots of users are configured if it is one of users.
#[must_use]
pub fn is_collected(engine: &Engine, configured: &BTreeSet<StreamId>, stream: &StreamId) -> bool {
    let takes_users = engine.settings.system_users.is_some();
    configured.contains(&stream.live()) && (takes_users || !stream.is_users())
}

/// Reads the list, and reads it again if rows may have moved between its pages meanwhile.
async fn find(console: &dyn Console, list: &List, deadline_ms: i64) -> Found {
    let mut found = Found::default();
    for _ in 0..LIST_PASSES_MAX {
        let list_pass = pass(console, list, deadline_ms, &mut found.organizations).await;
        match list_pass {
            Ok(ListPass { total, malformed: None })
                if total == found.organizations.len() as u64 =>
            {
                let none = total == 0 && *list == List::Organizations;
                found.error = none.then(|| {
                    RunError::refused(
                        "JumpCloud lists no organization of the administrator".to_owned(),
                    )
                });
                return found;
            }
            Ok(ListPass { malformed: Some(malformed), .. }) => {
                found.error = Some(RunError::refused(malformed));
                return found;
            }
            Ok(ListPass { total, .. }) => {
                let listed = found.organizations.len();
                found.error = Some(RunError::transient(format!(
                    "JumpCloud lists {listed} organizations, its totalCount is {total}"
                )));
            }
            Err(error) => {
                found.error = Some(error);
                return found;
            }
        }
    }
    found
}

/// The result of one pass that reached the end of the list.
struct ListPass {
    /// The list's `totalCount` at the end.
    total: u64,
    /// The error of the first row that does not name an organization.
    malformed: Option<String>,
}

async fn pass(
    console: &dyn Console,
    list: &List,
    deadline_ms: i64,
    organizations: &mut BTreeSet<StreamId>,
) -> Result<ListPass, RunError> {
    let mut walk = ListWalk::default();
    let mut malformed = None;
    let meter = Arc::new(Meter::default());
    loop {
        let request = ListRequest {
            list: list.clone(),
            skip: walk.skip,
            deadline_ms,
            meter: Arc::clone(&meter),
        };
        let page = console.list(request).await?;
        let rows_max = ORGANIZATIONS_MAX as u64;
        if page.total.max(walk.skip) > rows_max {
            let total = page.total;
            return Err(RunError::refused(format!(
                "JumpCloud lists {total} organizations, this program supports {rows_max}"
            )));
        }
        for row in page.rows.rows() {
            match listed_organization(page.rows.bytes(row)) {
                Ok(id) => organizations.extend(StreamId::of_organization(&id)),
                Err(what) => malformed = malformed.or(Some(what)),
            }
        }
        let next = walk.take(page.rows.rows().len(), page.total);
        if next.map_err(|error| RunError::transient(Cause::of(error)))? == Next::End {
            return Ok(ListPass { total: page.total, malformed });
        }
    }
}

#[cfg(test)]
mod tests;
