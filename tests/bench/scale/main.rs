//! `infra/benchmark scale`: what a scheduled run takes with many organizations and many more past days
//! that were archived: requests, time, and the memory that the engine needs for it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for people, run by hand"
)]

#[path = "../memory.rs"]
mod memory;
#[path = "../../fixtures/settings.rs"]
#[expect(unreachable_pub, reason = "public among the fixtures")]
mod settings;
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use engine::collect::{Engine, RunPurpose};
use engine::cursor::Value;
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::{Fleet, collect};
use engine::fleet::message::Record;
use engine::fleet::queue::handle_messages;
use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::read::Budget;
use engine::report::Outcome;
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::status::{Status, StatusRequest, status};
use memory::mebibytes;
use settings::defaults;
use world::{DAYS, World, as_ports};

/// 2026-11-21T08:30:00Z
const NOW_MS: i64 = 1_795_249_800_000;
/// The organizations of the requirement, and those that show the growth.
const ORGANIZATIONS: usize = 5_000;
const GROWTH: [usize; 3] = [500, 5_000, 50_000];
const SECONDS_MAX: f64 = 10.0;
const MEBIBYTES_MAX: f64 = 128.0;
/// Requests of a warm run beside one to the table for a hundred streams, one for each that is sent, and
/// one to the queue for ten.
const OTHERS_MAX: usize = 10;
const INTERVAL_MS: i64 = 5 * MINUTE_MS;
const CONCURRENCY: usize = 50;

struct Setting {
    world: Arc<World>,
    streams: Vec<StreamId>,
    fleet: Fleet,
}

/// What a run took.
struct Taken {
    calls: BTreeMap<&'static str, usize>,
    seconds: f64,
    mebibytes: f64,
    sent: usize,
}

impl Setting {
    /// Organizations that were created 130 days ago, and collected until an hour ago.
    async fn new(organizations: usize, has_lanes: bool) -> Self {
        let world = Arc::new(World::new(NOW_MS - 130 * DAY_MS, NOW_MS));
        let stream = |n: usize| StreamId::try_from(format!("{n:024x}")).unwrap();
        let streams: Vec<_> = (0..organizations).map(stream).collect();
        let fleet = process(&world, &streams);
        for now_ms in [NOW_MS - 130 * DAY_MS, NOW_MS - DAY_MS, NOW_MS - HOUR_MS] {
            world.now_ms.store(now_ms, Ordering::Relaxed);
            for stream in &streams {
                let run = fleet.engine.run(stream, RunPurpose::Collect, budget(now_ms)).await;
                assert_eq!((run.outcome, run.error), (Outcome::Ok, None), "{stream}");
            }
            // Lanes are created after their live stream, which looks for them at its birth.
            world.has_lanes.store(has_lanes, Ordering::Relaxed);
        }
        world.now_ms.store(NOW_MS, Ordering::Relaxed);
        world.calls();
        *world.is_instant.lock().unwrap() = false;
        let fleet = process(&world, &streams);
        Self { world, streams, fleet }
    }

    fn now_ms(&self) -> i64 {
        self.world.now_ms.load(Ordering::Relaxed)
    }

    /// A process that knows nothing.
    fn restart(&mut self) {
        self.fleet = process(&self.world, &self.streams);
    }

    /// A scheduled run.
    async fn run(&self) -> Taken {
        self.world.now_ms.fetch_add(INTERVAL_MS, Ordering::Relaxed);
        self.world.calls();
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let started = Instant::now();
        let report = collect(&self.fleet, budget(self.now_ms())).await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let queued = report.queued.unwrap();
        assert_eq!(queued.failed, 0, "{:?}", report.streams.first());
        // With all that stands for AWS, whose items and objects are in memory, too.
        let mebibytes = mebibytes("VmHWM");
        Taken { calls: self.world.calls(), seconds, mebibytes, sent: queued.sent }
    }

    /// The messages are handled, each in an invocation; returns how many runs succeeded.
    async fn work(&self) -> usize {
        let was_instant = std::mem::replace(&mut *self.world.is_instant.lock().unwrap(), true);
        let mut succeeded = 0;
        for body in self.world.messages() {
            let (event_source, message_id) = ("aws:sqs".to_owned(), "1".to_owned());
            let record = Record { event_source, message_id, body };
            let budget = budget(self.now_ms());
            let (_, report) = handle_messages(&self.fleet.engine, &[record], budget).await;
            let failed = report.streams.iter().find(|run| run.error.is_some());
            assert!(failed.is_none(), "{failed:?}");
            succeeded += report.streams.len();
        }
        *self.world.is_instant.lock().unwrap() = was_instant;
        succeeded
    }

    /// Opens the lanes of one organization in a hundred, as a backfill does.
    fn open_some(&self) -> usize {
        let mut opened = 0;
        for stream in self.streams.iter().step_by(100) {
            let lanes = self.world.lanes(stream);
            let dates = lanes.iter().filter_map(StreamId::lane_date);
            let open: BTreeMap<_, _> = dates.map(|date| (date, self.now_ms())).collect();
            opened += open.len();
            let open = serde_json::to_string(&open).unwrap();
            self.world.set(stream, "open_lanes", Value::S(open));
        }
        opened
    }

    async fn status(&self, request: StatusRequest) -> Status {
        let organizations = &self.fleet.organizations;
        status(&self.fleet.engine, organizations, request, budget(self.now_ms())).await.unwrap()
    }
}

