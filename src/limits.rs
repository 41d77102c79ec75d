//! The limits outside the engine, each named with its unit. The engine's own are in
//! [`engine::limits`].

use engine::limits::{HOUR_MS, MIB, MINUTE_MS};

/// An answer that holds counts: two weeks of hours take some 30 KiB.
pub const COUNTS_BYTES_MAX: usize = 4 * MIB;
/// Largest error or token answer in bytes.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Largest part of an error message of JumpCloud that is kept, in characters.
pub const QUOTED_CHARS_MAX: usize = 128;
/// This many consecutive bytes of a secret are never shown.
pub const SECRET_RUN_BYTES: usize = 8;
/// Forms of secrets that are removed from error messages. A service account has three, and each of
/// its tokens is one.
pub const SECRET_FORMS_MAX: usize = 32;
/// Rows requested per page of a list of the console API, which refuses more.
pub const LIST_PAGE_ROWS: usize = 100;
/// Largest page of such a list in bytes, before and after decompression.
pub const LIST_BYTES_MAX: usize = 32 * MIB;
/// Time to connect to JumpCloud or AWS.
pub const CONNECT_SECONDS: u64 = 5;
/// Time without a received byte after which an answer is abandoned.
pub const READ_SECONDS: u64 = 60;
/// First ceiling of the full-jitter wait between two tries; it doubles with each try.
pub const BACKOFF_FIRST_MS: u64 = 500;
/// Requests of one process to JumpCloud within any second.
pub const REQUESTS_PER_SECOND: usize = 10;
/// How long a secret is used before it is read again. It is read at once when JumpCloud refuses it.
pub const SECRET_AGE_MS_MAX: i64 = HOUR_MS;
/// A token is renewed this long before it expires (or at half its life, if that is shorter).
pub const TOKEN_EARLY_MS: i64 = MINUTE_MS;
/// Items read in one request from the table (DynamoDB's own limit).
pub const ITEMS_PER_READ: usize = 100;
/// Such requests at the same time.
pub const READS_AT_ONCE: usize = 8;
/// Longest time kept at the end of a deployment's check to answer CloudFormation.
pub const CALLBACK_MS_MAX: i64 = 20_000;
/// Shortest time for that answer, however late it is.
pub const CALLBACK_MS_MIN: i64 = 1_000;
/// Time for one try of that answer.
pub const CALLBACK_TRY_MS: u64 = 6_000;
/// Tries of that answer.
pub const CALLBACK_TRIES_MAX: u32 = 3;
/// Length in bytes of the reason sent to CloudFormation, whose limit for the whole answer is 4,096
/// bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Wait before a deployment's check is repeated because AWS denied access: a new IAM role takes
/// some seconds to be known everywhere.
pub const IAM_PROPAGATION_WAIT_MS: u64 = 10_000;
/// How often the check is made if AWS denies access.
pub const IAM_PROPAGATION_TRIES: u32 = 3;

const _: () = assert!(
    CALLBACK_TRY_MS * CALLBACK_TRIES_MAX as u64 <= CALLBACK_MS_MAX as u64,
    "every try of an answer has its time"
);
const _: () = assert!(TOKEN_EARLY_MS < SECRET_AGE_MS_MAX);
