//! Organizations that JumpCloud lists, and streams that keep failing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use std::future::ready;

use engine::collect::Engine;
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{self, Fleet};
use engine::limits::{HOUR_MS, MINUTE_MS};
use engine::page::{Page, PageHeaders};
use engine::ports::{Console, InsightsError, ListPage, ListRequest};
use engine::report::{Outcome, Report};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::status::{self, Status, StatusRequest};
use engine::users::snapshot::usual;
use futures_util::future::BoxFuture;

use super::operator::organization;
use super::{World, settings};

/// A console that lists these organizations; without any, it does not answer.
#[derive(Default)]
struct Listed(Mutex<Vec<StreamId>>);

impl Listed {
    fn set(&self, numbers: &[u8]) {
        *self.0.lock().unwrap() = numbers.iter().map(|number| organization(*number)).collect();
    }
}

impl Console for Listed {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        let listed = self.0.lock().unwrap();
        if listed.is_empty() {
            return Box::pin(ready(Err(InsightsError::Unavailable(
                "JumpCloud answers 503".into(),
            ))));
        }
        let rows: Vec<_> = listed.iter().map(|id| format!(r#"{{"_id":"{id}"}}"#)).collect();
        let total = rows.len() as u64;
        let body = format!("[{}]", rows.join(",")).into_bytes();
        let rows = Page::parse(body, PageHeaders::default()).unwrap();
        Box::pin(ready(Ok(ListPage { total, rows })))
    }
}

impl World {
    fn discovering(&self, console: &Arc<Listed>, organizations: OrganizationSource) -> Fleet {
        let settings = Settings { names_organizations: true, ..settings() };
        let engine = Engine::new(
            Arc::clone(&self.jumpcloud) as _,
            Arc::clone(console) as _,
            Arc::clone(&self.objects) as _,
            Arc::clone(&self.cursors) as _,
            Arc::clone(&self.clock) as _,
            settings,
        );
        Fleet { engine, queue: None, concurrency: 1, organizations }
    }

    /// A scheduled run after five minutes.
    async fn next_run(&self, fleet: &Fleet) -> Report {
        self.clock.0.fetch_add(5 * MINUTE_MS + 1, Ordering::Relaxed);
        dispatch::collect(fleet, self.budget()).await.unwrap()
    }

    async fn status(&self, fleet: &Fleet) -> Status {
        let request = StatusRequest::default();
        status::status(&fleet.engine, &fleet.organizations, request, self.budget()).await.unwrap()
    }
}

/// The streams of a report that were collected, and those that were recovered.
fn streams(report: &Report) -> [Vec<&StreamId>; 2] {
    let of = |is_recovery| {
        let runs = report.streams.iter().filter(move |run| run.is_recovery == is_recovery);
        let mut streams: Vec<_> = runs.map(|run| &run.stream).collect();
        streams.sort();
        streams
    };
    [of(false), of(true)]
}

#[tokio::test]
async fn an_organization_that_has_left_is_not_collected_because_a_list_fails() {
    let world = World::new();
    let console = Arc::new(Listed::default());
    let fleet = world.discovering(&console, OrganizationSource::Administrator);
    let (first, second) = (organization(1), organization(2));
    console.set(&[1, 2]);
    let (report, _) = world.scheduled_run(&fleet).await;
    assert_eq!(streams(&report), [vec![&first, &second], vec![]]);
    console.set(&[]);
    let (report, line) = world.scheduled_run(&fleet).await;
    assert_eq!(streams(&report), [vec![&first, &second], vec![]], "both were collected until now");
    assert_eq!((&line["Streams"], &line["DiscoveryFailed"]), (&2.into(), &1.into()));

    console.set(&[1]);
    world.clock.0.fetch_add(HOUR_MS, Ordering::Relaxed);
    let (report, _) = world.scheduled_run(&fleet).await;
    assert_eq!(streams(&report), [vec![&first], vec![&second]]);
    console.set(&[]);
    let (report, line) = world.scheduled_run(&fleet).await;
    assert_eq!(streams(&report), [vec![&first], vec![]]);
    assert_eq!((&line["Streams"], &line["DiscoveryFailed"]), (&1.into(), &1.into()));
    let status = world.status(&fleet).await;
    assert_eq!((status.totals.collected, status.totals.not_collected), (1, 1));

    // It is back.
    console.set(&[1, 2]);
    world.scheduled_run(&fleet).await;
    console.set(&[]);
    let (report, _) = world.scheduled_run(&fleet).await;
    assert_eq!(streams(&report), [vec![&first, &second], vec![]]);
}

#[tokio::test]
async fn users_that_keep_failing_are_tried_every_quarter_of_an_hour() {
    let world = World::new();
    let console = Arc::new(Listed::default());
    let only = OrganizationSource::Named(vec![organization(1)]);
    let mut fleet = world.discovering(&console, only);
    fleet.engine.settings.system_users = Some(usual());
    let mut outcomes = Vec::new();
    for _ in 0..11 {
        let report = world.next_run(&fleet).await;
        let users = report.streams.iter().find(|run| run.stream.is_users()).unwrap();
        outcomes.push(users.outcome);
        let is_suspended = world.status(&fleet).await.totals.suspended > 0;
        assert_eq!(is_suspended, outcomes.len() >= 5);
    }
    let tried = outcomes.iter().map(|outcome| *outcome == Outcome::Failed);
    let tried: Vec<_> = tried.collect();
    let (yes, no) = (true, false);
    assert_eq!(tried, [yes, yes, yes, yes, yes, no, no, yes, no, no, yes], "{outcomes:?}");
}

#[tokio::test]
async fn a_stream_that_is_tried_in_every_run_is_not_called_suspended() {
    let world = World::new();
    let both = [organization(1), organization(2)];
    let fleet = world.fleet(&both[..1], None);
    world.next_run(&fleet).await;
    world.damage(&both[0], 2).await;
    for failures in 1..8 {
        let report = world.next_run(&fleet).await;
        assert_eq!(
            (report.streams[0].outcome, report.streams[0].failures),
            (Outcome::Failed, failures)
        );
        let status = world.status(&fleet).await;
        assert_eq!((status.streams[0].suspended, status.totals.suspended), (false, 0));
    }
    let fleet = world.fleet(&both, None);
    assert_eq!(world.status(&fleet).await.totals.suspended, 1, "beside another it is");
}
