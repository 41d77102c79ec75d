//! The events decided together: their lines by partition, their identities by slot, and the gzip
//! bytes of the parts they become.

use std::collections::BTreeMap;

use base64::Engine as _;
use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

use crate::archive::gzip::gzip;
use crate::archive::lines::{Lines, Ordered};
use crate::archive::{KeyLayout, Output, Partition};
use crate::identity::{Identities, Identity, Slot};
use crate::limits::{
    BATCH_EVENTS_MAX, BATCH_PARTITIONS_MAX, BATCH_RAW_BYTES_MAX, PAGE_HELD_QUARTERS_MIN,
};
use crate::page::{Page, Row};

/// When a batch closes.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Bytes of raw lines.
    pub raw_bytes: usize,
    /// Events, those without a line among them.
    pub events: usize,
    /// Partitions.
    pub partitions: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            raw_bytes: BATCH_RAW_BYTES_MAX,
            events: BATCH_EVENTS_MAX,
            partitions: BATCH_PARTITIONS_MAX,
        }
    }
}

/// Events that are new, not yet decided.
#[derive(Debug, Default)]
pub struct Batch {
    parts: Vec<Part>,
    identities: BTreeMap<Slot, Vec<Identity>>,
    /// The same identities, to drop what comes twice.
    known: Identities,
    /// Bytes of the lines of all parts.
    bytes: usize,
    /// The lines that are not an event's own bytes, of all parts.
    written: Vec<u8>,
}

/// Which part an event goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Partition(Partition),
    Quarantine,
}

/// A part that is being filled.
#[derive(Debug)]
struct Part {
    target: Target,
    lines: Lines,
}

/// Who an event is to the batch.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// The event's identity.
    pub identity: Identity,
    /// The slot it is kept in.
    pub slot: Slot,
    /// Nanoseconds by which its line is sorted.
    pub order_ns: i128,
    /// Milliseconds by which it is partitioned.
    pub partition_ms: i64,
    /// Its service, as it stands in keys.
    pub service: &'a str,
    /// Its organization, as it stands in keys.
    pub organization: &'a str,
}

/// A part as it is written: one gzip member.
#[derive(Debug)]
pub struct SealedPart {
    /// The partition's folders; `None` for the part of quarantined rows.
    pub folders: Option<String>,
    /// The final bytes.
    pub gzip: Vec<u8>,
    /// Of the final bytes.
    pub sha256: [u8; 32],
    /// Lines.
    pub events: usize,
    /// Nanoseconds of the first line.
    pub first_ns: i128,
    /// Nanoseconds of the last line.
    pub last_ns: i128,
}

/// What a batch becomes when it closes.
#[derive(Debug)]
pub struct Sealed {
    /// The parts, in the order their partitions were opened.
    pub parts: Vec<SealedPart>,
    /// The new identities, sorted.
    pub identities: BTreeMap<Slot, Vec<Identity>>,
}

impl Batch {
    /// Whether nothing was admitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes of raw lines held.
    #[must_use]
    pub fn raw_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this identity is in the batch already.
    #[must_use]
    pub fn contains(&self, identity: &Identity) -> bool {
        self.known.contains(identity)
    }

    /// Whether one more identity without a line may be added before the batch must close.
    #[must_use]
    pub fn has_room_for_identity(&self, limits: &BatchLimits) -> bool {
        self.known.len() < limits.events
    }

    /// Whether one more event of `length` bytes may be added before the batch must close. An
    /// empty batch takes anything.
    #[must_use]
    pub fn has_room(&self, limits: &BatchLimits, length: usize, admission: &Admission<'_>) -> bool {
        self.is_empty()
            || (self.has_room_for_identity(limits)
                && self.bytes + length < limits.raw_bytes
                && (self.parts.len() < limits.partitions || self.find(admission).is_some()))
    }

    /// Adds the line of an event that is a row of a page, and holds the page if the line is the
    /// event's own bytes.
    pub fn add_row(
        &mut self,
        layout: &KeyLayout,
        output: &Output,
        admission: &Admission<'_>,
        page: &Page,
        row: &Row,
    ) {
        let event = page.bytes(row);
        if !(row.is_line && output.leaves_as_is()) {
            return self.add_event(layout, output, admission, event);
        }
        let at = self.part_of(layout, admission);
        self.parts[at].lines.share(admission.order_ns, page.extract(row));
        self.bytes += event.len() + 1;
        self.add_identity(admission);
    }

