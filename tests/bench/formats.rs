//! `cargo bench --bench formats`: what the formats of lines cost, side by side in one run.
//!
//! The whole engine reads the same pages into a new folder, once a round with each format in turn:
//! parsing, identities, index, lines, compression, hashes, journal and objects; all but the network.
//! It compares processor time, and fails if `ecs` takes more than three times as much as `raw`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for people, run by hand"
)]

mod measure;

use std::collections::BTreeMap;
use std::env::VarError;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use engine::collect::{Engine, RunPurpose};
use engine::limits::HOUR_MS;
use engine::page::{Page, PageHeaders, Token};
use engine::ports::{
    Clock as _, Console, Incoming, Insights, InsightsError, ListPage, ListRequest, PageRequest,
    Services,
};
use engine::read::Budget;
use engine::report::{Outcome, StreamReport};
use engine::stream::StreamId;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::Config;
use jumpcloud_collector::local::{ARCHIVE, FolderCursors, FolderObjects, STATE};
use mock::{Generator, MadeUpEvent};

const EVENTS: usize = 60_000;
const PAGE_ROWS: usize = 10_000;
const ROUNDS: usize = 5;
const RATIO_MAX: f64 = 3.0;

/// The settings that are compared, the first with each of the others.
const CASES: [(&str, &[(&str, &str)]); 3] = [
    ("raw", &[]),
    ("ecs", &[("OUTPUT_FORMAT", "ecs")]),
    (
        "ecs, all kept",
        &[("OUTPUT_FORMAT", "ecs"), ("ECS_KEEP_DUPLICATES", "true"), ("ECS_KEEP_ORIGINAL", "true")],
    ),
];

/// Pages of made-up events, served from memory.
struct Pages(Vec<(Vec<u8>, PageHeaders)>);

impl Pages {
    fn of(now_ms: i64) -> Self {
        let mut generator = Generator::new(1, "5d0a1b2c3d4e5f60718293a4");
        let mut events: Vec<_> =
            generator.events(now_ms - 20 * HOUR_MS..now_ms - HOUR_MS, EVENTS).collect();
        events.sort_by_key(|event| event.timestamp_ms);
        let page = |events: &[MadeUpEvent]| {
            let rows: Vec<&[u8]> = events.iter().map(|event| &*event.raw).collect();
            let body = [&b"["[..], &rows.join(&b','), b"]"].concat();
            let last = events.last().unwrap();
            let token = Token::parse(&format!(r#"[{},"{}"]"#, last.timestamp_ms, rows.len()));
            let (limit, count) = (Some(PAGE_ROWS as u64), Some(rows.len() as u64));
            (body, PageHeaders { limit, count, token })
        };
        let mut pages: Vec<_> = events.chunks(PAGE_ROWS).map(page).collect();
        pages.push((b"[]".to_vec(), PageHeaders { count: Some(0), ..PageHeaders::default() }));
        Self(pages)
    }
}

impl Insights for Pages {
    fn page(&self, request: PageRequest) -> Incoming {
        if request.ask.limit == 1 {
            let empty = Page::parse(b"[]".to_vec(), PageHeaders::default()).unwrap();
            return Incoming::new(ready(None).boxed(), ready(Ok(empty)).boxed(), || ());
        }
        let token = request.ask.token;
        let at = token.and_then(|token| {
            self.0.iter().position(|(_, headers)| headers.token.as_ref() == Some(&token))
        });
        let (body, headers) = self.0[at.map_or(0, |at| at + 1)].clone();
        let told = ready(Some(headers.clone())).boxed();
        Incoming::new(told, async move { Ok(Page::parse(body, headers).unwrap()) }.boxed(), || ())
    }

    fn count(&self, _: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        ready(Err(InsightsError::Unavailable("no counts".into()))).boxed()
    }

    fn hourly(
        &self,
        _: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        ready(Err(InsightsError::Unavailable("no counts".into()))).boxed()
    }

    fn services(&self, _: PageRequest) -> BoxFuture<'static, Services> {
        ready(Err(InsightsError::Unavailable("no counts".into()))).boxed()
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some(0)
    }
}

impl Console for Pages {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        ready(Err(InsightsError::Unavailable("no lists".into()))).boxed()
    }
}

/// One run over all pages into a new folder.
async fn run(pages: &Arc<Pages>, variables: &[(&str, &str)]) -> StreamReport {
    let least = [
        ("ARCHIVE_BUCKET", ARCHIVE),
        ("STATE_BUCKET", STATE),
        ("CURSOR_TABLE", "cursors"),
        ("JUMPCLOUD_SECRET_ID", "none"),
    ];
    let all: BTreeMap<_, _> = least.iter().chain(variables).copied().collect();
    let config = {
        let found = |name: &str| all.get(name).map(|text| (*text).to_owned());
        Config::read(&|name| found(name).ok_or(VarError::NotPresent)).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::new(
        Arc::clone(pages) as Arc<dyn Insights>,
        Arc::clone(pages) as Arc<dyn Console>,
        Arc::new(FolderObjects::new(folder.path().to_owned())),
        Arc::new(FolderCursors::new(folder.path().join("cursors"))),
        Arc::new(SystemClock),
        config.settings,
    );
    let started_ms = SystemClock.now_ms();
    let budget = Budget { started_ms, deadline_ms: started_ms + 600_000 };
    engine.run(&StreamId::own(), RunPurpose::Collect, budget).await
}

/// Seconds of processor time this process has used; of the clock where the system does not tell.
fn used(since: Instant) -> f64 {
    measure::processor_seconds("self").unwrap_or_else(|| since.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> ExitCode {
    let since = Instant::now();
    let pages = Arc::new(Pages::of(SystemClock.now_ms()));
    let bytes: usize = pages.0.iter().map(|(body, _)| body.len()).sum();
    println!("{EVENTS} events, {bytes} bytes; the median of {ROUNDS} rounds\n");
    let mut seconds = CASES.map(|_| Vec::new());
    let mut written = CASES.map(|_| 0);
    for _ in 0..ROUNDS {
        for (case, (_, variables)) in CASES.iter().enumerate() {
            let before = used(since);
            let report = run(&pages, variables).await;
            seconds[case].push(used(since) - before);
            assert_eq!((report.outcome, report.tally.written), (Outcome::Ok, EVENTS as u64));
            written[case] = report.bytes_out;
        }
    }
    let medians = seconds.map(measure::median);
    for (case, (name, _)) in CASES.iter().enumerate() {
        let (each, ratio) = (medians[case] / EVENTS as f64 * 1e6, medians[case] / medians[0]);
        println!("{name:14} {each:6.2} µs an event, {ratio:.2} times raw, {} bytes", written[case]);
    }
    if medians[1] > RATIO_MAX * medians[0] { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
