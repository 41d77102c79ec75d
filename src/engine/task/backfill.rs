//! `backfill`: archives a past range, with one lane per organization and UTC day.
//!
//! A lane owns its whole day, but ends where its live stream begins, so that each event belongs to
//! exactly one stream, whatever is requested in which order. The live stream is therefore created
//! first.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::collect::{CountRequest, Engine, Inquiry};
use crate::cursor::{self, Cursor, Item, Items, attribute, lease};
use crate::error::RunError;
use crate::fleet::collectors::collectors;
use crate::fleet::discover::{self, Discovered};
use crate::fleet::dispatch::{Fleet, run};
use crate::fleet::message::{Message, MessageTask};
use crate::limits::{DAY_MS, LANES_OPENED_AT_ONCE, READ_BACK_MS_MAX};
use crate::read::Budget;
use crate::report::Report;
use crate::stream::StreamId;
use crate::time::{UtcTime, Window};

/// The parameters of a backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillRequest {
    /// The range of event time. Every UTC day that it touches is archived completely.
    pub window: Window,
    /// The organizations to archive; `None` for all that are collected.
    pub organizations: Option<Vec<StreamId>>,
    /// Whether only the plan is returned, with the number of events, and nothing is done.
    pub plan: bool,
}

/// The result of a backfill.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Backfill {
    /// One line per lane.
    pub lanes: Vec<Lane>,
    /// Why no lanes are opened for an organization, one message each.
    pub refused: Vec<String>,
    /// The report of the runs that the invocation made.
    #[serde(flatten, skip_deserializing)]
    pub report: Report,
}

/// One lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lane {
    /// The lane's stream.
    pub stream: StreamId,
    /// Event time at which it begins, inclusive.
    pub start: UtcTime,
    /// Event time at which it ends, exclusive.
    pub end: UtcTime,
    /// What was done with the lane, or would be.
    pub state: LaneState,
    /// Why it was left out or, in a plan, not counted.
    pub error: Option<String>,
    /// Events that JumpCloud counts; only in a plan.
    pub events: Option<u64>,
}

/// What was done with a lane, or would be in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneState {
    /// It does not exist yet, and would be opened.
    New,
    /// It was opened.
    Opened,
    /// It was already open.
    Open,
    /// It was finished.
    Finished,
    /// It was finished, and is now read once more.
    Reopened,
    /// It was left out because the time was over or an error occurred: request it again.
    Left,
    /// It was archived so long ago that it is not read again.
    Refused,
}

/// Opens the lanes of a range, and queues them or makes their runs. Scheduled runs continue them
/// until they are finished.
///
/// # Errors
/// [`RunError`] if nothing at all could be told.
pub async fn backfill(
    fleet: &Fleet,
    request: &BackfillRequest,
    budget: Budget,
) -> Result<Backfill, RunError> {
    let mut answer = open(fleet, request, budget).await?;
    let is_to_run =
        |lane: &&Lane| !request.plan && !lane.is_left_out() && lane.state != LaneState::Finished;
    let due = answer.lanes.iter().filter(is_to_run);
    let due: Vec<_> =
        due.map(|lane| Message::new(lane.stream.clone(), MessageTask::Collect)).collect();
    if !due.is_empty() {
        let streams: Vec<_> = due.iter().map(|message| message.stream.clone()).collect();
        let items = fleet.engine.cursors.get_many(&streams).await?;
        answer.report = run(fleet, due, &items, budget).await;
    }
    Ok(answer)
}

/// Opens the lanes of a range, or returns the plan.
///
/// # Errors
/// [`RunError`] if nothing at all could be told.
pub async fn open(
    fleet: &Fleet,
    request: &BackfillRequest,
    budget: Budget,
) -> Result<Backfill, RunError> {
    let engine = &fleet.engine;
    let mut answer = Backfill::default();
    for stream in organizations(fleet, request, budget, &mut answer.refused).await? {
        match lanes(engine, &stream, request, budget).await {
            Ok(lanes) => answer.lanes.extend(lanes),
            Err(error) => answer.refused.push(format!("{stream}: {error}")),
        }
    }
    let streams: Vec<_> = answer.lanes.iter().map(|lane| lane.stream.clone()).collect();
    let items = engine.cursors.get_many(&streams).await?;
    let lanes = stream::iter(std::mem::take(&mut answer.lanes))
        .map(|lane| treat(engine, lane, &items, request.plan, budget))
        .buffered(LANES_OPENED_AT_ONCE);
    answer.lanes = lanes.collect().await;
    Ok(answer)
}

