//! What the commands print.

use engine::report::{Outcome, SnapshotReport, StreamReport, StreamStatus, Summary};
use engine::task::audit::{Audit, StreamAudit};
use engine::task::status::Status;
use engine::task::validate::Preflight;
use engine::time::UtcTime;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use serde::Serialize;

/// One value as JSON, on a line.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// One value as JSON for programs, or `plain` for people.
pub(crate) fn value<T: Serialize>(
    is_json: bool,
    value: &T,
    plain: impl FnOnce(&T),
) -> anyhow::Result<()> {
    if is_json {
        return json(value);
    }
    plain(value);
    Ok(())
}

/// A moving line on a terminal; it is hidden elsewhere.
pub(crate) fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// One run, in a line.
pub(crate) fn run_line(stream: &StreamReport) -> String {
    let name = &stream.stream;
    let frontier = stream.frontier.map_or_else(|| "nothing yet".to_owned(), |t| t.to_string());
    if let (Some(snapshot), None) = (&stream.snapshot, &stream.error) {
        let SnapshotReport { day, users, total_count, complete, .. } = snapshot;
        let total = total_count.map_or_else(|| "?".to_owned(), |total| total.to_string());
        let state = match complete {
            Some(true) => "complete",
            Some(false) => "the directory changed meanwhile",
            None => "more to come",
        };
        return format!("{name}: {users} of {total} users of {day}, {state}");
    }
    let counts = format!(
        "{} new events in {} objects, {} seen before, {} pages; read up to {frontier}",
        stream.tally.written, stream.objects, stream.seen, stream.pages
    );
    match (&stream.error, stream.outcome) {
        (Some(error), _) => format!("{name}: failed: {error} ({counts})"),
        (None, Outcome::Ok) => format!("{name}: {counts}"),
        (None, Outcome::Behind) => format!("{name}: {counts}, more to come"),
        (None, Outcome::Waiting) => format!("{name}: nothing to ask for yet"),
        (None, Outcome::Busy) => format!("{name}: another run is at it"),
        (None, Outcome::Failed) => format!("{name}: failed ({counts})"),
    }
}

/// The checks, a line each.
pub(crate) fn preflight(preflight: &Preflight) {
    for check in &preflight.checks {
        let mark = if check.ok { "ok    " } else { "FAILED" };
        println!("{mark}  {}: {}", check.check, check.detail);
    }
}

/// The streams, and the hours that differ.
pub(crate) fn audit(audit: &Audit) {
    for line in &audit.streams {
        let [from, to] = [line.from, line.to].map(time_or_dash);
        let StreamAudit { stream, counted, archived, differing, .. } = line;
        let hours = differing.len();
        println!(
            "{stream}: {from} to {to}: JumpCloud counts {counted}, archived {archived}, {hours} hours differ"
        );
        for hour in differing {
            println!(
                "  {}: JumpCloud counts {}, archived {}",
                hour.hour, hour.counted, hour.archived
            );
        }
        if let Some(run) = &line.repair {
            println!("  read again: {}", run_line(run));
        }
        if let Some(error) = &line.error {
            println!("  failed: {error}");
        }
    }
}

/// The streams, a line each.
pub(crate) fn status(status: &Status) {
    let none = || "-".to_owned();
    let columns = [
        "stream",
        "read up to",
        "lag",
        "last success",
        "gaps",
        "days until loss",
        "state",
        "last error",
    ];
    let rows = status.streams.iter().map(|stream| {
        [
            stream.stream.to_string(),
            time_or_dash(stream.frontier),
            stream.lag_seconds.map_or_else(none, |seconds| format!("{seconds} s")),
            time_or_dash(stream.last_success),
            stream.gaps.to_string(),
            stream.days_until_loss.map_or_else(none, |days| days.to_string()),
            state(stream).to_owned(),
            stream.last_error.clone().unwrap_or_else(none),
        ]
    });
    table(columns, rows);
    lateness(status);
}

fn time_or_dash(time: Option<UtcTime>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// How late events arrived, one line per stream and service.
fn lateness(status: &Status) {
    let columns = ["stream", "service", "events measured", "half by", "99 in 100 by", "latest"];
    let mut rows = Vec::new();
    for stream in &status.streams {
        rows.extend(stream.lateness.services().map(|(service, histogram)| {
            let Summary { count, p50_seconds, p99_seconds, max_seconds } = histogram.summary();
            let [half, most, all] = [p50_seconds, p99_seconds, max_seconds]
                .map(|s| format!("{:#}", SignedDuration::from_secs(s)));
            [stream.stream.to_string(), service.to_owned(), count.to_string(), half, most, all]
        }));
    }
    if !rows.is_empty() {
        println!("\nhow late events were seen, to choose LATE_HORIZON from:");
        table(columns, rows);
    }
}

/// What is done about a stream, in a word or two.
fn state(stream: &StreamStatus) -> &'static str {
    match stream {
        StreamStatus { finished: Some(_), .. } => "finished",
        StreamStatus { suspended: true, .. } => "suspended",
        StreamStatus { queued: true, .. } => "queued",
        StreamStatus { configured: false, .. } => "not collected",
        StreamStatus { read_whole: Some(true), .. } => "read, late events may come",
        _ => "collected",
    }
}

/// Rows below the names of their columns, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(
    columns: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let mut all = vec![columns.map(str::to_owned)];
    all.extend(rows);
    let widths: [usize; N] = std::array::from_fn(|column| {
        all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    for row in all {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
