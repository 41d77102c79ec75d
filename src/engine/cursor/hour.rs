//! Hours whose counts differed: those that are read again, and what that has shown.

use serde::{Deserialize, Serialize};

use crate::cursor::query::Reading;
use crate::page::Query;

/// An hour that is read again, because JumpCloud counts more than the index holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Its first millisecond.
    pub start_ms: i64,
    /// JumpCloud's count.
    pub counted: i64,
    /// Rows that came, of the queries that were read to their end.
    pub rows_received: i64,
    /// Rows of the query under way that came before where it is resumed.
    pub rows_before_resume: i64,
    /// The queries that were counted, in the order in which they are read.
    pub queries: Vec<Query>,
    /// The reading under way, in one of them.
    pub reading: Reading,
}

/// What reading an hour again has shown: JumpCloud's count, and the rows that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHour(pub i64, pub i64);

impl KnownHour {
    /// JumpCloud counts more events than it sends: something that only JumpCloud can explain.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        let Self(counted, rows_received) = *self;
        counted > rows_received
    }
}
