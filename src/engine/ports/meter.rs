//! Counts of the requests to JumpCloud.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts requests to JumpCloud. The requests of a run share one.
#[derive(Debug, Default)]
pub struct Meter {
    /// Requests sent, including retries.
    pub requests: AtomicU64,
    /// Tries after the first.
    pub retries: AtomicU64,
    /// Bytes of bodies as received.
    pub bytes_in: AtomicU64,
    /// Answers with status 429.
    pub throttled: AtomicU64,
    /// Answers with 5xx or another transient failure, invalid answers, and requests without an
    /// answer.
    pub broken: AtomicU64,
    /// Answers with 401 or 403, and credentials that cannot be used.
    pub denied: AtomicU64,
}

/// The counts of a [`Meter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    /// Requests to JumpCloud, including retries.
    pub requests: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Bytes of JumpCloud's answers as received.
    pub bytes_in: u64,
    /// Requests that were answered with 429.
    #[serde(skip)]
    pub throttled: u64,
    /// Requests that were answered with 5xx, incompletely, invalidly, or not at all.
    #[serde(skip)]
    pub broken: u64,
    /// Requests that were answered with 401 or 403.
    #[serde(skip)]
    pub denied: u64,
}

impl Meter {
    /// Adds to one of the counters.
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn costs(&self) -> Costs {
        let [requests, retries, bytes_in, throttled, broken, denied] = [
            &self.requests,
            &self.retries,
            &self.bytes_in,
            &self.throttled,
            &self.broken,
            &self.denied,
        ]
        .map(|counter| counter.load(Ordering::Relaxed));
        Costs { requests, retries, bytes_in, throttled, broken, denied }
    }
}
