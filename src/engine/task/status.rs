//! `status`: the status of every stream, from its cursor: totals, and as many lines as an answer has
//! room for, the worst first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::collect::{Engine, Inquiry};
use crate::cursor::{Item, OpenLanes};
use crate::error::RunError;
use crate::fleet::discover::{self, Discovered, OrganizationSource};
use crate::json;
use crate::limits::{DAY_MS, ITEMS_READ_AT_ONCE, STATUS_BYTES_MAX, STATUS_LINES_MAX};
use crate::read::Budget;
use crate::report::{Discovery, StatusPlace, StreamStatus};
use crate::stream::StreamId;

/// The parameters of a status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusRequest {
    /// The place behind which to continue: `next` of the last answer.
    pub after: Option<StatusPlace>,
}

/// The status of the streams.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Counts over all streams, whatever lines this answer has.
    #[serde(default)]
    pub totals: Totals,
    /// One line per stream, the worst first. Of lanes only the open ones.
    pub streams: Vec<StreamStatus>,
    /// What to give as `after` in the next call; `None` if there are no more lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<StatusPlace>,
    /// Days for which the archive is kept; absent if for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_retention_days: Option<i64>,
    /// The result of listing organizations; `None` if they are configured by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
}

/// Counts over all streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Streams that are collected, without lanes.
    pub collected: usize,
    /// Streams that were collected before and are not any more.
    pub not_collected: usize,
    /// Open lanes.
    pub open_lanes: usize,
    /// Streams that need an operator.
    pub needing_operator: usize,
    /// Streams whose last run failed.
    pub failing: usize,
    /// Streams that are suspended after repeated failures.
    pub suspended: usize,
    /// Streams with a message in the work queue.
    pub queued: usize,
    /// Queries that are refused.
    pub refused: usize,
    /// Hours in which JumpCloud counts more events than it sends.
    pub gaps: usize,
    /// The largest lag of a stream that is collected, in seconds.
    pub lag_seconds: Option<i64>,
    /// The least number of days until JumpCloud begins to delete events that were not read yet.
    pub days_until_loss: Option<i64>,
}

/// The lines that are kept of all that there are.
struct Lines {
    after: Option<StatusPlace>,
    kept: Vec<(StatusPlace, StreamStatus)>,
    totals: Totals,
}

/// Reads the cursors of all streams that are configured or were ever created, and of open lanes.
///
/// # Errors
/// [`RunError`] if streams or cursors cannot be read.
pub async fn status(
    engine: &Engine,
    organizations: &OrganizationSource,
    request: StatusRequest,
    budget: Budget,
) -> Result<Status, RunError> {
    let mut all = engine.created_streams().await?;
    let Discovered { streams: configured, discovery } =
        discover::streams(engine, organizations, Inquiry::List, budget).await?;
    all.extend(configured.iter().cloned());
    let collected: BTreeSet<_> = configured.into_iter().collect();
    let is_only = |stream: &StreamId| collected.len() == 1 && collected.contains(stream);
    let mut lines = Lines { after: request.after, kept: Vec::new(), totals: Totals::default() };
    let (now_ms, retention_ms) = (engine.clock.now_ms(), engine.settings.retention_ms);
    let is_collected = |stream: &StreamId| discover::is_collected(engine, &collected, stream);
    let all: Vec<_> = all.into_iter().collect();
    let (none, mut lanes) = (Item::new(), Vec::new());
    for chunk in all.chunks(ITEMS_READ_AT_ONCE) {
        let items = engine.cursors.get_many(chunk).await?;
        for stream in chunk {
            let item = items.get(stream).unwrap_or(&none);
            lanes.extend(OpenLanes::read(item).unwrap_or_default().of(stream));
            let is_collected = is_collected(stream);
            let mut line =
                StreamStatus::read(stream.clone(), is_collected, item, now_ms, retention_ms);
            // It is tried in every run all the same.
            line.suspended &= !is_only(stream);
            lines.add(line);
        }
        lines.shorten();
    }
    for chunk in lanes.chunks(ITEMS_READ_AT_ONCE) {
        let streams: Vec<_> = chunk.iter().map(|(lane, _)| lane.clone()).collect();
        let items = engine.cursors.get_many(&streams).await?;
        for (lane, opened_ms) in chunk {
            let (item, is_collected) = (items.get(lane).unwrap_or(&none), is_collected(lane));
            let item = (item, *opened_ms);
            let line =
                StreamStatus::read_lane(lane.clone(), is_collected, item, now_ms, retention_ms);
            lines.add(line);
        }
        lines.shorten();
    }
    let archive_retention_days = engine.settings.archive_kept_ms.map(|ms| ms / DAY_MS);
    let totals = lines.totals.clone();
    let (streams, next) = lines.end();
    Ok(Status { totals, streams, next, archive_retention_days, discovery })
}

impl Lines {
    fn add(&mut self, line: StreamStatus) {
        self.totals.add(&line);
        let place = line.place();
        if self.after.as_ref().is_none_or(|after| place > *after) {
            self.kept.push((place, line));
        }
    }

    /// Keeps the worst lines, and one more than an answer has.
    fn shorten(&mut self) {
        self.kept.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.kept.truncate(STATUS_LINES_MAX + 1);
    }

