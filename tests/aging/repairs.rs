//! Hours that a person wants read again: what such a run changes, and what it does not.

use engine::collect::RunPurpose;
use engine::cursor::{OpenLanes, Update, Value, attribute};
use engine::limits::{HOUR_MS, LANE_RECOVERY_MS, MINUTE_MS};
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::audit::AuditRequest;
use engine::time::{Window, floor_hour_ms};

use crate::world::{START_MS, World, past_day, settings};

/// The first millisecond of the hour that began so many hours before that of [`START_MS`].
pub(crate) fn hour_ms(back: i64) -> i64 {
    floor_hour_ms(START_MS) - back * HOUR_MS
}

/// So many events in one hour.
pub(crate) fn load(world: &World, back: i64, events: i64) {
    for n in 0..events {
        world.jumpcloud.load(hour_ms(back) + n, hour_ms(back) + n, "sso");
    }
}

/// An hour that is being read again, of which five rows came so far.
fn in_progress(hour_ms: i64) -> String {
    let (end_ms, at_ms) = (hour_ms + HOUR_MS, hour_ms + MINUTE_MS);
    format!(
        r#"[{{"start_ms":{hour_ms},"counted":8,"rows_received":0,"rows_before_resume":5,
            "queries":[["all"]],"reading":{{"start_ms":{hour_ms},"end_ms":{end_ms},
            "started_ms":{START_MS},"query":["all"],"at_ms":{at_ms}}}}}]"#
    )
}

#[tokio::test]
async fn a_repair_changes_nothing_of_an_hour_that_is_being_read_again() {
    let (world, own) = (World::new(), StreamId::own());
    load(&world, 5, 5);
    world.collect().await;
    world.jumpcloud.count_more(hour_ms(5), 3);
    let mut update = Update::default();
    update.put(attribute::HOURS, Some(Value::S(in_progress(hour_ms(5)))));
    world.update(&own, &update).await;
    let hour_of = async || {
        let item = world.item(&own).await;
        engine::cursor::text(&item, attribute::HOURS).map(str::to_owned)
    };
    let repair = world.run(&own, RunPurpose::Repair(&[hour_ms(5)])).await;
    assert_eq!((repair.outcome, repair.gaps), (Outcome::Ok, Some(1)), "{repair:?}");
    let left = hour_of().await.unwrap();
    assert!(left.contains(r#""rows_received":0,"rows_before_resume":5"#), "{left}");
}

/// A page that does not come, and a JumpCloud that does not answer.
#[tokio::test]
async fn a_repair_that_cannot_be_made_is_no_failure_of_the_stream() {
    let (world, own) =
        (World::with(Settings { page_limit: 400, ..settings() }, |_| {}), StreamId::own());
    load(&world, 5, 100);
    world.collect().await;
    world.jumpcloud.count_more(hour_ms(5), 1);
    world.jumpcloud.time_out_above(50);
    for _ in 0..2 {
        let repair = world.run(&own, RunPurpose::Repair(&[hour_ms(5)])).await;
        assert_eq!((repair.outcome, repair.error), (Outcome::Behind, None));
        let item = world.item(&own).await;
        assert!(!item.contains_key(attribute::LAST_ERROR), "{item:?}");
        world.jumpcloud.time_out_above(usize::MAX);
        world.jumpcloud.set_down(true);
    }
}

/// A lane that was finished long ago.
async fn finished_lane(world: &World) -> (StreamId, Window) {
    let day = past_day(1);
    world.jumpcloud.load(day.start_ms + MINUTE_MS, day.start_ms, "sso");
    world.collect().await;
    let lane = world.backfill(day).await.lanes.remove(0).stream;
    world.collect_for(2, HOUR_MS).await;
    assert!(world.status_of(&lane).await.finished.is_some());
    world.jumpcloud.count_more(day.start_ms, 1);
    (lane, day)
}

/// What a repair decides may have to be published by a later run, like what any other run decides.
#[tokio::test]
async fn a_finished_lane_is_open_for_some_time_after_a_repair() {
    let world = World::new();
    let (lane, day) = finished_lane(&world).await;
    let is_open = async || {
        let item = world.item(&StreamId::own()).await;
        OpenLanes::read(&item).unwrap().opened_ms(&lane).is_some()
    };
    world.scheduled_run().await;
    assert!(!is_open().await, "it is over");
    let request = AuditRequest { window: day, repair: true, by_service: false };
    let lines = world.audit_all(request).await.streams;
    let line = lines.iter().find(|line| line.stream == lane).unwrap();
    assert_eq!(line.differing[0].left, Some(1), "{line:?}");
    assert_eq!(world.status_of(&lane).await.gaps, 0, "nothing would end one");
    assert!(is_open().await);
    world.pass(LANE_RECOVERY_MS + MINUTE_MS);
    world.scheduled_run().await;
    assert!(!is_open().await);
}

/// A repair of a lane reads what the lane has read, whatever is configured by now.
#[tokio::test]
async fn a_repair_of_a_lane_begins_no_new_names() {
    let mut world = World::new();
    world.ask_for(&["sso"]);
    let (lane, day) = finished_lane(&world).await;
    world.ask_for(&["sso", "directory"]);
    let request = AuditRequest { window: day, repair: true, by_service: false };
    let lines = world.audit_all(request).await.streams;
    let line = lines.iter().find(|line| line.stream == lane).unwrap();
    let repair = line.repair.as_ref().unwrap();
    assert!(repair.pages > 0 && repair.error.is_none(), "{repair:?}");
    assert!(world.status_of(&lane).await.finished.is_some());
}

/// A row without a time that can be read is in no hour of the index.
#[tokio::test]
async fn rows_that_came_to_a_lane_are_not_left() {
    let world = World::new();
    let day = past_day(1);
    world.jumpcloud.load(day.start_ms + MINUTE_MS, day.start_ms, "sso");
    world.jumpcloud.load_unplaced(day.start_ms + 2 * MINUTE_MS);
    world.collect().await;
    let lane = world.backfill(day).await.lanes.remove(0).stream;
    let request = AuditRequest { window: day, repair: true, by_service: false };
    let lines = world.audit_all(request).await.streams;
    let line = lines.iter().find(|line| line.stream == lane).unwrap();
    let hour = &line.differing[0];
    assert_eq!((hour.counted, hour.archived, hour.left), (2, 1, Some(0)));
}
