//! One stream in a world that ages, and what a person or a schedule asks of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::collect::{Engine, RunPurpose};
use engine::cursor::{Item, Update};
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{Fleet, collect};
use engine::fleet::message::Record;
use engine::fleet::queue::handle_messages;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::ports::{Cursors as _, Objects as _, WorkQueue};
use engine::read::Budget;
use engine::report::{Outcome, Report, StreamReport, StreamStatus};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::audit::{Audit, AuditRequest, StreamAudit, audit};
use engine::task::backfill::{Backfill, BackfillRequest, backfill};
use engine::task::status::{StatusRequest, status};
use engine::task::verify::{Buckets, Verdict, verify};
use engine::time::Window;
use libdeflater::Decompressor;

use crate::ports::{JumpCloud, Time};
use crate::settings::defaults;
use crate::store::{Store, Table};

/// 2026-11-21T08:30:00Z
pub(crate) const START_MS: i64 = 1_795_249_800_000;

/// The UTC day that ended so many days before the start.
pub(crate) fn past_day(before: i64) -> Window {
    let end_ms = (START_MS.div_euclid(DAY_MS) - before) * DAY_MS;
    Window::new(end_ms - DAY_MS, end_ms)
}

pub(crate) struct World {
    pub(crate) time: Arc<Time>,
    pub(crate) jumpcloud: Arc<JumpCloud>,
    pub(crate) store: Arc<Store>,
    cursors: Arc<Table>,
    settings: Settings,
    organizations: Vec<StreamId>,
    /// The process.
    fleet: Fleet,
}

impl World {
    /// A world with the usual settings, at [`START_MS`].
    pub(crate) fn new() -> Self {
        Self::with(settings(), |_| {})
    }

    /// A world with these settings, whose JumpCloud is changed beforehand.
    pub(crate) fn with(settings: Settings, change: impl FnOnce(&mut JumpCloud)) -> Self {
        let time = Arc::new(Time::default());
        time.set(START_MS);
        let mut jumpcloud = JumpCloud::new(Arc::clone(&time));
        change(&mut jumpcloud);
        let jumpcloud = Arc::new(jumpcloud);
        let store = Arc::new(Store::new(Arc::clone(&time)));
        let cursors = Arc::default();
        let organizations = vec![StreamId::own()];
        let fleet = process(&time, &jumpcloud, &store, &cursors, (&settings, &organizations));
        Self { time, jumpcloud, store, cursors, settings, organizations, fleet }
    }

    /// A new process, which holds nothing in memory.
    pub(crate) fn restart(&mut self) {
        let Self { time, jumpcloud, store, cursors, settings, organizations, .. } = self;
        self.fleet = process(time, jumpcloud, store, cursors, (settings, organizations));
    }

    /// A new process, which collects these organizations by their ids.
    pub(crate) fn configure(&mut self, organizations: &[StreamId]) {
        self.settings.names_organizations = true;
        self.organizations = organizations.to_vec();
        self.restart();
    }

    /// A new process, which asks for these queries.
    pub(crate) fn ask_for(&mut self, queries: &[&str]) {
        let names = |list: &&str| list.split(',').map(str::to_owned).collect();
        self.settings.queries = queries.iter().map(names).collect();
        self.restart();
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.time.now_ms()
    }

    /// Lets time pass: what has expired is deleted.
    pub(crate) fn pass(&self, ms: i64) {
        self.time.set(self.now_ms() + ms);
        self.store.expire();
    }

    /// A minute from now, on the local clock.
    fn budget(&self) -> Budget {
        let started_ms = self.fleet.engine.clock.now_ms();
        Budget { started_ms, deadline_ms: started_ms + MINUTE_MS }
    }

