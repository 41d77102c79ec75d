//! Hourly counts: over long ranges, of several queries, and where they differ for ever.
//!
//! Holds P1.

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
    // The overlap reaches into another hour.
    assert_eq!((audit.error, audit.counted, audit.archived), (None, 60 * 24 - 2, 60 * 24 - 2));
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

/// Each of the hours is read again once, and the head reads its overlap.
#[tokio::test]
async fn hours_that_differ_for_ever_are_read_once() {
    let world = World::new();
    load(&world, -24..200, "sso");
    world.collect_for(2, HOUR_MS).await;
    for hour in 1..29 {
        world.jumpcloud.count_more(floor_hour_ms(world.now_ms()) - hour * HOUR_MS, 3);
    }
    // Two comparisons read the 28 hours.
    world.collect_for(0, HOUR_MS).await;
    for _ in 0..4 {
        world.pass(HOUR_MS);
        world.collect().await;
    }
    assert_bounded(&world, 5).await;
    let status = world.status().await;
    assert!(status[0].gaps >= 20, "{} gaps", status[0].gaps);
}

/// JumpCloud counts an event without a time in some hour, and the index has it in none.
#[tokio::test]
async fn hours_with_unreadable_times_are_read_again_once() {
    let world = World::new();
    load(&world, -24..10, "sso");
    for back in 2..22 {
        world.jumpcloud.load_unplaced(floor_hour_ms(START_MS) - back * HOUR_MS + 2 * MINUTE_MS);
    }
    world.collect().await;
    assert_eq!(world.archived_once().await, 24 + 20);
    // Two comparisons read the 20 hours.
    world.pass(HOUR_MS);
    world.collect().await;
    assert_bounded(&world, 5).await;
    assert_eq!(world.status().await[0].gaps, 0, "every row that is counted was received");
    assert_eq!(world.archived_once().await, 24 + 20 + 6);
}

/// Late events in more hours than are read again at once.
#[tokio::test]
async fn late_events_of_many_hours_are_found_by_two_comparisons() {
    let world = World::new();
    load(&world, -24..200, "sso");
    world.collect().await;
    // The last of these runs has a full sweep, and the next twelve hours have none.
    world.collect_for(2, HOUR_MS).await;
    for back in 3..23 {
        let ms = floor_hour_ms(world.now_ms()) - back * HOUR_MS + 2 * MINUTE_MS;
        world.jumpcloud.load(ms, world.now_ms(), "sso");
    }
    for late in [16, 4] {
        world.pass(HOUR_MS);
        assert_eq!(world.collect().await.tally.written, late + 1);
    }
    assert_bounded(&world, 5).await;
    assert_eq!(world.status().await[0].gaps, 0);
    assert_eq!(world.archived_once().await, 24 + 48 + 20 + 7);
}

/// Each of these hourly runs has one new event, and reads that and the overlap.
async fn assert_bounded(world: &World, runs: usize) {
    world.jumpcloud.rows_sent();
    for _ in 0..runs {
        world.pass(HOUR_MS + MINUTE_MS);
        let report = world.collect().await;
        let rows = world.jumpcloud.rows_sent();
        assert!(rows <= 6, "{rows} rows, the overlap and what is new have 3: {report:?}");
    }
}

/// What differs most is read first.
#[tokio::test]
async fn of_many_differing_hours_those_that_differ_most_are_read_first() {
    let world = World::new();
    load(&world, -24..200, "sso");
    world.collect().await;
    // The last of these runs has a full sweep, which would find them all, and the next has none.
    world.collect_for(2, HOUR_MS).await;
    let hour = |back: i64| floor_hour_ms(world.now_ms()) - back * HOUR_MS;
    for back in 3..23 {
        world.jumpcloud.count_more(hour(back), 1);
    }
    // Events that came too late for the overlap, in the earliest of the hours.
    for n in 0..9 {
        world.jumpcloud.load(hour(22) + n, world.now_ms(), "sso");
    }
    world.pass(HOUR_MS);
    assert_eq!(world.collect().await.tally.written, 9 + 1);
}

