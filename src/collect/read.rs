//! Read: page through the head's window, keep what is new, decide it batch by batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::decide::Decided;
use super::{ReadEnd, Run};
use crate::batch::{Admission, Batch};
use crate::cursor::Reading;
use crate::error::RunError;
use crate::identity::{Identity, Slot};
use crate::limits::{ENTRY_INTERVAL_MS_MAX, EVENT_BYTES_MAX, PAGE_AHEAD_BYTES_MAX};
use crate::page::{Fields, Page, Row, RowKind};
use crate::place::{self, Places};
use crate::plan::{self, Plan};
use crate::ports::{InsightsError, PageRequest};
use crate::stream::Scope;
use crate::time;
use crate::walk::{Held, Narrower, Step, Walk};

type NextPage = BoxFuture<'static, Result<Page, InsightsError>>;

/// How a query ended, if not with an error.
enum QueryEnd {
    Complete,
    Interrupted,
    Lost,
}

/// What the budget says about another page.
enum Room {
    ForMore,
    None,
    /// The time is over before the reading has passed the millisecond it began in.
    Dense,
}

impl Run<'_> {
    /// Reads the head: every query of its window, one after the other.
    pub(super) async fn read_head(&mut self) -> Result<ReadEnd, RunError> {
        let engine = self.engine;
        self.batch = Batch::default();
        if self.is_out_of_time() {
            return Ok(ReadEnd::Interrupted);
        }
        engine.ask_the_time(self.stream, &self.meter, &self.budget).await?;
        let Plan::Read(mut reading) = plan::head(&self.cursor, engine.now_ms(), &engine.settings)
        else {
            return Ok(ReadEnd::Waiting);
        };
        loop {
            if reading.at_ms < reading.end_ms {
                match self.read_query(&reading).await? {
                    QueryEnd::Complete => {}
                    QueryEnd::Interrupted => return Ok(ReadEnd::Interrupted),
                    QueryEnd::Lost => return Ok(ReadEnd::Lost),
                }
            }
            match plan::next_query(&reading, &engine.settings.queries) {
                Some(next) => reading = next,
                None => return self.complete(&reading).await,
            }
            if self.is_out_of_pages() {
                return self.settle(&reading, reading.at_ms, ReadEnd::Interrupted).await;
            }
        }
    }

    /// Decides what is left of a complete reading. Without anything new no entry is needed, but
    /// the journal always holds a recent cursor.
    async fn complete(&mut self, reading: &Reading) -> Result<ReadEnd, RunError> {
        let state = plan::completed(&self.cursor.state, reading);
        let entry_age_ms = self.engine.now_ms() - state.last_entry_ms;
        if self.batch.is_empty() && entry_age_ms < ENTRY_INTERVAL_MS_MAX {
            self.unwritten = Some(state);
            return Ok(ReadEnd::Complete);
        }
        match self.decide(&state).await? {
            Decided::Mine => Ok(ReadEnd::Complete),
            Decided::Theirs => Ok(ReadEnd::Lost),
        }
    }

    /// Decides the whole pages read so far, and keeps where the reading goes on.
    async fn settle(
        &mut self,
        reading: &Reading,
        at_ms: i64,
        end: ReadEnd,
    ) -> Result<ReadEnd, RunError> {
        let state = plan::reached(&self.cursor.state, reading, at_ms);
        if self.batch.is_empty() {
            self.unwritten = Some(state);
            return Ok(end);
        }
        match self.decide(&state).await? {
            Decided::Mine => Ok(end),
            Decided::Theirs => Ok(ReadEnd::Lost),
        }
    }

    /// Pages through one query, from where the reading is.
    async fn read_query(&mut self, reading: &Reading) -> Result<QueryEnd, RunError> {
        let mut walk = Walk::new(reading.at_ms, reading.end_ms, self.engine.settings.page_limit);
        let mut at_ms = reading.at_ms;
        let mut next = self.ask(&walk, reading);
        loop {
            let page = match next.await {
                Ok(page) => page,
                Err(InsightsError::TooLarge { token, limit_bytes }) => {
                    if let Narrower::GiveUp { ms, ordinal } = walk.too_large(token, at_ms)? {
                        self.give_up(reading, ms, ordinal, limit_bytes).await?;
                        at_ms = at_ms.max(ms);
                    }
                    next = self.ask(&walk, reading);
                    continue;
                }
                Err(error) => return self.broken_off(reading, at_ms, error.into()).await,
            };
            self.report.pages += 1;
            let last_ms = place::last_ms(&page, at_ms);
            let step = walk.passed(&held(&page, last_ms));
            let room = self.room(reading.at_ms < last_ms, page.len());
            let more = matches!((&step, &room), (Ok(Step::Next), Room::ForMore));
            let ahead = more && page.len() <= PAGE_AHEAD_BYTES_MAX;
            let requested = ahead.then(|| self.ask(&walk, reading));
            if let Decided::Theirs = self.admit(&page, reading, at_ms).await? {
                return Ok(QueryEnd::Lost);
            }
            drop(page);
            at_ms = last_ms.max(at_ms);
            match (step, room) {
                (Err(error), _) => return self.broken_off(reading, at_ms, error.into()).await,
                (Ok(Step::End), _) => return Ok(QueryEnd::Complete),
                (Ok(Step::Next), Room::ForMore) => {}
                (Ok(Step::Next), Room::None) => {
                    return match self.settle(reading, at_ms, ReadEnd::Interrupted).await? {
                        ReadEnd::Lost => Ok(QueryEnd::Lost),
                        _ => Ok(QueryEnd::Interrupted),
                    };
                }
                (Ok(Step::Next), Room::Dense) => {
                    let error = RunError::Mend(format!(
                        "millisecond {at_ms} holds more events than a run can read"
                    ));
                    return self.broken_off(reading, at_ms, error).await;
                }
            }
            next = requested.unwrap_or_else(|| self.ask(&walk, reading));
        }
    }

    /// The reading failed. What came whole is decided all the same.
    async fn broken_off(
        &mut self,
        reading: &Reading,
        at_ms: i64,
        error: RunError,
    ) -> Result<QueryEnd, RunError> {
        match self.settle(reading, at_ms, ReadEnd::Complete).await? {
            ReadEnd::Lost => Ok(QueryEnd::Lost),
            _ => Err(error),
        }
    }

    fn ask(&self, walk: &Walk, reading: &Reading) -> NextPage {
        self.engine.insights.page(PageRequest {
            scope: self.stream.scope(),
            query: reading.query.clone(),
            ask: walk.ask(),
            deadline_ms: self.budget.read_until_ms(self.batch.raw_bytes()),
            meter: Arc::clone(&self.meter),
        })
    }

    fn room(&self, has_passed: bool, page_bytes: usize) -> Room {
        let read_until_ms = self.budget.read_until_ms(self.batch.raw_bytes() + page_bytes);
        let out_of_time = self.engine.clock.now_ms() >= read_until_ms;
        match (has_passed, out_of_time) {
            (false, true) => Room::Dense,
            (true, true) => Room::None,
            (true, false) if self.is_out_of_pages() => Room::None,
            (_, false) => Room::ForMore,
        }
    }

    fn is_out_of_time(&self) -> bool {
        self.engine.clock.now_ms() >= self.budget.read_until_ms(0)
    }

    fn is_out_of_pages(&self) -> bool {
        self.report.pages >= u64::from(self.engine.settings.pages_per_run)
    }

    /// Takes what is new of a page into the batch, and decides the batch whenever it is full.
    async fn admit(
        &mut self,
        page: &Page,
        reading: &Reading,
        before_ms: i64,
    ) -> Result<Decided, RunError> {
        let places = Places::of(page, before_ms);
        let touched: BTreeSet<Slot> = page.rows().iter().map(slot_of).collect();
        self.load(&touched).await?;
        let now_ms = self.engine.now_ms();
        self.report.read += page.rows().len() as u64;
        for (number, row) in page.rows().iter().enumerate() {
            let ms = places.ms(number);
            if ms < self.cursor.origin_ms || ms >= reading.end_ms {
                continue;
            }
            let (identity, slot) = (Identity::of_row(page, row), slot_of(row));
            if self.batch.contains(&identity) || self.slots.contains(slot, &identity) {
                self.report.seen += 1;
                continue;
            }
            let (service, organization) = names(page, row);
            let scope = self.stream.scope();
            let admission = Admission {
                identity,
                slot,
                order_ns: timestamp_ns(row).unwrap_or(i128::from(ms) * 1_000_000),
                partition_ms: timestamp_ns(row).map_or(now_ms, time::floor_ms),
                service: service.as_deref(),
                organization: &label(organization.as_deref(), self.stream.as_str()),
            };
            let bytes = page.bytes(row);
            let settings = &self.engine.settings;
            if !self.batch.has_room(
                &self.engine.batch_limits,
                &settings.layout,
                bytes.len(),
                &admission,
            ) {
                let at_ms = places.at_ms(number);
                let state = plan::reached(&self.cursor.state, reading, at_ms);
                if let Decided::Theirs = self.decide(&state).await? {
                    return Ok(Decided::Theirs);
                }
                self.slots.drop_before(at_ms - settings.overlap_ms);
                self.load(&touched).await?;
            }
            self.keep(
                page,
                row,
                &admission,
                refusal(row, bytes, organization.as_deref(), &scope),
                reading,
            );
        }
        Ok(Decided::Mine)
    }

    fn keep(
        &mut self,
        page: &Page,
        row: &Row,
        admission: &Admission<'_>,
        refusal: Option<&'static str>,
        reading: &Reading,
    ) {
        let bytes = page.bytes(row);
        if let Some(reason) = refusal {
            self.report.quarantined += 1;
            self.batch.add_quarantined(admission, reason, Some(bytes));
            return;
        }
        self.batch.add_event(&self.engine.settings.layout, admission, bytes);
        self.report.written += 1;
        let RowKind::Event(fields) = &row.kind else { return };
        self.report.without_id += u64::from(page.id(fields).is_none());
        let is_late = |ns| time::floor_ms(ns) < self.cursor.state.read_to_ms && reading.end_ms > 0;
        match fields.timestamp_ns {
            None => self.report.without_timestamp += 1,
            Some(ns) => self.report.late += u64::from(is_late(ns)),
        }
    }

    /// Quarantines the position of a row that is too large to fetch.
    async fn give_up(
        &mut self,
        reading: &Reading,
        ms: i64,
        ordinal: u32,
        limit_bytes: usize,
    ) -> Result<(), RunError> {
        self.load(&BTreeSet::from([Slot::Unplaced])).await?;
        let identity = Identity::of_position(self.stream.as_str(), &reading.query, ms, ordinal);
        if self.batch.contains(&identity) || self.slots.contains(Slot::Unplaced, &identity) {
            return Ok(());
        }
        let admission = Admission {
            identity,
            slot: Slot::Unplaced,
            order_ns: i128::from(ms) * 1_000_000,
            partition_ms: ms,
            service: None,
            organization: self.stream.as_str(),
        };
        let reason = format!(
            "event {ordinal} of {} at {} is larger than {limit_bytes} bytes and was not fetched",
            reading.query.join(","),
            time::rfc3339(ms)
        );
        self.batch.add_quarantined(&admission, &reason, None);
        self.report.quarantined += 1;
        Ok(())
    }
}

