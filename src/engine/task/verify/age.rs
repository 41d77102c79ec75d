//! What may have expired: S3 deletes an object of journal or index from the first midnight on at which
//! it is as old as they are kept, each in its time, and none before.

use crate::limits::{AUDITOR_CLOCK_MS_MAX, FUTURE_MS, STATE_KEPT_MS};

/// Whether an entry that was decided at `decided_ms` may be gone for its age. It was created after
/// that.
pub(super) fn may_have_expired(decided_ms: i64, now_ms: i64) -> bool {
    decided_ms <= now_ms + AUDITOR_CLOCK_MS_MAX - STATE_KEPT_MS
}

/// Event time from which on an event is of an entry that is certainly kept: no event is read earlier
/// than [`FUTURE_MS`] before its time, and none is decided before it is read.
pub(super) fn kept_from_ms(now_ms: i64) -> i64 {
    now_ms + AUDITOR_CLOCK_MS_MAX - STATE_KEPT_MS + FUTURE_MS
}

/// Whether the entry of an event that lies at `ms` or later is certainly kept.
pub(super) fn is_kept(ms: i64, now_ms: i64) -> bool {
    ms > kept_from_ms(now_ms)
}
