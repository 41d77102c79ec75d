//! What a run needs to know of the configuration.

use crate::archive::{Filter, KeyLayout, Output};
use crate::page::Query;
use crate::users::Projection;

/// What a run needs to know of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the bucket that SIEMs read.
    pub archive_bucket: String,
    /// Name of the bucket of birth certificates, journal and index.
    pub state_bucket: String,
    /// Whether requests name their organization: organizations are configured by id, or discovered.
    pub names_organizations: bool,
    /// The beginning of every key of events; empty, or ends in `/`.
    pub archive_prefix: String,
    /// The folders between prefix and object name.
    pub layout: KeyLayout,
    /// Which events are archived; `None` archives all.
    pub filter: Option<Filter>,
    /// The format of their lines.
    pub output: Output,
    /// Which members of users are kept in daily snapshots; `None` if no snapshots are taken.
    pub system_users: Option<Projection>,
    /// The service lists to request: one or two, read one after the other.
    pub queries: Vec<Query>,
    /// How long an event can be read, in milliseconds: as long as JumpCloud keeps it, and at most
    /// as far as a stream may read back.
    pub retention_ms: i64,
    /// How long the archive is kept, in milliseconds; `None` if for ever.
    pub archive_kept_ms: Option<i64>,
    /// How far before its birth a new stream begins, in milliseconds.
    pub start_lookback_ms: i64,
    /// How far before now a head reading ends, in milliseconds.
    pub settle_lag_ms: i64,
    /// How far a head reading goes back before the start of the last complete one, in milliseconds.
    pub overlap_ms: i64,
    /// How late an event may appear and still be archived for certain, in milliseconds.
    pub late_horizon_ms: i64,
    /// Time between two comparisons of hourly counts, in milliseconds.
    pub sweep_every_ms: i64,
    /// Rows per page.
    pub page_limit: u32,
    /// Pages per run of a stream.
    pub pages_per_run: u32,
    /// libdeflate's compression level, 1 to 12.
    pub compression_level: i32,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    pub(crate) fn settings() -> Settings {
        Settings {
            archive_bucket: "archive".to_owned(),
            state_bucket: "state".to_owned(),
            names_organizations: false,
            archive_prefix: "events/".to_owned(),
            layout: KeyLayout::default(),
            filter: None,
            output: Output::default(),
            system_users: None,
            queries: vec![vec!["all".to_owned()], vec!["pam".to_owned()]],
            retention_ms: 90 * 24 * 60 * MINUTE,
            archive_kept_ms: None,
            start_lookback_ms: 60 * MINUTE,
            settle_lag_ms: 10_000,
            overlap_ms: 15 * MINUTE,
            late_horizon_ms: 24 * 60 * MINUTE,
            sweep_every_ms: 60 * MINUTE,
            page_limit: 100,
            pages_per_run: 100,
            compression_level: 6,
        }
    }
}