    /// Adds an event's line to its partition.
    pub fn add_event(
        &mut self,
        layout: &KeyLayout,
        output: &Output,
        admission: &Admission<'_>,
        event: &[u8],
    ) {
        let at = self.part_of(layout, admission);
        self.add(at, admission, |line| output.write_line(line, event, admission.partition_ms));
    }

    /// Tells that all rows of a page are admitted. A page that brought little else than what was
    /// known is not held for its few lines: what is held is bounded by the lines.
    pub fn leave(&mut self, page: &Page) {
        let lines: usize = self.parts.iter().map(|part| part.lines.bytes_in(page)).sum();
        if lines < page.len() / 4 * PAGE_HELD_QUARTERS_MIN {
            for part in &mut self.parts {
                part.lines.leave(page, &mut self.written);
            }
        }
    }

    /// Adds a row that cannot be archived as an event: one JSON line with the reason, and the
    /// bytes in base64 where there are any.
    pub fn add_quarantined(&mut self, admission: &Admission<'_>, reason: &str, row: Option<&[u8]>) {
        let open = self.parts.iter().position(|part| part.target == Target::Quarantine);
        let at = open.unwrap_or_else(|| self.open(Target::Quarantine));
        let bytes = row.map(|row| base64::engine::general_purpose::STANDARD.encode(row));
        let record = serde_json::json!({ "reason": reason, "bytes": bytes });
        self.add(at, admission, |line| {
            line.extend_from_slice(record.to_string().as_bytes());
            line.push(b'\n');
        });
    }

    /// Takes note of an identity that is decided without a line.
    pub fn add_identity(&mut self, admission: &Admission<'_>) {
        self.known.insert(admission.identity);
        self.identities.entry(admission.slot).or_default().push(admission.identity);
    }

    fn find(&self, admission: &Admission<'_>) -> Option<usize> {
        let Admission { service, partition_ms, organization, .. } = *admission;
        self.parts.iter().position(|part| match &part.target {
            Target::Partition(p) => p.takes(service, partition_ms, organization),
            Target::Quarantine => false,
        })
    }

    fn part_of(&mut self, layout: &KeyLayout, admission: &Admission<'_>) -> usize {
        self.find(admission).unwrap_or_else(|| {
            let Admission { service, partition_ms, organization, .. } = *admission;
            self.open(Target::Partition(layout.partition(service, partition_ms, organization)))
        })
    }

    fn open(&mut self, target: Target) -> usize {
        self.parts.push(Part { target, lines: Lines::default() });
        self.parts.len() - 1
    }

    fn add(&mut self, part: usize, admission: &Admission<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.written.len();
        self.parts[part].lines.write(admission.order_ns, &mut self.written, write);
        self.bytes += self.written.len() - before;
        self.add_identity(admission);
    }

    /// Closes the batch: sorts each part's lines by time and compresses them. The same batch always
    /// gives the same bytes.
    #[must_use]
    pub fn seal(self, layout: &KeyLayout, level: CompressionLvl) -> Sealed {
        let Self { parts, mut identities, written, .. } = self;
        let mut compressor = Compressor::new(level);
        let seal = |Part { target, lines }| {
            let (text, Ordered { count: events, first_ns, last_ns }) = lines.gather(&written);
            let gzip = gzip(&mut compressor, &text);
            let folders = match target {
                Target::Partition(partition) => Some(layout.folders(&partition)),
                Target::Quarantine => None,
            };
            let sha256 = Sha256::digest(&gzip).into();
            SealedPart { folders, gzip, sha256, events, first_ns, last_ns }
        };
        let parts = parts.into_iter().map(seal).collect();
        identities.values_mut().for_each(|ids| ids.sort_unstable());
        Sealed { parts, identities }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn layout() -> KeyLayout {
        KeyLayout::parse(KeyLayout::DEFAULT).unwrap()
    }

    fn add(batch: &mut Batch, admission: &Admission<'_>, event: &[u8]) {
        batch.add_event(&layout(), &Output::default(), admission, event);
    }

    fn admission(n: u8, service: &str, ns: i128) -> Admission<'_> {
        Admission {
            identity: Identity([n; 16]),
            slot: Slot::of(Some(ns)),
            order_ns: ns,
            partition_ms: crate::time::floor_ms(ns),
            service,
            organization: "self",
        }
    }

