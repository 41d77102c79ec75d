//! What metrics and `status` say of streams that are not read as they should be, so that an alarm is
//! raised: past days that are closed or refused, runs that are killed, and a table that does not
//! answer.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use engine::collect::Engine;
use engine::cursor::{Item, Update, lease};
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::Fleet;
use engine::limits::{DAY_MS, HOUR_MS, LEASE_MS_MAX, MINUTE_MS};
use engine::ports::{
    Cursors, Incoming, Insights, InsightsError, PageRequest, Services, StoreError,
};
use engine::read::Budget;
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::backfill;
use fixtures::memory::MemoryCursors;
use futures_util::future::BoxFuture;

use super::operator::{Kept, organization, yesterday};
use super::ports::JumpCloud;
use super::{World, settings};

/// JumpCloud refuses requests for what is before this time.
struct RefusesBefore(Arc<JumpCloud>, i64);

impl Insights for RefusesBefore {
    fn page(&self, request: PageRequest) -> Incoming {
        if request.ask.window.start_ms >= self.1 {
            return self.0.page(request);
        }
        let refused = InsightsError::Refused { status: 403, cause: "403: too old".into() };
        Incoming::new(Box::pin(ready(None)), Box::pin(ready(Err(refused))), || {})
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        self.0.count(request)
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        self.0.hourly(request)
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        self.0.services(request)
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        self.0.clock_skew_ms()
    }
}

/// A table that does not return the items of lanes.
struct WithoutLanes(Arc<MemoryCursors>);

#[async_trait]
impl Cursors for WithoutLanes {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        match stream.is_lane() {
            true => Err(StoreError::Indeterminate("DynamoDB answers 503".into())),
            false => self.0.get(stream).await,
        }
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        self.0.update(stream, update).await
    }
}

impl World {
    /// A process that collects the first organization, with the queue if there is one.
    fn process(
        &self,
        insights: Arc<dyn Insights>,
        cursors: Arc<dyn Cursors>,
        queue: Option<Arc<Kept>>,
    ) -> Fleet {
        let engine = Engine::new(
            insights,
            Arc::clone(&self.jumpcloud) as _,
            Arc::clone(&self.objects) as _,
            cursors,
            Arc::clone(&self.clock) as _,
            Settings { names_organizations: true, ..settings() },
        );
        let organizations = OrganizationSource::Named(vec![organization(1)]);
        Fleet { engine, queue: queue.map(|queue| queue as _), concurrency: 5, organizations }
    }

    /// A run begins, and its process is killed.
    async fn kill_a_run(&self, stream: &StreamId) {
        let now_ms = self.clock.0.load(Ordering::Relaxed);
        let claim = lease::claim("killed", now_ms, now_ms + LEASE_MS_MAX);
        assert!(self.cursors.update(stream, &claim).await.unwrap().is_some());
    }
}

