//! Logs: JSON lines on standard output, for machines; plain lines on standard error, for people.
//!
//! Only this program's own events follow the chosen level. The libraries below it stay at
//! warnings whatever is asked for: their debug output shows headers.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use engine::report::{Metrics, Report, View};

fn filter(level: Level) -> Targets {
    let ours = ["engine", "jumpcloud_collector", "bootstrap", "collector"];
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

/// Prints the metrics of invocations among the log's lines, whatever the log's level.
pub struct Emitter {
    metrics: Metrics,
    is_cold: AtomicBool,
}

impl Emitter {
    /// An emitter of a process that has just started.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, is_cold: AtomicBool::new(true) }
    }

    /// Prints the metrics of one invocation that began at `at_ms`.
    pub fn emit(&self, report: &Report, view: View<'_>, at_ms: i64) {
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let line = self.metrics.line(report, view, at_ms, is_cold) + "\n";
        if let Err(error) = std::io::stdout().lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "metrics are lost");
        }
    }
}

/// Logs for a terminal.
pub fn plain(level: Level) {
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter(level)).with(lines).init();
}
