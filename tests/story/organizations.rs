//! One organization, one stream: whichever way an organization is configured, by its id or as the
//! API key's own, the stream that began with it continues, and no other tenant's key reads for it.
//!
//! Holds P7.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::collect::{Engine, RunPurpose};
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{self, Fleet};
use engine::journal::certificate::{Certificate, certificate_key};
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::ports::{Cursors as _, ObjectMeta, Objects as _};
use engine::read::Budget;
use engine::report::{Outcome, Report, StreamReport};
use engine::settings::Settings;
use engine::stream::{Scope, StreamId};
use engine::task::backfill::{self, BackfillRequest};
use engine::task::status::{self, StatusRequest};
use engine::time::Window;
use fixtures::gzip::gunzip;
use fixtures::memory::{MemoryCursors, MemoryObjects};

use crate::ports::SetClock;
use crate::tenants::{Event, JumpCloud, TENANTS};
use crate::{NOW_MS, settings};

/// How the organization is configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Configured {
    AsOwn,
    ById,
}
use Configured::{AsOwn, ById};

/// What is left of a process when it is gone.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) objects: Arc<MemoryObjects>,
    pub(crate) cursors: Arc<MemoryCursors>,
    pub(crate) jumpcloud: Arc<JumpCloud>,
    pub(crate) clock: Arc<SetClock>,
}

impl World {
    /// A world in which a tenant has had one event per minute for twenty minutes.
    pub(crate) fn with_events(tenant: usize) -> Self {
        let world = Self::default();
        world.clock.0.store(NOW_MS, Ordering::Relaxed);
        (1..=20).for_each(|minutes| world.happen(tenant, NOW_MS - minutes * MINUTE_MS));
        world
    }

    pub(crate) fn happen(&self, tenant: usize, ms: i64) {
        let raw = format!(
            r#"{{"id":"{ms}","organization":"{}","service":"sso","timestamp":"{}"}}"#,
            TENANTS[tenant],
            engine::time::rfc3339(ms)
        );
        self.jumpcloud.events.lock().unwrap().push(Event { ms, tenant, raw });
    }

    /// A process.
    pub(crate) fn fleet(&self, configured: Configured) -> Fleet {
        let stream = StreamId::of_organization(TENANTS[0]).unwrap();
        let (streams, names_organizations) = match configured {
            AsOwn => (vec![StreamId::own()], false),
            ById => (vec![stream], true),
        };
        let engine = Engine::new(
            Arc::clone(&self.jumpcloud) as _,
            Arc::clone(&self.jumpcloud) as _,
            Arc::clone(&self.objects) as _,
            Arc::clone(&self.cursors) as _,
            Arc::clone(&self.clock) as _,
            Settings { names_organizations, ..settings() },
        );
        let organizations = OrganizationSource::Named(streams);
        Fleet { engine, queue: None, concurrency: 1, organizations }
    }

    pub(crate) fn budget(&self) -> Budget {
        let started_ms = self.clock.0.load(Ordering::Relaxed);
        Budget { started_ms, deadline_ms: started_ms + MINUTE_MS }
    }

    /// A scheduled run, five minutes after the one before; an event happens in between.
    pub(crate) async fn run(&self, fleet: &Fleet) -> Report {
        let now_ms = self.clock.0.fetch_add(5 * MINUTE_MS, Ordering::Relaxed);
        self.happen(0, now_ms + MINUTE_MS);
        dispatch::collect(fleet, self.budget()).await.unwrap()
    }

    /// The same, in a process of its own.
    pub(crate) async fn run_in_new_process(&self, configured: Configured) -> Report {
        self.run(&self.fleet(configured)).await
    }

    /// All that is archived, and below which streams' names.
    pub(crate) async fn archived(&self) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut streams) = (Vec::new(), Vec::new());
        for key in self.objects.keys("archive") {
            let object = self.objects.get("archive", &key).await.unwrap().unwrap();
            let text = String::from_utf8(gunzip(&object).unwrap()).unwrap();
            lines.extend(text.lines().map(str::to_owned));
            streams.push(key.rsplit('/').next().unwrap().split('-').next().unwrap().to_owned());
        }
        lines.sort();
        streams.dedup();
        (lines, streams)
    }

    /// Every event of the first tenant is in the archive once, and none of the other one, all below
    /// one stream's name.
    pub(crate) async fn assert_archived(&self, stream: &str) {
        let (lines, streams) = self.archived().await;
        let events = self.jumpcloud.events.lock().unwrap();
        let mut expected: Vec<_> = events
            .iter()
            .filter(|event| event.tenant == 0 && event.ms >= NOW_MS - HOUR_MS)
            .map(|event| event.raw.clone())
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
        assert_eq!(streams, [stream]);
    }

    /// How many queries `status` says are refused.
    pub(crate) async fn refused(&self, fleet: &Fleet) -> usize {
        let (request, budget) = (StatusRequest::default(), self.budget());
        let status = status::status(&fleet.engine, &fleet.organizations, request, budget).await;
        status.unwrap().totals.refused
    }

    pub(crate) async fn item(&self, stream: &StreamId) -> engine::cursor::Item {
        self.cursors.get(stream).await.unwrap().unwrap_or_default()
    }
}

