//! Past days are read as often as late events ask for, and not in every run.
//!
//! Holds P14.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::collect::RunPurpose;
use engine::cursor::{OpenLanes, Update, attribute};
use engine::limits::{DAY_MS, HOUR_MS, LANE_RECOVERY_MS, MINUTE_MS};
use engine::ports::{StoreError, WorkQueue};
use engine::report::{Outcome, StreamReport};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::time::Window;

use crate::world::{START_MS, World, past_day, settings};

const INTERVAL_MS: i64 = 5 * MINUTE_MS;

/// A queue whose messages nobody handles.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<String>>);

#[async_trait]
impl WorkQueue for Kept {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError> {
        self.0.lock().unwrap().extend_from_slice(bodies);
        Ok(Vec::new())
    }
}

impl World {
    /// A scheduled run after an interval; the names of the lanes that were run.
    async fn lanes_run(&self, interval_ms: i64) -> Vec<StreamId> {
        self.pass(interval_ms);
        let report = self.scheduled_run().await;
        let lanes = report.streams.into_iter().map(|run| run.stream).filter(StreamId::is_lane);
        lanes.collect()
    }

    async fn open_lanes(&self) -> OpenLanes {
        OpenLanes::read(&self.item(&StreamId::own()).await).unwrap()
    }
}

#[tokio::test]
async fn a_lane_with_nothing_new_is_read_once_every_half_horizon() {
    let settings = Settings { late_horizon_ms: 15 * DAY_MS, ..settings() };
    let world = World::with(settings, |_| {});
    let lane = past_day(1);
    for number in 0..1_000 {
        let ms = lane.start_ms + number * MINUTE_MS;
        world.jumpcloud.load(ms, ms, "sso");
    }
    world.collect().await;
    world.jumpcloud.rows_sent();
    let written = world.backfill(lane).await.report.streams[0].tally.written;
    assert_eq!((written, world.jumpcloud.rows_sent()), (1_000, 1_000));
    for _ in 0..4 {
        assert_eq!(world.lanes_run(INTERVAL_MS).await, []);
    }
    assert_eq!(world.jumpcloud.rows_sent(), 0, "nothing of the lane is read again");

    // Until the end of the horizon; the interval is one in which the live stream reads no sweep of it.
    let (mut runs, mut rows) = (Vec::new(), 0);
    let opened_ms = world.now_ms();
    while world.now_ms() < START_MS + 17 * DAY_MS {
        if !world.lanes_run(6 * HOUR_MS).await.is_empty() {
            runs.push((world.now_ms() - opened_ms).div_euclid(DAY_MS));
        }
        rows += world.jumpcloud.rows_sent();
    }
    // After half a horizon, a horizon after the end of the day, and once more to take it out.
    assert_eq!(runs, [7, 13, 14], "{rows} rows");
    assert_eq!(rows, 2 * 1_000);
    assert!(world.open_lanes().await.is_empty());
}

#[tokio::test]
async fn a_finished_lane_is_run_once_more_and_then_never() {
    let world = World::new();
    world.collect().await;
    let lane = world.backfill(past_day(2)).await.lanes.remove(0).stream;
    assert!(world.status_of(&lane).await.finished.is_some());
    for _ in 0..LANE_RECOVERY_MS / INTERVAL_MS {
        assert_eq!(world.lanes_run(INTERVAL_MS).await, [], "an earlier run may be under way");
    }
    assert_eq!(world.lanes_run(INTERVAL_MS).await, [lane]);
    assert!(world.open_lanes().await.is_empty());
    for _ in 0..20 {
        assert_eq!(world.lanes_run(HOUR_MS).await, []);
    }
    assert_eq!(world.status().await.len(), 1, "and has no line");
}