impl Backfill {
    /// Why the invocation fails: everything that was refused, and [`Report::failure`]; `None` if
    /// there is nothing.
    #[must_use]
    pub fn failure(&self, tolerated: i64) -> Option<String> {
        let mut failed = self.refused.clone();
        failed.extend(self.lanes_in(LaneState::Left, "left out, ask for them again"));
        failed.extend(self.lanes_in(LaneState::Refused, "refused"));
        failed.extend(self.report.failure(tolerated));
        (!failed.is_empty()).then(|| failed.join("; "))
    }

    /// How many lanes are in a state, in words, and why, lane by lane; `None` if there is none.
    fn lanes_in(&self, state: LaneState, words: &str) -> Option<String> {
        let found: Vec<_> = self.lanes.iter().filter(|lane| lane.state == state).collect();
        let named = found.iter().take(NAMED_MAX).map(|lane| {
            format!("{}: {}", lane.stream, lane.error.as_deref().unwrap_or("not opened"))
        });
        let named = named.collect::<Vec<_>>().join("; ");
        let more = if found.len() > NAMED_MAX { "; and more" } else { "" };
        let (all, found) = (self.lanes.len(), found.len());
        (found > 0).then(|| format!("{found} of {all} lanes were {words}: {named}{more}"))
    }
}

impl Lane {
    /// Whether nothing was done with it; `error` says why.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        matches!(self.state, LaneState::Left | LaneState::Refused)
    }
}

/// Lanes that a message names.
const NAMED_MAX: usize = 10;

/// The live streams that were requested. Those that are not collected are added to `refused`.
async fn organizations(
    fleet: &Fleet,
    request: &BackfillRequest,
    budget: Budget,
    refused: &mut Vec<String>,
) -> Result<Vec<StreamId>, RunError> {
    let engine = &fleet.engine;
    let born = engine.created_streams().await?;
    let Discovered { streams, discovery } =
        discover::streams(engine, &fleet.organizations, &born, Inquiry::Events, budget).await?;
    refused.extend(discovery.and_then(|discovery| discovery.error));
    let collected: BTreeSet<_> = streams.into_iter().filter(StreamId::is_organization).collect();
    let Some(asked) = &request.organizations else { return Ok(collected.into_iter().collect()) };
    let asked = collectors(engine, asked, Inquiry::Nobody, budget).await?;
    let (known, unknown): (Vec<_>, Vec<_>) =
        asked.into_iter().partition(|stream| collected.contains(stream));
    refused.extend(unknown.iter().map(|stream| format!("{stream}: it is not collected")));
    Ok(known)
}

/// The lanes of one organization, days ascending.
async fn lanes(
    engine: &Engine,
    live: &StreamId,
    request: &BackfillRequest,
    budget: Budget,
) -> Result<Vec<Lane>, RunError> {
    let origin_ms = match engine.origin_ms(live).await? {
        Some(origin_ms) => origin_ms,
        None if request.plan => engine.clock.now_ms() - engine.settings.start_lookback_ms,
        None => {
            engine.ensure_created(live, &Arc::default(), &budget).await?;
            engine
                .origin_ms(live)
                .await?
                .ok_or_else(|| RunError::transient("not born".to_owned()))?
        }
    };
    if request.window.start_ms >= origin_ms {
        return Err(RunError::refused(format!(
            "the range begins at {}, and from {} on the live stream archives everything",
            UtcTime(request.window.start_ms),
            UtcTime(origin_ms)
        )));
    }
    let first_ms = request.window.start_ms.div_euclid(DAY_MS) * DAY_MS;
    let days = (0..).map(|day| first_ms + day * DAY_MS);
    let days = days.take_while(|day_ms| *day_ms < request.window.end_ms.min(origin_ms));
    let lane = |day_ms: i64| {
        Some(Lane {
            stream: live.lane(day_ms)?,
            start: UtcTime(day_ms),
            end: UtcTime(origin_ms.min(day_ms + DAY_MS)),
            state: LaneState::Left,
            error: None,
            events: None,
        })
    };
    Ok(days.filter_map(lane).collect())
}

