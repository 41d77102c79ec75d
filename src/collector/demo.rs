//! `collector demo`: the main job against the built-in mock, with nothing installed.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use engine::collect::{Engine, RunPurpose};
use engine::fleet::discover::OrganizationSource;
use engine::limits::{DAY_MS, MINUTE_MS};
use engine::ports::{Clock, Objects as _};
use engine::settings::Settings;
use engine::stream::StreamId;
use engine::task::audit::{AuditRequest, audit};
use engine::time::Window;
use engine::users::snapshot;
use jumpcloud_collector::clock::SystemClock;
use jumpcloud_collector::config::{Source, Terminal};
use jumpcloud_collector::jumpcloud::Endpoints;
use jumpcloud_collector::local::{self, FolderObjects, KeySource};
use mock::{Generator, Key, MockServer, World};

use crate::day::{Day, SetClock};
use crate::folder::{budget_from, engine};
use crate::page;
use crate::show::{self, counted};
use crate::usage::UsageError;

/// The demo's options.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder to collect into, a new or an empty one [default: a new one for temporary files]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// How many events the mock makes up, 100 to 1000000
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    events: u32,
    /// Number from which events are made up: the same number, the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const ORGANIZATION: &str = "5f3c1d2e4b6a79880c1d2e3f";
/// Only the owner may read and enter the folder.
const FOLDER_MODE: u32 = 0o700;
const API_KEY: &str = "a-key-of-the-mock";

/// Shows the main job. `false` if the archive is not what was served.
pub(crate) async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<bool> {
    let folder = folder(options)?;
    let Settings { overlap_ms, settle_lag_ms, .. } = terminal.settings;
    let day = Day::before(SystemClock.now_ms(), overlap_ms, settle_lag_ms);
    let clock = Arc::new(SetClock::at(day.first_ms));
    let clock_of_mock = clock.clone();
    let now_ms = Arc::new(move || clock_of_mock.now_ms());
    let mock = MockServer::start(World::new(options.seed), now_ms).await?;
    let late = fill(&mock, options, day)?;
    let engine = demo_engine(&mock, &folder, terminal, clock.clone())?;

    println!("The mock of JumpCloud serves made-up events of 24 hours, and users.\n");
    if !collect(&engine).await {
        return Ok(false);
    }
    let first = archive(&folder).await?;
    println!("\nObjects below {}:", folder.join(local::ARCHIVE).display());
    objects(&first, &[]);
    println!("\nEvents per service, and the day's snapshot of users:");
    per_service(&first);

    let appear = counted(late.len(), "late event appears", "late events appear");
    println!("\nNow {appear}, minutes after their time.\n");
    clock.set(day.second_ms);
    for raw in late {
        mock.world().load(raw, day.second_ms)?;
    }
    if !collect(&engine).await {
        return Ok(false);
    }
    let second = archive(&folder).await?;
    println!("\nOnly the late events came, in objects of their own:");
    objects(&second, &first);

    let is_whole = compare(&mock, &second, &engine.settings)?;
    Ok(write_page(&folder.join("audit.html"), &engine, day).await? && is_whole)
}

/// Audits the archive as `collector audit` does, writes its page and says where it lies. `false` if
/// an hour differs.
async fn write_page(file: &Path, engine: &Engine, day: Day) -> anyhow::Result<bool> {
    let window = Window::new(day.events().start_ms, day.second_ms);
    let request = AuditRequest { window, repair: false, by_service: true };
    let budget = budget_from(engine.clock.now_ms());
    let own = OrganizationSource::Named(vec![StreamId::own()]);
    let audit = audit(engine, &own, request, budget).await?;
    page::write(file, &audit, engine.clock.now_ms(), window, &engine.settings)?;
    println!(
        "\nOpen this page for a picture of it, with the late events marked:\n  {}",
        file.display()
    );
    Ok(audit.is_clean())
}

fn folder(options: &Options) -> anyhow::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.mode(FOLDER_MODE);
    let folder = match &options.to {
        Some(folder) => folder.clone(),
        // In a folder that others may write into, a name that nobody can take before.
        None => {
            let random = u128::from_le_bytes(SystemClock.nonce()?);
            std::env::temp_dir().join(format!("jumpcloud-demo-{random:032x}"))
        }
    };
    let made = builder.recursive(options.to.is_some()).create(&folder);
    made.with_context(|| format!("make {}", folder.display()))?;
    if fs::read_dir(&folder)?.next().is_some() {
        let wrong = format!("--to {}: the folder is not empty", folder.display());
        let right = "name a new or an empty folder, or leave --to out";
        return Err(UsageError::new(wrong, right).into());
    }
    Ok(folder)
}

