//! A batch: the events that are decided together, with their lines by partition, their identities
//! by slot, and the gzip bytes of the resulting parts.

use std::collections::BTreeMap;

use libdeflater::{CompressionLvl, Compressor};
use sha2::{Digest, Sha256};

use crate::archive::gzip::gzip;
use crate::archive::lines::{Lines, NewLine, Ordered};
use crate::archive::{KeyLayout, Partition};
use crate::identity::{Digests, Identity, Slot};
use crate::limits::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BATCH_PARTITIONS_MAX, PAGE_HELD_QUARTERS_MIN,
};
use crate::page::Page;

/// The limits at which a batch is closed.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Largest number of bytes of lines, as written.
    pub bytes: usize,
    /// Largest number of events, including those without a line.
    pub events: usize,
    /// Largest number of partitions.
    pub partitions: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { bytes: BATCH_BYTES_MAX, events: BATCH_EVENTS_MAX, partitions: BATCH_PARTITIONS_MAX }
    }
}

/// New events that are not decided yet.
#[derive(Debug, Default)]
pub struct Batch {
    parts: Vec<Part>,
    identities: BTreeMap<Slot, Vec<Identity>>,
    /// The same identities, to drop repeated events, each with a digest of its row's bytes.
    known: Digests,
    /// Bytes of the lines of all parts.
    bytes: usize,
    /// The lines that are not an event's own bytes, of all parts.
    written: Vec<u8>,
}

/// A part that is being filled. Lines that strict JSON parsers reject are in a part of their own per
/// partition, so that a reader that fails on them loses no other line.
#[derive(Debug)]
struct Part {
    /// `None` for the part of quarantined rows.
    partition: Option<Partition>,
    has_lone_surrogates: bool,
    lines: Lines,
}

/// What a batch needs to know about a new event.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// The event's identity.
    pub identity: Identity,
    /// A digest of its bytes, which distinguishes another row with this identity from the same row.
    pub digest: u64,
    /// The slot of its identity.
    pub slot: Slot,
    /// Nanoseconds by which its line is sorted within its part.
    pub order_ns: i128,
    /// Milliseconds from which its partition's date is derived.
    pub partition_ms: i64,
    /// Its service, as it is written in keys.
    pub service: &'a str,
    /// Its organization, as it is written in keys.
    pub organization: &'a str,
}

/// A part in its final form: one gzip member.
#[derive(Debug)]
pub struct SealedPart {
    /// The partition's folders; `None` for the part of quarantined rows.
    pub folders: Option<String>,
    /// Whether each of its lines has an escape of a lone surrogate.
    pub has_lone_surrogates: bool,
    /// The final bytes.
    pub gzip: Vec<u8>,
    /// SHA-256 of the final bytes.
    pub sha256: [u8; 32],
    /// The number of lines.
    pub events: usize,
    /// Time of the first line, in nanoseconds.
    pub first_ns: i128,
    /// Time of the last line, in nanoseconds.
    pub last_ns: i128,
}

/// A closed batch.
#[derive(Debug)]
pub struct Sealed {
    /// The parts, in the order their partitions were opened.
    pub parts: Vec<SealedPart>,
    /// The new identities, sorted.
    pub identities: BTreeMap<Slot, Vec<Identity>>,
}

impl Batch {
    /// Whether the batch has no event.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Bytes of the lines, as written.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an event of this slot is in the batch.
    #[must_use]
    pub fn touches(&self, slot: Slot) -> bool {
        self.identities.contains_key(&slot)
    }

    /// Whether this identity is in the batch already.
    #[must_use]
    pub fn contains(&self, identity: &Identity) -> bool {
        self.known.contains_key(identity)
    }

    /// The digest of the row that has this identity in the batch.
    #[must_use]
    pub fn digest(&self, identity: &Identity) -> Option<u64> {
        self.known.get(identity).copied()
    }

    /// Takes the digests out of a batch that is about to be closed.
    pub fn take_digests(&mut self) -> Digests {
        std::mem::take(&mut self.known)
    }

