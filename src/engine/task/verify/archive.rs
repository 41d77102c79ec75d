//! The archive's objects, and what is kept of the journals that hold them.

use std::collections::BTreeMap;

use super::verdict::{Buckets, Verdict};
use crate::identity::{Identities, Identity};
use crate::limits::KEYS_LISTED_AT_ONCE;
use crate::ports::StoreError;
use crate::stream::StreamId;

/// What entries hold of the archive.
#[derive(Default)]
pub(super) struct Archive {
    /// Hashes of the keys of all parts of all streams.
    held: Identities,
    /// What is kept of each stream's journal, by its name.
    kept: BTreeMap<String, Kept>,
}

/// What is kept of one stream's journal.
#[derive(Default)]
pub(super) struct Kept {
    /// The first entry that is kept; none where none is.
    pub(super) first: Option<FirstKept>,
    /// Whether entries before it may have been, and have expired.
    pub(super) has_expired: bool,
}

/// The first entry that is kept.
pub(super) struct FirstKept {
    pub(super) seq: u64,
    /// The day of the snapshot it belongs to, of a stream of users.
    pub(super) snapshot_day: Option<String>,
}

/// What tells which of a stream's objects are older than others: the number of an entry, the day of
/// a snapshot.
enum Age<'a> {
    Seq(u64),
    Day(&'a str),
}

impl Archive {
    /// An entry holds the part at `key`. `false`: one did before.
    pub(super) fn hold(&mut self, key: &str) -> bool {
        self.held.insert(Identity::of_bytes(key.as_bytes()))
    }

    /// Notes what is kept of a stream's journal.
    pub(super) fn keep(&mut self, stream: StreamId, kept: Kept) {
        self.kept.insert(stream.into(), kept);
    }

    /// Goes through the archive for objects that look like ours and are in no entry.
    pub(super) async fn check(
        &self,
        buckets: Buckets<'_>,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let Buckets { objects, archive, .. } = buckets;
        let mut after = String::new();
        loop {
            let keys = objects.list(archive, "", &after, KEYS_LISTED_AT_ONCE).await?;
            for key in &keys {
                let Some((stream, age)) = age(key) else { continue };
                if self.held.contains(&Identity::of_bytes(key.as_bytes())) {
                    continue;
                }
                match self.kept.get(stream) {
                    Some(kept) if kept.expired(&age) => verdict.older_than_journal += 1,
                    _ => verdict.problem(key, "it is in no entry"),
                }
            }
            match keys.into_iter().next_back() {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}

impl Kept {
    /// Whether the entry that held an object of this age may have expired.
    fn expired(&self, age: &Age<'_>) -> bool {
        self.has_expired
            && self.first.as_ref().is_none_or(|first| match age {
                Age::Seq(seq) => *seq < first.seq,
                // Several entries may hold the parts of one snapshot.
                Age::Day(day) => first.snapshot_day.as_deref().is_none_or(|first| *day <= first),
            })
    }
}

/// The stream that a key of ours names, and its age among that stream's.
fn age(key: &str) -> Option<(&str, Age<'_>)> {
    let name = key.rsplit_once('/')?.1;
    if let Some((day, users)) = snapshot_day(name) {
        return Some((users, Age::Day(day)));
    }
    let (stem, _) = name.split_once(".ndjson.gz").or_else(|| name.split_once(".json.gz"))?;
    let (rest, _part) = stem.rsplit_once('-')?;
    let (stream, seq) = rest.rsplit_once('-')?;
    let is_seq = seq.len() == 20 && seq.bytes().all(|byte| byte.is_ascii_digit());
    // Between the two lies the epoch.
    let (stream, _epoch) = stream.rsplit_once('-').filter(|_| is_seq)?;
    Some((stream, Age::Seq(seq.parse().ok()?)))
}

/// The day of the snapshot that a name of ours is of, and its stream.
fn snapshot_day(name: &str) -> Option<(&str, &str)> {
    let (users, rest) = name.split_at(name.find(".users-")? + ".users".len());
    let (day, _) = rest[1..].split_once('.')?;
    let is_day = day.len() <= "2026-11-24-000".len();
    Some((day.get(.."2026-11-24".len()).filter(|_| is_day)?, users))
}
