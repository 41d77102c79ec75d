//! Logs: JSON lines on standard output for the function; plain lines on standard error for the
//! command line.
//!
//! The chosen level applies only to this program's own events. Libraries always log at `warn`,
//! because their debug output contains headers.

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

/// Sets up the logs of the function.
pub fn json(level: Level) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    tracing_subscriber::registry().with(filter(level)).with(lines).init();
}

/// Prints the metrics of invocations to the log, independently of the log level.
pub struct Emitter {
    metrics: Metrics,
    is_cold: AtomicBool,
}

impl Emitter {
    /// Creates an emitter for a new process; its first invocation counts as a cold start.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, is_cold: AtomicBool::new(true) }
    }

    /// Prints the metrics of one invocation that began at `at_ms`.
    pub fn emit(&self, report: &Report, view: View<'_>, at_ms: i64) {
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let line = self.metrics.line(report, view, at_ms, is_cold) + "\n";
        if let Err(error) = std::io::stdout().lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "metrics could not be printed");
        }
    }
}

/// Sets up the logs of the command line.
pub fn plain(level: Level) {
    let lines = tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter(level)).with(lines).init();
}
