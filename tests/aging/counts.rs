//! Hourly counts: over long ranges, of several queries, and where they differ for ever.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::settings::Settings;
use engine::time::{Window, floor_hour_ms};

use crate::world::{START_MS, World, settings};

/// An event in every hour of `hours`, counted from [`START_MS`]'s.
fn load(world: &World, hours: std::ops::Range<i64>, service: &'static str) {
    for hour in hours {
        let ms = floor_hour_ms(START_MS) + hour * HOUR_MS + MINUTE_MS;
        world.jumpcloud.load(ms, ms, service);
    }
}

fn last_days(world: &World, days: i64) -> Window {
    Window::new(world.now_ms() - days * DAY_MS, world.now_ms())
}

#[tokio::test]
async fn sixty_days_are_audited() {
    let world = World::with(Settings { start_lookback_ms: 70 * DAY_MS, ..settings() }, |_| {});
    load(&world, -70 * 24..0, "sso");
    world.collect().await;
    let (audit, is_clean) = world.audit(last_days(&world, 60), false).await;
    assert_eq!((audit.error, audit.counted, audit.archived), (None, 60 * 24 - 1, 60 * 24 - 1));
    assert!(is_clean);
}

/// Also where the comparison itself goes back so far.
#[tokio::test]
async fn a_late_horizon_of_sixty_days_makes_no_more_sweeps_due() {
    let settings =
        Settings { start_lookback_ms: 70 * DAY_MS, late_horizon_ms: 60 * DAY_MS, ..settings() };
    let world = World::with(settings, |_| {});
    load(&world, -70 * 24..24, "sso");
    world.collect().await;
    world.collect_for(1, HOUR_MS).await;
    world.jumpcloud.rows_sent();
    world.collect_for(1, HOUR_MS).await;
    let rows = world.jumpcloud.rows_sent();
    assert!(rows < 500, "{rows} rows were sent in a day with 24 new events");
}

#[tokio::test]
async fn what_reading_again_does_not_explain_is_a_gap() {
    let world = World::new();
    load(&world, -24..48, "sso");
    world.collect_for(1, HOUR_MS).await;
    world.jumpcloud.count_more(floor_hour_ms(world.now_ms()) - 9 * HOUR_MS, 2);
    world.pass(HOUR_MS);
    world.collect().await;
    assert_eq!(world.status().await[0].gaps, 1);
    assert_eq!(world.archived_once().await, 23 + 25);
}