/// The worker that closes it writes no metric of all streams, and no run fails as an invocation.
#[tokio::test]
async fn a_lane_that_a_worker_closes_is_counted_until_its_last_run() {
    let world = World::new();
    let queue = Arc::new(Kept::default());
    let fleet = world.fleet(&[organization(1)], Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    backfill::backfill(&fleet, &yesterday(), world.budget()).await.unwrap();
    world.scheduled_run(&fleet).await;
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    world.clock.0.fetch_add(101 * DAY_MS, Ordering::Relaxed);
    let (_, line) = world.scheduled_run(&fleet).await;
    assert_eq!(line["StreamsNeedingOperator"], 0);
    let lane = organization(1).lane(yesterday().window.start_ms).unwrap();
    assert_eq!(world.work(&fleet, &queue).await, [lane.to_string()], "it is closed");

    // Also by a scheduled run so late that the lane's last run is due.
    for wait_ms in [0, HOUR_MS] {
        world.clock.0.fetch_add(wait_ms, Ordering::Relaxed);
        let (report, line) = world.scheduled_run(&fleet).await;
        assert_eq!((report.failure(3), &line["StreamsNeedingOperator"]), (None, &1.into()));
    }
    assert_eq!(world.work(&fleet, &queue).await, [lane.to_string()]);
    let (_, line) = world.scheduled_run(&fleet).await;
    assert_eq!(line["StreamsNeedingOperator"], 0, "nothing can be done about it");
}

#[tokio::test]
async fn queries_of_past_days_that_are_refused_are_counted() {
    let world = World::new();
    let queue = Arc::new(Kept::default());
    let insights = Arc::new(RefusesBefore(Arc::clone(&world.jumpcloud), yesterday().window.end_ms));
    let fleet = world.process(insights, Arc::clone(&world.cursors) as _, Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    backfill::backfill(&fleet, &yesterday(), world.budget()).await.unwrap();
    let (_, line) = world.scheduled_run(&fleet).await;
    assert_eq!(line["QueriesRefused"], 0);
    assert_eq!(world.work(&fleet, &queue).await.len(), 1);
    let (report, line) = world.scheduled_run(&fleet).await;
    assert!(report.streams.iter().all(|run| run.refused.is_empty()), "{report:?}");
    assert_eq!((&line["QueriesRefused"], &line["Streams"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn runs_that_are_killed_raise_what_the_cursor_says() {
    let world = World::new();
    let only = organization(1);
    let fleet = world.fleet(std::slice::from_ref(&only), None);
    world.scheduled_run(&fleet).await;
    world.clock.0.fetch_add(2 * DAY_MS, Ordering::Relaxed);
    world.kill_a_run(&only).await;
    let (report, line) = world.scheduled_run(&fleet).await;
    assert_eq!(report.streams[0].outcome, Outcome::Busy);
    assert_eq!((&line["StreamsStale"], &line["DaysToDataLoss"]), (&1.into(), &87.into()));
    let lag_seconds = report.streams[0].lag_seconds.unwrap();
    assert!(lag_seconds > 2 * DAY_MS / 1_000 && line["FreshnessLagSeconds"] == lag_seconds);
    // Its last run before that has failed for a permanent reason.
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    world.damage(&only, 2).await;
    let (report, _) = world.scheduled_run(&fleet).await;
    assert!(report.streams[0].needs_operator, "{report:?}");
    world.kill_a_run(&only).await;
    let (report, line) = world.scheduled_run(&fleet).await;
    assert_eq!(report.streams[0].outcome, Outcome::Busy);
    assert_eq!(line["StreamsNeedingOperator"], 1);
}

#[tokio::test]
async fn a_live_stream_is_reported_although_its_lanes_cannot_be_looked_at() {
    let world = World::new();
    let fleet = world.fleet(&[organization(1)], None);
    world.scheduled_run(&fleet).await;
    backfill::backfill(&fleet, &yesterday(), world.budget()).await.unwrap();
    let cursors = Arc::new(WithoutLanes(Arc::clone(&world.cursors)));
    for queue in [None, Some(Arc::default())] {
        let fleet =
            world.process(Arc::clone(&world.jumpcloud) as _, Arc::clone(&cursors) as _, queue);
        let (report, line) = world.scheduled_run(&fleet).await;
        let told: Vec<_> =
            report.streams.iter().map(|line| (line.stream.is_lane(), line.outcome)).collect();
        assert_eq!(told, [(false, Outcome::Ok), (true, Outcome::Failed)], "{report:?}");
        assert_eq!((report.failure(3), &line["Streams"]), (None, &1.into()));
    }
}

/// Nothing new is known of a stream that was not queued.
#[tokio::test]
async fn a_stream_for_which_the_time_was_over_is_waiting() {
    let world = World::new();
    let both = [organization(1), organization(2)];
    let queue = Arc::new(Kept::default());
    let fleet = world.fleet(&both, Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    world.work(&fleet, &queue).await;
    world.damage(&both[1], 2).await;
    world.scheduled_run(&fleet).await;
    assert_eq!(world.work(&fleet, &queue).await, [both[1].to_string()]);
    let started_ms = world.clock.0.fetch_add(5 * MINUTE_MS, Ordering::Relaxed);
    let over = Budget { started_ms, deadline_ms: started_ms + MINUTE_MS };
    let (report, line) = world.scheduled_run_within(&fleet, over).await;
    let queued = report.queued.unwrap();
    assert_eq!((queued.sent, queued.failed, queued.waiting), (0, 0, 2));
    for line in &report.streams {
        assert_eq!(line.outcome, Outcome::Waiting);
        assert!(line.error.as_ref().is_some_and(|why| why.contains("the time was over")));
    }
    assert_eq!(line["StreamsNeedingOperator"], 1);
}
