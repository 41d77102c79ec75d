//! S3 in memory: create-only, strongly consistent, and watchful. What must hold of objects is
//! checked the moment one is made.
//!
//! Holds P4 and P5.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use engine::journal::certificate::{LANES, certificate_key, stream_of};
use engine::journal::{Entry, entry_key};
use engine::ports::PutResult;
use engine::stream::StreamId;
use sha2::{Digest as _, Sha256};

use crate::jumps::expires_ms;
use crate::promise::Promise;
use crate::tally::Step;

/// Both buckets, with every object there ever was.
#[derive(Debug, Default)]
pub(crate) struct Store {
    archive: BTreeMap<String, Object>,
    state: BTreeMap<String, Object>,
    /// The journal, read as it was created.
    pub(crate) entries: BTreeMap<(StreamId, u64), Entry>,
    /// What entries say about archive and slot objects: SHA-256 and the entry.
    decided: HashMap<String, ([u8; 32], StreamId, u64)>,
}

/// What is there now: all else follows from that.
impl Hash for Store {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for (key, object) in self.archive.iter().chain(&self.state) {
            (key, object.sha256, object.removed).hash(hasher);
        }
    }
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) sha256: [u8; 32],
    pub(crate) created_ms: i64,
    /// A reader has removed it, or it has expired.
    pub(crate) removed: bool,
}

/// What a creation came to.
pub(crate) struct Creation {
    pub(crate) created: PutResult,
    pub(crate) step: Step,
    /// What must not be.
    pub(crate) wrong: Option<String>,
}

impl Store {
    fn bucket(&self, bucket: &str) -> &BTreeMap<String, Object> {
        if bucket == "archive" { &self.archive } else { &self.state }
    }

