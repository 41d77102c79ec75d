//! The counts of each hour of a range per service: JumpCloud's, what was archived according to the
//! journal, and how much of that was late.
//!
//! The index has hours but no services, and parts have a service but only a day. So the entries
//! that added to the range's hours are read, one at a time, and their lines are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use libdeflater::Decompressor;
use serde::{Deserialize, Serialize};

use crate::collect::{CountRequest, Counts, Engine};
use crate::cursor::Cursor;
use crate::error::RunError;
use crate::identity::Slot;
use crate::journal::{Entry, PartRecord, entry_key, index};
use crate::limits::BATCH_BYTES_MAX;
use crate::page::envelope::{self, Member};
use crate::page::service_label;
use crate::ports::Meter;
use crate::read::{Budget, Counted};
use crate::report::Lateness;
use crate::stream::StreamId;
use crate::time::{self, Window};

/// The hours of one stream. Every list has one number per hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// The first millisecond of the first hour.
    pub first_ms: i64,
    /// JumpCloud's counts of all configured services.
    pub counted: Vec<i64>,
    /// The counts of the index.
    pub archived: Vec<i64>,
    /// One line per service, sorted by name.
    pub services: Vec<ServiceHours>,
    /// Lines of the entries that were read which are in no hour of these lists: they have no time
    /// that can be read, or are quarantined.
    #[serde(default)]
    pub without_hour: usize,
    /// How late events were since the stream's birth.
    pub lateness: Vec<ServiceLateness>,
}

/// The hours of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHours {
    /// Its label.
    pub service: String,
    /// JumpCloud's counts; `None` if it does not count the service by this name.
    pub counted: Option<Vec<i64>>,
    /// Events in the archive.
    pub archived: Vec<i64>,
    /// How many of them are before the event time up to which the previous entry had read.
    pub late: Vec<i64>,
}

/// How late the events of one service were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLateness {
    /// Its label.
    pub service: String,
    /// Events by bucket, see [`crate::report::BOUNDS_SECONDS`].
    pub counts: Vec<u64>,
    /// The largest value, in seconds.
    pub max_seconds: i64,
}

/// What the entries hold.
#[derive(Default)]
struct Found {
    /// Number of archived and of late events, by service label and hour.
    services: BTreeMap<String, BTreeMap<i64, (i64, i64)>>,
    /// Lines without an hour.
    without_hour: usize,
}

/// The stream and the hours of an audit.
#[derive(Clone, Copy)]
pub(crate) struct AuditedHours<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) cursor: &'a Cursor,
    /// Whole hours.
    pub(crate) hours: Window,
    pub(crate) budget: Budget,
}

impl Engine {
    /// Counts the hours of a range per service. `theirs` and `ours` are the counts of all services,
    /// of JumpCloud and of the index.
    pub(crate) async fn hours(
        &self,
        audited: AuditedHours<'_>,
        theirs: &Counts,
        ours: &Counts,
        lateness: &Lateness,
    ) -> Result<Hours, RunError> {
        let hours = audited.hours;
        let row = |counts: &Counts| -> Vec<i64> {
            hours.hours().map(|ms| counts.get(&ms).copied().unwrap_or(0)).collect()
        };
        let mut services = Vec::new();
        let Found { services: found, without_hour } = self.found(audited).await?;
        for (service, found) in found {
            let pick = |pick: fn(&(i64, i64)) -> i64| {
                row(&found.iter().map(|(ms, counts)| (*ms, pick(counts))).collect())
            };
            let counted = self.counted_service(audited, &service).await;
            let (archived, late) = (pick(|(archived, _)| *archived), pick(|(_, late)| *late));
            services.push(ServiceHours {
                counted: counted.as_ref().map(row),
                service,
                archived,
                late,
            });
        }
        let lateness = lateness.services().map(|(service, histogram)| ServiceLateness {
            service: service.to_owned(),
            counts: histogram.counts.to_vec(),
            max_seconds: histogram.max_seconds,
        });
        let (counted, archived) = (row(theirs), row(ours));
        Ok(Hours {
            first_ms: hours.start_ms,
            counted,
            archived,
            services,
            without_hour,
            lateness: lateness.collect(),
        })
    }

    /// JumpCloud's counts of one service; `None` if it does not count it.
    async fn counted_service(&self, audited: AuditedHours<'_>, service: &str) -> Option<Counts> {
        if service.starts_with('_') {
            return None;
        }
        let (query, meter) = (vec![service.to_owned()], Arc::new(Meter::default()));
        let deadline_ms = audited.budget.read_until_ms(0);
        let AuditedHours { stream, hours, .. } = audited;
        let request = CountRequest { stream, window: hours, deadline_ms, meter: &meter };
        let mut counted = Counted::default();
        let counts = self.add_counts(&query, request, &mut counted).await;
        counts
            .inspect_err(|error| tracing::warn!(service, %error, "JumpCloud does not count it"))
            .ok()
            .map(|()| counted.hours)
    }

