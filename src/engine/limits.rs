//! Every limit of the program, each named with its unit. Relationships between them are asserted
//! at compile time, so that a change to one that breaks another does not build.

/// A batch closes at this many bytes of raw lines.
pub const BATCH_RAW_BYTES_MAX: usize = 32 * MIB;
/// A batch closes at this many events.
pub const BATCH_EVENTS_MAX: usize = 50_000;
/// A batch closes before the event that would open one more partition than this.
pub const BATCH_PARTITIONS_MAX: usize = 64;

/// A larger buffer for lines is not kept from one batch to the next. It grows by doubling.
pub const BATCH_BUFFER_BYTES_MAX: usize = 2 * BATCH_RAW_BYTES_MAX;

/// The largest page limit JumpCloud accepts (its API description).
pub const PAGE_LIMIT_MAX: u32 = 10_000;
/// An answer with more rows than this, of whatever length, is none: each takes some memory.
pub const PAGE_ROWS_MAX: usize = 10 * PAGE_LIMIT_MAX as usize;
/// A page as it comes over the wire, perhaps compressed.
pub const PAGE_WIRE_BYTES_MAX: usize = 64 * MIB;
/// A page after inflating.
pub const PAGE_INFLATED_BYTES_MAX: usize = 256 * MIB;
/// Above this size of a page the body of the next one is not read before this one is used up, so
/// that two large pages are never held together.
pub const PAGE_AHEAD_BYTES_MAX: usize = 24 * MIB;
/// A batch holds a page whose lines make up this part of it, in quarters; it copies the lines of
/// any other. So it never holds more than a third beyond its lines.
pub const PAGE_HELD_QUARTERS_MIN: usize = 3;
/// Buffers for pages that a process keeps: of those a batch holds, of the one that is worked on and
/// the one ahead.
pub const SPARE_PAGES_BYTES_MAX: usize =
    BATCH_RAW_BYTES_MAX / PAGE_HELD_QUARTERS_MIN * 4 + 2 * PAGE_AHEAD_BYTES_MAX;
/// A larger event is quarantined: readers of the archive refuse such lines.
pub const EVENT_BYTES_MAX: usize = 16 * MIB;
/// An error or token answer is read up to here; nothing longer is worth keeping.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// What is kept of somebody else's error message.
pub const MESSAGE_BYTES_MAX: usize = 256;

/// Rows of a console's list that are asked for at once: the most JumpCloud gives (its console
/// refuses more).
pub const LIST_PAGE_ROWS: usize = 100;
/// A page of a console's list, inflated or not.
pub const LIST_BYTES_MAX: usize = 32 * MIB;
/// Organizations one function may have: a list that is longer is an error and not read on.
pub const ORGANIZATIONS_MAX: usize = 50_000;
/// Times a list is gone through when rows may have moved between its pages.
pub const LIST_PASSES_MAX: u32 = 2;
/// The text of `CUSTOM_FIELDS`: Lambda gives all variables of a function together this much.
pub const CUSTOM_FIELDS_BYTES_MAX: usize = 4 * 1024;

/// Parts of a day's snapshot of users: their numbers have three digits.
pub const SNAPSHOT_PARTS_MAX: usize = 1_000;

/// Hours kept in a cursor because their counts differed; if more differ, a full sweep is due.
pub const HOURS_KEPT_MAX: usize = 16;
/// Journal entries that a stream without new events may be apart.
pub const ENTRY_INTERVAL_MS_MAX: i64 = 7 * DAY_MS;
/// A stream is live while its head was read this short a time ago: then what arrives is new.
pub const LIVE_MS_MAX: i64 = HOUR_MS;
/// Services whose lateness is measured apart; the rest share one histogram.
pub const LATENESS_SERVICES_MAX: usize = 24;
/// Identities of events without a readable timestamp are kept this many days: longer than
/// JumpCloud can return the event.
pub const UNPLACED_DAYS: u32 = 100;
/// JumpCloud's usual retention, in milliseconds (its API description: 90 days).
pub const RETENTION_MS: i64 = 90 * DAY_MS;
/// JumpCloud's longest retention, of its highest plans, in milliseconds.
pub const RETENTION_MS_MAX: i64 = 730 * DAY_MS;
/// How far back a live stream may read, in milliseconds: what was archived earlier may have left the
/// index.
pub const READ_BACK_MS_MAX: i64 = 100 * DAY_MS;

/// Time to connect to JumpCloud or AWS.
pub const CONNECT_SECONDS: u64 = 5;
/// Time without a byte before an answer is given up.
pub const READ_SECONDS: u64 = 60;
/// Tries of one request to JumpCloud before the stream is left for the next run.
pub const TRIES_MAX: u32 = 5;
/// First and largest ceiling of the full-jitter wait between two tries.
pub const BACKOFF_FIRST_MS: u64 = 500;
/// See [`BACKOFF_FIRST_MS`].
pub const BACKOFF_MAX_MS: u64 = 20_000;
/// Requests of a process to JumpCloud in any second.
pub const REQUESTS_PER_SECOND: usize = 10;
/// How long a secret is used before it is read again.
pub const SECRET_AGE_MS_MAX: i64 = 5 * MINUTE_MS;
/// A token is renewed this long before it expires (or at half its life, if that is shorter).
pub const TOKEN_EARLY_MS: i64 = MINUTE_MS;

