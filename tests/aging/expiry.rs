//! Journal and index expire by age: that is told from deletion, and nothing is archived again for it.
//!
//! Holds P6 and P12.

use engine::collect::RunPurpose;
use engine::cursor::{Item, Update, lease, number};
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::backfill::LaneState;
use engine::time::Window;
use engine::users::snapshot::usual;

use crate::world::{START_MS, World, settings};

/// An event each hour on both sides of each midnight, and one without a timestamp each month.
fn load(world: &World, days: std::ops::Range<i64>) {
    for day in days {
        let midnight_ms = (START_MS.div_euclid(DAY_MS) + day) * DAY_MS;
        for ms in [midnight_ms - MINUTE_MS, midnight_ms + MINUTE_MS, midnight_ms + 9 * HOUR_MS] {
            world.jumpcloud.load(ms, ms, "sso");
        }
        // Late: it adds to a slot that was begun before.
        let late_ms = midnight_ms + 9 * HOUR_MS;
        world.jumpcloud.load(late_ms + 1, late_ms + 8 * HOUR_MS, "directory");
        if day % 30 == 0 {
            world.jumpcloud.load_unplaced(midnight_ms + 10 * HOUR_MS);
        }
    }
}

/// A live stream, a lane that was finished, and snapshots of users that were stopped.
pub(crate) async fn aged(days: i64) -> World {
    let world = World::new();
    load(&world, -3..days + 1);
    world.collect().await;
    let lane = Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS);
    assert_eq!(world.backfill(lane).await.refused, Vec::<String>::new());
    let users = StreamId::own().users().unwrap();
    for _ in 0..3 {
        let snapshot = world.run(&users, RunPurpose::Snapshot).await;
        assert_eq!((snapshot.outcome, snapshot.error), (Outcome::Ok, None));
        world.collect_for(1, 6 * HOUR_MS).await;
    }
    world.collect_for(days - 3, 6 * HOUR_MS).await;
    world
}

#[tokio::test]
async fn a_healthy_stack_is_verified_at_any_age() {
    let mut world = aged(112).await;
    assert_eq!(world.verify().await.older_than_journal, 0);
    for _ in 112..132 {
        world.assert_verified().await;
        world.collect_for(1, 6 * HOUR_MS).await;
    }
    world.assert_verified().await;
    let verdict = world.verify().await;
    // The lane's and the users' parts, and those of the live stream's first days.
    assert!(verdict.older_than_journal > 20, "{verdict:?}");
    assert!(verdict.parts > 300 && verdict.slots > 300, "{verdict:?}");

    // The clock is set forth, back, and right again.
    let archived = world.archived_once().await;
    load(&world, 133..135);
    for skew_ms in [40 * DAY_MS, -40 * DAY_MS, 0] {
        world.pass(6 * HOUR_MS);
        world.time.skew(skew_ms);
        world.restart();
        let run = world.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!(run.error, None, "{skew_ms}");
        world.assert_verified().await;
        assert_eq!(world.status().await[0].gaps, 0);
    }
    assert!(world.archived_once().await > archived);
}

/// A stream that was paused for weeks: its entries are further apart than those of one that runs.
#[tokio::test]
async fn a_stack_that_was_paused_is_verified_too() {
    let world = World::new();
    load(&world, -1..140);
    world.collect_for(10, 6 * HOUR_MS).await;
    world.pass(60 * DAY_MS);
    for _ in 70..140 {
        world.collect_for(1, DAY_MS).await;
        world.assert_verified().await;
    }
}

/// An organization that is no longer collected decides nothing more: all of its journal expires.
#[tokio::test]
async fn what_an_organization_that_is_gone_left_behind_is_verified_at_any_age() {
    let [kept, gone] = [1, 2].map(|n| StreamId::try_from(format!("{n:024x}")).unwrap());
    let mut world = World::new();
    load(&world, -3..135);
    world.configure(&[kept.clone(), gone.clone()]);
    world.scheduled_run().await;
    let lanes = world.backfill(Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS)).await;
    assert_eq!(lanes.lanes.len(), 4, "{lanes:?}");
    for _ in 0..12 {
        world.pass(6 * HOUR_MS);
        world.scheduled_run().await;
    }
    world.configure(&[kept]);
    let gone = gone.to_string();
    let is_of_it = |key: &String| key.contains(&gone);
    let left = world.store.keys("archive", "").into_iter().filter(is_of_it).count();
    assert!(left > 10, "{left} parts");
    for day in 3..135 {
        world.pass(DAY_MS);
        let report = world.scheduled_run().await;
        assert!(report.streams.iter().all(|run| run.error.is_none()), "{report:?}");
        if day % 30 == 0 || day > 105 {
            world.assert_verified().await;
        }
    }
    assert!(!world.store.keys("state", "journal/").iter().any(is_of_it), "it has expired");
    let verdict = world.verify().await;
    assert!(verdict.older_than_journal >= left, "{left} parts: {verdict:?}");
}

