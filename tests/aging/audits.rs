//! Audits: clean only where everything was compared that can be, and nothing is left to be explained.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::audit::AuditRequest;
use engine::time::Window;

use crate::repairs::{hour_ms, load};
use crate::world::{START_MS, World, past_day, settings};

fn last_hours(world: &World, hours: i64) -> Window {
    Window::new(world.now_ms() - hours * HOUR_MS, world.now_ms())
}

/// The audit says that, and is not clean.
async fn assert_says(world: &World, range: Window, what: &str) {
    let request = AuditRequest { window: range, repair: false, by_service: false };
    let audit = world.audit_all(request).await;
    let mut reasons = audit.streams.iter().filter_map(|line| line.not_comparable.as_ref());
    assert!(!audit.is_clean() && reasons.any(|reason| reason.contains(what)), "{what}: {audit:?}");
}

#[tokio::test]
async fn an_audit_is_clean_where_every_hour_was_compared() {
    let world = World::new();
    load(&world, 5, 3);
    world.collect().await;
    let (audit, is_clean) = world.audit(last_hours(&world, 20), false).await;
    assert!(is_clean && audit.not_comparable.is_none(), "{audit:?}");
    // The day was archived as a past day.
    assert_eq!(world.backfill(past_day(1)).await.refused, Vec::<String>::new());
    let (audit, is_clean) = world.audit(past_day(1), false).await;
    assert!(is_clean && audit.not_comparable.is_none(), "{audit:?}");
}

#[tokio::test]
async fn an_organization_that_was_never_read_is_not_comparable() {
    let world = World::new();
    assert_says(&world, last_hours(&world, 20), "the stream has no cursor").await;
}

#[tokio::test]
async fn a_cursor_that_is_lost_makes_nothing_comparable() {
    let world = World::new();
    world.collect().await;
    world.lose_cursor(&StreamId::own());
    assert_says(&world, last_hours(&world, 20), "the stream has no cursor").await;
}

#[tokio::test]
async fn hours_before_the_origin_are_not_comparable_without_a_lane() {
    let world = World::new();
    world.collect().await;
    let day = past_day(1);
    assert_says(&world, day, "from 2026-11-19T00:00:00.000Z to 2026-11-20T00:00:00.000Z").await;
    world.backfill(day).await;
    // The day before it has no lane, and the hour of the origin is whole in no stream.
    let longer = Window::new(day.start_ms - DAY_MS, world.now_ms());
    let left = "from 2026-11-18T00:00:00.000Z to 2026-11-19T00:00:00.000Z, \
                from 2026-11-20T00:00:00.000Z to 2026-11-20T09:00:00.000Z";
    assert_says(&world, longer, left).await;
}

#[tokio::test]
async fn a_lane_that_was_not_read_is_not_comparable() {
    let world = World::new();
    world.collect().await;
    world.jumpcloud.set_down(true);
    world.backfill(past_day(1)).await;
    world.jumpcloud.set_down(false);
    assert_says(&world, past_day(1), "they were not read yet").await;
}

/// A stream that was paused: what JumpCloud has since is in no archive. What the next run reads may be.
#[tokio::test]
async fn hours_that_the_head_has_not_read_for_long_are_not_comparable() {
    let world = World::new();
    world.collect().await;
    world.pass(2 * HOUR_MS);
    assert!(world.audit(last_hours(&world, 20), false).await.1);
    world.pass(2 * DAY_MS);
    assert_says(&world, last_hours(&world, 20), "they were not read yet").await;
}

#[tokio::test]
async fn a_range_without_a_whole_hour_proves_nothing() {
    let world = World::new();
    world.collect().await;
    let range = Window::new(hour_ms(5) + MINUTE_MS, hour_ms(4));
    assert_says(&world, range, "none that was read for good").await;
}

/// The next head reads the overlap again, and what came late in it.
#[tokio::test]
async fn hours_that_the_head_will_read_again_are_not_compared() {
    let world = World::new();
    world.collect().await;
    let late_ms = START_MS - 50 * MINUTE_MS;
    world.jumpcloud.load(late_ms, START_MS, "sso");
    let (audit, is_clean) = world.audit(last_hours(&world, 20), false).await;
    assert!(is_clean && audit.differing.is_empty(), "{audit:?}");
    assert_eq!(audit.to.map(|to| to.0), Some(hour_ms(1)));
}

