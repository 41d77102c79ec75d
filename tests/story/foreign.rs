//! What another tenant's key or row may not do: nothing of it is read or archived by a stream that
//! collects one organization.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::cursor::{Cursor, Item, attribute};
use engine::limits::{HOUR_MS, MINUTE_MS};
use engine::stream::StreamId;

use crate::NOW_MS;
use crate::organizations::Configured::{AsOwn, ById};
use crate::organizations::{World, assert_well, reader};
use crate::tenants::{Event, TENANTS};

/// T and E of every query of an item, and which item that is.
fn positions(item: &Item) -> Vec<(i64, i64)> {
    let queries = Cursor::read(item).unwrap().state.queries;
    queries.iter().map(|query| (query.read_at_ms, query.read_to_ms)).collect()
}

/// A process that meets the new key at its start, and one that meets it in the middle of a run.
#[tokio::test]
async fn a_key_of_another_tenant_reads_nothing() {
    for (pages, is_silent) in [(1, true), (1, false), (2, true), (2, false)] {
        for stream in [StreamId::own(), StreamId::of_organization(TENANTS[0]).unwrap()] {
            let world = World::with_events(0);
            let first = if stream == StreamId::own() { AsOwn } else { ById };
            assert_well(&world.run_in_new_process(first).await);
            if !is_silent {
                world.happen(1, NOW_MS + 6 * MINUTE_MS);
            }
            let before = world.item(&stream).await;
            world.jumpcloud.pages_left.store(pages, Ordering::Relaxed);
            let fleet = world.fleet(AsOwn);
            for _ in 0..3 {
                let failure = world.run(&fleet).await.failure(100).unwrap();
                assert!(TENANTS.iter().all(|tenant| failure.contains(tenant)), "{failure}");
            }
            let after = world.item(&stream).await;
            for name in [attribute::SEQ, attribute::FRONTIER_MS] {
                assert_eq!(after[name], before[name], "{name}");
            }
            assert_eq!(after.get(attribute::ORGANIZATION), before.get(attribute::ORGANIZATION));
            assert_eq!(positions(&after), positions(&before));
            // The right key is put back, and nothing was lost meanwhile.
            world.jumpcloud.key.store(0, Ordering::Relaxed);
            assert_well(&world.run(&fleet).await);
            world.assert_archived(stream.as_str()).await;
        }
    }
}

/// The item that says which organization `self` collects is lost with the table, and the key is
/// replaced before the next run.
#[tokio::test]
async fn a_lost_table_lets_no_key_of_another_tenant_read() {
    for (has_event, is_silent) in [(true, false), (true, true), (false, false)] {
        let mut world = World::with_events(0);
        assert_well(&world.run_in_new_process(AsOwn).await);
        if has_event {
            world.happen(1, NOW_MS + 6 * MINUTE_MS);
        }
        world.cursors = Arc::default();
        world.jumpcloud.key.store(1, Ordering::Relaxed);
        world.jumpcloud.is_silent.store(is_silent, Ordering::Relaxed);
        for _ in 0..3 {
            let failure = world.run_in_new_process(AsOwn).await.failure(100).unwrap();
            assert!(TENANTS.iter().all(|tenant| failure.contains(tenant)), "{failure}");
        }
        world.jumpcloud.key.store(0, Ordering::Relaxed);
        assert_well(&world.run_in_new_process(AsOwn).await);
        world.assert_archived("self").await;
    }
}

/// The item of `self` is lost long after its last event: index and journal have expired. The key that
/// replaces its own is one of an organization that its own stream collects.
#[tokio::test]
async fn a_stream_of_which_only_its_organization_is_left_gives_way_to_no_other() {
    let world = World::with_events(1);
    world.jumpcloud.key.store(1, Ordering::Relaxed);
    assert_well(&world.run_in_new_process(AsOwn).await);
    world.jumpcloud.key.store(0, Ordering::Relaxed);
    assert_well(&world.run_in_new_process(ById).await);
    world.cursors.lose(&StreamId::own());
    for folder in ["index/v1/self/", "journal/v1/self/"] {
        world.objects.remove_below("state", folder);
    }
    for _ in 0..3 {
        let failure = world.run_in_new_process(AsOwn).await.failure(100).unwrap();
        assert!(TENANTS.iter().all(|tenant| failure.contains(tenant)), "{failure}");
    }
}

