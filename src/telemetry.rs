//! Logs: JSON lines on standard output, for machines; plain lines on standard error, for people.
//!
//! Only this program's own events follow the chosen level. The libraries below it stay at
//! warnings whatever is asked for: their debug output shows headers.

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

fn filter(level: Level) -> Targets {
    let ours = ["jumpcloud_collector", "bootstrap", "collector"];
    Targets::new().with_default(Level::WARN).with_targets(ours.map(|target| (target, level)))
}

/// Logs for the function.
pub fn json(level: Level) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry().with(filter(level)).with(lines).init();
}

/// Logs for a terminal.
pub fn plain(level: Level) {
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter(level)).with(lines).init();
}
