//! `backfill`: archives a past range, with one lane per organization and UTC day.
//!
//! A lane owns its whole day, but ends where its live stream begins, so that each event belongs to
//! exactly one stream, whatever is requested in which order. The live stream is therefore created
//! first.

mod known;
mod lane;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::known::Known;
pub use self::lane::{Lane, LaneState};
use crate::collect::{Engine, Inquiry};
use crate::cursor::Items;
use crate::error::RunError;
use crate::fleet::collectors::collectors;
use crate::fleet::discover::{self, Discovered};
use crate::fleet::dispatch::{Due, Fleet, run};
use crate::fleet::lanes::{self, Lanes};
use crate::fleet::message::MessageTask;
use crate::limits::{DAY_MS, LANES_ANSWERED_MAX};
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
    /// The stream behind which to continue: `next` of the last answer. Organizations up to it are
    /// left out.
    pub after: Option<StreamId>,
}

/// The result of a backfill.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Backfill {
    /// One line per lane.
    pub lanes: Vec<Lane>,
    /// Why no lanes are opened for an organization, one message each.
    pub refused: Vec<String>,
    /// What to give as `after` in the next call; `None` if all organizations had their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<StreamId>,
    /// The report of the runs that the invocation made.
    #[serde(flatten, skip_deserializing)]
    pub report: Report,
}

/// Opens the lanes of a range. Scheduled runs begin and continue them until they are finished; without
/// a work queue their first runs are made here.
///
/// # Errors
/// [`RunError`] if nothing at all could be told.
pub async fn backfill(
    fleet: &Fleet,
    request: &BackfillRequest,
    budget: Budget,
) -> Result<Backfill, RunError> {
    let mut answer = open(fleet, request, budget).await?;
    // How many of them may be queued, the next scheduled run knows.
    if request.plan || fleet.queue.is_some() {
        return Ok(answer);
    }
    let engine = &fleet.engine;
    let streams: BTreeSet<_> = answer.lanes.iter().map(|lane| lane.stream.live()).collect();
    let items = engine.cursors.get_many(&streams.into_iter().collect::<Vec<_>>()).await?;
    let mut open = lanes::open(&items);
    let asked: BTreeSet<_> = answer.lanes.iter().map(|lane| &lane.stream).collect();
    open.retain(|(lane, _)| asked.contains(lane));
    let due = Due::lanes(Lanes::look(engine, &open, MessageTask::Collect).await?);
    answer.report = run(fleet, due, &Items::new(), budget).await;
    Ok(answer)
}

/// Opens the lanes of a range, or returns the plan. Organizations are treated in the order of their
/// streams, as many as an answer has room for.
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
    let mut streams = organizations(fleet, request, budget, &mut answer.refused).await?;
    streams.sort_unstable();
    streams.retain(|stream| request.after.as_ref().is_none_or(|after| stream > after));
    let mut last = None;
    for stream in streams {
        match days(engine, &stream, request, budget).await {
            Ok(lanes) if answer.lanes.len() + lanes.len() > LANES_ANSWERED_MAX => {
                answer.next = last;
                break;
            }
            Ok(lanes) => answer.lanes.extend(treat(engine, &stream, lanes, request, budget).await),
            Err(error) => answer.refused.push(format!("{stream}: {error}")),
        }
        last = Some(stream);
    }
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
        let next = self.next.as_ref().filter(|_| !failed.is_empty());
        failed.extend(next.map(|next| format!("continue with `\"after\":\"{next}\"`")));
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
    let Discovered { streams, discovery } =
        discover::streams(engine, &fleet.organizations, Inquiry::Events, budget).await?;
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
async fn days(
    engine: &Engine,
    live: &StreamId,
    request: &BackfillRequest,
    budget: Budget,
) -> Result<Vec<Lane>, RunError> {
    let origin_ms = match engine.birth(live).await?.map(|birth| birth.origin_ms) {
        Some(origin_ms) => origin_ms,
        None if request.plan => engine.clock.now_ms() - engine.settings.start_lookback_ms,
        None => {
            engine.ensure_created(live, &Arc::default(), &budget).await?;
            let birth = engine.birth(live).await?;
            birth.ok_or_else(|| RunError::transient("not born".to_owned()))?.origin_ms
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

/// Opens the lanes of one organization or, for a plan, counts their events.
async fn treat(
    engine: &Engine,
    live: &StreamId,
    lanes: Vec<Lane>,
    request: &BackfillRequest,
    budget: Budget,
) -> Vec<Lane> {
    let found = match Known::of(engine, live, &lanes).await {
        Ok(known) if request.plan => return known.plan(engine, lanes, budget).await,
        Ok(known) => known.open(engine, live, &lanes, budget).await,
        Err(error) => Err(error),
    };
    found.unwrap_or_else(|error| {
        tracing::warn!(stream = %live, %error, "lanes were left out");
        let error = error.to_string();
        lanes.into_iter().map(|lane| Lane { error: Some(error.clone()), ..lane }).collect()
    })
}