/// A row of another tenant under a key that stays the same, on the second page of its query.
#[tokio::test]
async fn a_row_of_another_organization_ends_its_query_and_no_other() {
    let world = World::with_events(0);
    let directory = |tenant: usize, minutes: i64| {
        let ms = NOW_MS - minutes * MINUTE_MS;
        let (organization, timestamp) = (TENANTS[tenant], engine::time::rfc3339(ms));
        let raw = format!(
            r#"{{"id":"{minutes}","organization":"{organization}","service":"directory","timestamp":"{timestamp}"}}"#
        );
        // It comes under the first tenant's key.
        world.jumpcloud.events.lock().unwrap().push(Event { ms, tenant: 0, raw });
    };
    [20, 19, 18, 16].into_iter().for_each(|minutes| directory(0, minutes));
    directory(1, 17);
    let mut fleet = world.fleet(AsOwn);
    fleet.engine.settings.queries = vec![vec!["sso".to_owned()], vec!["directory".to_owned()]];
    fleet.engine.settings.page_limit = 3;
    let mut since = None;
    for runs in 1..=3 {
        let report = world.run(&fleet).await;
        assert_well(&report);
        let refused = &reader(&report).refused;
        assert_eq!(refused.len(), 1, "{report:?}");
        assert_eq!(refused[0].query, "directory");
        assert!(refused[0].reason.contains(TENANTS[1]), "{refused:?}");
        // By the run that met the row first, and not again by each of the others.
        assert_eq!(refused[0].since, *since.get_or_insert(refused[0].since));
        // The events of the other query, and the first page of this one.
        assert_eq!(world.archived().await.0.len(), 20 + runs + 3);
    }
    let is_own = |event: &Event| event.raw.contains(TENANTS[0]);
    world.jumpcloud.events.lock().unwrap().retain(is_own);
    let report = world.run(&fleet).await;
    assert_well(&report);
    assert_eq!(reader(&report).refused.len(), 0);
    world.assert_archived("self").await;
}

#[tokio::test]
async fn a_query_that_is_refused_behind_its_head_is_still_read() {
    is_refused_behind_its_head(&["all"], "sso").await;
}

/// The hour is read for those names of the list that `all` does not return.
#[tokio::test]
async fn a_list_of_which_a_part_is_refused_behind_its_head_is_still_read() {
    is_refused_behind_its_head(&["all", "directory,alerts"], "alerts").await;
}

/// A row of another tenant, in the last of these queries, appears late, in an hour that is read again
/// because of it in every run.
async fn is_refused_behind_its_head(queries: &[&str], service: &str) {
    let world = World::with_events(0);
    let mut fleet = world.fleet(AsOwn);
    let names = |list: &&str| list.split(',').map(str::to_owned).collect();
    fleet.engine.settings.queries = queries.iter().map(names).collect();
    assert_well(&world.run(&fleet).await);
    world.clock.0.fetch_add(3 * HOUR_MS, Ordering::Relaxed);
    assert_well(&world.run(&fleet).await);
    // In the hour behind it, one of the stream's own is late.
    world.happen(0, NOW_MS + 20 * MINUTE_MS);
    let ms = NOW_MS + 50 * MINUTE_MS;
    let (organization, timestamp) = (TENANTS[1], engine::time::rfc3339(ms));
    let raw = format!(
        r#"{{"id":"late","organization":"{organization}","service":"{service}","timestamp":"{timestamp}"}}"#
    );
    world.jumpcloud.events.lock().unwrap().push(Event { ms, tenant: 0, raw });
    let mut since = None;
    for runs in 1..=4 {
        world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
        let report = world.run(&fleet).await;
        assert_well(&report);
        let refused = &reader(&report).refused;
        assert!(refused.len() == 1 && refused[0].reason.contains(TENANTS[1]), "{refused:?}");
        assert_eq!(Some(&refused[0].query.as_str()), queries.last());
        // By the run that met the row first, as the next scheduled run and `status` tell it, too.
        assert_eq!(refused[0].since, *since.get_or_insert(refused[0].since));
        assert_eq!(world.refused(&fleet).await, 1);
        assert_eq!(world.archived().await.0.len(), 23 + runs);
    }
    let item = world.item(&StreamId::own()).await;
    assert!(!item.contains_key("queries_changed_ms"), "no refusal has ended");
    // The row is gone, and what lies behind the head is read to its end.
    world.jumpcloud.events.lock().unwrap().retain(|event| event.raw.contains(TENANTS[0]));
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    assert_well(&world.run(&fleet).await);
    assert_eq!(world.refused(&fleet).await, 0);
}
