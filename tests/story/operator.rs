//! What needs an operator is counted where an alarm sees it, however the run was triggered.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use engine::collect::Engine;
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{self, Fleet};
use engine::fleet::message::Record;
use engine::fleet::queue;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::ports::{
    Console, Incoming, Insights, InsightsError, ListPage, ListRequest, ObjectMeta, Objects,
    PageRequest, PutResult, Services, StoreError, WorkQueue,
};
use engine::read::Budget;
use engine::report::{Detail, Metrics, Report, View};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::backfill::{self, BackfillRequest, LaneState};
use engine::task::status::{self, StatusRequest};
use engine::time::Window;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{NOW_MS, World, settings};

/// A queue that keeps what it is sent.
#[derive(Default)]
pub(crate) struct Kept(pub(crate) Mutex<Vec<String>>);

#[async_trait]
impl WorkQueue for Kept {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError> {
        self.0.lock().unwrap().extend_from_slice(bodies);
        Ok(Vec::new())
    }
}

/// JumpCloud without lists and without counts.
struct WithoutCounts(Arc<dyn Insights>);

impl Insights for WithoutCounts {
    fn page(&self, request: PageRequest) -> Incoming {
        self.0.page(request)
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        self.0.count(request)
    }

    fn hourly(
        &self,
        _: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        Box::pin(ready(Err(InsightsError::Unavailable("JumpCloud answers 503".into()))))
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        self.0.services(request)
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        self.0.clock_skew_ms()
    }
}

impl Console for WithoutCounts {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        Box::pin(ready(Err(InsightsError::Unavailable("JumpCloud answers 503".into()))))
    }
}

/// A state bucket into which no lane may be born on one day.
struct RefusesLane(Arc<dyn Objects>, &'static str);

#[async_trait]
impl Objects for RefusesLane {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        if key.contains(self.1) {
            return Err(StoreError::Denied("403 AccessDenied".into()));
        }
        self.0.create(bucket, key, body, meta).await
    }

    async fn refuses_overwrite(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        self.0.refuses_overwrite(bucket, key).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        self.0.get(bucket, key).await
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        self.0.sha256(bucket, key).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.0.list(bucket, prefix, after, most).await
    }
}

pub(crate) fn organization(n: u8) -> StreamId {
    format!("{n:024x}").try_into().unwrap()
}

impl World {
    pub(crate) fn fleet(&self, streams: &[StreamId], queue: Option<Arc<Kept>>) -> Fleet {
        let mut engine = self.engine(Arc::clone(&self.objects) as Arc<dyn Objects>);
        engine.settings.names_organizations = true;
        let queue = queue.map(|queue| queue as Arc<dyn WorkQueue>);
        let organizations = OrganizationSource::Named(streams.to_vec());
        Fleet { engine, queue, concurrency: 5, organizations }
    }

    /// A scheduled run a quarter of an hour later, and the metrics it writes.
    pub(crate) async fn scheduled_run(&self, fleet: &Fleet) -> (Report, Value) {
        self.clock.0.fetch_add(15 * MINUTE_MS + 1, Ordering::Relaxed);
        self.scheduled_run_within(fleet, self.budget()).await
    }

    /// A scheduled run with this budget, and the metrics it writes.
    pub(crate) async fn scheduled_run_within(
        &self,
        fleet: &Fleet,
        budget: Budget,
    ) -> (Report, Value) {
        let report = dispatch::collect(fleet, budget).await.unwrap();
        let metrics = Metrics {
            detail: Detail::Detailed,
            namespace: "Test".to_owned(),
            function: "collector".to_owned(),
            stale_after_ms: 30 * MINUTE_MS,
            retention_ms: 90 * DAY_MS,
        };
        let line =
            metrics.line(&report, View::Fleet(&report.statuses_before), budget.started_ms, false);
        (report, serde_json::from_str(&line).unwrap())
    }

    /// The function answers every message of the queue; the names of the streams that failed.
    pub(crate) async fn work(&self, fleet: &Fleet, queue: &Kept) -> Vec<String> {
        let bodies = std::mem::take(&mut *queue.0.lock().unwrap());
        let record =
            |body| Record { event_source: "aws:sqs".to_owned(), message_id: "1".to_owned(), body };
        let records: Vec<_> = bodies.into_iter().map(record).collect();
        let (answer, report) = queue::handle_messages(&fleet.engine, &records, self.budget()).await;
        assert!(answer.batch_item_failures.is_empty());
        let failed = report.streams.into_iter().filter(|line| line.error.is_some());
        failed.map(|line| line.stream.to_string()).collect()
    }

    /// An object that is not an entry exists under the key of a stream's next entry.
    pub(crate) async fn damage(&self, stream: &StreamId, next: u64) {
        let key = format!("journal/v1/{stream}/{next:020}");
        let body = Bytes::from_static(b"no entry");
        self.objects.create("state", &key, body, &ObjectMeta::default()).await.unwrap();
    }
}