/// 150 rows at JumpCloud, 110 in the archive.
#[tokio::test]
async fn counts_of_several_queries_add_up() {
    let two = vec![vec!["all".to_owned()], vec!["pam".to_owned()]];
    let world = World::with(Settings { queries: two, ..settings() }, |jumpcloud| {
        jumpcloud.not_in_all = "pam";
    });
    load(&world, -20..30, "sso");
    load(&world, -20..30, "pam");
    world.collect().await;
    world.collect_for(1, HOUR_MS).await;
    let archived = world.archived_once().await;
    let hour_ms = floor_hour_ms(world.now_ms()) - 10 * HOUR_MS;
    for n in 0..3 {
        world.jumpcloud.load(hour_ms + n, world.now_ms(), "pam");
    }
    let (audit, is_clean) = world.audit(last_days(&world, 1), false).await;
    assert_eq!(audit.differing.len(), 1, "{audit:?}");
    assert_eq!((audit.differing[0].counted, audit.differing[0].archived), (5, 2));
    assert!(!is_clean);
    // The comparison finds the hour, and reads it through the query that has the events.
    world.pass(HOUR_MS);
    world.collect().await;
    assert_eq!(world.archived_once().await, archived + 3 + 2);
    assert_eq!(world.status().await[0].gaps, 0);
}

/// A name that `all` returns as well is counted once.
#[tokio::test]
async fn a_name_that_all_returns_is_counted_once() {
    let two = vec![vec!["all".to_owned()], vec!["sso".to_owned()]];
    let world = World::with(Settings { queries: two, ..settings() }, |_| {});
    load(&world, -20..30, "sso");
    world.collect_for(1, HOUR_MS).await;
    let (audit, is_clean) = world.audit(last_days(&world, 1), false).await;
    assert_eq!(audit.counted, audit.archived, "{audit:?}");
    assert!(is_clean && world.status().await[0].gaps == 0);
}

/// Where JumpCloud does not say which services `all` returns, nobody claims that nothing is missing.
#[tokio::test]
async fn counts_that_cannot_be_added_up_are_not_comparable() {
    let two = vec![vec!["all".to_owned()], vec!["pam".to_owned()]];
    let world = World::with(Settings { queries: two, ..settings() }, |jumpcloud| {
        (jumpcloud.not_in_all, jumpcloud.lists_services) = ("pam", false);
    });
    load(&world, -20..30, "sso");
    load(&world, -20..30, "pam");
    world.collect_for(1, HOUR_MS).await;
    let (audit, is_clean) = world.audit(last_days(&world, 1), false).await;
    assert!(!is_clean && audit.not_comparable.is_some(), "{audit:?}");
    world.pass(HOUR_MS);
    assert!(world.collect().await.not_comparable.is_some());
    assert!(world.status().await[0].not_comparable.is_some());
    // A late event is found by the sweep that is due every hour then.
    let archived = world.archived_once().await;
    world.jumpcloud.load(world.now_ms() - 10 * HOUR_MS, world.now_ms(), "pam");
    world.collect_for(0, HOUR_MS).await;
    for _ in 0..2 {
        world.pass(HOUR_MS);
        world.collect().await;
    }
    assert_eq!(world.archived_once().await, archived + 1 + 4);
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

/// Hours of the future lie in the index, hours long past may have left it.
#[tokio::test]
async fn hours_that_may_have_left_the_index_are_not_comparable() {
    let settings = Settings { start_lookback_ms: 80 * DAY_MS, ..settings() };
    let world = World::with(settings, |jumpcloud| jumpcloud.retention_ms = 400 * DAY_MS);
    load(&world, -80 * 24..0, "sso");
    world.collect().await;
    world.pass(60 * DAY_MS);
    world.collect().await;
    let (audit, is_clean) = world.audit(last_days(&world, 120), false).await;
    assert!(!is_clean && audit.not_comparable.is_some(), "{audit:?}");
    assert_eq!(
        (audit.counted, audit.archived, audit.differing.len()),
        (40 * 24 - 1, 40 * 24 - 1, 0)
    );
    assert!(world.audit(last_days(&world, 90), false).await.1);
}

/// Lines that are in no hour are told, not passed over.
#[tokio::test]
async fn lines_without_an_hour_are_counted() {
    let world = World::new();
    load(&world, -11..-1, "sso");
    world.jumpcloud.load_unplaced(START_MS - 5 * HOUR_MS);
    world.collect().await;
    let hours = world.audit_by_service(last_days(&world, 1)).await.hours.unwrap();
    assert_eq!(hours.without_hour, 1);
    assert_eq!(hours.services.iter().flat_map(|service| &service.archived).sum::<i64>(), 10);
}

/// An hour that is a gap leaves what is compared, although nothing can be compared any more.
#[tokio::test]
async fn a_gap_ends_although_counts_cannot_be_had() {
    let world = World::new();
    crate::repairs::load(&world, 5, 3);
    world.jumpcloud.count_more(crate::repairs::hour_ms(5), 1);
    world.collect().await;
    world.collect_for(1, HOUR_MS).await;
    assert_eq!(world.status().await[0].gaps, 1);
    world.jumpcloud.set_counts_down(true);
    world.collect_for(3, HOUR_MS).await;
    assert_eq!(world.status().await[0].gaps, 0);
}