/// Loads the events of a day, and returns those of its last minutes that are to appear late.
fn fill(mock: &MockServer, options: &Options, day: Day) -> anyhow::Result<Vec<Bytes>> {
    let mut world = mock.world();
    world.add_key(API_KEY, Key::single("demo", ORGANIZATION));
    let Window { start_ms, end_ms } = day.events();
    let mut generator = Generator::new(options.seed, ORGANIZATION);
    if let Some(organization) = world.organization_mut(ORGANIZATION) {
        organization.users = generator.users();
    }
    let count = usize::try_from(options.events)?;
    let late_count = (count / 200).clamp(3, 25);
    let recent = end_ms - 13 * MINUTE_MS..end_ms - 2 * MINUTE_MS;
    let mut late = Vec::new();
    for event in generator.events(recent.clone(), late_count) {
        // Some are made up with a time in the future.
        if recent.contains(&event.timestamp_ms) {
            late.push(event.raw);
        } else {
            world.load(event.raw, event.visible_at_ms.min(end_ms))?;
        }
    }
    for event in generator.events(start_ms..end_ms - MINUTE_MS, count - late_count) {
        world.load(event.raw, event.visible_at_ms.min(end_ms))?;
    }
    Ok(late)
}

fn demo_engine(
    mock: &MockServer,
    folder: &Path,
    terminal: &Terminal,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Engine> {
    let endpoints = Endpoints {
        insights: mock.insights_url(),
        console: mock.console_url(),
        token: mock.token_url(),
    };
    let settings = terminal.settings.clone();
    let system_users = settings.system_users.clone().or_else(|| Some(snapshot::usual()));
    let start_lookback_ms = DAY_MS;
    let settings = Settings { start_lookback_ms, system_users, ..settings };
    let source = Source { endpoints, ..terminal.source.clone() };
    engine(folder, KeySource::Environment(API_KEY.into()), &source, settings, clock)
}

/// Collects, and shows how each run went. `false` if one failed.
async fn collect(engine: &Engine) -> bool {
    let budget = budget_from(engine.clock.now_ms());
    let reports = engine.turn(&StreamId::own(), RunPurpose::Collect, budget, false).await;
    reports.iter().for_each(|report| println!("{}", show::run_line(report)));
    reports.iter().all(|report| report.error.is_none())
}

/// An object of the archive and its lines.
#[derive(PartialEq, Eq)]
struct Object {
    key: String,
    size: usize,
    lines: Vec<Vec<u8>>,
}

async fn archive(folder: &Path) -> anyhow::Result<Vec<Object>> {
    let store = FolderObjects::new(folder.to_owned());
    let mut objects = Vec::new();
    let keys = store.list(local::ARCHIVE, "", "", usize::MAX).await?;
    for key in keys.into_iter().filter(|key| key.ends_with(".gz")) {
        let gzip = store.get(local::ARCHIVE, &key).await?.unwrap_or_default();
        let raw = gunzip(&gzip).with_context(|| key.clone())?;
        let lines = raw.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        objects.push(Object { key, size: gzip.len(), lines });
    }
    Ok(objects)
}

/// Inflates one of our own objects, whose last bytes say how long it is.
fn gunzip(gzip: &[u8]) -> anyhow::Result<Vec<u8>> {
    let size = gzip.last_chunk::<4>().context("an empty object")?;
    let mut raw = vec![0; usize::try_from(u32::from_le_bytes(*size))?];
    let length = libdeflater::Decompressor::new().gzip_decompress(gzip, &mut raw)?;
    raw.truncate(length);
    Ok(raw)
}

fn objects(all: &[Object], known: &[Object]) {
    let new = all.iter().filter(|object| !known.contains(object));
    let rows = new.map(|object| {
        [object.lines.len().to_string(), object.size.to_string(), object.key.clone()]
    });
    show::table(["events", "bytes", "object"], rows);
}

fn per_service(objects: &[Object]) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for object in objects {
        let service = object.key.split('/').find_map(|part| part.strip_prefix("service="));
        *counts.entry(service.unwrap_or("quarantined")).or_default() += object.lines.len();
    }
    show::table(
        ["service", "lines"],
        counts.iter().map(|(name, count)| [(*name).to_owned(), count.to_string()]),
    );
}

/// Compares the archive with what the mock serves and the filter keeps: each event once, byte
/// for byte.
fn compare(mock: &MockServer, objects: &[Object], settings: &Settings) -> anyhow::Result<bool> {
    let mut archived: HashMap<&[u8], usize> = HashMap::new();
    for line in objects.iter().flat_map(|object| &object.lines) {
        *archived.entry(line).or_default() += 1;
    }
    let (mut served, mut missing) = (0, 0);
    let world = mock.world();
    for (row, event) in world.events() {
        if settings.filter.as_ref().is_some_and(|filter| !filter.keeps(&event.raw)) {
            continue;
        }
        let mut line = Vec::new();
        settings.output.write_line(&mut line, &event.raw, row.sort_ms);
        served += 1;
        if archived.remove(line.as_slice()) != Some(1) {
            missing += 1;
        }
    }
    let events = counted(served, "event", "events");
    println!("\nServed {events}: {} archived once, {missing} not.", served - missing);
    Ok(missing == 0)
}
