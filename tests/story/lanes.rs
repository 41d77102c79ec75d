//! Past days beside live streams: how often they are run, and that they never take the last place.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::cursor::OpenLanes;
use engine::limits::{DAY_MS, HOUR_MS, PASS_EVERY_MS};
use engine::ports::Cursors as _;
use engine::report::Queued;
use engine::stream::StreamId;
use engine::task::backfill::{self, BackfillRequest, LaneState};
use engine::time::Window;

use super::operator::{Kept, organization};
use super::{NOW_MS, World};

const DAYS: usize = 90;

/// The days before the live stream of the first organization.
fn past() -> BackfillRequest {
    let end_ms = NOW_MS.div_euclid(DAY_MS) * DAY_MS - DAY_MS;
    let window = Window::new(end_ms - DAYS as i64 * DAY_MS, end_ms);
    BackfillRequest { window, organizations: Some(vec![organization(1)]), plan: false, after: None }
}

/// Which of the messages in the queue are of lanes, and how many are not.
fn messages(queue: &Kept) -> (usize, usize) {
    let bodies = queue.0.lock().unwrap();
    let lanes = bodies.iter().filter(|body| body.contains(".backfill-")).count();
    (lanes, bodies.len() - lanes)
}

impl World {
    async fn open_lanes(&self, live: &StreamId) -> Vec<StreamId> {
        let item = self.cursors.get(live).await.unwrap().unwrap_or_default();
        OpenLanes::read(&item).unwrap().of(live).into_iter().map(|(lane, _)| lane).collect()
    }
}

