//! What the commands print.

use std::fmt::Display;

use engine::report::{Outcome, RefusedQuery, SnapshotReport, StreamReport, StreamStatus, Summary};
use engine::task::audit::{Audit, DifferingHour, StreamAudit};
use engine::task::status::Status;
use engine::task::validate::Preflight;
use engine::time::UtcTime;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;

/// One value as JSON, on a line.
pub(crate) fn json(value: &impl Serialize) {
    println!("{}", json!(value));
}

/// A number of things: `1 event`, `2 events`.
pub(crate) fn counted(number: impl Display, one: &str, more: &str) -> String {
    let number = number.to_string();
    format!("{number} {}", if number == "1" { one } else { more })
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
    let frontier = stream.frontier;
    let frontier =
        frontier.map_or_else(|| "nothing read yet".to_owned(), |t| format!("read up to {t}"));
    if let (Some(snapshot), None) = (&stream.snapshot, &stream.error) {
        let SnapshotReport { day, users, total_count, complete, .. } = snapshot;
        let total = total_count.map_or_else(|| "?".to_owned(), |total| total.to_string());
        let state = match complete {
            Some(true) => "complete",
            Some(false) => "incomplete, because the directory changed meanwhile",
            None => "more to come",
        };
        return format!("{name}: {users} of {total} users on {day}, {state}");
    }
    let counts = format!(
        "{} in {}, {} archived before, {}; {frontier}",
        counted(stream.tally.written, "new event", "new events"),
        counted(stream.objects, "object", "objects"),
        stream.tally.seen,
        counted(stream.pages, "page", "pages")
    );
    let counts = counts + &left_out(stream);
    match (&stream.error, stream.outcome) {
        (Some(error), _) => format!("{name}: failed: {error} ({counts})"),
        (None, Outcome::Ok) => format!("{name}: {counts}"),
        (None, Outcome::Behind) => format!("{name}: {counts}, more to come"),
        (None, Outcome::Waiting) => format!("{name}: nothing to ask for yet"),
        (None, Outcome::Busy) => format!("{name}: another run has it"),
        (None, Outcome::Failed) => format!("{name}: failed ({counts})"),
    }
}

/// What a run could not read, though it did not fail.
fn left_out(stream: &StreamReport) -> String {
    let refused = stream.refused.iter().map(|it| format!("; refused: {}: {}", it.query, it.reason));
    let lost = stream
        .lost
        .iter()
        .map(|it| format!("; too old to be read: {} from {} to {}", it.query, it.from, it.to));
    refused.chain(lost).collect()
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
    if let Some(error) = audit.discovery.as_ref().and_then(|listed| listed.error.as_ref()) {
        println!("organizations could not be listed: {error}");
    }
    for line in &audit.streams {
        let StreamAudit { stream, counted: at_jumpcloud, archived, differing, .. } = line;
        match (line.from, line.to) {
            (Some(from), Some(to)) => {
                let hours = counted(differing.len(), "hour differs", "hours differ");
                println!(
                    "{stream}: {from} to {to}: JumpCloud counts {at_jumpcloud}, archived {archived}, {hours}"
                );
            }
            _ => println!("{stream}: no hour was compared"),
        }
        for DifferingHour { hour, counted, archived, left } in differing {
            let left =
                left.map_or_else(String::new, |left| format!(", then read again: {left} left"));
            println!("  {hour}: JumpCloud counts {counted}, archived {archived}{left}");
        }
        if let Some(why) = &line.not_comparable {
            println!("  {why}");
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
            match stream.not_comparable {
                Some(_) => "not comparable".to_owned(),
                None => stream.gaps.to_string(),
            },
            stream.days_until_loss.map_or_else(none, |days| days.to_string()),
            state(stream).to_owned(),
            stream.last_error.clone().unwrap_or_else(none),
        ]
    });
    table(columns, rows);
    for stream in &status.streams {
        for RefusedQuery { query, since, reason } in &stream.refused {
            println!("{}: {query} is refused since {since}: {reason}", stream.stream);
        }
    }
    lateness(status);
}

fn time_or_dash(time: Option<UtcTime>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// How late events arrived, a line for each stream and service.
fn lateness(status: &Status) {
    let columns =
        ["stream", "service", "events measured", "half within", "99 % within", "all within"];
    let mut rows = Vec::new();
    for stream in &status.streams {
        rows.extend(stream.lateness.iter().map(|(service, summary)| {
            let Summary { count, p50_seconds, p99_seconds, max_seconds } = *summary;
            let [half, most, all] = [p50_seconds, p99_seconds, max_seconds]
                .map(|s| format!("{:#}", SignedDuration::from_secs(s)));
            [stream.stream.to_string(), service.clone(), count.to_string(), half, most, all]
        }));
    }
    if !rows.is_empty() {
        println!("\nHow late events were seen after their time, to choose LATE_HORIZON from:");
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
