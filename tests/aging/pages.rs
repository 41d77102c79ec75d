//! Pages that do not come in time.

use engine::collect::RunPurpose;
use engine::cursor::Cursor;
use engine::limits::{BREAKER_PROBE_INTERVAL_MS, DAY_MS, HOUR_MS};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::time::Window;

use crate::world::{START_MS, World, settings};

const ROWS: usize = 400;
/// A page of so many rows comes, and of no more.
const ROWS_IN_TIME: usize = 100;

/// Every page that is too large takes the rest of a run. So 400 and 200 rows take two runs each, and
/// then every second run has a page of 100, of which one row came before, and tries a larger one.
const RUNS: usize = 4 + 2 * 4 + 1;

async fn assert_archived(world: &World, events: usize) {
    for _ in 0..RUNS {
        world.pass(BREAKER_PROBE_INTERVAL_MS);
        world.run(&StreamId::own(), RunPurpose::Collect).await;
    }
    assert_eq!(world.archived_once().await, events, "after {RUNS} runs");
}

/// No try of a run that ends before the answer is forgotten: two at one size halve it, in whichever
/// runs they were made.
#[tokio::test]
async fn a_page_that_times_out_is_requested_in_halves() {
    let world = World::with(Settings { page_limit: 400, ..settings() }, |_| {});
    for row in (0..).take(ROWS) {
        let ms = START_MS - HOUR_MS + row * 1_000;
        world.jumpcloud.load(ms, ms, "sso");
    }
    world.jumpcloud.time_out_above(ROWS_IN_TIME);
    assert_archived(&world, ROWS).await;
}

/// The head is read up to now, and what came late lies in a page that is too large.
#[tokio::test]
async fn a_page_that_times_out_blocks_no_sweep() {
    let world = World::with(Settings { page_limit: 400, ..settings() }, |_| {});
    world.collect().await;
    world.pass(HOUR_MS);
    world.collect().await;
    for row in (0..).take(ROWS) {
        let ms = START_MS - 9 * HOUR_MS + row * 1_000;
        world.jumpcloud.load(ms, world.now_ms(), "sso");
    }
    world.pass(12 * HOUR_MS);
    world.jumpcloud.time_out_above(ROWS_IN_TIME);
    assert_archived(&world, ROWS).await;
}

/// A row without a time at the end of a lane: whose it is cannot be found out. What was read before is
/// not read again.
#[tokio::test]
async fn a_question_at_the_end_of_a_lane_that_fails_loses_no_position() {
    let world = World::with(Settings { page_limit: 2, ..settings() }, |_| {});
    world.jumpcloud.time_out_above(1_000);
    let midnight_ms = START_MS.div_euclid(DAY_MS) * DAY_MS;
    let day = Window::new(midnight_ms - 2 * DAY_MS, midnight_ms - DAY_MS);
    for hour in 1..9 {
        let ms = day.start_ms + hour * HOUR_MS;
        world.jumpcloud.load(ms, ms, "sso");
    }
    world.jumpcloud.load_unplaced(day.end_ms - 1);
    world.collect().await;
    world.jumpcloud.set_down_in(Window::new(day.end_ms, day.end_ms + 1));
    let lane = world.backfill(day).await.lanes.remove(0).stream;
    let cursor = Cursor::read(&world.item(&lane).await).unwrap();
    let reading = cursor.state.queries[0].reading.as_ref();
    assert!(
        reading.is_some_and(|reading| reading.at_ms > day.start_ms + 7 * HOUR_MS),
        "{reading:?}"
    );
    world.jumpcloud.set_down(false);
    world.run(&lane, RunPurpose::Collect).await;
    assert_eq!(world.archived_once().await, 9);
}