#[tokio::test]
async fn what_was_deleted_is_not_taken_for_expired() {
    let world = aged(30).await;
    world.assert_verified().await;
    let entries = world.store.keys("state", "journal/v1/self/");
    for key in &entries[..5] {
        world.store.delete("state", key);
    }
    let problems = world.verify().await.problems;
    let is_told = |what: &str| problems.iter().any(|problem| problem.contains(what));
    assert!(is_told("the entries before it are missing"), "{problems:?}");
    assert!(is_told("it is in no entry"), "the deleted entries' parts: {problems:?}");

    // Also where the first entries have expired since: those behind them were too young.
    let world = aged(118).await;
    let entries = world.store.keys("state", "journal/v1/self/");
    for key in &entries[..40] {
        world.store.delete("state", key);
    }
    world.collect_for(3, 6 * HOUR_MS).await;
    let problems = world.verify().await.problems;
    assert!(!problems.is_empty(), "40 entries were deleted");

    // And a slot object is missed as long as the entry is kept that it is of.
    let world = aged(30).await;
    let slots = world.store.keys("state", "index/v1/self/");
    world.store.delete("state", &slots[slots.len() / 2]);
    assert!(!world.verify().await.problems.is_empty(), "a slot object was deleted");
}

/// Its last run had ended the snapshot and was not released.
#[tokio::test]
async fn a_snapshot_that_is_complete_leaves_no_lease_until_tomorrow() {
    let settings = Settings { system_users: Some(usual()), ..settings() };
    let world = World::with(settings, |_| {});
    let users = StreamId::own().users().unwrap();
    world.scheduled_run().await;
    let now_ms = world.now_ms();
    world.update(&users, &lease::claim("crashed", now_ms, now_ms + MINUTE_MS)).await;
    world.pass(HOUR_MS);
    world.scheduled_run().await;
    assert!(!world.item(&users).await.contains_key("lease_owner"));
}

#[tokio::test]
async fn where_nothing_was_ever_collected_nothing_is_verified() {
    let problems = World::new().verify().await.problems;
    assert!(problems.iter().any(|problem| problem.contains("nothing to verify")), "{problems:?}");
}

/// A sweep loads the slots of a day; the runs between sweeps need those of the overlap.
#[tokio::test]
async fn slots_that_a_sweep_has_loaded_are_released() {
    let world = World::with(settings(), |_| {});
    load(&world, -1..4);
    world.collect_for(2, HOUR_MS).await;
    let mut reads = Vec::new();
    for _ in 0..24 {
        world.store.reads("");
        world.collect_for(0, HOUR_MS).await;
        world.pass(HOUR_MS);
        world.collect().await;
        reads.push(world.store.reads("index/"));
    }
    let sweeps = reads.iter().filter(|reads| **reads > 2).count();
    assert!(sweeps >= 2, "a sweep finds what the one before has loaded: {reads:?}");
}

/// A world whose JumpCloud keeps events for longer than the index does.
fn remembering() -> World {
    let world = World::with(settings(), |jumpcloud| jumpcloud.retention_ms = 400 * DAY_MS);
    load(&world, -3..130);
    world
}

/// A process whose clock is set back by weeks reads an hour again. What it archives stays known until
/// it is too old to be read.
#[tokio::test]
async fn what_is_archived_by_a_clock_that_was_set_back_stays_known() {
    let mut world = World::with(settings(), |jumpcloud| jumpcloud.retention_ms = 400 * DAY_MS);
    world.collect().await;
    let hour_ms = START_MS.div_euclid(HOUR_MS) * HOUR_MS - 2 * HOUR_MS;
    world.jumpcloud.load_unplaced(hour_ms + MINUTE_MS);
    world.time.skew(-40 * DAY_MS);
    world.restart();
    let repair = world.run(&StreamId::own(), RunPurpose::Repair(&[hour_ms])).await;
    assert_eq!((repair.error, repair.tally.written), (None, 1));
    world.time.skew(0);
    world.restart();
    world.pass(85 * DAY_MS);
    world.jumpcloud.load_unplaced(world.now_ms() - HOUR_MS);
    world.collect_for(2, 6 * HOUR_MS).await;
    assert_eq!(world.archived_once().await, 2);
}

#[tokio::test]
async fn a_repair_reads_nothing_that_may_have_left_the_index() {
    let world = remembering();
    world.collect_for(125, DAY_MS).await;
    let archived = world.archived_once().await;
    let first_day = Window::new(START_MS - DAY_MS, START_MS + DAY_MS);
    for hour_ms in first_day.hours() {
        world.jumpcloud.count_more(hour_ms, 1);
    }
    let (audit, is_clean) = world.audit(first_day, true).await;
    assert_eq!(world.archived_once().await, archived);
    assert!(!is_clean && audit.repair.is_none() && audit.not_comparable.is_some(), "{audit:?}");
}

