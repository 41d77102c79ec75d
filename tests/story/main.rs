//! What the collector does, told by one stream with two events. Read this first.
//!
//! JumpCloud, S3, DynamoDB and the clock are the engine's ports, and here they are kept in memory.
//! A run claims the stream, recovers what an earlier run has left undone, reads what is new, and
//! then, for each batch of events: **decides** by creating the next journal entry, which holds the
//! compressed events and names every object to be written; **publishes** these objects, archive
//! parts before slots of the index; and **advances** the cursor to the entry.
//!
//! Holds P1, P2, P4 and P5.

#![expect(clippy::unwrap_used, reason = "tests")]

mod alarms;
mod discovery;
mod foreign;
mod index_gone;
mod lanes;
mod operator;
mod organizations;
mod ports;
mod randomness;
mod tenants;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::collect::{Engine, RunPurpose};
use engine::cursor::number;
use engine::journal::Entry;
use engine::limits::{HOUR_MS, MINUTE_MS};
use engine::ports::{Cursors as _, Objects};
use engine::read::Budget;
use engine::report::{Outcome, StreamReport};
use engine::settings::Settings;
use engine::stream::StreamId;
use fixtures::gzip::gunzip;
use fixtures::memory::{MemoryCursors, MemoryObjects};
use fixtures::settings::defaults;
use ports::{DiesAfterDeciding, JumpCloud, SetClock};
use tokio::sync::Notify;

/// 2026-11-21T08:30:00Z
const NOW_MS: i64 = 1_795_249_800_000;

const LOGIN: &str = r#"{"id":"a1","service":"sso","timestamp":"2026-11-21T08:01:00Z"}"#;
const CHANGE: &str = r#"{"id":"b2","service":"directory","timestamp":"2026-11-21T08:02:00.5Z"}"#;

const ENTRY: &str = "journal/v1/self/00000000000000000001";
const PARTS: [&str; 2] = [
    "events/service=directory/date=2026-11-21/self-abababab-00000000000000000001-001.ndjson.gz",
    "events/service=sso/date=2026-11-21/self-abababab-00000000000000000001-000.ndjson.gz",
];

/// What is left of a process when it is gone: the stores, JumpCloud, and the time of day.
struct World {
    objects: Arc<MemoryObjects>,
    cursors: Arc<MemoryCursors>,
    jumpcloud: Arc<JumpCloud>,
    clock: Arc<SetClock>,
}

impl World {
    fn new() -> Self {
        let events = [(NOW_MS - 29 * MINUTE_MS, LOGIN), (NOW_MS - 28 * MINUTE_MS + 500, CHANGE)];
        Self {
            objects: Arc::default(),
            cursors: Arc::default(),
            jumpcloud: Arc::new(JumpCloud(events.into_iter().collect())),
            clock: Arc::new(SetClock(AtomicI64::new(NOW_MS))),
        }
    }

    /// A new process that sees S3 as `objects`.
    fn engine(&self, objects: Arc<dyn Objects>) -> Engine {
        let (insights, console) = (Arc::clone(&self.jumpcloud), Arc::clone(&self.jumpcloud));
        let (cursors, clock) = (Arc::clone(&self.cursors), Arc::clone(&self.clock));
        Engine::new(insights, console, objects, cursors, clock, settings())
    }

    /// One run in a new process, five minutes later.
    async fn run(&self) -> StreamReport {
        self.clock.0.fetch_add(5 * MINUTE_MS, Ordering::Relaxed);
        let engine = self.engine(Arc::clone(&self.objects) as Arc<dyn Objects>);
        engine.run(&StreamId::own(), RunPurpose::Collect, self.budget()).await
    }

    /// A minute from now.
    fn budget(&self) -> Budget {
        let started_ms = self.clock.0.load(Ordering::Relaxed);
        Budget { started_ms, deadline_ms: started_ms + MINUTE_MS }
    }

    /// The last entry to which the cursor has advanced.
    async fn advanced_to(&self) -> Option<i64> {
        let item = self.cursors.get(&StreamId::own()).await.unwrap();
        number(&item.unwrap(), "seq").ok()
    }

