//! Every limit of the program, each named with its unit. Relationships between them are asserted
//! at compile time, so that a change to one that breaks another does not build.

/// A batch closes before the line that would take it over this many bytes, as written.
pub const BATCH_BYTES_MAX: usize = 32 * MIB;
/// A batch closes at this many events.
pub const BATCH_EVENTS_MAX: usize = 50_000;
/// A batch closes before the event that would open one more partition than this.
pub const BATCH_PARTITIONS_MAX: usize = 64;

/// The largest page limit JumpCloud accepts (its API description).
pub const PAGE_LIMIT_MAX: u32 = 10_000;
/// An answer with more rows than this is not accepted, because each row takes memory.
pub const PAGE_ROWS_MAX: usize = 10 * PAGE_LIMIT_MAX as usize;
/// Largest page in bytes as received, possibly compressed.
pub const PAGE_WIRE_BYTES_MAX: usize = 64 * MIB;
/// Largest page in bytes after decompression: together with a batch it fits into the smallest
/// function. A larger one is requested in smaller pages.
pub const PAGE_INFLATED_BYTES_MAX: usize = 64 * MIB;
/// Largest row in bytes; a larger one cannot be fetched.
pub const ROW_BYTES_MAX: usize = 32 * MIB;
/// Tries of one request to JumpCloud, or of one page at any size, before the query is left to the
/// next run.
pub const TRIES_MAX: u32 = 5;
/// Failed tries of a page, over all runs, after which half its size is requested.
pub const TRIES_AT_ONE_SIZE: u32 = 2;
/// A page that has not been received when its run ends counts as a failed try if it was requested
/// at least this long before, in milliseconds.
pub const SLOW_PAGE_MS_MIN: i64 = 10_000;
/// Rows of a run whose digests are kept.
pub const DIGESTS_MAX: usize = 100_000;
/// If a page is larger than this, the body of the next one is not received before this one is
/// processed, so that two large pages are never in memory together.
pub const PAGE_AHEAD_BYTES_MAX: usize = 24 * MIB;
/// A batch keeps a page in memory if its lines make up at least this part of it, in quarters; lines
/// of other pages are copied. So the pages kept are at most a third larger than the lines.
pub const PAGE_HELD_QUARTERS_MIN: usize = 3;
/// A line that is longer, as written and without its line feed, is quarantined: readers of the
/// archive refuse it.
pub const LINE_BYTES_MAX: usize = 16 * MIB;
/// Bytes kept of an error message of another system.
pub const MESSAGE_BYTES_MAX: usize = 256;

/// Organizations per function. A longer list is an error, and is not read to its end.
pub const ORGANIZATIONS_MAX: usize = 50_000;
/// How often a list is read if rows may have moved between its pages.
pub const LIST_PASSES_MAX: u32 = 2;
/// Length of `CUSTOM_FIELDS` in bytes, which is Lambda's limit for all variables of a function
/// together.
pub const CUSTOM_FIELDS_BYTES_MAX: usize = 4 * 1024;

/// Parts of one day's snapshot of users: their numbers have three digits.
pub const SNAPSHOT_PARTS_MAX: usize = 1_000;