    fn gunzip(gzip: &[u8]) -> String {
        let mut raw = vec![0; 1 << 16];
        let length = libdeflater::Decompressor::new().gzip_decompress(gzip, &mut raw).unwrap();
        raw.truncate(length);
        String::from_utf8(raw).unwrap()
    }

    #[test]
    fn lines_are_sorted_by_time_within_their_partition() {
        let mut batch = Batch::default();
        for (n, service, ns) in [(1, "sso", 5), (2, "ssh", 4), (3, "sso", 3), (4, "sso", 5)] {
            add(&mut batch, &admission(n, service, ns), format!("{{\"n\":{n}}}").as_bytes());
        }
        let sealed = batch.seal(&layout(), CompressionLvl::default());
        let [sso, ssh] = sealed.parts.as_slice() else { unreachable!("two partitions") };
        assert_eq!(gunzip(&sso.gzip), "{\"n\":3}\n{\"n\":1}\n{\"n\":4}\n");
        assert_eq!((sso.events, sso.first_ns, sso.last_ns), (3, 3, 5));
        assert_eq!(gunzip(&ssh.gzip), "{\"n\":2}\n");
        assert_eq!(sealed.identities[&Slot::Hour(0)].len(), 4);
    }

    #[test]
    fn a_page_is_held_only_if_most_of_it_is_new() {
        for (new, is_held) in [(3, false), (4, true)] {
            let body = br#"[{"n":1},{"n":2},{"n":3},{"n":4}]"#.to_vec();
            let page = Page::parse(body, crate::page::PageHeaders::default()).unwrap();
            let mut batch = Batch::default();
            for (n, row) in (1..=new).zip(page.rows()) {
                batch.add_row(&layout(), &Output::default(), &admission(n, "a", 0), &page, row);
            }
            batch.leave(&page);
            assert_eq!(page.is_shared(), is_held);
        }
    }

    #[test]
    fn the_gzip_member_names_no_file_and_no_time() {
        let mut batch = Batch::default();
        add(&mut batch, &admission(1, "sso", 0), b"{}");
        let gzip = batch.seal(&layout(), CompressionLvl::default()).parts.remove(0).gzip;
        assert_eq!(gzip[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_batch_closes_at_each_of_its_limits() {
        let limits = BatchLimits { raw_bytes: 12, events: 3, partitions: 2 };
        let mut batch = Batch::default();
        assert!(
            batch.has_room(&limits, 1_000, &admission(1, "a", 0)),
            "an empty one takes anything"
        );
        add(&mut batch, &admission(1, "a", 0), b"{}");
        assert!(!batch.has_room(&limits, 10, &admission(2, "a", 0)), "bytes");
        add(&mut batch, &admission(2, "b", 0), b"{}");
        assert!(batch.has_room(&limits, 2, &admission(3, "a", 0)));
        assert!(!batch.has_room(&limits, 2, &admission(3, "c", 0)), "partitions");
        add(&mut batch, &admission(3, "a", 0), b"{}");
        assert!(!batch.has_room(&limits, 0, &admission(4, "a", 0)), "events");
    }

    #[test]
    fn identities_without_lines_close_a_batch_too_and_make_no_part() {
        let limits = BatchLimits { events: 2, ..BatchLimits::default() };
        let mut batch = Batch::default();
        for n in 1..=2 {
            assert!(batch.has_room_for_identity(&limits));
            batch.add_identity(&admission(n, "a", 0));
        }
        assert!(!batch.has_room_for_identity(&limits));
        assert!(!batch.is_empty() && batch.contains(&Identity([1; 16])));
        let sealed = batch.seal(&layout(), CompressionLvl::default());
        assert_eq!((sealed.parts.len(), sealed.identities[&Slot::Hour(0)].len()), (0, 2));
    }

    #[test]
    fn quarantined_rows_keep_their_bytes() {
        let mut batch = Batch::default();
        batch.add_quarantined(&admission(1, "", 0), "not UTF-8", Some(b"\xff"));
        batch.add_quarantined(&admission(2, "", 0), "too large to fetch", None);
        let part = batch.seal(&layout(), CompressionLvl::default()).parts.remove(0);
        assert_eq!(part.folders, None);
        assert_eq!(
            gunzip(&part.gzip),
            "{\"bytes\":\"/w==\",\"reason\":\"not UTF-8\"}\n{\"bytes\":null,\"reason\":\"too large to fetch\"}\n"
        );
    }
}
