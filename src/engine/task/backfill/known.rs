//! What is known of the lanes of one organization before they are opened, and what opening them does.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};

use super::lane::{Lane, LaneState};
use crate::collect::{CountRequest, Engine};
use crate::cursor::{self, Cursor, Items, OpenLanes, attribute, lease, number};
use crate::error::RunError;
use crate::limits::{DAY_MS, LANES_COUNTED_AT_ONCE, READ_BACK_MS_MAX};
use crate::read::Budget;
use crate::stream::StreamId;
use crate::time::Window;

/// What is known of the lanes of one organization.
pub(super) struct Known {
    /// Items of the lanes that have a cursor.
    items: Items,
    /// When they were created, those that were.
    born_ms: BTreeMap<StreamId, i64>,
    /// Those that are open.
    open: OpenLanes,
}

impl Known {
    pub(super) async fn of(
        engine: &Engine,
        live: &StreamId,
        lanes: &[Lane],
    ) -> Result<Self, RunError> {
        let streams: Vec<_> = lanes.iter().map(|lane| lane.stream.clone()).collect();
        let mut items = engine.cursors.get_many(&streams).await?;
        items.retain(|_, item| cursor::seq(item).is_some());
        let item = engine.cursors.get(live).await?.unwrap_or_default();
        let open = OpenLanes::read(&item)?;
        let mut born_ms = BTreeMap::new();
        let created = engine.created_lanes(live).await?;
        for lane in created.into_iter().filter(|lane| streams.contains(lane)) {
            // The certificate is read only where the item does not say it.
            let known_ms = items.get(&lane).and_then(|item| number(item, attribute::BORN_MS).ok());
            let found_ms = match known_ms {
                Some(known_ms) => Some(known_ms),
                None => engine.birth(&lane).await?.map(|birth| birth.born_ms),
            };
            born_ms.extend(found_ms.map(|found_ms| (lane, found_ms)));
        }
        Ok(Self { items, born_ms, open })
    }

    /// Why a day is not read again: it was archived so long ago that the index may not know it any
    /// more, and it would be archived twice. `None` if it may be read.
    fn why_refused(&self, lane: &StreamId, now_ms: i64) -> Option<String> {
        let age_ms = now_ms - self.born_ms.get(lane)?;
        let (days, most) = (age_ms / DAY_MS, READ_BACK_MS_MAX / DAY_MS);
        (age_ms > READ_BACK_MS_MAX).then(|| {
            format!(
                "its lane was created {days} days ago, and after {most} days a day is not read \
                 again: what was archived of it may not be known any more, and would be archived \
                 twice"
            )
        })
    }

    fn is_finished(&self, lane: &StreamId) -> bool {
        self.items.get(lane).is_some_and(|item| item.contains_key(attribute::FINISHED_MS))
    }

    /// The state of a lane before it is opened.
    fn state(&self, lane: &StreamId) -> LaneState {
        let is_known = self.born_ms.contains_key(lane) || self.open.opened_ms(lane).is_some();
        match is_known {
            _ if self.is_finished(lane) => LaneState::Finished,
            true => LaneState::Open,
            false => LaneState::New,
        }
    }

    /// Counts the events of each lane.
    pub(super) async fn plan(
        &self,
        engine: &Engine,
        lanes: Vec<Lane>,
        budget: Budget,
    ) -> Vec<Lane> {
        let planned = stream::iter(lanes).map(|lane| async move {
            let state = self.state(&lane.stream);
            if let Some(error) = self.why_refused(&lane.stream, engine.now_ms()) {
                return Lane { state: LaneState::Refused, error: Some(error), ..lane };
            }
            let counted = match engine.clock.now_ms() >= budget.read_until_ms(0) {
                true => Err(RunError::transient("the time is over".to_owned())),
                false => count(engine, &lane, budget).await,
            };
            match counted {
                Ok(events) => Lane { state, events: Some(events), ..lane },
                Err(error) => {
                    tracing::warn!(stream = %lane.stream, %error, "the lane was not counted");
                    Lane { state, error: Some(error.to_string()), ..lane }
                }
            }
        });
        planned.buffered(LANES_COUNTED_AT_ONCE).collect().await
    }

    /// Opens the lanes, all with one update of the live stream's item.
    pub(super) async fn open(
        &self,
        engine: &Engine,
        live: &StreamId,
        lanes: &[Lane],
        budget: Budget,
    ) -> Result<Vec<Lane>, RunError> {
        if engine.clock.now_ms() >= budget.read_until_ms(0) {
            return Err(RunError::transient("the time is over".to_owned()));
        }
        let now_ms = engine.now_ms();
        let (mut opened, mut treated) = (Vec::new(), Vec::new());
        for lane in lanes {
            let error = self.why_refused(&lane.stream, now_ms);
            let state = match self.state(&lane.stream) {
                _ if error.is_some() => LaneState::Refused,
                LaneState::Finished => LaneState::Reopened,
                LaneState::New => LaneState::Opened,
                state => state,
            };
            if error.is_none() {
                let item = self.items.get(&lane.stream);
                let cursor = item.map(Cursor::read).transpose()?;
                let since_ms = cursor.map(|cursor| cursor.state.after_all_readings_ms(now_ms));
                opened.push((&lane.stream, since_ms.unwrap_or(now_ms)));
            }
            treated.push(Lane { state, error, ..lane.clone() });
        }
        let change = |open: &mut OpenLanes| {
            opened.iter().for_each(|(lane, opened_ms)| open.open(lane, *opened_ms));
        };
        if !engine.change_open_lanes(live, change).await? {
            return Err(RunError::transient(format!("the cursor of {live} is lost")));
        }
        for (lane, _) in opened.iter().filter(|(lane, _)| self.is_finished(lane)) {
            engine.cursors.update(lane, &lease::reopen()).await?;
        }
        Ok(treated)
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