/// The line of the stream that has read.
#[track_caller]
pub(crate) fn reader(report: &Report) -> &StreamReport {
    let mut readers = report.streams.iter().filter(|line| line.pages > 0);
    let line = readers.next().unwrap();
    assert!(readers.next().is_none(), "{report:?}");
    line
}

#[track_caller]
pub(crate) fn assert_well(report: &Report) {
    let outcomes: Vec<_> = report.streams.iter().map(|line| (line.outcome, &line.error)).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == (Outcome::Ok, &None)), "{outcomes:?}");
}

/// There and back, three runs each, in new processes; then old and new in turn.
#[tokio::test]
async fn an_organization_keeps_its_stream_however_it_is_configured() {
    for (first, then, stream) in [(AsOwn, ById, "self"), (ById, AsOwn, TENANTS[0])] {
        let world = World::with_events(0);
        for configured in [first, then, first] {
            for _ in 0..3 {
                let report = world.run_in_new_process(configured).await;
                assert_well(&report);
                assert_eq!(reader(&report).stream.as_str(), stream);
                let scope = match configured {
                    AsOwn => Scope::Own,
                    ById => Scope::Organization(TENANTS[0].to_owned()),
                };
                assert_eq!(world.jumpcloud.asked.lock().unwrap().last(), Some(&scope));
            }
        }
        let (old, new) = (world.fleet(first), world.fleet(then));
        for _ in 0..3 {
            assert_well(&world.run(&old).await);
            assert_well(&world.run(&new).await);
        }
        world.assert_archived(stream).await;
        let (request, budget) = (StatusRequest::default(), world.budget());
        let status =
            status::status(&new.engine, &new.organizations, request, budget).await.unwrap();
        let lines: Vec<_> =
            status.streams.iter().map(|line| (line.stream.as_str(), line.configured)).collect();
        assert_eq!(lines, [(stream, true)]);
    }
}

#[tokio::test]
async fn lanes_are_those_of_the_stream_that_collects_the_organization() {
    let world = World::with_events(0);
    let day_ms = NOW_MS - NOW_MS % DAY_MS - DAY_MS;
    world.happen(0, day_ms + HOUR_MS);
    assert_well(&world.run_in_new_process(AsOwn).await);
    let fleet = world.fleet(ById);
    let request = BackfillRequest {
        window: Window::new(day_ms, day_ms + DAY_MS),
        organizations: StreamId::of_organization(TENANTS[0]).map(|stream| vec![stream]),
        plan: false,
        after: None,
    };
    let answer = backfill::backfill(&fleet, &request, world.budget()).await.unwrap();
    assert_eq!(answer.refused, Vec::<String>::new());
    let lane = StreamId::own().lane(day_ms).unwrap();
    assert_eq!(answer.lanes.iter().map(|lane| &lane.stream).collect::<Vec<_>>(), [&lane]);
    let scope = Scope::Organization(TENANTS[0].to_owned());
    assert_eq!(world.jumpcloud.asked.lock().unwrap().last(), Some(&scope));
    // In a process that has not opened the lane, as one that answers the work queue, when late events
    // may have come.
    world.clock.0.fetch_add(DAY_MS, Ordering::Relaxed);
    let worker = world.fleet(ById).engine;
    let report = worker.run(&lane, RunPurpose::Collect, world.budget()).await;
    assert_eq!((report.outcome, report.tally.seen), (Outcome::Ok, 1), "{report:?}");
    assert_eq!(world.jumpcloud.asked.lock().unwrap().last(), Some(&scope));
}

/// Neither row nor list tells whose the key is when `self` is born; the organization is collected
/// by its own stream already.
#[tokio::test]
async fn a_stream_of_nothing_is_passed_over() {
    let world = World::with_events(1);
    world.jumpcloud.is_silent.store(true, Ordering::Relaxed);
    let own = world.fleet(AsOwn);
    assert_well(&dispatch::collect(&own, world.budget()).await.unwrap());
    assert!(world.objects.keys("state").contains(&certificate_key(&StreamId::own())));
    assert_well(&world.run_in_new_process(ById).await);
    // The process that has asked before learns it from a page.
    let report = world.run(&own).await;
    let error = report.streams[0].error.clone().unwrap();
    assert!(error.contains("is collected by the stream 5c1c") && report.failure(3).is_none());
    for _ in 0..3 {
        let report = world.run(&own).await;
        assert_well(&report);
        assert_eq!(reader(&report).stream.as_str(), TENANTS[0]);
        assert_well(&world.run_in_new_process(AsOwn).await);
    }
    world.assert_archived(TENANTS[0]).await;
}

