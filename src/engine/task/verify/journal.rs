//! One stream's journal: its entries follow one another, and their parts are in the archive.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::age;
use super::archive::{Archive, FirstKept, Kept};
use super::slots::{KeptFrom, Slots};
use super::verdict::{Buckets, Verdict};
use crate::identity::Slot;
use crate::journal::certificate::Certificate;
use crate::journal::index::{index_prefix, slot_prefix};
use crate::journal::{Entry, entry_key, journal_prefix, seq_of};
use crate::ports::StoreError;
use crate::stream::StreamId;
use crate::time;

/// A stream whose journal is checked.
pub(super) struct Journal<'a> {
    pub(super) buckets: Buckets<'a>,
    pub(super) stream: StreamId,
    /// Its birth certificate and that one's bytes; none if it cannot be read.
    pub(super) certificate: Option<(Certificate, Bytes)>,
    pub(super) now_ms: i64,
}

/// What is carried from entry to entry.
#[derive(Default)]
struct Progress {
    slots: Slots,
    /// The entry before, and its hash where it could be read.
    before: Option<(u64, Option<String>)>,
    kept: Kept,
}

impl Journal<'_> {
    /// Checks all entries that are kept, in their order; returns which are.
    pub(super) async fn check(
        &self,
        archive: &mut Archive,
        verdict: &mut Verdict,
        tell: &mut dyn FnMut(&Verdict),
    ) -> Result<Kept, StoreError> {
        let Buckets { objects, state, .. } = self.buckets;
        let keys = objects.list(state, &journal_prefix(&self.stream), "", usize::MAX).await?;
        let mut seqs: Vec<u64> = keys.iter().filter_map(|key| seq_of(key)).collect();
        seqs.sort_unstable();
        let mut progress = Progress::default();
        for seq in seqs {
            let key = entry_key(&self.stream, seq);
            // Gone since it was listed: the next entry tells whether it may be.
            let Some(bytes) = objects.get(state, &key).await? else { continue };
            let decoded = Entry::decode(bytes);
            self.check_gap(seq, decoded.as_ref().ok(), &mut progress, verdict);
            match decoded {
                Ok(entry) => {
                    self.check_entry(seq, &entry, &mut progress, archive, verdict).await?;
                    progress.before = Some((seq, Some(entry.hash())));
                }
                Err(error) => {
                    verdict.problem(&key, error);
                    progress.kept.first.get_or_insert(FirstKept { seq, snapshot_day: None });
                    progress.before = Some((seq, None));
                }
            }
            tell(verdict);
        }
        let certificate = self.certificate.as_ref().map(|(birth, _)| birth);
        if progress.kept.first.is_none() {
            // An entry is no older than the stream.
            let may_have_expired =
                |birth: &Certificate| age::may_have_expired(birth.born_ms, self.now_ms);
            progress.kept.has_expired = certificate.is_some_and(may_have_expired);
            self.check_index_alone(progress.kept.has_expired, verdict).await?;
        }
        progress.kept.epoch = certificate.map(|birth| birth.epoch.clone());
        progress.slots.check(self.buckets, self.now_ms, verdict).await?;
        Ok(Kept { last: progress.before, ..progress.kept })
    }

    /// Tells of entries that are missing between two that are kept. S3 deletes what has expired one by
    /// one: where they may have expired, what is kept begins behind them.
    fn check_gap(
        &self,
        seq: u64,
        entry: Option<&Entry>,
        progress: &mut Progress,
        verdict: &mut Verdict,
    ) {
        let Some((before, _)) = progress.before.as_ref().filter(|(before, _)| before + 1 != seq)
        else {
            return;
        };
        let decided_ms = entry.map(|entry| entry.header.previous_decided_ms);
        if decided_ms.is_some_and(|ms| age::may_have_expired(ms, self.now_ms)) {
            *progress = Progress::default();
        } else {
            let missing = format!("the entries after {before} are missing");
            verdict.problem(&entry_key(&self.stream, seq), missing);
            progress.before = None;
        }
    }

    /// Checks what there is of the index where no entry is kept: the entry that resulted in a slot
    /// object may have expired before that did, but not while its events are so young.
    async fn check_index_alone(
        &self,
        has_expired: bool,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let Buckets { objects, state, .. } = self.buckets;
        let kept_from = Slot::Hour(time::hour_of(age::kept_from_ms(self.now_ms)) + 1);
        let after = if has_expired { slot_prefix(&self.stream, kept_from) } else { String::new() };
        let prefix = index_prefix(&self.stream);
        let found = objects.list(state, &prefix, &after, 1).await?;
        let is_of_hour = |key: &String| {
            let slot = key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/'));
            matches!(slot.and_then(|(name, _)| Slot::parse(name)), Some(Slot::Hour(_)))
        };
        if let Some(key) = found.first().filter(|key| !has_expired || is_of_hour(key))
            // The stream's first entry may have been decided meanwhile.
            && objects.list(state, &journal_prefix(&self.stream), "", 1).await?.is_empty()
        {
            verdict.problem(
                key,
                "no entry of its stream is there, and that of it cannot have expired",
            );
        }
        Ok(())
    }

    async fn check_entry(
        &self,
        seq: u64,
        entry: &Entry,
        progress: &mut Progress,
        archive: &mut Archive,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        let header = &entry.header;
        let key = entry_key(&self.stream, seq);
        verdict.entries += 1;
        if header.seq != seq || header.stream != self.stream {
            let found = format!("it says it is entry {} of {}", header.seq, header.stream);
            verdict.problem(&key, found);
        }
        let epoch = self.certificate.as_ref().map(|(birth, _)| &birth.epoch);
        if epoch.is_some_and(|epoch| *epoch != header.epoch) {
            let found = format!("its epoch {} is not that of the birth", header.epoch);
            verdict.problem(&key, found);
        }
        let previous = match &progress.before {
            Some((_, hash)) => hash.clone(),
            None if seq == 1 => {
                self.certificate.as_ref().map(|(_, bytes)| hex::encode(Sha256::digest(bytes)))
            }
            None => None,
        };
        if previous.is_some_and(|previous| previous != header.previous) {
            verdict.problem(&key, "it does not have the hash of the previous entry");
        }
        if progress.kept.first.is_none() {
            progress.kept = self.kept_from(seq, entry, verdict);
        }
        self.check_parts(seq, entry, archive, verdict).await?;
        let first = progress.kept.first.as_ref().map_or(seq, |first| first.seq);
        let kept = KeptFrom { seq: first, now_ms: self.now_ms };
        progress.slots.add(self.buckets, entry, kept, verdict).await
    }

    /// What is kept of a journal whose first entry is this one: all of it, or what has not expired.
    fn kept_from(&self, seq: u64, entry: &Entry, verdict: &mut Verdict) -> Kept {
        let header = &entry.header;
        let has_expired = seq > 1 && age::may_have_expired(header.previous_decided_ms, self.now_ms);
        if seq > 1 && !has_expired {
            let days = (self.now_ms - header.previous_decided_ms) / crate::limits::DAY_MS;
            verdict.problem(
                &entry_key(&self.stream, seq),
                format!(
                    "the entries before it are missing, and the last was decided {days} days ago"
                ),
            );
        }
        let snapshot_day = header.state.snapshot.as_ref().map(crate::users::Snapshot::date);
        Kept { first: Some(FirstKept { seq, snapshot_day }), has_expired, ..Kept::default() }
    }

    async fn check_parts(
        &self,
        seq: u64,
        entry: &Entry,
        archive: &mut Archive,
        verdict: &mut Verdict,
    ) -> Result<(), StoreError> {
        for part in &entry.header.parts {
            verdict.parts += 1;
            verdict.events += part.events;
            if !archive.hold(&part.key) {
                verdict.problem(&part.key, "it is in two entries");
            }
            match self.buckets.objects.get(&entry.header.bucket, &part.key).await? {
                None => {
                    let what = format!("it is in entry {seq} and not in the archive");
                    verdict.problem(&part.key, what);
                }
                Some(bytes) => {
                    verdict.part_bytes += bytes.len();
                    if *Sha256::digest(&bytes) != part.sha256 {
                        verdict.problem(&part.key, "its SHA-256 is not the one its entry names");
                    }
                }
            }
        }
        Ok(())
    }
}