    /// Runs go through a queue from now on, so many at the same time.
    pub(crate) fn use_queue<Q: WorkQueue + Default + 'static>(
        &mut self,
        concurrency: usize,
    ) -> Arc<Q> {
        let queue = Arc::new(Q::default());
        self.fleet.queue = Some(Arc::clone(&queue) as _);
        self.fleet.concurrency = concurrency;
        queue
    }

    /// What a schedule asks for.
    pub(crate) async fn scheduled_run(&self) -> Report {
        collect(&self.fleet, self.budget()).await.unwrap()
    }

    /// What the queue asks for.
    pub(crate) async fn handle(&self, bodies: Vec<String>) -> Report {
        let record =
            |body| Record { event_source: "aws:sqs".to_owned(), message_id: String::new(), body };
        let records: Vec<_> = bodies.into_iter().map(record).collect();
        handle_messages(&self.fleet.engine, &records, self.budget()).await.1
    }

    pub(crate) async fn update(&self, stream: &StreamId, update: &Update) {
        self.cursors.update(stream, update).await.unwrap();
    }

    pub(crate) async fn item(&self, stream: &StreamId) -> Item {
        self.cursors.get(stream).await.unwrap().unwrap_or_default()
    }

    /// One run of the live stream; it must succeed.
    pub(crate) async fn collect(&self) -> StreamReport {
        let report = self.run(&StreamId::own(), RunPurpose::Collect).await;
        assert_eq!((report.outcome, &report.error), (Outcome::Ok, &None));
        report
    }

    pub(crate) async fn run(&self, stream: &StreamId, purpose: RunPurpose<'_>) -> StreamReport {
        self.fleet.engine.run(stream, purpose, self.budget()).await
    }

    /// One run an `every_ms`, until `days` have passed.
    pub(crate) async fn collect_for(&self, days: i64, every_ms: i64) {
        let end_ms = self.now_ms() + days * DAY_MS;
        while self.now_ms() < end_ms {
            self.pass(every_ms);
            self.collect().await;
        }
    }

    pub(crate) async fn verify(&self) -> Verdict {
        let buckets = Buckets { objects: &*self.store, archive: "archive", state: "state" };
        verify(buckets, self.now_ms(), &mut |_| {}).await.unwrap()
    }

    /// Everything is as the journal says.
    pub(crate) async fn assert_verified(&self) {
        let verdict = self.verify().await;
        assert_eq!(verdict.problems, Vec::<String>::new(), "{verdict:?}");
    }

    /// The audit of one stream.
    pub(crate) async fn audit(&self, window: Window, repair: bool) -> (StreamAudit, bool) {
        let request = AuditRequest { window, repair, by_service: false };
        let mut audit = self.audit_all(request).await;
        let is_clean = audit.is_clean();
        (audit.streams.remove(0), is_clean)
    }

    /// The audit of the live stream and its lanes.
    pub(crate) async fn audit_all(&self, request: AuditRequest) -> Audit {
        let (engine, organizations) = (&self.fleet.engine, &self.fleet.organizations);
        audit(engine, organizations, request, self.budget()).await.unwrap()
    }

    /// From now on the first answer to each update of the table is lost.
    pub(crate) fn lose_answers(&self) {
        self.cursors.lose_answers();
    }

    /// Somebody deletes a stream's item of the table.
    pub(crate) fn lose_cursor(&self, stream: &StreamId) {
        self.cursors.delete(stream);
    }

    /// The hours of the live stream, service by service.
    /// The audit of the live stream, with the services of its hours.
    pub(crate) async fn audit_by_service(&self, window: Window) -> StreamAudit {
        let request = AuditRequest { window, repair: false, by_service: true };
        self.audit_all(request).await.streams.remove(0)
    }

    pub(crate) async fn backfill(&self, window: Window) -> Backfill {
        let request = BackfillRequest { window, organizations: None, plan: false, after: None };
        backfill(&self.fleet, &request, self.budget()).await.unwrap()
    }

    pub(crate) async fn status(&self) -> Vec<StreamStatus> {
        let (fleet, request) = (&self.fleet, StatusRequest::default());
        let status = status(&fleet.engine, &fleet.organizations, request, self.budget());
        status.await.unwrap().streams
    }

    pub(crate) async fn status_of(&self, stream: &StreamId) -> StreamStatus {
        self.status().await.into_iter().find(|line| line.stream == *stream).unwrap()
    }

    /// Every event's line in the archive, with how often it is there.
    pub(crate) async fn archived(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        let keys = self.store.keys("archive", "events/");
        for key in keys.into_iter().filter(|key| !key.contains(".users-")) {
            let object = self.store.get("archive", &key).await.unwrap().unwrap();
            for line in lines_of(&object) {
                *lines.entry(line).or_default() += 1;
            }
        }
        lines
    }

    /// How many events are in the archive; none is there twice.
    pub(crate) async fn archived_once(&self) -> usize {
        let lines = self.archived().await;
        let twice: Vec<_> = lines.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "archived more than once: {twice:?}");
        lines.len()
    }
}

/// The lines of an archive object.
fn lines_of(gzip: &[u8]) -> Vec<String> {
    let length = u32::from_le_bytes(*gzip.last_chunk().unwrap());
    let mut lines = vec![0; length as usize];
    Decompressor::new().gzip_decompress(gzip, &mut lines).unwrap();
    String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect()
}

fn process(
    time: &Arc<Time>,
    jumpcloud: &Arc<JumpCloud>,
    store: &Arc<Store>,
    cursors: &Arc<Table>,
    (settings, organizations): (&Settings, &[StreamId]),
) -> Fleet {
    let engine = Engine::new(
        Arc::clone(jumpcloud) as _,
        Arc::clone(jumpcloud) as _,
        Arc::clone(store) as _,
        Arc::clone(cursors) as _,
        Arc::clone(time) as _,
        settings.clone(),
    );
    let organizations = OrganizationSource::Named(organizations.to_vec());
    Fleet { engine, queue: None, concurrency: 1, organizations }
}

pub(crate) fn settings() -> Settings {
    Settings { settle_lag_ms: 0, overlap_ms: HOUR_MS, compression_level: 1, ..defaults() }
}
