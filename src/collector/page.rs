//! The audit as one page for people: no other file, no network.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use engine::report::BOUNDS_SECONDS;
use engine::settings::Settings;
use engine::task::audit::Audit;
use engine::time::Window;
use serde_json::json;

const PAGE: &str = include_str!("audit.html");
/// Only the owner may read the page: it tells when people signed in.
const FILE_MODE: u32 = 0o600;
/// Where the data go.
const PLACE: &str = "/*DATA*/";

/// Writes the page of an audit made at `audited_ms`.
pub(crate) fn write(
    file: &Path,
    audit: &Audit,
    audited_ms: i64,
    window: Window,
    settings: &Settings,
) -> anyhow::Result<()> {
    let data = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "audited_ms": audited_ms,
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "bounds_seconds": BOUNDS_SECONDS,
        "overlap_seconds": settings.overlap_ms / 1_000,
        "late_horizon_seconds": settings.late_horizon_ms / 1_000,
        "streams": audit.streams,
    });
    // Within a script element only `<` could end it, and JSON has it only in texts.
    let data = data.to_string().replace('<', "\\u003c");
    let page = PAGE.replacen(PLACE, &data, 1);
    let opened =
        OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(file);
    let written = opened.and_then(|mut file| file.write_all(page.as_bytes()));
    written.with_context(|| format!("write {}", file.display()))
}
