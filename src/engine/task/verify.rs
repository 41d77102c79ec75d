//! `verify`: proves to an auditor that the archive is what the journal says. It only reads, and
//! only from the two buckets.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::identity::{Identity, Slot};
use crate::journal::index::unplaced_day;
use crate::journal::{Entry, SlotIds, entry_key, journal_prefix, seq_of};
use crate::ports::{Objects, StoreError};
use crate::stream::StreamId;

/// The result: what was checked, and the problems that were found.
#[derive(Debug, Default, Serialize)]
pub struct Verdict {
    /// Streams whose journal was read.
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
    /// Every problem, in plain words.
    pub problems: Vec<String>,
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

/// Checks every stream that was created. `tell` is called after each entry.
///
/// # Errors
/// [`StoreError`] if a bucket cannot be read. A missing or wrong object is a problem, not an error.
pub async fn verify(
    buckets: Buckets<'_>,
    tell: &mut dyn FnMut(&Verdict),
) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let births = buckets
        .objects
        .list(buckets.state, crate::journal::certificate::PREFIX, "", usize::MAX)
        .await?;
    let mut written = BTreeSet::new();
    for birth in births.iter().filter(|key| key.ends_with(".json")) {
        let name = birth.trim_start_matches("streams/v1/").trim_end_matches(".json").to_owned();
        match StreamId::try_from(name) {
            Ok(stream) => {
                let mut journal =
                    Journal { buckets, stream, written: &mut written, verdict: &mut verdict };
                journal.check(birth, tell).await?;
                verdict.streams += 1;
            }
            Err(error) => verdict.problems.push(format!("{birth}: {error}")),
        }
    }
    foreign_objects(buckets, &written, &mut verdict).await?;
    Ok(verdict)
}

/// One stream's journal.
struct Journal<'a> {
    buckets: Buckets<'a>,
    stream: StreamId,
    /// Keys of all parts of all streams.
    written: &'a mut BTreeSet<String>,
    verdict: &'a mut Verdict,
}

/// The sum of the entries so far.
#[derive(Default)]
struct Fold {
    identities: HashSet<Identity>,
    /// For each slot, the key of its latest object, and the identities of the journal.
    slots: BTreeMap<Slot, (String, SlotIds)>,
    /// The hash that the next entry must name as that of its predecessor.
    previous: Option<String>,
    epoch: Option<String>,
}