    /// Whether one more event may be added before the batch must close; `line` is `None` if only its
    /// identity is decided. An empty batch takes any line.
    #[must_use]
    pub fn has_capacity(
        &self,
        limits: &BatchLimits,
        new_event: &NewEvent<'_>,
        line: Option<NewLine<'_>>,
    ) -> bool {
        let is_below = self.known.len() < limits.events;
        let Some(line) = line else { return is_below };
        self.is_empty()
            || (is_below
                && self.bytes + line.line_bytes() <= limits.bytes
                && (self.parts.len() < limits.partitions || self.find(new_event, line).is_some()))
    }

    /// Adds an event; `line` is `None` if only its identity is decided. If its line is a row's own
    /// bytes, the page of the row is kept in memory from then on.
    pub fn add(&mut self, layout: &KeyLayout, new_event: &NewEvent<'_>, line: Option<NewLine<'_>>) {
        if let Some(line) = line {
            let at = self.find(new_event, line);
            let at = at.unwrap_or_else(|| self.open(layout, new_event, line));
            self.parts[at].lines.add(new_event.order_ns, line, &mut self.written);
            self.bytes += line.line_bytes();
        }
        self.known.insert(new_event.identity, new_event.digest);
        self.identities.entry(new_event.slot).or_default().push(new_event.identity);
    }

    /// Must be called after all rows of a page were added, before a row of another page is. If the
    /// page has only few new lines, they are copied and the page is no longer kept in memory, so
    /// that the memory used is bounded by the lines.
    pub fn leave(&mut self, page: &Page) {
        let lines: usize = self.parts.iter().map(|part| part.lines.bytes_in_page()).sum();
        let is_copied = lines < page.body_bytes() / 4 * PAGE_HELD_QUARTERS_MIN;
        for part in &mut self.parts {
            part.lines.leave(is_copied, &mut self.written);
        }
    }

    fn find(&self, new_event: &NewEvent<'_>, line: NewLine<'_>) -> Option<usize> {
        let NewEvent { service, partition_ms, organization, .. } = *new_event;
        self.parts.iter().position(|part| match &part.partition {
            None => line.is_quarantined(),
            Some(partition) => {
                !line.is_quarantined()
                    && part.has_lone_surrogates == line.has_lone_surrogate()
                    && partition.takes(service, partition_ms, organization)
            }
        })
    }

    fn open(&mut self, layout: &KeyLayout, new_event: &NewEvent<'_>, line: NewLine<'_>) -> usize {
        let NewEvent { service, partition_ms, organization, .. } = *new_event;
        let partition =
            (!line.is_quarantined()).then(|| layout.partition(service, partition_ms, organization));
        let has_lone_surrogates = line.has_lone_surrogate();
        self.parts.push(Part { partition, has_lone_surrogates, lines: Lines::default() });
        self.parts.len() - 1
    }

