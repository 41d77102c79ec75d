//! What a stack says of itself: metrics that alarms use, and `status`. Whatever is wrong raises its
//! metric, nothing does in a healthy stack, and what is over costs nothing there.
//!
//! Holds P13 and P14.

use std::sync::Arc;

use engine::fleet::dispatch::Fleet;
use engine::limits::LANE_RECOVERY_MS;
use engine::read::Budget;
use engine::report::{Detail, Metrics, Report, StreamReport, View};
use engine::task::status::{Status, StatusRequest, status};
use serde_json::Value;

use crate::invoke::Invocation;
use crate::promise::Promise;
use crate::request::Request;
use crate::schedule::{DAY, HOUR, MINUTE, Schedule};
use crate::simulate::Simulation;
use crate::stack::Asked;
use crate::tally::Step;
use crate::world::{Shared, World, lock};

/// What a worker says of itself last.
#[derive(Debug)]
pub(crate) struct Said {
    /// How long a stream may have no successful run, as the template sets it.
    pub(crate) stale_after_ms: i64,
    status: Option<Status>,
}

impl Said {
    pub(crate) fn nothing(schedule: &Schedule) -> Self {
        let stale_after_ms = (3 * schedule.schedule_interval_ms).max(30 * MINUTE);
        Self { stale_after_ms, status: None }
    }
}

/// Metrics of which none is raised in a healthy stack.
const RAISED: [&str; 7] = [
    "RangesLost",
    "EventsOfOthers",
    "StreamsStale",
    "QueriesRefused",
    "ReconcileGap",
    "StreamsNeedingOperator",
    "DiscoveryFailed",
];

impl Simulation {
    /// Looks at a stack in which nothing is left to be done.
    pub(crate) fn look_at_health(&mut self) {
        if self.schedule.stack.is_none() || !lock(&self.world).wrong.is_empty() {
            return;
        }
        let interval_ms = self.schedule.schedule_interval_ms;
        // The first finds that no earlier run of a lane can be under way, and takes it out.
        for wait_ms in [HOUR.max(LANE_RECOVERY_MS + interval_ms), interval_ms, interval_ms] {
            self.advance_by(wait_ms);
            self.invoke(Asked::Collect);
        }
        self.advance_by(MINUTE);
        if self.is_a_lane_read_by_a_longer_horizon() {
            return;
        }
        lock(&self.world).is_healthy = true;
        for asked in [Asked::Collect, Asked::Collect, Asked::Status] {
            self.invoke(asked);
            self.advance_by(interval_ms);
        }
        let mut world = lock(&self.world);
        world.is_healthy = false;
        let status = world.said.status.take();
        world.tally.step(Step::Healthy);
        let wrong = status.map_or(Some("it has no status".to_owned()), |status| ails(&status));
        if let Some(how) = wrong {
            world.wrong(Promise::Told.broken(format_args!("the stack is healthy, {how}")));
        }
    }

    /// Whether a lane is open that one process has finished: for another one, whose late horizon is
    /// longer, it is not.
    fn is_a_lane_read_by_a_longer_horizon(&self) -> bool {
        let mut horizons =
            self.schedule.of_processes.iter().map(|settings| settings.late_horizon_ms);
        let first = horizons.next();
        let differ = horizons.any(|horizon_ms| Some(horizon_ms) != first);
        let world = lock(&self.world);
        let mut streams = self.schedule.read(|stream| world.store.is_born(stream));
        differ && streams.any(|stream| stream.is_lane() && world.is_open(stream))
    }
}

/// What `status` says is wrong, where nothing is.
fn ails(status: &Status) -> Option<String> {
    let totals = &status.totals;
    let is_well = totals.needing_operator + totals.failing + totals.suspended == 0
        && totals.refused + totals.gaps + totals.open_lanes == 0;
    let is_read = totals.lag_seconds.is_some_and(|seconds| seconds * 1_000 < DAY);
    (!is_well || !is_read).then(|| format!("its status is {totals:?}"))
}

impl World {
    /// A request is made: in a healthy stack none is about a lane that is over.
    pub(crate) fn is_needless(&self, request: &Request) -> bool {
        if !self.is_healthy {
            return false;
        }
        match request {
            Request::Item { stream } | Request::Update { stream, .. } => stream.is_lane(),
            Request::Get { key, .. } | Request::Sha256 { key, .. } => is_of_lane(key),
            Request::Create { key, .. } => is_of_lane(key),
            Request::List { prefix, .. } => is_of_lane(prefix),
            _ => false,
        }
    }
}

fn is_of_lane(key: &str) -> bool {
    key.starts_with("lanes/") || key.contains(".backfill-")
}

/// Looks at the metrics of an invocation. What is wrong must raise one of them, and nothing else may.
pub(crate) fn keep_metrics(world: &Shared, fleet: &Fleet, report: &Report, view: View<'_>) {
    let metrics = Metrics {
        detail: Detail::Standard,
        namespace: String::new(),
        function: String::new(),
        stale_after_ms: lock(world).said.stale_after_ms,
        retention_ms: fleet.engine.settings.retention_ms,
    };
    let now_ms = fleet.engine.clock.now_ms();
    let line = metrics.line(report, view, now_ms, false);
    let metrics: Value = serde_json::from_str(&line).unwrap();
    let mut world = lock(world);
    for name in wanted(report, view) {
        world.tally.step(Step::Raised);
        if metrics[name].as_i64().is_none_or(|n| n == 0) {
            world.wrong(Promise::Told.broken(format_args!("{name} is not raised by {report:?}")));
        }
    }
    let is_raised = |name: &&&str| metrics[**name].as_i64().is_some_and(|n| n > 0);
    for name in RAISED.iter().filter(|_| world.is_healthy).filter(is_raised).collect::<Vec<_>>() {
        let how = format_args!("the stack is healthy, and {name} is {}", metrics[*name]);
        world.wrong(Promise::Told.broken(how));
    }
}

/// The metrics that what was reported must raise: what a stream's item says, a scheduled run raises.
fn wanted(report: &Report, view: View<'_>) -> impl Iterator<Item = &'static str> {
    let any = |is_so: fn(&StreamReport) -> bool| report.streams.iter().any(is_so);
    let is_whole = matches!(view, View::Fleet(_));
    let is_refused = |run: &StreamReport| !run.refused.is_empty() && !run.is_recovery;
    let wanted = [
        ("RangesLost", any(|run| !run.lost.is_empty())),
        ("EventsOfOthers", any(|run| run.tally.foreign > 0)),
        ("QueriesRefused", is_whole && any(is_refused)),
        ("StreamsNeedingOperator", is_whole && any(|run| run.needs_operator)),
        ("DiscoveryFailed", report.discovery.as_ref().is_some_and(|d| d.error.is_some())),
    ];
    wanted.into_iter().filter_map(|(name, is_wanted)| is_wanted.then_some(name))
}

/// Asks for the status.
pub(crate) fn ask_status(world: Shared, fleet: Arc<Fleet>, budget: Budget) -> Invocation {
    Box::pin(async move {
        let (engine, organizations) = (&fleet.engine, &fleet.organizations);
        let told = status(engine, organizations, StatusRequest::default(), budget).await;
        lock(&world).said.status = told.ok();
        Vec::new()
    })
}
