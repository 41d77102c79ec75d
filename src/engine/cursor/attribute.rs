//! The names of the attributes of a stream's item.
//!
//! `stream`, the partition key, belongs to the adapters.

#![expect(missing_docs, reason = "each is the attribute of its name")]

/// The value of `schema` that this program writes.
pub const SCHEMA_VERSION: i64 = 1;

pub const SCHEMA: &str = "schema";
pub const EPOCH: &str = "epoch";
pub const SEQ: &str = "seq";
pub const HEAD_HASH: &str = "head_hash";
pub const ORIGIN_MS: &str = "origin_ms";
pub const END_MS: &str = "end_ms";
pub const BORN_MS: &str = "born_ms";
pub const ORGANIZATION: &str = "organization";
pub const FRONTIER_MS: &str = "frontier_ms";
pub const QUERIES: &str = "queries";
pub const QUERIES_CHANGED_MS: &str = "queries_changed_ms";
pub const COMPARED_AT_MS: &str = "compared_at_ms";
pub const NOT_COMPARABLE_MS: &str = "not_comparable_ms";
pub const HOURS: &str = "hours";
pub const KNOWN_HOURS: &str = "known_hours";
pub const LAST_ENTRY_MS: &str = "last_entry_ms";
pub const SNAPSHOT: &str = "snapshot";
pub const LEASE_OWNER: &str = "lease_owner";
pub const LEASE_UNTIL_MS: &str = "lease_until_ms";
pub const FENCE: &str = "fence";
pub const QUEUED_UNTIL_MS: &str = "queued_until_ms";
pub const RETRY_AFTER_MS: &str = "retry_after_ms";
pub const LAST_SUCCESS_MS: &str = "last_success_ms";
pub const FINISHED_MS: &str = "finished_ms";
pub const OPEN_LANES: &str = "open_lanes";
pub const EXPIRED_MS: &str = "expired_ms";
pub const FAILURES: &str = "failures";
pub const LAST_ERROR: &str = "last_error";
pub const NEEDS_OPERATOR: &str = "needs_operator";
pub const LATENESS: &str = "lateness";

// Of the item with the place of the pass through all streams, and of streams that it finds.
pub const PASS_STARTED_MS: &str = "pass_started_ms";
pub const PASS_AFTER: &str = "pass_after";
pub const PASS_NEEDING_OPERATOR: &str = "pass_needing_operator";
pub const LAST_NEEDING_OPERATOR: &str = "last_needing_operator";
pub const RECOVERED_MS: &str = "recovered_ms";