#[tokio::test]
async fn a_stream_that_has_decided_what_named_nothing_stops() {
    let world = World::with_events(1);
    world.jumpcloud.is_silent.store(true, Ordering::Relaxed);
    let ms = NOW_MS - MINUTE_MS;
    let raw = r#"{"id":"1","service":"sso","timestamp":"2026-11-21T08:29:00Z"}"#.to_owned();
    world.jumpcloud.events.lock().unwrap().push(Event { ms, tenant: 0, raw });
    assert_well(&dispatch::collect(&world.fleet(AsOwn), world.budget()).await.unwrap());
    let (before, _) = world.archived().await;
    assert_eq!(before.len(), 1);
    world.run_in_new_process(ById).await;
    let (after, _) = world.archived().await;
    for _ in 0..3 {
        let report = world.run_in_new_process(AsOwn).await;
        let line = report.streams.iter().find(|line| line.stream == StreamId::own()).unwrap();
        let error = line.error.clone().unwrap_or_default();
        assert!(error.contains("before any named their organization"), "{line:?}");
        assert!(report.failure(100).is_some(), "an operator is needed");
    }
    assert_eq!(world.archived().await.0, after);
}

/// Of a stream that is not configured nothing is created, and what was decided is found.
#[tokio::test]
async fn a_recovery_never_gives_birth() {
    let world = World::with_events(0);
    let fleet = world.fleet(AsOwn);
    let own = StreamId::own();
    let recover = || fleet.engine.run(&own, RunPurpose::Recover, world.budget());
    assert_eq!(recover().await.outcome, Outcome::Ok);
    assert_eq!((world.objects.keys("state"), world.item(&own).await.len()), (vec![], 0));
    assert_well(&world.run(&fleet).await);
    assert_eq!(recover().await.outcome, Outcome::Ok);
    world.assert_archived("self").await;
}

/// Of a lane nothing can be pending then, and its day is not read again; another stream stops.
#[tokio::test]
async fn a_stream_whose_cursor_and_journal_are_gone_is_not_created_again() {
    let world = World::with_events(0);
    let own = StreamId::own();
    let lane = own.lane(NOW_MS - 95 * DAY_MS).unwrap();
    for stream in [&own, &lane] {
        let certificate = Certificate {
            version: 1,
            stream: stream.clone(),
            epoch: "abababab".to_owned(),
            origin_ms: NOW_MS - 95 * DAY_MS,
            end_ms: stream.is_lane().then_some(NOW_MS - 94 * DAY_MS),
            born_ms: NOW_MS - 91 * DAY_MS,
        };
        let (key, meta) = (certificate_key(stream), ObjectMeta::default());
        world.objects.create("state", &key, certificate.encode(), &meta).await.unwrap();
    }
    let engine = world.fleet(AsOwn).engine;
    let report = engine.run(&lane, RunPurpose::Collect, world.budget()).await;
    assert_eq!((report.outcome, report.pages), (Outcome::Ok, 0), "{report:?}");
    assert_eq!(world.item(&lane).await.len(), 0, "nothing is created");
    let report = engine.run(&own, RunPurpose::Collect, world.budget()).await;
    let error = report.error.unwrap();
    assert!(error.contains("born 91 days ago and has neither cursor nor journal"), "{error}");
    assert_eq!(report.outcome, Outcome::Failed);
}

/// The object that `validate` writes among the certificates is before ids that begin with a letter.
#[tokio::test]
async fn a_key_of_another_organization_gives_birth_to_nothing_beside_a_stream() {
    let world = World::with_events(0);
    let other = StreamId::of_organization("abcdef0123456789abcdef01").unwrap();
    for key in ["streams/v1/_written-by-validate", &certificate_key(&other)] {
        let (body, meta) = (Vec::new().into(), ObjectMeta::default());
        world.objects.create("state", key, body, &meta).await.unwrap();
    }
    let report = world.run_in_new_process(AsOwn).await;
    let error = report.streams[0].error.clone().unwrap_or_default();
    assert!(error.contains(other.as_str()), "{report:?}");
    assert!(!world.objects.keys("state").contains(&certificate_key(&StreamId::own())));
}