/// An invocation had listed the lane before the last run of another one took it out: whatever it decided
/// now, no later run would publish. So it is, too, where the lane's item was restored to an older state.
#[tokio::test]
async fn a_lane_that_was_taken_out_is_not_read_by_whoever_had_listed_it_before() {
    let world = World::new();
    world.jumpcloud.load(past_day(2).start_ms + MINUTE_MS, 0, "sso");
    world.collect().await;
    world.jumpcloud.set_down(true);
    let lane = world.backfill(past_day(2)).await.lanes.remove(0).stream;
    world.jumpcloud.set_down(false);
    let taken_out = Update { remove: vec![attribute::OPEN_LANES], ..Update::default() };
    world.update(&StreamId::own(), &taken_out).await;
    let report = world.run(&lane, RunPurpose::Collect).await;
    assert_eq!((report.error, report.tally.written), (None, 0));
    assert!(!world.item(&lane).await.contains_key(attribute::LEASE_OWNER));
}

/// Its organization was not collected for a while, so that only what was decided was published.
#[tokio::test]
async fn a_lane_that_was_not_begun_stays_open_when_it_is_recovered() {
    let mut world = World::new();
    let _queue: Arc<Kept> = world.use_queue(5);
    world.run(&StreamId::own(), RunPurpose::Collect).await;
    let lane = world.backfill(past_day(2)).await.lanes.remove(0).stream;
    let recovered = world.run(&lane, RunPurpose::Recover).await;
    assert_eq!(recovered.error, None);
    assert!(!world.open_lanes().await.is_empty(), "nobody has read it");
}

#[tokio::test]
async fn lanes_leave_a_place_of_the_queue_to_live_streams() {
    let mut world = World::new();
    let queue: Arc<Kept> = world.use_queue(5);
    world.collect().await;
    let month = Window::new(past_day(30).start_ms, past_day(1).end_ms);
    assert_eq!(world.backfill(month).await.lanes.len(), 30);
    for (sent, outstanding) in [(4, 0), (0, 4), (0, 4)] {
        world.pass(INTERVAL_MS / 2);
        let queued = world.scheduled_run().await.queued.unwrap();
        assert_eq!((queued.sent, queued.outstanding, queued.waiting), (sent, outstanding, 26));
    }
    let bodies = queue.0.lock().unwrap();
    assert!(bodies.iter().all(|body| body.contains("self.backfill-")), "{bodies:?}");
}

/// Its only page takes all of the time that a run has.
#[tokio::test]
async fn lanes_are_queued_before_an_only_stream_uses_all_of_the_time() {
    let mut world = World::new();
    let queue: Arc<Kept> = world.use_queue(5);
    world.collect().await;
    let month = Window::new(past_day(30).start_ms, past_day(1).end_ms);
    world.backfill(month).await;
    world.pass(INTERVAL_MS);
    world.jumpcloud.load(world.now_ms() - MINUTE_MS, world.now_ms(), "sso");
    world.jumpcloud.time_out_above(0);
    let report = world.scheduled_run().await;
    let queued = report.queued.unwrap();
    assert_eq!((queued.sent, queued.failed, queued.waiting), (4, 0, 26));
    assert_eq!(queue.0.lock().unwrap().len(), 4);
    let streams: Vec<_> = report.streams.into_iter().map(|run| run.stream).collect();
    assert_eq!(streams, [StreamId::own()]);
}

/// The first answer to each update is lost, and the client makes it again: the condition is not met any
/// more, by its own doing.
#[tokio::test]
async fn an_update_whose_answer_is_lost_is_no_other_runs() {
    let streams = [1, 2].map(|n| StreamId::try_from(format!("{n:024x}")).unwrap());
    let mut world = World::new();
    world.configure(&streams);
    let queue: Arc<Kept> = world.use_queue(5);
    world.lose_answers();
    for runs in 1..4 {
        let queued = world.scheduled_run().await.queued.unwrap();
        assert_eq!((queued.sent, queued.outstanding), (2, 0), "{queued:?}");
        assert_eq!(queue.0.lock().unwrap().len(), 2 * runs);
        let queued = world.scheduled_run().await.queued.unwrap();
        assert_eq!((queued.sent, queued.outstanding), (0, 2), "they are in the queue");
        let bodies = queue.0.lock().unwrap()[2 * (runs - 1)..].to_vec();
        let report = world.handle(bodies).await;
        assert_eq!(report.streams.len(), 2);
        let is_well = |run: &StreamReport| run.error.is_none() && run.outcome == Outcome::Ok;
        assert!(report.streams.iter().all(is_well), "{report:?}");
        world.pass(INTERVAL_MS);
    }
}
