//! Finds requests in the log that no client should ever send.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::behaviour::LIMIT_MAX;
use super::credentials::CredentialKind;
use super::request_log::{Host, Record};
use super::store::RowKey;
use crate::time::query_time_ns;

/// A request that should not have been sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The number of the request in the log.
    pub request: usize,
    /// What is wrong with it.
    pub kind: ViolationKind,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViolationKind {
    /// Its start is at or after its end; without an end, after the time it was sent at.
    StartNotBeforeEnd,
    /// Its limit is above 10,000.
    LimitTooHigh,
    /// It has a token, but no earlier request that received this token had the same parameters.
    ContinuationChanged,
    /// It sends a credential to a place that does not take it.
    CredentialMisplaced,
    /// It names an organization where that is refused.
    OrganizationMisplaced,
}

/// Console paths that refuse `x-org-id`, by their beginning.
const PATHS_WITHOUT_ORGANIZATION: [&str; 7] = [
    "/api/organizations",
    "/api/search/organizations",
    "/api/users",
    "/api/v2/organizations",
    "/api/v2/administrators",
    "/api/v2/providers",
    "/api/v2/integrations",
];

/// All violations in the requests of a log, in their order.
pub(crate) fn violations(log: &[Record]) -> Vec<Violation> {
    let mut served: HashMap<RowKey, Vec<&Record>> = HashMap::new();
    let mut found = Vec::new();
    for record in log {
        let mut note = |is_wrong: bool, kind| {
            if is_wrong {
                let request = record.number;
                found.push(Violation { request, kind });
            }
        };
        let is_insights = record.host == Host::Insights;
        note(is_insights && starts_late(record), ViolationKind::StartNotBeforeEnd);
        note(is_insights && asks_too_much(record), ViolationKind::LimitTooHigh);
        note(changes_continuation(record, &served), ViolationKind::ContinuationChanged);
        note(misplaces_credential(record), ViolationKind::CredentialMisplaced);
        note(misplaces_organization(record), ViolationKind::OrganizationMisplaced);
        let token = record.token_served.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if let Some(place) = token.and_then(|token: Value| RowKey::read(&token)) {
            served.entry(place).or_default().push(record);
        }
    }
    found
}

fn starts_late(record: &Record) -> bool {
    let time = |name: &str| {
        let text = record.body.as_ref()?.get(name)?.as_str()?;
        query_time_ns(text)
    };
    let now_ns = i128::from(record.at_ms) * crate::time::NS_A_MS;
    match (time("start_time"), time("end_time")) {
        (Some(start), Some(end)) => start >= end,
        (Some(start), None) => start > now_ns,
        _ => false,
    }
}

fn asks_too_much(record: &Record) -> bool {
    let limit = record.body.as_ref().and_then(|body| body.get("limit")?.as_u64());
    limit.and_then(|limit| usize::try_from(limit).ok()).is_some_and(|limit| limit > LIMIT_MAX)
}

fn changes_continuation(record: &Record, served: &HashMap<RowKey, Vec<&Record>>) -> bool {
    let Some(body) = &record.body else {
        return false;
    };
    let Some(after) = body.get("search_after").filter(|after| !after.is_null()) else {
        return false;
    };
    let givers = RowKey::read(after).and_then(|place| served.get(&place));
    !givers.is_some_and(|givers| givers.iter().any(|giver| asks_the_same(giver, record)))
}

/// Whether two requests are the same but for the token.
fn asks_the_same(one: &Record, other: &Record) -> bool {
    let question = |record: &Record| -> Map<String, Value> {
        let mut body = record.body.clone().unwrap_or_default();
        body.remove("search_after");
        body
    };
    one.path == other.path
        && one.organizations == other.organizations
        && one.provider == other.provider
        && question(one) == question(other)
}

fn misplaces_credential(record: &Record) -> bool {
    use CredentialKind::{ApiKey, Basic, Bearer};
    !matches!(
        (record.host, record.credential_kind),
        (_, None)
            | (Host::Insights | Host::Console, Some(ApiKey | Bearer))
            | (Host::OAuth, Some(Basic))
    )
}

fn misplaces_organization(record: &Record) -> bool {
    let is_refused = match record.host {
        Host::Insights => false,
        Host::Console => refuses_organization(&record.path),
        Host::OAuth | Host::Elsewhere => true,
    };
    is_refused && !record.organizations.is_empty()
}

/// Whether a console path takes no `x-org-id`.
pub(crate) fn refuses_organization(path: &str) -> bool {
    PATHS_WITHOUT_ORGANIZATION.iter().any(|prefix| path.starts_with(prefix))
}