/// Hourly counts are asked for in windows of this length.
pub const COUNTED_AT_ONCE_MS_MAX: i64 = 14 * DAY_MS;
/// Hours that ended at most this long before what a head reading covers again are not missed by an
/// audit if they were not read yet: the next scheduled run reads them.
pub const UNREAD_MS_MAX: i64 = 2 * HOUR_MS;
/// Hours kept in a cursor to be read again because their counts differ; of more, those that differ
/// most.
pub const HOURS_KEPT_MAX: usize = 16;
/// Longest time between two journal entries of a stream, also if it has no new events.
pub const ENTRY_INTERVAL_MS_MAX: i64 = 7 * DAY_MS;
/// How late events are is measured only if the head was read at most this long ago: otherwise
/// events were waiting for the collector and were not late.
pub const LATENESS_LIVE_WINDOW_MS: i64 = HOUR_MS;
/// Services with a histogram of lateness of their own; all others share one.
pub const LATENESS_SERVICES_MAX: usize = 24;
/// How long S3 keeps journal and index (the template's rules of expiry for the state bucket).
pub const STATE_KEPT_MS: i64 = 120 * DAY_MS;
/// How far an auditor's clock may be behind that of the bucket whose objects expire, and a run's clock
/// ahead of it: by as much less is an object taken to be younger than it is said to be.
pub const AUDITOR_CLOCK_MS_MAX: i64 = HOUR_MS;
/// How long the archive must be kept: as long as the entries from which its objects may be published
/// again, and a day.
pub const ARCHIVE_KEPT_MS_MIN: i64 = STATE_KEPT_MS + DAY_MS;
/// The longest time for which the archive is said to be kept.
pub const ARCHIVE_KEPT_MS_MAX: i64 = 36_500 * DAY_MS;
/// What was decided at least this long ago may have expired: an entry may be as much older than the
/// next one as entries of a stream may be apart.
pub const EXPIRED_AGE_MS_MIN: i64 = STATE_KEPT_MS - ENTRY_INTERVAL_MS_MAX;
/// Identities of events without a readable timestamp are kept this many days: as long as those of
/// all others.
pub const UNPLACED_DAYS: u32 = 120;
/// JumpCloud's usual retention, in milliseconds (its API description: 90 days).
pub const RETENTION_MS: i64 = 90 * DAY_MS;
/// JumpCloud's longest retention, of its highest plans, in milliseconds.
pub const RETENTION_MS_MAX: i64 = 730 * DAY_MS;
/// How far back a live stream may read, in milliseconds: the index of earlier events may have
/// expired.
pub const READ_BACK_MS_MAX: i64 = 100 * DAY_MS;
/// How far ahead of now events are read, in milliseconds.
pub const FUTURE_MS: i64 = 19 * DAY_MS;
/// How long before now a reading of what is dated ahead begins: JumpCloud refuses a start in its future.
pub const FUTURE_START_MS: i64 = 1_000;
/// The latest late horizon, in milliseconds: one and a half of it are read back, and what waits.
pub const LATE_HORIZON_MS_MAX: i64 = 60 * DAY_MS;

/// Tries of one create-only write without a clear answer, each with the SDK's own retries.
pub const CREATE_TRIES_MAX: u32 = 3;
/// Objects written at the same time.
pub const WRITES_AT_ONCE: usize = 8;
/// Assignments of organizations read at the same time.
pub const READS_AT_ONCE: usize = 16;

/// The longest lease. A lease that ends later than now plus this was written by a wrong clock.
pub const LEASE_MS_MAX: i64 = 16 * MINUTE_MS;
/// How long a finished lane is still recovered: until a scheduled run can begin after every earlier
/// run that was overtaken has ended.
pub const LANE_RECOVERY_MS: i64 = 32 * MINUTE_MS;
/// How much longer a lease lasts than the run it belongs to.
pub const LEASE_MARGIN_MS: i64 = MINUTE_MS;
/// Longest time kept at the end of a run to decide, publish and advance, not counting
/// [`RESERVE_MS_PER_MIB`].
pub const RESERVE_MS_MAX: i64 = 30_000;
/// Additional time kept per mebibyte of the batch.
pub const RESERVE_MS_PER_MIB: i64 = 100;
/// Time between the beginnings of two passes through all streams that were ever created.
pub const PASS_EVERY_MS: i64 = HOUR_MS;
/// Certificates that a scheduled run goes through, which is a page of a listing.
pub const PASS_KEYS_MAX: usize = 1_000;
/// Lambda's longest time-out.
pub const RUN_MS_MAX: i64 = 15 * MINUTE_MS;
/// A stream that failed this often in a row needs an operator, whatever the reason.
pub const FAILURES_TOLERATED: i64 = 3;
/// Failures in a row after which a stream is suspended and only probed, unless it is the only
/// stream.
pub const BREAKER_FAILURES: i64 = 5;
/// Time between two probes of a suspended stream.
pub const BREAKER_PROBE_INTERVAL_MS: i64 = 15 * MINUTE_MS;