/// Tries of one create-only write whose outcome stayed unclear, each after the SDK's own retries.
pub const CREATE_TRIES_MAX: u32 = 3;
/// Objects written at the same time.
pub const WRITES_AT_ONCE: usize = 8;

/// The longest lease. A lease that ends later than this from now was written by a wrong clock.
pub const LEASE_MS_MAX: i64 = 16 * MINUTE_MS;
/// A lane is recovered for so long after it was finished: by a run of the slowest schedule that
/// begins when all that were overtaken before have ended.
pub const FINISHED_MS_MIN: i64 = 32 * MINUTE_MS;
/// What a lease lasts beyond the run it belongs to.
pub const LEASE_MARGIN_MS: i64 = MINUTE_MS;
/// Largest room kept at the end of a run to decide, publish and advance.
pub const RESERVE_MS_MAX: i64 = 30_000;
/// The room kept grows by this much for each mebibyte held.
pub const RESERVE_MS_PER_MIB: i64 = 100;
/// What Lambda allows at most.
pub const RUN_MS_MAX: i64 = 15 * MINUTE_MS;
/// A stream that failed this often in a row fails the invocation, whatever the reason.
pub const FAILURES_TOLERATED: i64 = 3;
/// Failures in a row after which a stream among others is only probed now and then.
pub const BREAKER_FAILURES: i64 = 5;
/// Time between two such probes.
pub const BREAKER_MS: i64 = 15 * MINUTE_MS;

/// Messages in one request to the work queue (SQS's own limit).
pub const QUEUE_BATCH_MAX: usize = 10;
/// Such requests under way at once while streams are queued.
pub const QUEUE_REQUESTS_AT_ONCE: usize = 16;
/// How long a stream counts as queued: after this its message is taken for lost.
pub const QUEUED_MS_MAX: i64 = 15 * MINUTE_MS;
/// Items read in one request from the table (DynamoDB's own limit).
pub const ITEMS_PER_READ: usize = 100;
/// Such reads under way at once.
pub const READS_AT_ONCE: usize = 8;
/// Identities kept in memory between runs, over all streams.
pub const WARM_IDENTITY_BYTES_MAX: usize = 32 * MIB;
/// Days one backfill may ask for: longer than JumpCloud keeps events.
pub const BACKFILL_DAYS_MAX: i64 = 100;
/// Lanes opened, or counted for a plan, at once.
pub const LANES_OPENED_AT_ONCE: usize = 8;

/// Largest room kept at the end of a deployment's check to answer CloudFormation.
pub const CALLBACK_MS_MAX: i64 = 20_000;
/// Least time given to that answer, however late it is.
pub const CALLBACK_MS_MIN: i64 = 1_000;
/// Time for one try of the answer, and how many there are.
pub const CALLBACK_TRY_MS: u64 = 6_000;
/// See [`CALLBACK_TRY_MS`].
pub const CALLBACK_TRIES_MAX: u32 = 3;
/// What CloudFormation is told of a failure; it takes an answer of 4,096 bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// A role that was just made is given this long, this often, to be known everywhere.
pub const YOUNG_ROLE_MS: u64 = 10_000;
/// See [`YOUNG_ROLE_MS`].
pub const YOUNG_ROLE_TRIES: u32 = 3;

/// Bytes in a mebibyte.
pub const MIB: usize = 1024 * 1024;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

const _: () = assert!(LEASE_MS_MAX >= RUN_MS_MAX + LEASE_MARGIN_MS, "a lease outlives its run");
const _: () = assert!(FINISHED_MS_MIN >= 2 * LEASE_MS_MAX, "a tick comes after the last run");
const _: () = assert!(UNPLACED_DAYS as i64 * DAY_MS > RETENTION_MS, "identities outlive events");
const _: () = assert!(PAGE_WIRE_BYTES_MAX <= PAGE_INFLATED_BYTES_MAX);
const _: () = assert!(EVENT_BYTES_MAX <= BATCH_RAW_BYTES_MAX, "any event fits an empty batch");
const _: () = assert!(PAGE_INFLATED_BYTES_MAX <= u32::MAX as usize, "rows are addressed by u32");
const _: () = assert!(BATCH_PARTITIONS_MAX <= 1_000, "part numbers have three digits");
const _: () = assert!(
    CALLBACK_TRY_MS * CALLBACK_TRIES_MAX as u64 <= CALLBACK_MS_MAX as u64,
    "every try of an answer has its time"
);
const _: () = assert!(TOKEN_EARLY_MS < SECRET_AGE_MS_MAX);
