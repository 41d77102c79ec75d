//! How much memory a large first run takes.

use std::time::Duration;

use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, only_stream};
use fixtures::event::{event, now_ms};

const MIB: u64 = 1024 * 1024;
const RESIDENT_MAX: u64 = 128 * MIB;
const EVENTS: usize = 200_000;
/// What Lambda allows.
const LIMIT: Duration = Duration::from_secs(900);

/// An event of about a kibibyte that compresses no better than real ones.
fn event_of_a_kibibyte(number: usize, at_ms: i64) -> Vec<u8> {
    let mut event = event(number, ["directory", "sso", "systems"][number % 3], at_ms);
    let filler: String = (0..650 / 16).map(|_| format!("{:016x}", fastrand::u64(..))).collect();
    event.truncate(event.len() - 1);
    event.extend_from_slice(format!(r#","process_name":"{filler}"}}"#).as_bytes());
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_first_run_stays_small() {
    fastrand::seed(1);
    let environment = Environment::start().await;
    let first_ms = now_ms() - 23 * 3_600_000;
    let at_ms = |nth: usize| first_ms + 400 * i64::try_from(nth).expect("a small number");
    let events: Vec<_> = (0..EVENTS).map(|nth| event_of_a_kibibyte(nth, at_ms(nth))).collect();
    let bytes: usize = events.iter().map(Vec::len).sum();
    environment.load(&events);
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "10000")]).await;
    let mut outcome = serde_json::Value::Null;
    while outcome != "ok" {
        let report = match function.invoke("{}", LIMIT).await {
            Outcome::Response(report) => report,
            other => panic!("{other:?}\n{}", function.output()),
        };
        outcome = only_stream(&report)["outcome"].clone();
        assert!(outcome == "ok" || outcome == "behind", "{report}");
    }
    let peak = function.peak_resident_bytes();
    println!("{EVENTS} events of {} bytes: {} MiB resident at most", bytes / EVENTS, peak / MIB);
    environment.archive().await.assert_holds(&events);
    // A debug build is several times larger itself, and its pages count.
    assert!(cfg!(debug_assertions) || peak <= RESIDENT_MAX, "{} MiB", peak / MIB);
}

/// What the template gives the function at least.
const SMALLEST: u64 = 256 * MIB;

/// An event that is `bytes` long and compresses by half.
fn event_of(bytes: usize, number: usize, at_ms: i64) -> Vec<u8> {
    let mut event = event(number, "mdm", at_ms);
    event.truncate(event.len() - 1);
    event.extend_from_slice(br#","x":""#);
    while event.len() + 2 < bytes {
        let hex = format!("{:016x}", fastrand::u64(..));
        event.extend_from_slice(&hex.as_bytes()[..16.min(bytes - 2 - event.len())]);
    }
    event.extend_from_slice(b"\"}");
    event
}

/// Rows over a line's size and one over a row's: quarantined, in the smallest function.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_rows_fit_the_smallest_function() {
    fastrand::seed(2);
    let environment = Environment::start().await;
    environment.jumpcloud.world().behaviours.gzip = true;
    let first_ms = now_ms() - 3_600_000;
    let lines: Vec<_> =
        (0..30).map(|nth| event(nth, "sso", first_ms + nth as i64 * 1_000)).collect();
    environment.load(&lines);
    let mib = MIB as usize;
    let large = [17 * mib, 32 * mib];
    let large: Vec<_> = (0..)
        .zip(large)
        .map(|(nth, bytes)| event_of(bytes, 100 + nth as usize, first_ms + 10_000 * nth + 500))
        .collect();
    environment.load(&large);
    environment.load(&[event_of(33 * mib, 200, first_ms + 25_500)]);
    // Both of the large rows that can be fetched lie on one page.
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "25")]).await;
    let mut outcome = serde_json::Value::Null;
    while outcome != "ok" {
        let report = match function.invoke("{}", LIMIT).await {
            Outcome::Response(report) => report,
            other => panic!("{other:?}\n{}", function.output()),
        };
        outcome = only_stream(&report)["outcome"].clone();
    }
    let peak = function.peak_resident_bytes();
    println!("{} MiB resident at most", peak / MIB);
    let archive = environment.archive().await;
    archive.assert_holds(&lines);
    let (whole, positions): (Vec<_>, Vec<_>) =
        archive.quarantined.iter().partition(|row| row.bytes.is_some());
    let whole: Vec<_> = whole.iter().filter_map(|row| row.bytes.as_ref()).collect();
    assert!(whole == large.iter().collect::<Vec<_>>(), "{} rows", whole.len());
    assert_eq!(positions.len(), 1);
    // Less what a debug build is larger itself.
    assert!(cfg!(debug_assertions) || peak <= SMALLEST, "{} MiB", peak / MIB);
}

/// On the largest page that is taken whole: once rows took six times as much.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_rows_takes_no_multiple_of_them() {
    fastrand::seed(3);
    let environment = Environment::start().await;
    environment.jumpcloud.world().behaviours.gzip = true;
    let (first_ms, mib) = (now_ms() - 3_600_000, MIB as usize);
    let row = |nth: usize| event_of(20 * mib, nth, first_ms + nth as i64 * 1_000);
    environment.load(&(0..3).map(row).collect::<Vec<_>>());
    let function = Function::spawn(&environment, &[]).await;
    let report = only_stream(&function.run("{}").await).clone();
    assert_eq!((&report["outcome"], &report["quarantined"]), (&"ok".into(), &3.into()), "{report}");
    let peak = function.peak_resident_bytes();
    println!("{} MiB resident at most", peak / MIB);
    assert!(peak <= SMALLEST, "{} MiB", peak / MIB);
}
