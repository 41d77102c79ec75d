//! `verify` finds what was put into the archive and what was deleted from the journal, at any age.

use bytes::Bytes;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS, STATE_KEPT_MS};
use engine::ports::{ObjectMeta, Objects as _};
use engine::stream::StreamId;

use crate::expiry::aged;
use crate::world::World;

/// Somebody writes an object into the archive.
async fn put(world: &World, key: &str) {
    let body = Bytes::from_static(b"not an event");
    world.store.create("archive", key, body, &ObjectMeta::default()).await.unwrap();
}

/// What `verify` says of a key.
async fn told(world: &World, key: &str) -> Option<String> {
    let problems = world.verify().await.problems;
    problems.into_iter().find_map(|problem| Some(problem.strip_prefix(key)?.to_owned()))
}

#[tokio::test]
async fn an_object_of_any_name_that_is_in_no_entry_is_found() {
    let world = World::new();
    world.collect().await;
    world.assert_verified().await;
    put(&world, "preflight/written-by-validate").await;
    put(&world, "preflight/archive-prefix").await;
    world.assert_verified().await;
    for key in [
        "events/service=sso/date=2026-11-21/fake.ndjson.gz",
        "events/service=sso/date=2026-11-21/",
        "elsewhere",
        "quarantine/self/row.json.gz",
        "snapshots/fake.json",
    ] {
        put(&world, key).await;
        assert_eq!(told(&world, key).await.as_deref(), Some(": it is in no entry"), "{key}");
    }
}

/// Where entries have expired, a name that looks like that of their parts is not enough.
#[tokio::test]
async fn an_object_beside_expired_entries_is_found() {
    let world = aged(125).await;
    world.assert_verified().await;
    let older = world.verify().await.older_than_journal;
    let keys = world.store.keys("archive", "events/");
    let old = keys.iter().find(|key| key.contains("/self-")).unwrap();
    let (stem, _) = old.rsplit_once('-').unwrap();
    put(&world, &format!("{stem}-900.ndjson.gz")).await;
    assert_eq!(world.verify().await.older_than_journal, older + 1, "it cannot be told");
    // Another epoch, and events that are younger than any entry that has expired.
    let date = old.split('/').find(|folder| folder.starts_with("date=")).unwrap();
    let epoch = old.rsplit_once("/self-").and_then(|(_, rest)| rest.split('-').next()).unwrap();
    let other_epoch = old.replace(epoch, "ffffffff");
    let of_late = old.replace(date, "date=2027-03-01");
    for key in [other_epoch, of_late] {
        put(&world, &key).await;
        assert_eq!(told(&world, &key).await.as_deref(), Some(": it is in no entry"), "{key}");
    }
}

/// The oldest entries that are kept are younger than those that have expired.
#[tokio::test]
async fn entries_that_are_deleted_days_before_they_expire_are_missed() {
    let world = aged(125).await;
    let entries = world.store.keys("state", "journal/v1/self/");
    // Five days' worth: they would have expired within five days.
    for key in &entries[..20] {
        world.store.delete("state", key);
    }
    let problems = world.verify().await.problems;
    let is_told = |what: &str| problems.iter().any(|problem| problem.contains(what));
    assert!(is_told("the entries before it are missing"), "{problems:?}");
    assert!(is_told("it is in no entry"), "the deleted entries' parts: {problems:?}");
}

#[tokio::test]
async fn a_journal_that_is_deleted_whole_is_missed_however_old_the_stream_is() {
    for days in [30, 130] {
        let world = aged(days).await;
        for key in world.store.keys("state", "journal/v1/self/") {
            world.store.delete("state", &key);
        }
        let problems = world.verify().await.problems;
        let is_told = |key: &str, what: &str| {
            problems.iter().any(|problem| problem.starts_with(key) && problem.contains(what))
        };
        assert!(is_told("index/v1/self/", "no entry of its stream is there"), "{problems:?}");
        assert!(is_told("events/", "it is in no entry"), "{problems:?}");
        // Once nothing of it can be younger, it may have expired.
        world.pass(STATE_KEPT_MS + DAY_MS);
        let later = world.verify().await;
        assert_eq!((later.problems, later.older_than_journal > 50), (Vec::new(), true));
    }
}

/// S3 deletes what has expired one by one, in no order.
#[tokio::test]
async fn what_has_expired_and_is_still_there_is_no_hole() {
    let world = aged(118).await;
    let entries = world.store.keys("state", "journal/v1/self/");
    let slots = world.store.keys("state", "index/v1/self/");
    world.store.delay_deletion([0, 3, 4, 9].map(|at| entries[at].clone()));
    world.store.delay_deletion([1, 2, 7].map(|at| slots[at].clone()));
    // Entries of which each builds on the one before, and no slot object of them.
    world.store.delay_deletion(entries[12..24].to_vec());
    for _ in 118..134 {
        world.collect_for(1, 6 * HOUR_MS).await;
        world.assert_verified().await;
    }
    let kept = world.store.keys("state", "journal/v1/self/");
    assert!(kept.contains(&entries[9]) && !kept.contains(&entries[8]), "a hole");
    assert!(kept.contains(&entries[23]) && !kept.contains(&entries[24]), "a hole");
}

/// A stream may be collected while it is verified, and another one be created.
#[tokio::test]
async fn what_is_decided_while_a_stack_is_verified_is_in_an_entry() {
    let [first, second] = [1, 2].map(|n| StreamId::try_from(format!("{n:024x}")).unwrap());
    let mut world = World::new();
    world.configure(std::slice::from_ref(&first));
    world.scheduled_run().await;
    for has_entries in [false, true] {
        world.pass(HOUR_MS);
        let later_ms = world.now_ms();
        world.jumpcloud.load(later_ms - MINUTE_MS, later_ms, "sso");
        assert_eq!(world.scheduled_run().await.streams[0].tally.written, 1);
        world.store.withhold_from(later_ms);
        let verdict = world.verify().await;
        assert_eq!((verdict.entries > 0, verdict.problems), (has_entries, Vec::new()));
    }
    world.configure(&[first, second]);
    world.pass(HOUR_MS);
    let later_ms = world.now_ms();
    world.jumpcloud.load(later_ms - MINUTE_MS, later_ms, "sso");
    let runs = world.scheduled_run().await.streams;
    assert_eq!(runs.iter().map(|run| run.tally.written).sum::<u64>(), 1 + 3, "{runs:?}");
    world.store.withhold_from(later_ms);
    world.assert_verified().await;
    world.store.withhold_from(later_ms);
    let keys = world.store.keys("archive", "events/");
    let forged = keys[0].replace("-000.", "-001.");
    put(&world, &forged).await;
    assert_eq!(told(&world, &forged).await.as_deref(), Some(": it is in no entry"));
}
