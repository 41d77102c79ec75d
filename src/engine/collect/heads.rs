//! The heads: each query has its turn, and one that is refused or fails ends only its own.

use std::sync::Arc;

use super::read::ReadAllowance;
use super::reader::Reader;
use super::stop::{Progress, Stop};
use super::turns::Turns;
use crate::cursor::Reading;
use crate::error::{QueryError, RunError};
use crate::page::{Ask, Query};
use crate::ports::{InsightsError, PageRequest};
use crate::read::{Plan, ReadingKind, queries, window};
use crate::report::Lost;
use crate::time::Window;

/// What becomes of a list that JumpCloud refuses.
enum Refused {
    /// It is refused as it is.
    Whole,
    /// Some of its names are refused by themselves; these are left.
    Left(Query),
    /// None of its names had an answer in time.
    Unknown,
}

impl Reader<'_> {
    /// Reads the head of every query, that whose last turn is longest ago first. What the others
    /// leave of the run goes to those that could not come to their end.
    pub(super) async fn read_heads(&mut self) -> Result<Turns, Stop> {
        let mut turns = Turns::default();
        let (until_ms, pages) = (self.heads_until_ms(), self.pages_per_run());
        let mut queue = self.lane_queries_left(queries::turns(&self.state), &mut turns);
        while !queue.is_empty() && (turns.is_empty() || self.has_more(until_ms, pages)) {
            let mut behind = Vec::new();
            for (done, names) in queue.iter().enumerate() {
                if self.is_out_of_time() {
                    turns.note(names.clone(), Ok(Progress::Interrupted));
                    continue;
                }
                let is_alone = queue.len() == 1 || self.engine.clock.now_ms() >= until_ms;
                self.requests_until_ms = if is_alone { i64::MAX } else { until_ms };
                let allowance = self.share(until_ms, pages, queue.len() - done);
                queries::begin_turn(&mut self.state, names, self.engine.now_ms());
                behind.extend(self.head_turn(names.clone(), allowance, &mut turns).await?);
            }
            queue = behind;
        }
        self.requests_until_ms = i64::MAX;
        self.flush().await?;
        Ok(turns)
    }

    /// Leaves out the queries of a lane that are not to be read now.
    fn lane_queries_left(&self, mut queue: Vec<Query>, turns: &mut Turns) -> Vec<Query> {
        if !self.stream.is_lane() {
            return queue;
        }
        let (cursor, horizon_ms) = (&self.writer.cursor, self.engine.settings.late_horizon_ms);
        let now_ms = self.engine.now_ms();
        let is_due = |query| {
            let due_ms = window::lane_due_ms(cursor, query, horizon_ms);
            due_ms.is_some_and(|due_ms| due_ms <= now_ms)
        };
        let is_left_out = |names: &mut Query| !self.state.query(names).is_some_and(is_due);
        for names in queue.extract_if(.., is_left_out) {
            turns.note(names, Ok(Progress::Complete));
        }
        queue
    }

    /// The turn of one query. A list of which JumpCloud refuses some names is read without them.
    /// Returns the names if there is more to read.
    async fn head_turn(
        &mut self,
        mut names: Query,
        allowance: ReadAllowance,
        turns: &mut Turns,
    ) -> Result<Option<Query>, Stop> {
        loop {
            let pages = self.report.pages;
            let ended = self.read_head(&names, allowance).await;
            // A query whose first pages are answered and whose next one is refused stays refused.
            let is_refused =
                matches!(&ended, Err(Stop::Failed(RunError::Query(QueryError::Refused { .. }))));
            if self.report.pages > pages && !is_refused {
                queries::accept(&mut self.state, &names, self.engine.now_ms());
            }
            let error = match ended {
                Ok(progress) => {
                    turns.note(names.clone(), Ok(progress));
                    return Ok((progress == Progress::Interrupted).then_some(names));
                }
                Err(Stop::Failed(RunError::Query(error))) => error,
                Err(stop) => return Err(stop),
            };
            match self.take_apart(&names, &error, turns).await? {
                Refused::Whole => {
                    self.fail_query(names, error, turns);
                    return Ok(None);
                }
                Refused::Left(left) => names = left,
                Refused::Unknown => {
                    turns.note(names.clone(), Ok(Progress::Interrupted));
                    return Ok(Some(names));
                }
            }
        }
    }

    /// The head of one query: an interrupted reading first, and then, in the same run, what is new
    /// since.
    async fn read_head(
        &mut self,
        names: &[String],
        allowance: ReadAllowance,
    ) -> Result<Progress, Stop> {
        loop {
            let now_ms = self.engine.now_ms();
            let cursor = &self.writer.cursor;
            let Some(query) = self.state.query(names) else { return Ok(Progress::Complete) };
            let plan = window::head(cursor, query, now_ms, &self.engine.settings);
            let Plan::Read(mut reading) = plan else { return Ok(Progress::Waiting) };
            let (before, skipped) = (query.clone(), window::lost(cursor, query, now_ms));
            let progress = self.read_through(ReadingKind::Head, &mut reading, &[], allowance).await;
            let is_begun = self.state.query(names).is_some_and(|query| {
                query.reading != before.reading || query.read_to_ms != before.read_to_ms
            });
            if let Some(window) = skipped.filter(|_| is_begun) {
                self.report.lose(Lost::new(names, window));
            }
            match progress? {
                // A lane's next reading would be of the same range: that is the next run's.
                Progress::Complete
                    if before.reading.is_some()
                        && self.writer.cursor.end_ms.is_none()
                        && !self.is_out_of_time() => {}
                progress => return Ok(progress),
            }
        }
    }

    /// Notes that a query has failed, which ends its turn and no other's.
    fn fail_query(&mut self, names: Query, error: QueryError, turns: &mut Turns) {
        let (stream, query) = (self.stream, names.join(","));
        if let QueryError::Refused { cause, .. } = &error {
            queries::refuse(&mut self.state, &names, cause.text(), self.engine.now_ms());
            tracing::warn!(%stream, query, %error, "query is refused");
        } else {
            tracing::warn!(%stream, query, %error, "query failed");
        }
        turns.note(names, Err(error));
    }

    /// Takes the names of a refused list that are refused by themselves out of it.
    async fn take_apart(
        &mut self,
        names: &[String],
        error: &QueryError,
        turns: &mut Turns,
    ) -> Result<Refused, Stop> {
        let QueryError::Refused { status: Some(400 | 403), .. } = error else {
            return Ok(Refused::Whole);
        };
        let Some(query) = self.state.query(names).filter(|_| names.len() > 1) else {
            return Ok(Refused::Whole);
        };
        let (cursor, now_ms) = (&self.writer.cursor, self.engine.now_ms());
        let plan = window::head(cursor, query, now_ms, &self.engine.settings);
        let Plan::Read(reading) = plan else { return Ok(Refused::Whole) };
        let (mut refused, mut has_answer) = (Vec::new(), false);
        for (asked, name) in names.iter().enumerate() {
            // A share is left for the list.
            let left = names.len() - asked + 1;
            let answer = self.ask_for_name(name, &reading, left).await;
            has_answer |= !matches!(answer, Err(InsightsError::OutOfTime));
            match answer {
                Err(error @ InsightsError::Refused { .. }) => refused.push((name.clone(), error)),
                // One that has no answer is not refused: it stays in the list.
                Ok(())
                | Err(
                    InsightsError::TooLarge { .. }
                    | InsightsError::Unavailable(_)
                    | InsightsError::Unfetched(_)
                    | InsightsError::OutOfTime,
                ) => {}
                Err(error) => {
                    self.flush().await?;
                    return Err(error.into());
                }
            }
        }
        if !has_answer {
            let (stream, query) = (self.stream, names.join(","));
            tracing::warn!(%stream, query, %error, "query failed: its names could not be asked");
            return Ok(Refused::Unknown);
        }
        if refused.is_empty() || refused.len() == names.len() {
            return Ok(Refused::Whole);
        }
        let taken: Vec<_> = refused.iter().map(|(name, _)| name.clone()).collect();
        let left = queries::take_apart(&mut self.state, names, &taken);
        queries::accept(&mut self.state, &left, now_ms);
        for (name, error) in refused {
            if let RunError::Query(error) = error.into() {
                self.fail_query(vec![name], error, turns);
            }
        }
        Ok(Refused::Left(left))
    }

    /// Requests a row of what was refused to a list, for one of its names alone, with one of `left`
    /// equal shares of the time.
    async fn ask_for_name(
        &self,
        name: &str,
        reading: &Reading,
        left: usize,
    ) -> Result<(), InsightsError> {
        let end_ms = self.budget.read_until_ms(self.batch.bytes()).min(self.requests_until_ms);
        let window = Window::new(reading.at_ms, reading.window.end_ms);
        let request = PageRequest {
            scope: self.engine.scope(self.stream),
            query: vec![name.to_owned()],
            ask: Ask { window, limit: 1, token: None },
            tries: None,
            deadline_ms: self.share(end_ms, 0, left).until_ms,
            meter: Arc::clone(&self.meter),
        };
        self.engine.insights.page(request).await.map(|_| ())
    }
}
