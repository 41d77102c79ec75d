//! Where is verified, and the result.

use serde::Serialize;

use crate::ports::Objects;

/// The result: what was checked, and the problems that were found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Streams that were ever created.
    pub streams: usize,
    /// Entries: each has its own SHA-256, the number in its key, and the hash of the previous one.
    pub entries: usize,
    /// Parts: each is in one entry, is in the archive, and has the SHA-256 its entry names.
    pub parts: usize,
    /// Bytes of those parts.
    pub part_bytes: usize,
    /// Events in those parts.
    pub events: usize,
    /// Identities: none is in two entries.
    pub identities: usize,
    /// Slot objects: each has exactly the identities of the journal.
    pub slots: usize,
    /// Objects of the archive that are older than what is kept of their stream's journal. Nothing
    /// can be said of them.
    pub older_than_journal: usize,
    /// Every problem, in plain words.
    pub problems: Vec<String>,
}

impl Verdict {
    pub(super) fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{key}: {what}"));
    }
}

/// The two buckets.
#[derive(Clone, Copy)]
pub struct Buckets<'a> {
    /// Access to them.
    pub objects: &'a dyn Objects,
    /// Name of the archive bucket.
    pub archive: &'a str,
    /// Name of the state bucket: birth certificates, journal and index.
    pub state: &'a str,
}