/// Opens a lane or, for a plan, counts its events.
async fn treat(engine: &Engine, lane: Lane, items: &Items, plan: bool, budget: Budget) -> Lane {
    let born = items.get(&lane.stream).filter(|item| cursor::seq(item).is_some());
    let planned = match born {
        _ if !plan => LaneState::Left,
        Some(item) if is_finished(item) => LaneState::Finished,
        Some(_) => LaneState::Open,
        None => LaneState::New,
    };
    let result = if engine.clock.now_ms() >= budget.read_until_ms(0) {
        Err(RunError::transient("the time is over".to_owned()))
    } else if let Some(error) = why_refused(engine, &lane.stream).await.transpose() {
        match error {
            Ok(error) => return Lane { state: LaneState::Refused, error: Some(error), ..lane },
            Err(error) => Err(error),
        }
    } else if plan {
        count(engine, &lane, budget).await.map(|events| (planned, Some(events)))
    } else {
        let opened = open_lane(engine, &lane.stream, born, budget).await;
        opened.map(|state| (state, None))
    };
    match result {
        Ok((state, events)) => Lane { state, events, ..lane },
        Err(error) => {
            tracing::warn!(stream = %lane.stream, %error, "the lane was left out");
            Lane { state: planned, error: Some(error.to_string()), ..lane }
        }
    }
}

/// Why a day is not read again: it was archived so long ago that the index may not know it any more,
/// and it would be archived twice. `None` if it may be read.
async fn why_refused(engine: &Engine, lane: &StreamId) -> Result<Option<String>, RunError> {
    let Some(born_ms) = engine.born_ms(lane).await? else { return Ok(None) };
    let age_ms = engine.now_ms() - born_ms;
    let (days, most) = (age_ms / DAY_MS, READ_BACK_MS_MAX / DAY_MS);
    Ok((age_ms > READ_BACK_MS_MAX).then(|| {
        format!(
            "its lane was created {days} days ago, and after {most} days a day is not read again: \
             what was archived of it may not be known any more, and would be archived twice"
        )
    }))
}

fn is_finished(lane: &Item) -> bool {
    lane.contains_key(attribute::FINISHED_MS)
}

async fn open_lane(
    engine: &Engine,
    lane: &StreamId,
    born: Option<&Item>,
    budget: Budget,
) -> Result<LaneState, RunError> {
    if let Some(item) = born {
        let opened_ms = Cursor::read(item)?.state.after_all_readings_ms(engine.now_ms());
        engine.cursors.update(lane, &lease::reopen(opened_ms)).await?;
        return Ok(if is_finished(item) { LaneState::Reopened } else { LaneState::Open });
    }
    match engine.ensure_created(lane, &Arc::default(), &budget).await? {
        true => Ok(LaneState::Opened),
        false => Ok(LaneState::Finished),
    }
}

/// JumpCloud's count of a lane's events.
async fn count(engine: &Engine, lane: &Lane, budget: Budget) -> Result<u64, RunError> {
    // JumpCloud may count events at both bounds, so the end is excluded: an event at midnight is
    // counted for one day only.
    let window = Window::new(lane.start.0, lane.end.0 - 1);
    let (deadline_ms, meter) = (budget.read_until_ms(0), &Arc::default());
    let request = CountRequest { stream: &lane.stream, window, deadline_ms, meter };
    let total = engine.total(&engine.settings.queries, request).await?;
    total.ok_or_else(|| {
        RunError::transient("JumpCloud does not list all services that `all` returns".to_owned())
    })
}
