//! The keys of an entry's parts, and the record of each.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::writer::Writer;
use crate::archive::{
    SealedPart, event_key, is_archive_key, quarantine_key, record_key, users_key,
};
use crate::cursor::ReadingState;
use crate::error::RunError;
use crate::journal::PartRecord;
use crate::limits::SNAPSHOT_PARTS_MAX;
use crate::users::snapshot;

impl Writer<'_> {
    /// The records and the bytes of an entry's parts. For a snapshot of users, the parts that hold
    /// users are added to `state`; if the snapshot has ended, its completion record is one more
    /// part.
    pub(super) fn parts(
        &self,
        sealed: Vec<SealedPart>,
        seq: u64,
        state: &mut ReadingState,
    ) -> Result<(Vec<PartRecord>, Vec<Vec<u8>>), RunError> {
        let (mut records, mut bodies) = (Vec::new(), Vec::new());
        for (number, part) in sealed.into_iter().enumerate() {
            let key = self.key(&part, seq, number, state)?;
            let record = PartRecord {
                key: checked(key)?,
                offset: 0,
                length: part.gzip.len(),
                sha256: part.sha256,
                events: part.events,
                has_lone_surrogates: part.has_lone_surrogates,
                first_timestamp: rfc3339_ns(part.first_ns),
                last_timestamp: rfc3339_ns(part.last_ns),
            };
            if let Some(snapshot) = state.snapshot.as_mut().filter(|_| part.folders.is_some()) {
                let (key, sha256) = (record.key.clone(), hex::encode(record.sha256));
                snapshot.parts.push(snapshot::Part { key, users: part.events as u64, sha256 });
            }
            records.push(record);
            bodies.push(part.gzip);
        }
        if let Some((record, body)) = self.completion(state)? {
            records.push(record);
            bodies.push(body);
        }
        Ok((records, bodies))
    }

    fn key(
        &self,
        part: &SealedPart,
        seq: u64,
        number: usize,
        state: &ReadingState,
    ) -> Result<String, RunError> {
        let (prefix, epoch) = (&self.engine.settings.archive_prefix, &self.cursor.epoch);
        match (&part.folders, &state.snapshot) {
            (None, _) => Ok(quarantine_key(self.stream, epoch, seq, number)),
            (Some(folders), None) => {
                Ok(event_key(prefix, folders, self.stream, epoch, seq, number))
            }
            (Some(folders), Some(snapshot)) => match snapshot.parts.len() {
                part if part < SNAPSHOT_PARTS_MAX => {
                    Ok(users_key(prefix, folders, self.stream, &snapshot.date(), part))
                }
                parts => Err(RunError::refused(format!(
                    "the snapshot of {} has {parts} parts already, more have no name",
                    snapshot.date()
                ))),
            },
        }
    }

    /// The completion record of a snapshot that has ended.
    fn completion(&self, state: &ReadingState) -> Result<Option<(PartRecord, Vec<u8>)>, RunError> {
        let Some(snapshot) = &state.snapshot else { return Ok(None) };
        let (Some(body), Some(ended)) = (snapshot.record(self.stream), snapshot.ended) else {
            return Ok(None);
        };
        let ended_ns = i128::from(ended.at_ms) * 1_000_000;
        let record = PartRecord {
            key: checked(record_key(self.stream, &snapshot.date()))?,
            offset: 0,
            length: body.len(),
            sha256: Sha256::digest(&body).into(),
            events: 0,
            has_lone_surrogates: false,
            first_timestamp: rfc3339_ns(ended_ns),
            last_timestamp: rfc3339_ns(ended_ns),
        };
        Ok(Some((record, body)))
    }
}

/// The content type of a part, by its key.
pub(super) fn content_type(key: &str) -> &'static str {
    if key.ends_with(".gz") { "application/gzip" } else { "application/json" }
}

fn checked(key: String) -> Result<String, RunError> {
    if is_archive_key(&key) {
        Ok(key)
    } else {
        Err(RunError::refused(format!("`{key}` may not be an archive key")))
    }
}

/// RFC 3339 with as many fractional digits as are needed, none if the fraction is 0.
fn rfc3339_ns(ns: i128) -> String {
    Timestamp::from_nanosecond(ns).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
