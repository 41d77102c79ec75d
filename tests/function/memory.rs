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