#[tokio::test]
async fn a_day_that_was_archived_long_ago_is_not_opened_again() {
    let world = remembering();
    world.collect().await;
    let day = Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS);
    world.backfill(day).await;
    let archived = world.archived_once().await;
    world.pass(99 * DAY_MS);
    assert_eq!(world.backfill(day).await.lanes[0].state, LaneState::Reopened);
    world.pass(26 * DAY_MS);
    let answer = world.backfill(day).await;
    assert_eq!(world.archived_once().await, archived);
    let lane = &answer.lanes[0];
    assert_eq!(lane.state, LaneState::Refused, "{answer:?}");
    let error = lane.error.as_deref().unwrap_or_default();
    assert!(error.contains("created 125 days ago"), "{error}");
}

#[tokio::test]
async fn a_lane_that_is_not_finished_in_time_is_closed_and_says_what_it_did_not_read() {
    let world = remembering();
    world.collect().await;
    world.jumpcloud.set_down(true);
    let day = Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS);
    let lane = world.backfill(day).await.lanes.remove(0).stream;
    world.jumpcloud.set_down(false);
    world.pass(101 * DAY_MS);
    let archived = world.archived_once().await;
    let report = world.run(&lane, RunPurpose::Collect).await;
    assert_eq!((report.outcome, report.needs_operator), (Outcome::Failed, true));
    let unread = "not read: all: 2026-11-18T00:00:00.000Z to 2026-11-19T00:00:00.000Z";
    assert!(report.error.as_ref().is_some_and(|error| error.contains(unread)), "{report:?}");
    assert_eq!(world.archived_once().await, archived);
    let status = world.status_of(&lane).await;
    assert!(status.expired.is_some() && status.last_error.is_some_and(|e| e.contains("closed")));
}

/// A run that reads nothing does not finish a lane that was opened again.
#[tokio::test]
async fn a_lane_that_was_opened_again_is_finished_by_reading_it() {
    let world = remembering();
    world.collect().await;
    let day = Window::new(START_MS - 3 * DAY_MS, START_MS - 2 * DAY_MS);
    let lane = world.backfill(day).await.lanes.remove(0).stream;
    assert!(world.status_of(&lane).await.finished.is_some());
    // In the millisecond in which it was read: by clocks that are told by the second, that is likely.
    world.jumpcloud.load(START_MS - 61 * HOUR_MS, world.now_ms(), "sso");
    let runs = world.backfill(day).await.report.streams;
    assert_eq!(runs.iter().map(|run| run.tally.written).sum::<u64>(), 1);
    world.pass(DAY_MS);
    world.jumpcloud.set_down(true);
    world.backfill(day).await;
    world.run(&lane, RunPurpose::Recover).await;
    assert!(world.status_of(&lane).await.finished.is_none(), "nothing was read since");
    world.jumpcloud.set_down(false);
    world.jumpcloud.load(START_MS - 60 * HOUR_MS, world.now_ms(), "sso");
    let report = world.run(&lane, RunPurpose::Collect).await;
    assert_eq!(report.tally.written, 1);
    assert!(world.status_of(&lane).await.finished.is_some());
}

/// As if the process had ended as soon as it had decided its last entry, when the cursor was `before`.
async fn leave_unpublished(world: &World, before: &Item) {
    let own = StreamId::own();
    let seq = number(&world.item(&own).await, "seq").unwrap();
    for key in world.store.keys("state", "index/v1/self/") {
        if key.contains(&format!("/{seq:020}-")) {
            world.store.delete("state", &key);
        }
    }
    let set = ["seq", "head_hash"].map(|name| (name, before[name].clone())).to_vec();
    world.update(&own, &Update { set, ..Update::default() }).await;
}

/// A slot object that is written late expires late: an entry may still build on it, although it has kept
/// nothing of what is there, and may be published only when it is gone.
#[tokio::test]
async fn an_entry_is_published_after_a_slot_that_it_builds_on_has_expired() {
    let world = World::with(settings(), |jumpcloud| jumpcloud.retention_ms = 400 * DAY_MS);
    world.collect().await;
    let own = StreamId::own();
    for paused_days in [30, 27] {
        world.jumpcloud.load_unplaced(world.now_ms() + MINUTE_MS);
        world.pass(HOUR_MS);
        let before = world.item(&own).await;
        world.collect().await;
        leave_unpublished(&world, &before).await;
        world.pass(paused_days * DAY_MS);
        world.collect().await;
        world.collect_for(95, DAY_MS).await;
    }
    assert_eq!(world.archived_once().await, 2);
    world.assert_verified().await;
}
