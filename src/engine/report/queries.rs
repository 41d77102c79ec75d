//! What became of single queries of a stream, as reports and `status` tell it.

use serde::{Deserialize, Serialize};

use crate::cursor::ReadingState;
use crate::time::{UtcTime, Window};

/// A query that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedQuery {
    /// Its services, joined by commas.
    pub query: String,
    /// When it was refused for the first time.
    pub since: UtcTime,
    /// Why, in JumpCloud's words where it is JumpCloud that refuses it.
    pub reason: String,
}

impl RefusedQuery {
    /// The queries that are refused, or whose sweeps, hours or readings ahead are.
    #[must_use]
    pub fn of(state: &ReadingState) -> Vec<Self> {
        let refused = state.queries.iter().filter_map(|query| {
            let refusal = query.refused.as_ref().or(query.refused_behind.as_ref())?;
            Some(Self {
                query: query.names.join(","),
                since: UtcTime(refusal.since_ms),
                reason: refusal.reason.clone(),
            })
        });
        refused.collect()
    }
}

/// A range of event time that a query skipped unread, because nothing so early may be read any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The query's services, joined by commas.
    pub query: String,
    /// Where the range begins.
    pub from: UtcTime,
    /// Where it ends, exclusive.
    pub to: UtcTime,
}

impl Lost {
    /// What the query with these names skips.
    #[must_use]
    pub fn new(names: &[String], window: Window) -> Self {
        let (from, to) = (UtcTime(window.start_ms), UtcTime(window.end_ms));
        Self { query: names.join(","), from, to }
    }
}