impl Journal<'_> {
    fn problem(&mut self, key: &str, what: impl std::fmt::Display) {
        self.verdict.problems.push(format!("{key}: {what}"));
    }

    async fn check(
        &mut self,
        birth: &str,
        tell: &mut dyn FnMut(&Verdict),
    ) -> Result<(), StoreError> {
        let Buckets { objects, state, .. } = self.buckets;
        let keys = objects.list(state, &journal_prefix(&self.stream), "", usize::MAX).await?;
        let mut seqs: Vec<u64> = keys.iter().filter_map(|key| seq_of(key)).collect();
        seqs.sort_unstable();
        let mut fold = Fold::default();
        if let Some(bytes) = objects.get(state, birth).await? {
            fold.previous = (seqs.first() == Some(&1)).then(|| hex::encode(Sha256::digest(&bytes)));
            fold.epoch = epoch(&bytes);
        }
        for (at, seq) in seqs.iter().enumerate() {
            let key = entry_key(&self.stream, *seq);
            if at > 0 && seqs[at - 1] + 1 != *seq {
                let before = seqs[at - 1];
                self.problem(&key, format!("the entries after {before} are missing"));
                fold.previous = None;
            }
            let Some(bytes) = objects.get(state, &key).await? else { continue };
            match Entry::decode(bytes) {
                Ok(entry) => self.check_entry(&key, *seq, &entry, &mut fold).await?,
                Err(error) => self.problem(&key, error),
            }
            tell(self.verdict);
        }
        self.check_slots(&fold).await
    }

    async fn check_entry(
        &mut self,
        key: &str,
        seq: u64,
        entry: &Entry,
        fold: &mut Fold,
    ) -> Result<(), StoreError> {
        let header = &entry.header;
        self.verdict.entries += 1;
        if header.seq != seq || header.stream != self.stream {
            self.problem(key, format!("it says it is entry {} of {}", header.seq, header.stream));
        }
        if fold.epoch.as_ref().is_some_and(|epoch| *epoch != header.epoch) {
            self.problem(key, format!("its epoch {} is not that of the birth", header.epoch));
        }
        if fold.previous.as_ref().is_some_and(|previous| *previous != header.previous) {
            self.problem(key, "the hash it names is not that of the entry before");
        }
        fold.previous = Some(entry.hash());
        for part in &header.parts {
            self.verdict.parts += 1;
            self.verdict.events += part.events;
            if !self.written.insert(part.key.clone()) {
                self.problem(&part.key, "two entries hold it");
            }
            match self.buckets.objects.get(&header.bucket, &part.key).await? {
                None => {
                    self.problem(&part.key, format!("entry {seq} holds it, the archive does not"));
                }
                Some(bytes) => {
                    self.verdict.part_bytes += bytes.len();
                    if *Sha256::digest(&bytes) != part.sha256 {
                        self.problem(&part.key, "its SHA-256 is not the one its entry names");
                    }
                }
            }
        }
        for (record, slot, identities) in entry.slots() {
            for identity in &identities {
                self.verdict.identities += 1;
                if !fold.identities.insert(*identity) {
                    self.problem(
                        key,
                        format!("identity {} was decided before", hex::encode(identity.0)),
                    );
                }
            }
            let base = self.base(record.base.as_deref(), slot, fold).await?;
            let ids = base.with(&identities, unplaced_day(header.decided_ms));
            if ids.sha256() != record.sha256 {
                self.problem(&record.key, "it is not what the journal's identities fold to");
            }
            fold.slots.insert(slot, (record.key.clone(), ids));
        }
        Ok(())
    }

    /// The identities to which an entry adds those of one slot: those of the entries before it or,
    /// if these have expired, those of the slot object that it names.
    async fn base(
        &mut self,
        key: Option<&str>,
        slot: Slot,
        fold: &Fold,
    ) -> Result<SlotIds, StoreError> {
        let folded = fold.slots.get(&slot);
        match (key, folded) {
            (None, None) => Ok(SlotIds::empty(slot)),
            (Some(key), Some((latest, ids))) if key == latest => Ok(ids.clone()),
            (Some(key), None) => {
                let bytes =
                    self.buckets.objects.get(self.buckets.state, key).await?.unwrap_or_default();
                Ok(SlotIds::parse(slot, &bytes).unwrap_or_else(|error| {
                    self.problem(key, error);
                    SlotIds::empty(slot)
                }))
            }
            (key, Some((latest, ids))) => {
                self.problem(
                    latest,
                    format!("the next entry builds on {} instead", key.unwrap_or("nothing")),
                );
                Ok(ids.clone())
            }
        }
    }

    /// Checks the latest object of every slot in the state bucket.
    async fn check_slots(&mut self, fold: &Fold) -> Result<(), StoreError> {
        for (key, ids) in fold.slots.values() {
            self.verdict.slots += 1;
            match self.buckets.objects.get(self.buckets.state, key).await? {
                None => self.problem(key, "the journal results in it, and it is not there"),
                Some(bytes) if bytes != ids.bytes() => {
                    self.problem(key, "it is not what the journal folds to");
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Finds objects of the archive whose keys look like those of this program but that are in no
/// entry. Objects of expired entries look the same, so only those that are newer than the oldest
/// known part are checked.
async fn foreign_objects(
    buckets: Buckets<'_>,
    written: &BTreeSet<String>,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let mut oldest: BTreeMap<String, String> = BTreeMap::new();
    for (stream, age) in written.iter().filter_map(|key| age(key)) {
        let least = oldest.entry(stream).or_insert_with(|| age.clone());
        *least = age.min(least.clone());
    }
    for key in buckets.objects.list(buckets.archive, "", "", usize::MAX).await? {
        let Some((stream, age)) = age(&key) else { continue };
        if !written.contains(&key) && oldest.get(&stream).is_none_or(|least| age >= *least) {
            verdict.problems.push(format!("{key}: no entry holds it"));
        }
    }
    Ok(())
}

/// The stream in a key of this program, and the part of the key that orders keys by age: the day of
/// a snapshot, or the number of an entry.
fn age(key: &str) -> Option<(String, String)> {
    let name = key.rsplit_once('/')?.1;
    if let Some((users, rest)) = name.split_once(".users-")
        && rest.split_once('.').is_some_and(|(day, _)| day.len() <= "2026-11-24-000".len())
    {
        return Some((format!("{users}.users-"), rest.get(..10)?.to_owned()));
    }
    let (stem, _) = name.split_once(".ndjson.gz").or_else(|| name.split_once(".json.gz"))?;
    let (rest, _part) = stem.rsplit_once('-')?;
    let (stream, seq) = rest.rsplit_once('-')?;
    let is_seq = seq.len() == 20 && seq.bytes().all(|b| b.is_ascii_digit());
    is_seq.then(|| (stream.to_owned(), seq.to_owned()))
}

fn epoch(certificate: &[u8]) -> Option<String> {
    let certificate: serde_json::Value = serde_json::from_slice(certificate).ok()?;
    Some(certificate.get("epoch")?.as_str()?.to_owned())
}