fn process(world: &Arc<World>, streams: &[StreamId]) -> Fleet {
    let [insights, console, objects, cursors, clock] = as_ports(world);
    let engine = Engine::new(insights, console, objects, cursors, clock, settings());
    let organizations = OrganizationSource::Named(streams.to_vec());
    let queue = Arc::clone(world);
    Fleet { engine, queue: Some(queue), concurrency: CONCURRENCY, organizations }
}

fn settings() -> Settings {
    Settings { names_organizations: true, ..defaults() }
}

fn budget(started_ms: i64) -> Budget {
    Budget { started_ms, deadline_ms: started_ms + 5 * MINUTE_MS }
}

impl Taken {
    fn row(&self, name: &str, organizations: usize, lanes: usize) {
        let of = |name| self.calls.get(name).copied().unwrap_or(0);
        let [batch, update, send] = ["BatchGetItem", "UpdateItem", "SendMessageBatch"].map(of);
        let others = self.calls.values().sum::<usize>() - batch - update - send;
        println!(
            "| {name} | {organizations} | {lanes} | {batch} | {update} | {send} | {others} | {} | {:.1} s | {:.0} MiB |",
            self.sent, self.seconds, self.mebibytes
        );
    }

    /// What must hold of a warm run in which every stream is sent.
    fn assert_bounded(&self, organizations: usize) {
        let of = |name| self.calls.get(name).copied().unwrap_or(0);
        assert_eq!(self.sent, organizations);
        assert_eq!(of("BatchGetItem"), organizations.div_ceil(100));
        assert_eq!(of("SendMessageBatch"), organizations.div_ceil(10));
        let all = self.calls.values().sum::<usize>();
        let others = all - organizations.div_ceil(100) - organizations.div_ceil(10) - organizations;
        assert!(others <= OTHERS_MAX, "{:?}", self.calls);
        assert!(self.seconds <= SECONDS_MAX, "{} s", self.seconds);
        assert!(self.mebibytes <= MEBIBYTES_MAX, "{} MiB", self.mebibytes);
    }
}

/// The warm run after one in a new process, whose messages were handled.
async fn warm(setting: &Setting) -> Taken {
    setting.run().await;
    setting.work().await;
    setting.run().await
}

/// Time and requests of the same run grow with the streams and not with what is finished.
async fn growth() {
    for organizations in GROWTH {
        let setting = Setting::new(organizations, true).await;
        let taken = warm(&setting).await;
        taken.row("warm, all finished", organizations, organizations * DAYS as usize);
    }
}

async fn finished() {
    let mut setting = Setting::new(ORGANIZATIONS, true).await;
    let lanes = ORGANIZATIONS * DAYS as usize;
    let taken = warm(&setting).await;
    taken.row("warm, all finished", ORGANIZATIONS, lanes);
    taken.assert_bounded(ORGANIZATIONS);
    setting.work().await;
    setting.restart();
    setting.run().await.row("cold start", ORGANIZATIONS, lanes);
    drop(setting);
    let none = Setting::new(ORGANIZATIONS, false).await;
    let taken = warm(&none).await;
    taken.row("warm, no lane was ever opened", ORGANIZATIONS, 0);
    taken.assert_bounded(ORGANIZATIONS);
}

async fn open() {
    let setting = Setting::new(ORGANIZATIONS, true).await;
    setting.run().await;
    setting.work().await;
    let opened = setting.open_some();
    setting.run().await.row(&format!("1 % open ({opened})"), ORGANIZATIONS, opened);
    let (mut lines, mut pages, mut longest) = (0, 0, 0);
    let mut request = StatusRequest::default();
    loop {
        let page = setting.status(request).await;
        (lines, pages) = (lines + page.streams.len(), pages + 1);
        longest = longest.max(serde_json::to_string(&page).unwrap().len());
        assert!(longest < 1_000_000, "{longest} bytes");
        let Some(next) = page.next else { break };
        request = StatusRequest { after: Some(next) };
    }
    assert_eq!(lines, ORGANIZATIONS + opened);
    println!("`status` of it: {lines} lines in {pages} pages of at most {longest} bytes");
}

/// The whole table is lost, and with it which lanes were finished.
async fn lost() {
    let mut setting = Setting::new(ORGANIZATIONS, true).await;
    setting.restart();
    setting.world.lose_table();
    let taken = setting.run().await;
    taken.row("the table is lost", ORGANIZATIONS, ORGANIZATIONS * DAYS as usize);
    assert_eq!(taken.sent, ORGANIZATIONS);
    assert_eq!(
        setting.work().await,
        ORGANIZATIONS,
        "all live streams are collected in the first run"
    );
    let calls = setting.world.calls().values().sum::<usize>() / ORGANIZATIONS;
    println!("to rebuild a stream: {calls} requests");
    let open = setting.status(StatusRequest::default()).await.totals.open_lanes;
    println!("lanes younger than 100 days, which are read once more: {open}");
    for _ in 0..3 {
        setting.run().await;
        setting.work().await;
        let totals = setting.status(StatusRequest::default()).await.totals;
        assert_eq!((totals.needing_operator, totals.failing), (0, 0), "{totals:?}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let named: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let is_wanted = |name| named.is_empty() || named.iter().any(|wanted| wanted == name);
    println!(
        "| run | organizations | lanes | BatchGetItem | UpdateItem | SendMessageBatch | others | sent | time | memory |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    if is_wanted("finished") {
        finished().await;
    }
    if is_wanted("open") {
        open().await;
    }
    if is_wanted("lost") {
        lost().await;
    }
    if is_wanted("growth") {
        growth().await;
    }
}