/// JumpCloud counts 110 events and sends 70.
#[tokio::test]
async fn a_repair_is_clean_only_if_everything_came_that_is_counted() {
    let world = World::new();
    load(&world, 5, 70);
    world.collect().await;
    world.jumpcloud.count_more(hour_ms(5), 40);
    let (audit, is_clean) = world.audit(last_hours(&world, 20), true).await;
    assert!(!is_clean, "{audit:?}");
    let hour = &audit.differing[0];
    assert_eq!((hour.counted, hour.archived, hour.left), (110, 70, Some(40)));
    assert_eq!(world.status().await[0].gaps, 1, "as after a comparison");
    // Late events are what was missing.
    for n in 0..40 {
        world.jumpcloud.load(hour_ms(5) + 100 + n, START_MS, "sso");
    }
    world.jumpcloud.count_more(hour_ms(5), 0);
    let (audit, is_clean) = world.audit(last_hours(&world, 20), true).await;
    assert!(is_clean && audit.differing[0].left == Some(0), "{audit:?}");
    assert_eq!((world.archived_once().await, world.status().await[0].gaps), (110, 0));
}

/// The index names an entry that somebody has deleted: its events are not told by their services.
#[tokio::test]
async fn an_hour_of_a_deleted_entry_cannot_be_told_by_service() {
    let world = World::new();
    load(&world, 5, 3);
    world.collect().await;
    let hours = world.audit_by_service(last_hours(&world, 20)).await.hours.unwrap();
    assert_eq!(hours.services.len(), 1);
    let key = world.store.keys("state", "journal/v1/self/").remove(0);
    world.store.delete("state", &key);
    let audit = world.audit_by_service(last_hours(&world, 20)).await;
    let error = audit.error.unwrap_or_default();
    assert!(error.contains(&key) && error.contains("absent"), "{error}");
}

/// Rows without a time that can be read are counted in some hour, and are in none of the index.
#[tokio::test]
async fn rows_that_came_are_not_left() {
    let world = World::new();
    load(&world, 5, 3);
    world.jumpcloud.load_unplaced(hour_ms(5) + MINUTE_MS);
    world.collect().await;
    let (audit, is_clean) = world.audit(last_hours(&world, 20), true).await;
    assert!(is_clean && audit.differing[0].left == Some(0), "{audit:?}");
    let day = past_day(1);
    world.backfill(day).await;
    world.jumpcloud.load(day.start_ms, START_MS, "sso");
    let (_, is_clean) = world.audit(day, false).await;
    assert!(!is_clean, "it came late into a past day");
    let (_, is_clean) = world.audit(day, true).await;
    assert!(is_clean && world.archived_once().await == 5);
}

/// Each event that both queries return is one row.
#[tokio::test]
async fn rows_of_two_queries_are_not_counted_twice() {
    let two = vec![vec!["all".to_owned()], vec!["sso".to_owned()]];
    let world = World::with(Settings { queries: two, ..settings() }, |_| {});
    load(&world, 5, 5);
    world.collect().await;
    world.jumpcloud.count_more(hour_ms(5), 3);
    let (audit, is_clean) = world.audit(last_hours(&world, 20), true).await;
    assert!(!is_clean && audit.differing[0].left == Some(3), "{audit:?}");
    assert_eq!(world.status().await[0].gaps, 1);
}

#[tokio::test]
async fn what_a_repair_could_not_read_is_left() {
    let world = World::new();
    load(&world, 5, 70);
    world.collect().await;
    world.jumpcloud.count_more(hour_ms(5), 40);
    world.jumpcloud.set_down(true);
    let (audit, is_clean) = world.audit(last_hours(&world, 20), true).await;
    assert!(!is_clean && audit.differing[0].left == Some(40), "{audit:?}");
    assert_eq!(audit.repair.map(|run| run.outcome), Some(Outcome::Behind));
}