/// What paging needs to know of a page.
fn held(page: &Page, last_ms: i64) -> Held {
    Held {
        rows: page.rows().len(),
        count: page.headers.count,
        limit: page.headers.limit,
        token: page.headers.token.clone(),
        last_ms,
    }
}

fn fields(row: &Row) -> Option<&Fields> {
    match &row.kind {
        RowKind::Event(fields) => Some(fields),
        RowKind::Broken(_) => None,
    }
}

fn timestamp_ns(row: &Row) -> Option<i128> {
    fields(row)?.timestamp_ns
}

fn slot_of(row: &Row) -> Slot {
    Slot::of(timestamp_ns(row))
}

type Name<'a> = Option<std::borrow::Cow<'a, [u8]>>;

/// The row's own service and organization.
fn names<'a>(page: &'a Page, row: &Row) -> (Name<'a>, Name<'a>) {
    fields(row).map_or((None, None), |fields| (page.service(fields), page.organization(fields)))
}

/// The organization as it stands in keys: the event's own where it can, else the stream's.
fn label(organization: Option<&[u8]>, stream: &str) -> String {
    organization
        .and_then(|name| std::str::from_utf8(name).ok())
        .filter(|name| crate::stream::is_object_id(name))
        .unwrap_or(stream)
        .to_owned()
}

/// Why a row cannot be archived as an event.
fn refusal(
    row: &Row,
    bytes: &[u8],
    organization: Option<&[u8]>,
    scope: &Scope,
) -> Option<&'static str> {
    match (&row.kind, scope) {
        (RowKind::Broken(reason), _) => Some(reason),
        _ if bytes.len() > EVENT_BYTES_MAX => Some("larger than an event may be"),
        (_, Scope::Organization(asked))
            if organization.is_some_and(|own| own != asked.as_bytes()) =>
        {
            Some("names another organization than the one asked for")
        }
        _ => None,
    }
}
