//! Adds the new rows of a page to the batch, and decides the batch whenever it is full.

use std::collections::BTreeSet;
use std::ops::Range;

use super::digests;
use super::reader::Reader;
use super::stop::Stop;
use crate::archive::{NewEvent, NewLine, Quarantined};
use crate::cursor::{QueryProgress, Reading};
use crate::identity::{Identity, Slot};
use crate::limits::LINE_BYTES_MAX;
use crate::page::{Page, Row, RowKind, service};
use crate::ports::InsightsError;
use crate::read::{Positions, ReadingKind, future};
use crate::report::lateness;
use crate::settings::Settings;
use crate::stream::{Scope, is_object_id};
use crate::time;

/// A row that is new.
struct NewRow<'p> {
    bytes: &'p [u8],
    /// Its position in the reading.
    place_ms: i64,
    /// Its own time, if it can be read.
    own_ms: Option<i64>,
    slot: Slot,
    identity: Identity,
    /// Whether another row of the same identity was received before it in this run.
    is_second: bool,
}

impl Reader<'_> {
    /// Adds the rows of `page` that are not in the index to the batch. The page is complete: it was
    /// read to its end before. `before_ms` is the position before its first row.
    pub(super) async fn admit(
        &mut self,
        page: &Page,
        kind: ReadingKind,
        reading: &Reading,
        before_ms: i64,
    ) -> Result<(), Stop> {
        let engine = self.engine;
        let Settings { layout, output, filter, .. } = &engine.settings;
        let (scope, now_ms, mut buffer) = (engine.scope(self.stream), engine.now_ms(), Vec::new());
        let mut positions = Positions::of(page, before_ms, reading.window.end_ms);
        self.settle_border(&mut positions, page, reading, before_ms).await?;
        let touched = positions.slots();
        self.load_slots(&touched, kind, reading, before_ms).await?;
        let progress = self.state.query(&reading.query).cloned();
        let archived = self.first_ms(kind, reading)..reading.window.end_ms;
        for (number, row) in page.rows().iter().enumerate() {
            let Some(new) = self.new_row(page, row, (&positions, number), &archived) else {
                self.tally.read += 1;
                continue;
            };
            let NewRow { bytes, place_ms, own_ms, slot, identity, is_second } = new;
            let names = page.names(row);
            let organization = names.organization.as_deref();
            let in_keys = label(organization.filter(|_| layout.names_organization()));
            let new_event = NewEvent {
                identity,
                digest: digests::of(bytes),
                slot,
                order_ns: timestamp_ns(row).unwrap_or(i128::from(place_ms) * 1_000_000),
                partition_ms: own_ms.unwrap_or(now_ms),
                service: &row.service,
                organization: in_keys.unwrap_or(self.stream.as_str()),
            };
            let refused = refusal(row, organization, &scope);
            let is_kept =
                refused.is_none() && filter.as_ref().is_none_or(|filter| filter.keeps(bytes));
            let refused = refused.or((is_kept && is_second).then_some(SECOND));
            let line = (is_kept && !is_second)
                .then(|| output.line(page, row, new_event.partition_ms, &mut buffer));
            let is_large = line.is_some_and(|line| line.line_bytes() > LINE_BYTES_MAX + 1);
            let line = match refused.or(is_large.then_some(LARGE)) {
                Some(reason) => {
                    Some(NewLine::Quarantined(Quarantined { reason, row: Some(bytes) }))
                }
                None => line,
            };
            if !self.batch.has_capacity(&engine.batch_limits, &new_event, line) {
                let at_ms = positions.at_ms(number);
                self.close_batch(kind, reading, at_ms).await?;
                self.writer.load(&touched).await?;
            }
            self.batch.add(layout, &new_event, line);
            self.tally.read += 1;
            match line {
                None => self.tally.filtered += 1,
                Some(NewLine::Quarantined(Quarantined { reason, .. })) => {
                    self.tally.quarantined += 1;
                    self.tally.foreign += u64::from(reason == FOREIGN);
                }
                Some(line) => {
                    self.tally.lone_surrogates += u64::from(line.has_lone_surrogate());
                    self.tally.without_id += u64::from(names.id.is_none());
                    self.count(&row.service, own_ms, progress.as_ref(), now_ms);
                }
            }
        }
        self.batch.leave(page);
        Ok(())
    }

    /// The first event time that the reading archives.
    fn first_ms(&self, kind: ReadingKind, reading: &Reading) -> i64 {
        let cursor = &self.writer.cursor;
        match kind {
            ReadingKind::Future => future::first_ms(cursor, reading, &self.engine.settings),
            _ => cursor.origin_ms,
        }
    }

    /// Loads the slots that the rows of a page are in, and drops others if there are too many in
    /// memory. A batch that needs too many of them is decided: it ends before the page.
    async fn load_slots(
        &mut self,
        touched: &BTreeSet<Slot>,
        kind: ReadingKind,
        reading: &Reading,
        before_ms: i64,
    ) -> Result<(), Stop> {
        let most = self.engine.slot_bytes_max;
        if self.writer.slots.bytes() > most {
            let batch = &self.batch;
            self.writer.slots.drop_others(|slot| touched.contains(&slot) || batch.touches(slot));
        }
        if self.writer.slots.bytes() > most && !self.batch.is_empty() {
            self.close_batch(kind, reading, before_ms).await?;
            self.writer.slots.drop_others(|slot| touched.contains(&slot));
        }
        Ok(self.writer.load(touched).await?)
    }

    /// The row, if it is of this stream and new. Other rows are counted by what becomes of them.
    fn new_row<'p>(
        &mut self,
        page: &'p Page,
        row: &'p Row,
        (positions, number): (&Positions, usize),
        archived: &Range<i64>,
    ) -> Option<NewRow<'p>> {
        let (place_ms, own_ms) = (positions.ms(number), positions.own_ms(number));
        let ms = own_ms.unwrap_or(place_ms);
        // JumpCloud counts a row at its position, whatever timestamp the row has.
        let counted_ms = positions.counted_ms(number);
        if counted_ms < archived.end {
            self.rows.add(counted_ms);
        }
        if !archived.contains(&ms) {
            self.tally.cut_before += u64::from(ms < archived.start);
            self.tally.cut_after += u64::from(ms >= archived.start);
            return None;
        }
        let (bytes, slot) = (page.bytes(row), Slot::at(own_ms));
        let (mut identity, mut is_second) = (row.identity, false);
        let is_known = match self.known(&identity, slot) {
            // The identity was seen in this run: if the bytes differ, it is another row.
            Some(Some(digest)) if digest != digests::of(bytes) => {
                (identity, is_second) = (Identity::of_bytes(bytes), true);
                self.known(&identity, slot).is_some()
            }
            known => known.is_some(),
        };
        if is_known {
            self.tally.seen += 1;
            return None;
        }
        Some(NewRow { bytes, place_ms, own_ms, slot, identity, is_second })
    }

    /// Whether an identity is decided or in the batch, and the digest of its row if that was read
    /// in this run.
    fn known(&self, identity: &Identity, slot: Slot) -> Option<Option<u64>> {
        if let Some(digest) = self.batch.digest(identity) {
            return Some(Some(digest));
        }
        let is_decided = self.writer.slots.contains(slot, identity);
        is_decided.then(|| self.decided.digest(identity))
    }

    /// Decides a full batch. `at_ms` is where the reading resumes after it.
    async fn close_batch(
        &mut self,
        kind: ReadingKind,
        reading: &Reading,
        at_ms: i64,
    ) -> Result<(), Stop> {
        let state = self.reached(kind, reading, at_ms);
        self.decide(&state).await?;
        // Events with a time in the future are after everything that the heads will read.
        let at_ms = at_ms.min(self.state.position_ms());
        self.writer.slots.drop_before(at_ms - self.engine.settings.overlap_ms);
        Ok(())
    }

    /// Counts an archived event, and how late it is by the progress of its query.
    fn count(
        &mut self,
        service: &str,
        own_ms: Option<i64>,
        progress: Option<&QueryProgress>,
        now_ms: i64,
    ) {
        self.tally.written += 1;
        self.tally.without_timestamp += u64::from(own_ms.is_none());
        let (Some(ms), Some(query)) = (own_ms, progress) else { return };
        self.tally.late += u64::from(query.is_late(ms));
        // A lane reads events that are long past, so how late they are is not measured.
        let measured = lateness::measured_ms(query, ms, now_ms);
        if let Some(late_ms) = measured.filter(|_| !self.stream.is_lane()) {
            self.tally.lateness.add(service, late_ms);
        }
    }

    /// Quarantines a row that was skipped: its bytes if they were received, else its position,
    /// which is its millisecond and its number among the rows skipped there.
    pub(super) async fn quarantine_skipped(
        &mut self,
        kind: ReadingKind,
        reading: &Reading,
        (ms, ordinal): (i64, u32),
        why: &InsightsError,
    ) -> Result<(), Stop> {
        let (first_ms, end_ms) = (self.first_ms(kind, reading), reading.window.end_ms);
        let touched = BTreeSet::from([Slot::Unplaced]);
        self.writer.load(&touched).await?;
        let row = match why {
            InsightsError::Unfetched(why) => why.row.as_deref(),
            _ => None,
        };
        let identity = match row {
            Some(row) => Identity::of_bytes(row),
            None => Identity::of_position(self.stream.as_str(), ms, ordinal),
        };
        if ms < end_ms {
            self.rows.add(ms);
        }
        let is_seen = self.known(&identity, Slot::Unplaced).is_some();
        if ms < first_ms || ms >= end_ms || is_seen {
            self.tally.read += 1;
            match ms {
                _ if ms < first_ms => self.tally.cut_before += 1,
                _ if ms >= end_ms => self.tally.cut_after += 1,
                _ => self.tally.seen += 1,
            }
            return Ok(());
        }
        let new_event = NewEvent {
            identity,
            digest: 0,
            slot: Slot::Unplaced,
            order_ns: i128::from(ms) * 1_000_000,
            partition_ms: ms,
            service: service::OTHER,
            organization: self.stream.as_str(),
        };
        let (query, time) = (reading.query.join(","), time::rfc3339(ms));
        let reason = match row {
            Some(_) => "not JSON".to_owned(),
            None => format!("event {ordinal} of {query} at {time} was not fetched: {why}"),
        };
        let line = Some(NewLine::Quarantined(Quarantined { reason: &reason, row }));
        if !self.batch.has_capacity(&self.engine.batch_limits, &new_event, line) {
            self.close_batch(kind, reading, ms).await?;
            self.writer.load(&touched).await?;
        }
        let layout = &self.engine.settings.layout;
        self.batch.add(layout, &new_event, line);
        self.tally.read += 1;
        self.tally.quarantined += 1;
        Ok(())
    }
}

fn timestamp_ns(row: &Row) -> Option<i128> {
    match &row.kind {
        RowKind::Event(fields) => fields.timestamp_ns,
        RowKind::Broken(_) => None,
    }
}

/// The organization as it is written in keys.
fn label(organization: Option<&[u8]>) -> Option<&str> {
    std::str::from_utf8(organization?).ok().filter(|name| is_object_id(name))
}

/// The reason for quarantine of an event that would be valid by itself.
const SECOND: &str = "another event of the same identity came before it with other bytes";

/// The reason for quarantine of an event that readers would not take.
const LARGE: &str = "larger than the limit of a line";

/// The reason for quarantine that has a metric and an alarm of its own.
const FOREIGN: &str = "names another organization than the requested one";

/// The reason to quarantine a row; `None` if it is an event of this stream.
fn refusal(row: &Row, organization: Option<&[u8]>, scope: &Scope) -> Option<&'static str> {
    match (&row.kind, scope) {
        (RowKind::Broken(reason), _) => Some(reason),
        (_, Scope::Organization(asked))
            if organization.is_some_and(|own| own != asked.as_bytes()) =>
        {
            Some(FOREIGN)
        }
        _ => None,
    }
}