    /// Closes the batch: sorts each part's lines by time and compresses them. The same batch always
    /// gives the same bytes.
    #[must_use]
    pub fn seal(self, layout: &KeyLayout, level: CompressionLvl) -> Sealed {
        let Self { parts, mut identities, written, .. } = self;
        let mut compressor = Compressor::new(level);
        let seal = |Part { partition, has_lone_surrogates, lines }| {
            let (text, Ordered { count: events, first_ns, last_ns }) = lines.gather(&written);
            let gzip = gzip(&mut compressor, &text);
            let folders = partition.map(|partition| layout.folders(&partition));
            let sha256 = Sha256::digest(&gzip).into();
            SealedPart { folders, has_lone_surrogates, gzip, sha256, events, first_ns, last_ns }
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
    use crate::archive::Quarantined;
    use crate::json::surrogates;

    fn layout() -> KeyLayout {
        KeyLayout::parse(KeyLayout::DEFAULT).unwrap()
    }

    fn event(line: &str) -> Option<NewLine<'_>> {
        let has_lone_surrogate = surrogates::lone(line.as_bytes()).next().is_some();
        Some(NewLine::written(line.as_bytes(), has_lone_surrogate))
    }

    fn add(batch: &mut Batch, new_event: &NewEvent<'_>, line: &str) {
        batch.add(&layout(), new_event, event(line));
    }

    fn new_event(n: u8, service: &str, ns: i128) -> NewEvent<'_> {
        NewEvent {
            identity: Identity([n; 16]),
            digest: 0,
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
            add(&mut batch, &new_event(n, service, ns), &format!("{{\"n\":{n}}}\n"));
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
                batch.add(&layout(), &new_event(n, "a", 0), Some(NewLine::Row(&page, row)));
            }
            batch.leave(&page);
            assert_eq!(page.is_shared(), is_held);
        }
    }

    #[test]
    fn the_gzip_member_names_no_file_and_no_time() {
        let mut batch = Batch::default();
        add(&mut batch, &new_event(1, "sso", 0), "{}\n");
        let gzip = batch.seal(&layout(), CompressionLvl::default()).parts.remove(0).gzip;
        assert_eq!(gzip[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_batch_closes_at_each_of_its_limits() {
        let limits = BatchLimits { bytes: 9, events: 3, partitions: 2 };
        let mut batch = Batch::default();
        let has_capacity = |batch: &Batch, n, service, line: &str| {
            batch.has_capacity(&limits, &new_event(n, service, 0), event(line))
        };
        assert!(
            has_capacity(&batch, 1, "a", "as long as it may be\n"),
            "an empty one takes any line"
        );
        add(&mut batch, &new_event(1, "a", 0), "{}\n");
        assert!(has_capacity(&batch, 2, "a", "[0,1]\n"), "nine bytes with both line feeds");
        assert!(!has_capacity(&batch, 2, "a", "[0,10]\n"), "ten");
        add(&mut batch, &new_event(2, "b", 0), "{}\n");
        assert!(has_capacity(&batch, 3, "a", "{}\n"));
        assert!(!has_capacity(&batch, 3, "c", "{}\n"), "partitions");
        add(&mut batch, &new_event(3, "a", 0), "{}\n");
        assert!(!has_capacity(&batch, 4, "a", "\n"), "events");
    }

    #[test]
    fn identities_without_lines_close_a_batch_too_and_make_no_part() {
        let limits = BatchLimits { events: 2, ..BatchLimits::default() };
        let mut batch = Batch::default();
        for n in 1..=2 {
            assert!(batch.has_capacity(&limits, &new_event(n, "a", 0), None));
            batch.add(&layout(), &new_event(n, "a", 0), None);
        }
        assert!(!batch.has_capacity(&limits, &new_event(3, "a", 0), None));
        assert!(!batch.is_empty() && batch.contains(&Identity([1; 16])));
        let sealed = batch.seal(&layout(), CompressionLvl::default());
        assert_eq!((sealed.parts.len(), sealed.identities[&Slot::Hour(0)].len()), (0, 2));
    }

    #[test]
    fn lines_that_strict_parsers_reject_have_a_part_of_their_own() {
        let mut batch = Batch::default();
        let lines = [
            "{\"n\":1}\n",
            "{\"n\":\"\\ud83d\"}\n",
            "{\"n\":\"\\ud83d\\ude00\"}\n",
            "{\"\\ude00\":4}\n",
        ];
        for (n, line) in (1..).zip(lines) {
            add(&mut batch, &new_event(n, "sso", i128::from(n)), line);
        }
        let limits = BatchLimits { partitions: 2, ..BatchLimits::default() };
        assert!(
            !batch.has_capacity(&limits, &new_event(5, "ssh", 0), event("{}\n")),
            "two partitions"
        );
        let sealed = batch.seal(&layout(), CompressionLvl::default());
        let [strict, lone] = sealed.parts.as_slice() else { unreachable!("two parts") };
        assert_eq!(strict.folders, lone.folders);
        assert_eq!((strict.has_lone_surrogates, lone.has_lone_surrogates), (false, true));
        assert_eq!(gunzip(&strict.gzip), [lines[0], lines[2]].concat());
        assert_eq!(gunzip(&lone.gzip), [lines[1], lines[3]].concat());
    }

    #[test]
    fn quarantined_rows_keep_their_bytes() {
        let mut batch = Batch::default();
        let rows = [("not UTF-8", Some(&b"\xff"[..])), ("too large to fetch", None)];
        for (n, (reason, row)) in (1..).zip(rows) {
            let quarantined = NewLine::Quarantined(Quarantined { reason, row });
            batch.add(&layout(), &new_event(n, "", 0), Some(quarantined));
        }
        let part = batch.seal(&layout(), CompressionLvl::default()).parts.remove(0);
        assert_eq!(part.folders, None);
        assert_eq!(
            gunzip(&part.gzip),
            "{\"bytes\":\"/w==\",\"reason\":\"not UTF-8\"}\n{\"bytes\":null,\"reason\":\"too large to fetch\"}\n"
        );
    }
}