#[tokio::test]
async fn ninety_lanes_leave_a_place_to_live_streams_and_are_run_until_they_are_read() {
    let world = World::new();
    let queue = Arc::new(Kept::default());
    let both = [organization(1), organization(2)];
    let fleet = world.fleet(&both, Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    let answer = backfill::backfill(&fleet, &past(), world.budget()).await.unwrap();
    let opened = answer.lanes.iter().filter(|lane| lane.state == LaneState::Opened);
    assert_eq!((opened.count(), answer.next), (DAYS, None));
    assert_eq!(messages(&queue), (0, 0), "scheduled runs begin them");

    // Four of five places, however many lanes wait and however long.
    for (lanes, live, outstanding) in [(4, 2, 0), (4, 2, 6)] {
        let (report, _) = world.scheduled_run(&fleet).await;
        assert_eq!(messages(&queue), (lanes, live));
        let Queued { sent, outstanding: found, waiting, .. } = report.queued.unwrap();
        assert_eq!((sent + found, found, waiting), (6, outstanding, DAYS - lanes));
        // No message is handled, and none is taken for lost.
        world.clock.0.fetch_sub(5 * HOUR_MS / 60, Ordering::Relaxed);
    }
    // A worker continues with the lanes beside the one of its message.
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    assert_eq!(world.open_lanes(&both[0]).await.len(), DAYS);
    world.scheduled_run(&fleet).await;
    assert_eq!(messages(&queue), (0, 2), "all are read, and no run that was overtaken may be left");
    world.work(&fleet, &queue).await;

    // Once none can be left, a last run takes each lane out.
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    world.scheduled_run(&fleet).await;
    assert_eq!(messages(&queue), (4, 2));
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    let open = world.open_lanes(&both[0]).await;
    assert!(open.is_empty(), "{open:?}");
    world.clock.0.fetch_add(DAY_MS, Ordering::Relaxed);
    world.scheduled_run(&fleet).await;
    assert_eq!(messages(&queue), (0, 2), "a finished lane is never asked for again");
}

#[tokio::test]
async fn lanes_are_open_again_after_the_item_of_their_live_stream_was_lost() {
    let world = World::new();
    let fleet = world.fleet(&[organization(1)], None);
    world.scheduled_run(&fleet).await;
    let two_days = BackfillRequest {
        window: Window::new(past().window.end_ms - DAY_MS, past().window.end_ms + DAY_MS),
        ..past()
    };
    backfill::backfill(&fleet, &two_days, world.budget()).await.unwrap();
    let lanes = world.open_lanes(&organization(1)).await;
    assert_eq!(lanes.len(), 2);
    // The first is finished, and over by the time the item is lost.
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    world.cursors.lose(&organization(1));
    world.scheduled_run(&fleet).await;
    assert_eq!(world.open_lanes(&organization(1)).await, lanes[1..]);
    // Items of lanes are lost, too: a call to open one again may have been, so each is read once more.
    for stream in lanes.iter().chain([&organization(1)]) {
        world.cursors.lose(stream);
    }
    world.scheduled_run(&fleet).await;
    assert_eq!(world.open_lanes(&organization(1)).await, lanes);
    // A hundred days after they were created nothing is read again.
    world.clock.0.fetch_add(101 * DAY_MS, Ordering::Relaxed);
    for stream in lanes.iter().chain([&organization(1)]) {
        world.cursors.lose(stream);
    }
    world.scheduled_run(&fleet).await;
    let open = world.open_lanes(&organization(1)).await;
    assert!(open.is_empty(), "{open:?}");
}

/// Without the table's item of a lane nothing but its live stream's says that it is open.
#[tokio::test]
async fn a_lane_that_is_not_open_is_not_created() {
    let world = World::new();
    let fleet = world.fleet(&[organization(1)], None);
    world.scheduled_run(&fleet).await;
    let lane = organization(1).lane(past().window.start_ms).unwrap();
    let before = world.state("");
    let purpose = engine::collect::RunPurpose::Collect;
    let report = fleet.engine.run(&lane, purpose, world.budget()).await;
    assert_eq!((report.error, report.pages), (None, 0));
    assert_eq!(world.state(""), before);
    fleet.engine.ensure_open(&lane).await.unwrap();
    assert_eq!(fleet.engine.run(&lane, purpose, world.budget()).await.pages, 1);
    assert!(world.state("lanes/v1/").len() == 1 && world.state("streams/v1/").len() == 1);
}

/// Once at the next pass, and once when no run that was overtaken can be left.
#[tokio::test]
async fn a_stream_that_is_gone_is_recovered_twice_and_then_left_alone() {
    let world = World::new();
    let queue = Arc::new(Kept::default());
    let both = [organization(1), organization(2)];
    let fleet = world.fleet(&both, Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    world.work(&fleet, &queue).await;
    let fleet = world.fleet(&both[..1], Some(Arc::clone(&queue)));
    let mut recoveries = Vec::new();
    for hour in 0..6 {
        world.clock.0.fetch_add(PASS_EVERY_MS, Ordering::Relaxed);
        world.scheduled_run(&fleet).await;
        let bodies = queue.0.lock().unwrap().clone();
        recoveries.extend(bodies.iter().filter(|body| body.contains("recover")).map(|_| hour));
        assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    }
    assert_eq!(recoveries, [0, 1]);
}

/// Their recoveries are messages of lanes, too.
#[tokio::test]
async fn lanes_of_a_stream_that_is_gone_leave_a_place_to_live_streams() {
    let world = World::new();
    let queue = Arc::new(Kept::default());
    let both = [organization(1), organization(2)];
    let fleet = world.fleet(&both, Some(Arc::clone(&queue)));
    world.scheduled_run(&fleet).await;
    world.work(&fleet, &queue).await;
    let past = BackfillRequest { organizations: None, ..past() };
    backfill::backfill(&fleet, &past, world.budget()).await.unwrap();
    for _ in 0..2 {
        world.scheduled_run(&fleet).await;
        assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    }
    let fleet = world.fleet(&both[..1], Some(Arc::clone(&queue)));
    world.clock.0.fetch_add(PASS_EVERY_MS, Ordering::Relaxed);
    let (report, _) = world.scheduled_run(&fleet).await;
    // The recovery of the live stream itself is none of a lane.
    let (lanes, others) = messages(&queue);
    assert!(lanes <= 4 && others == 1, "{lanes} lanes, {others} others");
    assert_eq!(report.queued.unwrap().sent, lanes + others);
    assert_eq!(world.work(&fleet, &queue).await, [""; 0]);
    // A worker recovers the lanes beside the one of its message.
    for lane in world.open_lanes(&both[1]).await {
        let item = world.cursors.get(&lane).await.unwrap().unwrap();
        assert!(item.contains_key("recovered_ms"), "{lane}");
    }
}
