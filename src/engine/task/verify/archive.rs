//! The archive's objects, and what is kept of the journals that hold them.

use std::collections::{BTreeMap, BTreeSet};

use super::age;
use super::newer::{for_each_newer, newborn};
use super::verdict::{Buckets, Verdict};
use crate::archive::key::{ObjectKey, PartOf};
use crate::identity::{Identities, Identity};
use crate::limits::KEYS_LISTED_AT_ONCE;
use crate::ports::StoreError;
use crate::stream::StreamId;
use crate::task::validate::IN_ARCHIVE;
use crate::time;

/// What entries hold of the archive.
#[derive(Default)]
pub(super) struct Archive {
    /// Hashes of the keys of all parts of all streams.
    held: Identities,
    /// What is kept of each stream's journal.
    kept: BTreeMap<StreamId, Kept>,
}

/// What is kept of one stream's journal.
#[derive(Default)]
pub(super) struct Kept {
    /// The first entry that is kept; none where none is.
    pub(super) first: Option<FirstKept>,
    /// Whether entries before it may have been, and have expired.
    pub(super) has_expired: bool,
    /// The stream's epoch; none if its birth certificate cannot be read.
    pub(super) epoch: Option<String>,
    /// The last entry that was there, and its hash if it could be read.
    pub(super) last: Option<(u64, Option<String>)>,
}

/// The first entry that is kept.
pub(super) struct FirstKept {
    pub(super) seq: u64,
    /// The day of the snapshot it belongs to, of a stream of users.
    pub(super) snapshot_day: Option<String>,
}

impl Archive {
    /// An entry holds the part at `key`. `false`: one did before.
    pub(super) fn hold(&mut self, key: &str) -> bool {
        self.held.insert(Identity::of_bytes(key.as_bytes()))
    }

    /// Notes what is kept of a stream's journal.
    pub(super) fn keep(&mut self, stream: StreamId, kept: Kept) {
        self.kept.insert(stream, kept);
    }

    /// Goes through the archive for objects that are in no entry. Those that `validate` writes are
    /// not among the events and need none.
    pub(super) async fn check(
        &mut self,
        buckets: Buckets<'_>,
        now_ms: i64,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let Buckets { objects, archive, .. } = buckets;
        let (mut after, mut unheld) = (String::new(), Vec::new());
        loop {
            let keys = objects.list(archive, "", &after, KEYS_LISTED_AT_ONCE).await?;
            for key in keys.iter().filter(|key| !key.starts_with(IN_ARCHIVE)) {
                if self.holds(key) {
                    continue;
                }
                match self.may_have_expired(key, now_ms) {
                    true => verdict.older_than_journal += 1,
                    false => unheld.push(key.clone()),
                }
            }
            match keys.into_iter().next_back() {
                Some(last) => after = last,
                None => break,
            }
        }
        self.hold_newer(buckets, &unheld).await?;
        for key in unheld.iter().filter(|key| !self.holds(key)) {
            verdict.problem(key, "it is in no entry");
        }
        Ok(())
    }

    fn holds(&self, key: &str) -> bool {
        self.held.contains(&Identity::of_bytes(key.as_bytes()))
    }

    /// Holds the parts of entries that were decided after their stream's journal was read: a stream may
    /// be collected while it is verified.
    async fn hold_newer(
        &mut self,
        buckets: Buckets<'_>,
        keys: &[String],
    ) -> Result<(), StoreError> {
        let streams: BTreeSet<_> =
            keys.iter().filter_map(|key| Some(ObjectKey::parse(key)?.stream)).collect();
        for stream in streams {
            let last = self.kept.get(&stream).and_then(|kept| kept.last.clone());
            let last = match last {
                Some(last) => last,
                None => newborn(buckets, &stream).await?,
            };
            for_each_newer(buckets, &stream, last, |entry| {
                for part in &entry.header.parts {
                    self.hold(&part.key);
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Whether the object at `key` is one of ours whose entry may have expired.
    fn may_have_expired(&self, key: &str, now_ms: i64) -> bool {
        let Some(ObjectKey { stream, part_of }) = ObjectKey::parse(key) else { return false };
        let kept = self.kept.get(&stream);
        kept.is_some_and(|kept| kept.may_have_expired(part_of))
            && day_ms(key, part_of).is_none_or(|day_ms| !age::is_kept(day_ms, now_ms))
    }
}

impl Kept {
    /// Whether the entry that held a part of this may have expired.
    fn may_have_expired(&self, part_of: PartOf<'_>) -> bool {
        let is_of_epoch = |epoch: &str| self.epoch.as_deref().is_none_or(|own| own == epoch);
        self.has_expired
            && match part_of {
                PartOf::Entry { epoch, seq } => {
                    is_of_epoch(epoch) && self.first.as_ref().is_none_or(|first| seq < first.seq)
                }
                // Several entries may hold the parts of one snapshot.
                PartOf::Snapshot(day) => {
                    let first = self.first.as_ref().and_then(|first| first.snapshot_day.as_deref());
                    first.is_none_or(|first| day <= first)
                }
            }
    }
}

/// The first millisecond of the day that the key says: of its events, or of the snapshot. None if
/// the key layout has no `date=`.
fn day_ms(key: &str, part_of: PartOf<'_>) -> Option<i64> {
    let day = match part_of {
        PartOf::Snapshot(day) => day,
        PartOf::Entry { .. } => key.split('/').find_map(|folder| folder.strip_prefix("date="))?,
    };
    time::parse_time_or_day_ms(day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DAY_MS;

    /// 2026-11-21T00:00:00Z
    const TODAY_MS: i64 = 1_795_219_200_000;

    /// The archive of a stream of which entry 8 is the first that is kept.
    fn archive() -> Archive {
        let first = Some(FirstKept { seq: 8, snapshot_day: None });
        let epoch = Some("0a1b2c3d".to_owned());
        let kept = Kept { first, has_expired: true, epoch, last: None };
        let mut archive = Archive::default();
        archive.keep(StreamId::own(), kept);
        archive
    }

    fn key(date: &str, name: &str) -> String {
        format!("events/service=sso/date={date}/{name}")
    }

    #[test]
    fn only_what_an_older_entry_may_have_held_may_have_expired() {
        let archive = archive();
        let is_older = |key: &str| archive.may_have_expired(key, TODAY_MS);
        let name = "self-0a1b2c3d-00000000000000000007-000.ndjson.gz";
        let old = key("2026-07-01", name);
        assert!(is_older(&old) && is_older(&old.replace("events/", "other/")));
        for foreign in [
            key("2026-07-01", "fake.ndjson.gz"),
            old.replace("0a1b2c3d", "ffffffff"),
            old.replace("07-000", "08-000"),
            old.replace("self-", "else-"),
            old.replace("-000.", "-0.1."),
            old.replace("events/", "../"),
            name.to_owned(),
        ] {
            assert!(!is_older(&foreign), "{foreign}");
        }
    }

    /// An entry is no older than the events that it holds, but for those that are dated ahead.
    #[test]
    fn what_has_events_of_late_is_not_older_than_the_journal() {
        let name = "self-0a1b2c3d-00000000000000000007-000.ndjson.gz";
        let archive = archive();
        // A hundred and one days before today.
        for (date, is_older) in [("2026-08-11", true), ("2026-08-13", false)] {
            assert_eq!(archive.may_have_expired(&key(date, name), TODAY_MS), is_older, "{date}");
        }
        let later_ms = TODAY_MS + 2 * DAY_MS;
        assert!(archive.may_have_expired(&key("2026-08-13", name), later_ms));
    }
}