/// Messages in one request to the work queue (SQS's own limit).
pub const QUEUE_BATCH_MAX: usize = 10;
/// Requests to the work queue at the same time.
pub const QUEUE_REQUESTS_AT_ONCE: usize = 16;
/// How long a stream counts as queued. After this its message is considered lost.
pub const QUEUED_MS_MAX: i64 = 15 * MINUTE_MS;
/// Identities that a run holds beside those that a page and its batch need: with more, slots are
/// dropped before the next page.
pub const SLOT_BYTES_MAX: usize = 32 * MIB;
/// Bytes of identities kept in memory between runs, over all streams.
pub const WARM_IDENTITY_BYTES_MAX: usize = 32 * MIB;
/// Identities that a verification holds at once.
pub const VERIFIED_IDENTITY_BYTES_MAX: usize = 32 * MIB;
/// Keys of the archive that a verification holds at once.
pub const KEYS_LISTED_AT_ONCE: usize = 10_000;
/// Largest number of days of one backfill: more than JumpCloud keeps events by default.
pub const BACKFILL_DAYS_MAX: i64 = 100;
/// Lanes counted for a plan at the same time.
pub const LANES_COUNTED_AT_ONCE: usize = 8;
/// Lanes that one answer of a backfill names; the next call continues behind them.
pub const LANES_ANSWERED_MAX: usize = 3_000;
/// Tries of changing which lanes of a stream are open, if others change it at the same time.
pub const OPEN_TRIES_MAX: u32 = 20;
/// Items that are read at once where there may be very many, so that few are in memory.
pub const ITEMS_READ_AT_ONCE: usize = 1_000;
/// Streams that one answer of `status` names at most.
pub const STATUS_LINES_MAX: usize = 500;
/// Bytes of one answer of `status`.
pub const STATUS_BYTES_MAX: usize = 900_000;

/// Bytes in a mebibyte.
pub const MIB: usize = 1024 * 1024;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

const _: () = assert!(LEASE_MS_MAX >= RUN_MS_MAX + LEASE_MARGIN_MS, "a lease outlives its run");
const _: () = assert!(
    LANE_RECOVERY_MS >= 2 * LEASE_MS_MAX,
    "the next scheduled run comes after the last run has ended"
);
const _: () = assert!(
    PASS_EVERY_MS > LANE_RECOVERY_MS,
    "the second recovery of a stream comes after all runs that were overtaken have ended"
);
const _: () =
    assert!(BACKFILL_DAYS_MAX as usize <= LANES_ANSWERED_MAX, "an organization fits an answer");
const _: () = assert!(LATE_HORIZON_MS_MAX / 2 * 3 <= READ_BACK_MS_MAX, "a sweep is never cut");
const _: () =
    assert!(UNPLACED_DAYS as i64 * DAY_MS == STATE_KEPT_MS, "all identities live as long");
const _: () = assert!(READ_BACK_MS_MAX < EXPIRED_AGE_MS_MIN, "identities outlive readings");
const _: () = assert!(PAGE_WIRE_BYTES_MAX <= PAGE_INFLATED_BYTES_MAX);
const _: () = assert!(LINE_BYTES_MAX < BATCH_BYTES_MAX, "any line fits an empty batch");
const _: () = assert!(ROW_BYTES_MAX < PAGE_INFLATED_BYTES_MAX, "a page of one row can be fetched");
const _: () = assert!(TRIES_AT_ONE_SIZE < TRIES_MAX);
const _: () = assert!(BATCH_EVENTS_MAX <= DIGESTS_MAX, "a batch's digests are kept");
const _: () = assert!(PAGE_INFLATED_BYTES_MAX <= u32::MAX as usize, "rows are addressed by u32");
const _: () = assert!(BATCH_PARTITIONS_MAX <= 1_000, "part numbers have three digits");