    /// The object, as S3 shows it.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.bucket(bucket).get(key).filter(|object| !object.removed)
    }

    /// Whether a stream was born.
    pub(crate) fn is_born(&self, stream: &StreamId) -> bool {
        self.get("state", &certificate_key(stream)).is_some()
    }

    pub(crate) fn list(&self, bucket: &str, prefix: &str, after: &str, most: usize) -> Vec<String> {
        self.keys(bucket, prefix, after, most, |object| !object.removed)
    }

    /// The object, also if a reader has removed it from the archive.
    pub(crate) fn kept(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.bucket(bucket).get(key).filter(|object| bucket == "archive" || !object.removed)
    }

    /// The lanes that were created.
    pub(crate) fn lanes(&self) -> Vec<StreamId> {
        self.state_below(LANES).filter_map(|(key, _)| stream_of(key)).collect()
    }

    /// An object of the state bucket, also if it has expired.
    pub(crate) fn ever(&self, key: &str) -> Option<&Object> {
        self.state.get(key)
    }

    /// Removes what has expired of journal and index; tells how many objects.
    pub(crate) fn expire(&mut self, now_ms: i64) -> usize {
        let expired = self.state.iter_mut().filter(|(key, object)| {
            let can_expire = key.starts_with("journal/") || key.starts_with("index/");
            can_expire && !object.removed && expires_ms(object.created_ms) <= now_ms
        });
        expired.map(|(_, object)| object.removed = true).count()
    }

    /// The keys of such objects.
    pub(crate) fn list_kept(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Vec<String> {
        self.keys(bucket, prefix, after, most, |object| bucket == "archive" || !object.removed)
    }

    fn keys(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
        is_there: impl Fn(&Object) -> bool,
    ) -> Vec<String> {
        let first = if after > prefix { after } else { prefix };
        self.bucket(bucket)
            .range(first.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, object)| key.as_str() > after && is_there(object))
            .map(|(key, _)| key.clone())
            .take(most)
            .collect()
    }

    /// The number of the last entry of a stream; 0 without any.
    pub(crate) fn last_seq(&self, stream: &StreamId) -> u64 {
        let of_stream = (stream.clone(), 0)..=(stream.clone(), u64::MAX);
        self.entries.range(of_stream).next_back().map_or(0, |((_, seq), _)| *seq)
    }

    /// Everything there ever was in the archive.
    pub(crate) fn archived(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.archive.iter()
    }

    /// Every object of the state bucket below `prefix`.
    pub(crate) fn state_below<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a String, &'a Object)> {
        self.state.range(prefix.to_owned()..).take_while(move |(key, _)| key.starts_with(prefix))
    }

    /// Creates an object unless its key is taken.
    pub(crate) fn create(
        &mut self,
        now_ms: i64,
        bucket: &str,
        key: &str,
        body: &Bytes,
        sha256: [u8; 32],
    ) -> Creation {
        let kind = Kind::of(bucket, key);
        if let Some(found) = self.bucket(bucket).get(key) {
            let differs = found.body != body && !matches!(kind, Kind::Entry | Kind::Birth);
            let wrong = if found.removed {
                Some(
                    Promise::Immutable
                        .broken(format_args!("{key} appears again after it was removed")),
                )
            } else {
                let how = format_args!("{key} was to be created again with other bytes");
                differs.then(|| Promise::Immutable.broken(how))
            };
            let step = kind.found(&found.body, body);
            return Creation { created: PutResult::AlreadyExists, step, wrong };
        }
        let (step, wrong) = match self.check_new(kind, key, body, sha256) {
            Ok(step) => (step, None),
            Err(how) => {
                let promise = match kind {
                    Kind::Birth | Kind::Entry => Promise::Decided,
                    Kind::Part | Kind::Slot => Promise::Immutable,
                };
                (Step::Decided, Some(promise.broken(how)))
            }
        };
        let object = Object { body: body.clone(), sha256, created_ms: now_ms, removed: false };
        let objects = if bucket == "archive" { &mut self.archive } else { &mut self.state };
        objects.insert(key.to_owned(), object);
        Creation { created: PutResult::Created, step, wrong }
    }

    /// What must hold when an object is new: decided before published, parts before slots, and
    /// everything of an entry before the next one.
    fn check_new(
        &mut self,
        kind: Kind,
        key: &str,
        body: &Bytes,
        sha256: [u8; 32],
    ) -> Result<Step, String> {
        match kind {
            Kind::Birth => Ok(Step::Born),
            Kind::Entry => self.check_entry(key, body),
            Kind::Part | Kind::Slot => {
                let (hash, stream, seq) = self
                    .decided
                    .get(key)
                    .ok_or_else(|| format!("{key} is published and was not decided"))?;
                if *hash != sha256 || *Sha256::digest(body) != sha256 {
                    return Err(format!("{key} is not what was decided"));
                }
                if matches!(kind, Kind::Part) {
                    return Ok(Step::PartCreated);
                }
                self.check_parts(stream, *seq).map_err(|e| format!("{key} is there, {e}"))?;
                Ok(Step::SlotCreated)
            }
        }
    }

    fn check_entry(&mut self, key: &str, body: &Bytes) -> Result<Step, String> {
        let entry = Entry::decode(body.clone()).map_err(|error| format!("{key}: {error}"))?;
        let (stream, seq) = (entry.header.stream.clone(), entry.header.seq);
        if entry_key(&stream, seq) != key {
            return Err(format!("{key} holds entry {seq} of {stream}"));
        }
        let header = &entry.header;
        for (key, sha256) in header
            .parts
            .iter()
            .map(|part| (&part.key, &part.sha256))
            .chain(header.slots.iter().map(|slot| (&slot.key, &slot.sha256)))
        {
            let decided = (*sha256, stream.clone(), seq);
            if let Some((_, _, other)) = self.decided.insert(key.clone(), decided) {
                return Err(format!("{key} is in entries {other} and {seq}"));
            }
        }
        let previous = header.previous.clone();
        let step = if header.parts.is_empty() { Step::DecidedNothing } else { Step::Decided };
        self.entries.insert((stream.clone(), seq), entry);
        let head =
            self.head_hash(&stream, seq - 1).ok_or_else(|| format!("{key} follows nothing"))?;
        if previous != head {
            return Err(format!("{key} follows {previous}, before it is {head}"));
        }
        self.check_published(&stream, seq - 1).map_err(|e| format!("{key} is decided, {e}"))?;
        Ok(step)
    }

    /// The hash that entry `seq + 1` and a cursor at `seq` hold.
    pub(crate) fn head_hash(&self, stream: &StreamId, seq: u64) -> Option<String> {
        if seq == 0 {
            let birth = self.state.get(&certificate_key(stream))?;
            return Some(hex::encode(Sha256::digest(&birth.body)));
        }
        Some(self.entries.get(&(stream.clone(), seq))?.hash())
    }

    /// Whether all parts of an entry were written, and all of its slot objects.
    pub(crate) fn check_published(&self, stream: &StreamId, seq: u64) -> Result<(), String> {
        let Some(entry) = self.entries.get(&(stream.clone(), seq)) else { return Ok(()) };
        self.check_parts(stream, seq)?;
        let missing = entry.header.slots.iter().find(|slot| !self.state.contains_key(&slot.key));
        missing
            .map_or(Ok(()), |slot| Err(format!("slot object {} of entry {seq} is not", slot.key)))
    }

    fn check_parts(&self, stream: &StreamId, seq: u64) -> Result<(), String> {
        let entry = &self.entries[&(stream.clone(), seq)];
        let missing = entry.header.parts.iter().find(|part| !self.archive.contains_key(&part.key));
        missing.map_or(Ok(()), |part| Err(format!("part {} of entry {seq} is not", part.key)))
    }

    /// Removes what a reader may remove: older than `before_ms`, as are its entry's slots. A request
    /// to write it that is still under way would make it again, and where there are no slots, recovery.
    pub(crate) fn remove_read(&mut self, before_ms: i64) -> usize {
        let (state, entries, decided) = (&self.state, &self.entries, &self.decided);
        let has_slots = |key: &String| {
            decided
                .get(key)
                .and_then(|(_, stream, seq)| entries.get(&(stream.clone(), *seq)))
                .is_some_and(|entry| {
                    let mut slots = entry.header.slots.iter();
                    let is_old = |slot: &Object| slot.created_ms < before_ms;
                    slots.len() > 0 && slots.all(|slot| state.get(&slot.key).is_some_and(is_old))
                })
        };
        let readable = self.archive.iter_mut().filter(|(key, object)| {
            !object.removed && object.created_ms < before_ms && has_slots(key)
        });
        readable.map(|(_, object)| object.removed = true).count()
    }
}

/// What an object is, by its key.
#[derive(Clone, Copy)]
enum Kind {
    Birth,
    Entry,
    Slot,
    Part,
}

impl Kind {
    fn of(bucket: &str, key: &str) -> Self {
        match (bucket, key.split('/').next()) {
            ("archive", _) => Self::Part,
            (_, Some("journal")) => Self::Entry,
            (_, Some("index")) => Self::Slot,
            _ => Self::Birth,
        }
    }

    fn found(self, there: &Bytes, body: &Bytes) -> Step {
        match self {
            Self::Birth => Step::BirthLost,
            Self::Entry if there == body => Step::DecidedBefore,
            Self::Entry => Step::DecisionLost,
            Self::Slot => Step::SlotFound,
            Self::Part => Step::PartFound,
        }
    }
}