    /// Keys of the state bucket below a prefix.
    fn state(&self, prefix: &str) -> Vec<String> {
        let mut keys = self.objects.keys("state");
        keys.retain(|key| key.starts_with(prefix));
        keys
    }

    /// The lines of an archive object.
    async fn lines(&self, key: &str) -> String {
        let object = self.objects.get("archive", key).await.unwrap().unwrap();
        String::from_utf8(gunzip(&object).unwrap()).unwrap()
    }
}

fn settings() -> Settings {
    Settings {
        start_lookback_ms: HOUR_MS,
        settle_lag_ms: 0,
        overlap_ms: HOUR_MS,
        page_limit: 1_000,
        ..defaults()
    }
}

#[tokio::test]
async fn two_events_become_an_entry_two_parts_and_a_slot() {
    let world = World::new();
    let report = world.run().await;
    assert_eq!((report.outcome, report.error), (Outcome::Ok, None));
    assert_eq!(report.tally.written, 2);

    // Decided: one entry, which names what is to be published.
    assert_eq!(world.state("journal/"), [ENTRY]);
    let entry = world.objects.get("state", ENTRY).await.unwrap().unwrap();
    let entry = Entry::decode(entry).unwrap();
    let mut parts: Vec<_> = entry.header.parts.iter().map(|part| &*part.key).collect();
    parts.sort_unstable();
    assert_eq!(parts, PARTS);

    // Published: a part for each service, with the bytes that JumpCloud sent, and the slot of the
    // hour, by which the next run knows both events.
    assert_eq!(world.objects.keys("archive"), PARTS);
    assert_eq!(world.lines(PARTS[0]).await, format!("{CHANGE}\n"));
    assert_eq!(world.lines(PARTS[1]).await, format!("{LOGIN}\n"));
    let slots: Vec<_> = entry.header.slots.iter().map(|slot| slot.key.clone()).collect();
    assert_eq!(world.state("index/"), slots);
    assert!(slots[0].starts_with("index/v1/self/2026-11-21T08/"), "{slots:?}");

    // Advanced: the cursor is at the entry.
    assert_eq!(world.advanced_to().await, Some(1));
}

#[tokio::test]
async fn what_was_read_before_is_not_archived_again() {
    let world = World::new();
    world.run().await;
    let (archive, journal) = (world.objects.keys("archive"), world.state("journal/"));
    // The next run reads a window that overlaps the first one, and meets both events again.
    let report = world.run().await;
    assert_eq!((report.outcome, report.error), (Outcome::Ok, None));
    assert_eq!((report.tally.read, report.tally.written), (2, 0));
    assert_eq!((world.objects.keys("archive"), world.state("journal/")), (archive, journal));
}

#[tokio::test]
async fn a_run_that_died_after_deciding_is_completed_by_the_next_one() {
    let world = World::new();
    let objects =
        Arc::new(DiesAfterDeciding { objects: Arc::clone(&world.objects), died: Notify::new() });
    let engine = world.engine(Arc::clone(&objects) as Arc<dyn Objects>);
    let stream = StreamId::own();
    tokio::select! {
        biased;
        report = engine.run(&stream, RunPurpose::Collect, world.budget()) => {
            unreachable!("the process has died: {report:?}")
        }
        () = objects.died.notified() => {}
    }
    // Decided, and neither published nor advanced.
    assert_eq!(world.state("journal/"), [ENTRY]);
    assert_eq!((world.objects.keys("archive"), world.state("index/")), (vec![], vec![]));
    assert_eq!(world.advanced_to().await, Some(0));

    // The next run publishes what the entry says, byte for byte, before it reads anything.
    let report = world.run().await;
    assert_eq!((report.outcome, report.error), (Outcome::Ok, None));
    assert_eq!(world.objects.keys("archive"), PARTS);
    assert_eq!(world.lines(PARTS[0]).await, format!("{CHANGE}\n"));
    assert_eq!(world.lines(PARTS[1]).await, format!("{LOGIN}\n"));
    assert_eq!(world.advanced_to().await, Some(1));

    // Then it reads, and both events are known: nothing is archived twice.
    assert_eq!(report.tally.written, 0);
    assert_eq!(world.state("journal/"), [ENTRY]);
}
