//! The archive's objects, and what is kept of the journals that hold them.

use std::collections::BTreeMap;

use super::age;
use super::verdict::{Buckets, Verdict};
use crate::archive::key::is_archive_key;
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
    /// The stream's epoch; none if its birth certificate cannot be read.
    pub(super) epoch: Option<String>,
}

/// The first entry that is kept.
pub(super) struct FirstKept {
    pub(super) seq: u64,
    /// The day of the snapshot it belongs to, of a stream of users.
    pub(super) snapshot_day: Option<String>,
}

/// What a key of ours says of its object.
struct Named<'a> {
    stream: &'a str,
    age: Age<'a>,
}

/// What tells which of a stream's objects are older than others: the number of an entry, the day of
/// a snapshot.
enum Age<'a> {
    Seq { epoch: &'a str, seq: u64 },
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

    /// Goes through the archive for objects that are in no entry. Those that `validate` writes are
    /// not among the events and need none.
    pub(super) async fn check(
        &self,
        buckets: Buckets<'_>,
        now_ms: i64,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let Buckets { objects, archive, .. } = buckets;
        let mut after = String::new();
        loop {
            let keys = objects.list(archive, "", &after, KEYS_LISTED_AT_ONCE).await?;
            for key in keys.iter().filter(|key| !key.starts_with(IN_ARCHIVE)) {
                if self.held.contains(&Identity::of_bytes(key.as_bytes())) {
                    continue;
                }
                match self.may_have_expired(key, now_ms) {
                    true => verdict.older_than_journal += 1,
                    false => verdict.problem(key, "it is in no entry"),
                }
            }
            match keys.into_iter().next_back() {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }

    /// Whether the object at `key` is one of ours whose entry may have expired.
    fn may_have_expired(&self, key: &str, now_ms: i64) -> bool {
        let Some(named) = named(key).filter(|_| is_archive_key(key)) else { return false };
        let kept = self.kept.get(named.stream);
        kept.is_some_and(|kept| kept.may_have_expired(&named.age))
            && day_ms(key, &named.age).is_none_or(|day_ms| !age::is_kept(day_ms, now_ms))
    }
}

impl Kept {
    /// Whether the entry that held an object of this age may have expired.
    fn may_have_expired(&self, age: &Age<'_>) -> bool {
        let is_of_epoch = |epoch: &str| self.epoch.as_deref().is_none_or(|own| own == epoch);
        self.has_expired
            && match age {
                Age::Seq { epoch, seq } => {
                    is_of_epoch(epoch) && self.first.as_ref().is_none_or(|first| *seq < first.seq)
                }
                // Several entries may hold the parts of one snapshot.
                Age::Day(day) => {
                    let first = self.first.as_ref().and_then(|first| first.snapshot_day.as_deref());
                    first.is_none_or(|first| *day <= first)
                }
            }
    }
}

/// The first millisecond of the day that the key says: of its events, or of the snapshot. None if
/// the key layout has no `date=`.
fn day_ms(key: &str, age: &Age<'_>) -> Option<i64> {
    let day = match age {
        Age::Day(day) => day,
        Age::Seq { .. } => key.split('/').find_map(|folder| folder.strip_prefix("date="))?,
    };
    time::parse_time_or_day_ms(day)
}

/// What the key of an object says, if it may be one of ours.
fn named(key: &str) -> Option<Named<'_>> {
    let name = key.rsplit_once('/')?.1;
    if let Some((day, stream)) = snapshot_day(name) {
        return Some(Named { stream, age: Age::Day(day) });
    }
    let (stem, _) = name.split_once(".ndjson.gz").or_else(|| name.split_once(".json.gz"))?;
    let (rest, _part) = stem.rsplit_once('-')?;
    let (rest, seq) = rest.rsplit_once('-')?;
    let (stream, epoch) = rest.rsplit_once('-')?;
    Some(Named { stream, age: Age::Seq { epoch, seq: seq.parse().ok()? } })
}

/// The day of the snapshot that a name of ours is of, and its stream.
fn snapshot_day(name: &str) -> Option<(&str, &str)> {
    let (users, rest) = name.split_at(name.find(".users-")? + ".users".len());
    let (day, _) = rest[1..].split_once('.')?;
    let is_day = day.len() <= "2026-11-24-000".len();
    Some((day.get(.."2026-11-24".len()).filter(|_| is_day)?, users))
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
        let kept = Kept { first, has_expired: true, epoch: Some("0a1b2c3d".to_owned()) };
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