    /// The lines of the answer, and the place of the last one if there are more.
    fn end(mut self) -> (Vec<StreamStatus>, Option<StatusPlace>) {
        self.shorten();
        let (mut lines, mut last, mut bytes) = (Vec::new(), None, 0);
        for (place, line) in self.kept {
            bytes += json::encode(&line).len() + 1;
            if lines.len() == STATUS_LINES_MAX || (bytes > STATUS_BYTES_MAX && last.is_some()) {
                return (lines, last);
            }
            last = Some(place);
            lines.push(line);
        }
        (lines, None)
    }
}

impl Totals {
    fn add(&mut self, line: &StreamStatus) {
        match line.stream.is_lane() {
            true => self.open_lanes += 1,
            false if line.configured => self.collected += 1,
            false => self.not_collected += 1,
        }
        self.needing_operator += usize::from(line.needs_operator);
        self.failing += usize::from(line.failures > 0);
        self.suspended += usize::from(line.suspended);
        self.queued += usize::from(line.queued);
        self.refused += line.refused.len();
        self.gaps += line.gaps;
        if line.configured {
            // That of users is the age of their last complete snapshot.
            let lag_seconds = line.lag_seconds.filter(|_| !line.stream.is_users());
            self.lag_seconds = self.lag_seconds.max(lag_seconds);
            let least = self.days_until_loss.into_iter().chain(line.days_until_loss).min();
            self.days_until_loss = least;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::cursor::ReadingState;
    use crate::cursor::tests::cursor_at;
    use crate::report::RefusedQuery;
    use crate::time::UtcTime;

    /// A line of a stream whose queries have read up to one time and, the furthest, to another.
    fn read_to(n: usize, position_ms: i64, frontier_ms: i64) -> StreamStatus {
        let stream = StreamId::try_from(format!("{n:024x}")).unwrap();
        let mut state = ReadingState::at_birth(position_ms, 0, &[vec!["all".to_owned()]]);
        state.frontier_ms = frontier_ms;
        let mut item = Item::new();
        cursor_at(state).create().apply(&mut item);
        StreamStatus::read(stream, true, &item, 10_000, 0)
    }

    fn line(n: usize) -> StreamStatus {
        read_to(n, 1_000, 1_000)
    }

    /// All lines, page by page, with the number of bytes of each.
    fn pages(all: &[StreamStatus]) -> (Vec<StreamStatus>, Vec<usize>) {
        let (mut found, mut bytes, mut after) = (Vec::new(), Vec::new(), None);
        loop {
            let mut lines = Lines { after, kept: Vec::new(), totals: Totals::default() };
            all.iter().for_each(|line| lines.add(line.clone()));
            let (streams, next) = lines.end();
            bytes.push(json::encode(&streams).len());
            found.extend(streams);
            let text = next.map(String::from);
            after = text.map(|text| StatusPlace::try_from(text).unwrap());
            if after.is_none() {
                return (found, bytes);
            }
        }
    }

    #[test]
    fn the_worst_line_is_the_first_and_all_are_met_once() {
        let refused =
            vec![RefusedQuery { query: String::new(), since: UtcTime(0), reason: String::new() }];
        let lane = |n| line(n).stream.lane(0).unwrap();
        let unborn = StreamStatus::read(line(6).stream, true, &Item::new(), 10_000, 0);
        let in_order = [
            StreamStatus { needs_operator: true, ..line(9) },
            StreamStatus { failures: 1, ..line(8) },
            StreamStatus { refused, ..line(7) },
            StreamStatus { not_comparable: Some(UtcTime(0)), ..line(7) },
            unborn,
            // One of its queries is far behind the others.
            read_to(5, 900, 9_000),
            line(3),
            line(4),
            StreamStatus { stream: line(0).stream.users().unwrap(), ..read_to(0, 0, 0) },
            StreamStatus { stream: lane(8), ..line(2) },
            StreamStatus { stream: lane(7), read_whole: Some(true), ..read_to(2, 0, 0) },
            StreamStatus { configured: false, ..line(1) },
        ];
        let mut mixed = in_order.clone();
        mixed.reverse();
        let named = |lines: &[StreamStatus]| {
            lines.iter().map(|line| line.stream.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(&pages(&mixed).0), named(&in_order));
        assert!(StatusPlace::try_from("4:x:self".to_owned()).is_err());
    }

    /// The lag of a stream of users is the age of their last complete snapshot.
    #[test]
    fn the_lag_of_all_is_that_of_events() {
        let users = StreamStatus { stream: line(1).stream.users().unwrap(), ..read_to(1, 0, 0) };
        let mut totals = Totals::default();
        [line(1), users].iter().for_each(|line| totals.add(line));
        assert_eq!((line(1).lag_seconds, totals.lag_seconds), (Some(9), Some(9)));
    }

    #[test]
    fn a_page_has_room_for_few_long_lines() {
        let long = Some("x".repeat(5_000));
        let few: Vec<_> = (0..STATUS_LINES_MAX + 20)
            .map(|n| StreamStatus { last_error: long.clone(), ..line(n) })
            .collect();
        let (found, bytes) = pages(&few);
        assert_eq!(found.len(), few.len());
        assert!(bytes.len() == 4 && bytes.iter().all(|bytes| *bytes < 1_000_000), "{bytes:?}");
        let short: Vec<_> = (0..2 * STATUS_LINES_MAX + 1).map(line).collect();
        let (found, bytes) = pages(&short);
        assert_eq!((found.len(), bytes.len()), (short.len(), 3));
    }
}
