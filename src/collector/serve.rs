//! `collector mock`: the built-in mock of JumpCloud as a server, for whoever tries a deployment
//! without JumpCloud.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use engine::ports::Clock as _;
use engine::time;
use jumpcloud_collector::clock::SystemClock;
use mock::{Generator, Key, MockServer, Organization, World};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::usage::UsageError;

/// The server's options.
#[derive(Args)]
pub(crate) struct Options {
    /// How many events the mock makes up, 1 to 1000000, over the last 23 hours
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: u32,
    /// Seed of the made-up events: the same seed gives the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File of more events to serve: JSON objects, one after the other
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// How many more events happen while it runs, one each second; they are not in the number it prints
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    live: u32,
}

const ORGANIZATION: &str = "5f3c1d2e4b6a79880c1d2e3f";
const API_KEY: &str = "a-key-of-the-mock-0001";
/// A provider, the key of its administrator, and how many organizations it has with how many
/// events each.
const PROVIDER: &str = "5f3c1d2e4b6a79880c1d2e40";
const PROVIDER_KEY: &str = "a-key-of-the-mock-0002";
const FLEET: usize = 5;
const FLEET_EVENTS: usize = 100;
const SECOND_MS: i64 = 1_000;
const HOUR_MS: i64 = 60 * 60 * SECOND_MS;

/// Serves on a loopback port until standard input ends. One line on standard output says where, as
/// JSON: the three addresses, and for an organization and for a provider a key, and how many
/// events it may see.
pub(crate) async fn run(options: &Options) -> anyhow::Result<bool> {
    let mock =
        MockServer::start(World::new(options.seed), Arc::new(|| SystemClock.now_ms())).await?;
    let events = organization(&mock, options)?;
    happen(&mock, options)?;
    let fleet_events = fleet(&mock, options.seed)?;
    println!(
        "{}",
        json!({
            "insights_url": mock.insights_url(),
            "console_url": mock.console_url(),
            "token_url": mock.token_url(),
            "api_key": API_KEY,
            "organization": ORGANIZATION,
            "events": events,
            "fleet": {"api_key": PROVIDER_KEY, "provider": PROVIDER, "organizations": FLEET, "events": fleet_events},
        })
    );
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(true)
}

/// One organization with a day's events. Returns how many there are.
fn organization(mock: &MockServer, options: &Options) -> anyhow::Result<usize> {
    let now_ms = SystemClock.now_ms();
    let mut world = mock.world();
    world.add_key(API_KEY, Key::single("mock", ORGANIZATION));
    make_up(&mut world, ORGANIZATION, options.seed, usize::try_from(options.events)?)?;
    for event in asked_for(now_ms - 2 * HOUR_MS) {
        world.load(event.to_string(), now_ms)?;
    }
    if let Some(file) = &options.with {
        load_from(file, &mut world, now_ms)?;
    }
    Ok(world.event_count())
}

/// Loads a file's events, byte for byte. One that does not say where it belongs is served as if it
/// were two hours old.
fn load_from(file: &Path, world: &mut World, now_ms: i64) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let wrong = format!("--with {}: {error}", file.display());
        UsageError::new(wrong, "name a file of events: JSON objects, one after the other")
    })?;
    let events = serde_json::Deserializer::from_str(&text).into_iter::<Box<RawValue>>();
    for (event, nth) in events.zip(1..) {
        let event = event.with_context(|| format!("event {nth} of {}", file.display()))?;
        let raw = Bytes::copy_from_slice(event.get().as_bytes());
        if world.load(raw.clone(), now_ms).is_err() {
            world.load_at(raw, now_ms - 2 * HOUR_MS, ORGANIZATION, "", now_ms);
        }
    }
    Ok(())
}

/// A provider's organizations. Returns how many events they have together.
fn fleet(mock: &MockServer, seed: u64) -> anyhow::Result<usize> {
    let mut world = mock.world();
    world.add_key(PROVIDER_KEY, Key::provider("mock", PROVIDER));
    let before = world.event_count();
    for nth in 1..=FLEET {
        let id = format!("{nth:024x}");
        world.add_organization(
            Organization::new(&id, &format!("Organization {nth}")).managed_by(PROVIDER),
        );
        make_up(&mut world, &id, seed.wrapping_add(nth as u64), FLEET_EVENTS)?;
    }
    Ok(world.event_count() - before)
}

fn make_up(world: &mut World, organization: &str, seed: u64, count: usize) -> anyhow::Result<()> {
    let now_ms = SystemClock.now_ms();
    let range = now_ms - 23 * HOUR_MS..now_ms - HOUR_MS;
    for event in Generator::new(seed, organization).events(range, count).collect::<Vec<_>>() {
        world.load(event.raw, event.visible_at_ms.min(now_ms))?;
    }
    Ok(())
}

/// One more event each second from now on. Each is served from the time at which it appears.
fn happen(mock: &MockServer, options: &Options) -> anyhow::Result<()> {
    let now_ms = SystemClock.now_ms();
    let range = now_ms..now_ms + i64::from(options.live) * SECOND_MS;
    let mut world = mock.world();
    let seed = options.seed.wrapping_sub(1);
    let count = usize::try_from(options.live)?;
    for event in Generator::new(seed, ORGANIZATION).events(range, count).collect::<Vec<_>>() {
        world.load(event.raw, event.visible_at_ms)?;
    }
    Ok(())
}

/// What security teams ask an archive for and the generator seldom makes up; and an event with
/// every character at which some reader would split its line.
fn asked_for(at_ms: i64) -> impl Iterator<Item = Value> {
    let change = |field, from, to| json!([{"field": field, "from": from, "to": to}]);
    let events = [
        ("user_lockout", json!([])),
        ("admin_update", change("apiKeyUpdatedAt", "", "2026-11-21T08:00:00Z")),
        ("policy_update", change("values", "old", "new")),
        ("user_update", change("totp_enabled", "true", "false")),
        ("user_update", change("description", "", "\u{2028}\u{2029}\u{85}")),
    ];
    events.into_iter().zip(0..).map(move |((event_type, changes), nth)| {
        json!({
            "id": format!("{nth:024x}"),
            "service": "directory",
            "event_type": event_type,
            "organization": ORGANIZATION,
            "timestamp": time::rfc3339(at_ms + nth),
            "initiated_by": {"type": "admin", "email": "ada@example.com"},
            "resource": {"type": "user", "username": "bram"},
            "changes": changes,
            "success": true,
        })
    })
}