    /// The counts of the entries that added to the range's hours.
    async fn found(&self, audited: AuditedHours<'_>) -> Result<Found, RunError> {
        let AuditedHours { stream, cursor, hours, budget } = audited;
        let bucket = &self.settings.state_bucket;
        let after = index::slot_prefix(stream, Slot::Hour(time::hour_of(hours.start_ms)));
        let keys =
            self.objects.list(bucket, &index::index_prefix(stream), &after, usize::MAX).await?;
        let seqs: BTreeSet<u64> =
            index::entries_of(stream, &keys, hours).filter(|seq| *seq <= cursor.seq).collect();
        let mut found = Found::default();
        let mut before: Option<(u64, i64)> = Some((0, cursor.origin_ms));
        for seq in seqs {
            if self.clock.now_ms() >= budget.read_until_ms(0) {
                let text = format!("time ran out at entry {seq}; request a shorter range");
                return Err(RunError::transient(text));
            }
            let read_to_ms = match before {
                Some((known, read_to_ms)) if known + 1 == seq => read_to_ms,
                _ => self.entry(stream, seq - 1).await?.map_or(cursor.origin_ms, read_to),
            };
            // Hours that may be audited are younger than what may have expired.
            let entry = self.entry(stream, seq).await?.ok_or_else(|| {
                let what = "the entry is absent, and the index has what it added";
                RunError::damaged(&entry_key(stream, seq), what)
            })?;
            count(&entry, hours, read_to_ms, &mut found);
            before = Some((seq, read_to(entry)));
        }
        Ok(found)
    }

    async fn entry(&self, stream: &StreamId, seq: u64) -> Result<Option<Entry>, RunError> {
        let key = entry_key(stream, seq);
        let bytes = self.objects.get(&self.settings.state_bucket, &key).await?;
        bytes.map(|b| Entry::decode(b).map_err(|e| RunError::of_entry(&key, e))).transpose()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an entry is large: it ends here")]
fn read_to(entry: Entry) -> i64 {
    entry.header.state.read_to_ms()
}

/// Counts the lines of an entry's parts whose time is in `window`.
fn count(entry: &Entry, window: Window, read_to_ms: i64, found: &mut Found) {
    for part in &entry.header.parts {
        let Some(lines) = gunzip(&entry.part(part)) else {
            found.without_hour += part.events;
            continue;
        };
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Some((service, ms)) = place(part, line) else {
                found.without_hour += 1;
                continue;
            };
            if window.contains(ms) {
                let hour_ms = time::floor_hour_ms(ms);
                let (archived, late) =
                    found.services.entry(service).or_default().entry(hour_ms).or_default();
                *archived += 1;
                *late += i64::from(ms < read_to_ms);
            }
        }
    }
}

/// Service label and millisecond of an archived line, in either output format.
fn place(part: &PartRecord, line: &[u8]) -> Option<(String, i64)> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "@timestamp")]
        timestamp: String,
    }
    let line = std::str::from_utf8(line).ok()?;
    let (members, length) = envelope::members(line)?;
    if !line[length..].trim_start_matches([' ', '\t', '\r', '\n']).is_empty() {
        return None;
    }
    let text = |member: Option<Member<'_>>| member?.text().map(std::borrow::Cow::into_owned);
    let timestamp = match text(members.timestamp) {
        Some(text) => String::from_utf8(text).ok()?,
        None => serde_json::from_str::<Document>(line).ok()?.timestamp,
    };
    let ms = time::floor_ms(time::parse_ns(&timestamp)?);
    let folder = part.key.split('/').find_map(|folder| folder.strip_prefix("service="));
    let service = match folder {
        Some(service) => service.to_owned(),
        None => service_label(text(members.service).as_deref()).to_owned(),
    };
    Some((service, ms))
}

/// A part's lines; `None` if it is not a part of this program.
fn gunzip(gzip: &[u8]) -> Option<Vec<u8>> {
    let length = gzip.len().checked_sub(4).and_then(|at| gzip[at..].try_into().ok());
    let length = u32::from_le_bytes(length?) as usize;
    // The largest length of a batch's lines, including what an output format may add.
    let mut lines = vec![0; Some(length).filter(|length| *length <= 8 * BATCH_BYTES_MAX)?];
    Decompressor::new().gzip_decompress(gzip, &mut lines).ok()?;
    Some(lines)
}
