//! What a backfill would do, and what that comes to.

use std::collections::BTreeMap;

use engine::limits::BATCH_EVENTS_MAX;
use engine::task::backfill::{Backfill, Lane, LaneState};
use engine::time;

use crate::show::{self, counted};

/// Lanes that the plan shows one by one; more are summed up, an organization a line.
const LANES_SHOWN_MAX: usize = 120;

/// Shows the days, and what they come to.
pub(crate) fn show(plan: &Backfill) {
    let lanes = plan.lanes.iter().map(|lane| (lane.stream.live().to_string(), lane));
    if plan.lanes.len() <= LANES_SHOWN_MAX {
        let rows = lanes.map(|(name, lane)| {
            let (day, events) = (time::date(lane.start.0), lane.events.unwrap_or(0));
            [name, day.to_string(), events.to_string(), state(lane).to_owned()]
        });
        show::table(["organization", "day", "events", "state"], rows);
    } else {
        let mut organizations: BTreeMap<String, (usize, u64)> = BTreeMap::new();
        for (name, lane) in lanes {
            let (days, events) = organizations.entry(name).or_default();
            *days += 1;
            *events += lane.events.unwrap_or(0);
        }
        let rows = organizations
            .into_iter()
            .map(|(name, (days, events))| [name, days.to_string(), events.to_string()]);
        show::table(["organization", "days", "events"], rows);
    }
    let Estimate { events, objects, dollars } = Estimate::of(&plan.lanes);
    println!(
        "\n{}, {}, about {}, about ${dollars:.2} of requests, computing time and a month of storage",
        counted(plan.lanes.len(), "day", "days"),
        counted(events, "event", "events"),
        counted(objects, "object", "objects"),
    );
    for refused in &plan.refused {
        println!("refused: {refused}");
    }
}

fn state(lane: &Lane) -> &'static str {
    match lane.state {
        LaneState::Refused => "archived too long ago to be read again",
        _ if lane.error.is_some() => "could not be counted",
        LaneState::New => "new",
        LaneState::Opened | LaneState::Open => "open",
        LaneState::Finished => "archived before, would be read again",
        LaneState::Reopened => "read again",
        LaneState::Left => "left out",
    }
}

/// What a plan comes to, roughly.
struct Estimate {
    events: u64,
    objects: u64,
    dollars: f64,
}

/// Services that a busy day has events of.
const SERVICES: u64 = 8;
/// Objects beside the parts of a batch: its entry, and the slots of a day.
const STATE_OBJECTS: u64 = 1 + 24;
/// List prices of us-east-1: a thousand PUT requests, a million events of computing time, and a
/// million events of compressed storage for a month.
const DOLLARS: (f64, f64, f64) = (0.005, 0.002, 0.0035);

impl Estimate {
    fn of(lanes: &[Lane]) -> Self {
        let counts = lanes.iter().map(|lane| lane.events.unwrap_or(0));
        let batches = |events: u64| events.div_ceil(BATCH_EVENTS_MAX as u64);
        let parts = |events: u64| batches(events) * SERVICES.min(events);
        let (events, objects) = (counts.clone().sum(), counts.clone().map(parts).sum::<u64>());
        let writes = objects + counts.map(|count| batches(count) * STATE_OBJECTS).sum::<u64>();
        let (write, compute, storage) = DOLLARS;
        let (writes, millions) = (writes as f64 / 1_000.0, events as f64 / 1_000_000.0);
        Self { events, objects, dollars: writes * write + millions * (compute + storage) }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use engine::time::UtcTime;

    use super::*;

    fn lane(events: u64) -> Lane {
        Lane {
            stream: "self.backfill-2026-10-01".to_owned().try_into().unwrap(),
            start: UtcTime(0),
            end: UtcTime(0),
            state: LaneState::New,
            error: None,
            events: Some(events),
        }
    }

    #[test]
    fn an_estimate_grows_with_events_and_batches() {
        let none = Estimate::of(&[lane(0)]);
        assert_eq!((none.events, none.objects, none.dollars), (0, 0, 0.0));
        let few = Estimate::of(&[lane(3), lane(40_000)]);
        assert_eq!((few.events, few.objects), (40_003, 3 + 8));
        let many = Estimate::of(&[lane(1_000_000)]);
        assert_eq!(many.objects, 20 * 8);
        assert!((0.008..0.009).contains(&many.dollars), "{}", many.dollars);
    }
}