pub(crate) fn yesterday() -> BackfillRequest {
    let today_ms = NOW_MS.div_euclid(DAY_MS) * DAY_MS;
    let window = Window::new(today_ms - DAY_MS, today_ms);
    BackfillRequest { window, organizations: Some(vec![organization(1)]), plan: false, after: None }
}

/// Through the queue no invocation fails for them: without the metric nobody would know.
#[tokio::test]
async fn lanes_and_streams_that_are_gone_are_counted_too() {
    let world = World::new();
    let both = [organization(1), organization(2)];
    let queue = Arc::new(Kept::default());
    let fleet = world.fleet(&both, Some(Arc::clone(&queue)));
    let (_, line) = world.scheduled_run(&fleet).await;
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    backfill::backfill(&fleet, &yesterday(), world.budget()).await.unwrap();
    world.scheduled_run(&fleet).await;
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    assert_eq!(line["StreamsNeedingOperator"], 0);

    let lane = organization(1).lane(yesterday().window.start_ms).unwrap();
    world.damage(&lane, 1).await;
    world.damage(&organization(2), 2).await;
    let fleet = world.fleet(&both[..1], Some(Arc::clone(&queue)));
    // By then the lane is read again.
    world.clock.0.fetch_add(DAY_MS / 2, Ordering::Relaxed);
    world.scheduled_run(&fleet).await;
    let failed = world.work(&fleet, &queue).await;
    assert_eq!(failed.len(), 2, "{failed:?}");
    // By then the next pass through all streams has begun.
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    let (report, line) = world.scheduled_run(&fleet).await;
    assert_eq!(report.failure(3), None, "no invocation fails");
    assert_eq!(line["StreamsNeedingOperator"], 2);

    let (request, budget) = (StatusRequest::default(), world.budget());
    let status =
        status::status(&fleet.engine, &fleet.organizations, request, budget).await.unwrap();
    assert_eq!((status.totals.needing_operator, status.totals.open_lanes), (2, 1));
    let told: Vec<_> = status.streams.iter().filter(|line| line.needs_operator).collect();
    let told: Vec<_> = told.iter().map(|line| line.stream.clone()).collect();
    assert_eq!(told, [lane, organization(2)]);
}

#[tokio::test]
async fn discovery_and_counts_that_fail_are_counted() {
    let world = World::new();
    let broken = Arc::new(WithoutCounts(Arc::clone(&world.jumpcloud) as _));
    let engine = Engine::new(
        Arc::clone(&broken) as _,
        broken,
        Arc::clone(&world.objects) as _,
        Arc::clone(&world.cursors) as _,
        Arc::clone(&world.clock) as _,
        Settings { names_organizations: true, ..settings() },
    );
    let named = Fleet {
        engine,
        queue: None,
        concurrency: 1,
        organizations: OrganizationSource::Named(vec![organization(1)]),
    };
    for _ in 0..5 {
        world.scheduled_run(&named).await;
    }
    let (_, line) = world.scheduled_run(&named).await;
    assert_eq!((&line["CountsFailed"], line.get("DiscoveryFailed")), (&1.into(), None), "{line}");
    let discovering = Fleet { organizations: OrganizationSource::Administrator, ..named };
    let (_, line) = world.scheduled_run(&discovering).await;
    assert_eq!(line["DiscoveryFailed"], 1, "{line}");
}

#[tokio::test]
async fn a_backfill_says_of_each_lane_what_became_of_it_and_fails_for_one_left_out() {
    let world = World::new();
    let objects = Arc::new(RefusesLane(Arc::clone(&world.objects) as _, "/2026-11-19.json"));
    let organizations = OrganizationSource::Named(vec![organization(1)]);
    let engine = world.engine(objects);
    let mut fleet = Fleet { engine, queue: None, concurrency: 1, organizations };
    fleet.engine.settings.names_organizations = true;
    world.scheduled_run(&fleet).await;
    let two_days = BackfillRequest {
        window: Window { start_ms: yesterday().window.start_ms - DAY_MS, ..yesterday().window },
        ..yesterday()
    };
    let answer = backfill::backfill(&fleet, &two_days, world.budget()).await.unwrap();
    let told: Vec<_> = answer.lanes.iter().map(|lane| lane.state).collect();
    assert_eq!(told, [LaneState::Opened; 2]);
    // A lane is created by its first run.
    let failed = answer.lanes[0].stream.clone();
    assert_eq!(answer.failure(3).unwrap(), format!("{failed}: 403 AccessDenied"));
    let again = backfill::backfill(&fleet, &two_days, world.budget()).await.unwrap();
    let told: Vec<_> = again.lanes.iter().map(|lane| lane.state).collect();
    assert_eq!(told, [LaneState::Open; 2]);

    let over = Budget { started_ms: NOW_MS, deadline_ms: NOW_MS };
    let answer = backfill::backfill(&fleet, &two_days, over).await.unwrap();
    let failure = answer.failure(3).unwrap();
    assert!(
        failure.starts_with("2 of 2 lanes were left out") && failure.contains("the time"),
        "{failure}"
    );
}
