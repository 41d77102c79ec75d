//! Events for the mock to hold, in the form JumpCloud gives them.

use jiff::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// The organization of the stage's key.
pub const ORGANIZATION: &str = "5d0a1b2c3d4e5f60718293a4";

/// The services that the events of [`series`] take turns with.
const SERVICES: [&str; 3] = ["directory", "sso", "systems"];

/// The local clock, in UTC milliseconds.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// One event; events of different numbers are different events.
pub fn event(number: usize, service: &str, at_ms: i64) -> Vec<u8> {
    let timestamp = Timestamp::from_millisecond(at_ms).expect("a time jiff knows");
    let id = format!("{number:024x}");
    format!(
        r#"{{"id":"{id}","service":"{service}","timestamp":"{timestamp:.3}","event_type":"login_attempt","organization":"{ORGANIZATION}","@version":"1","success":true,"initiated_by":{{"type":"user","username":"user-{number}"}},"client_ip":"192.0.2.{}","geoip":{{"latitude":52.10000000000000001}}}}"#,
        number % 256,
    )
    .into_bytes()
}

/// `count` events from `first_ms` on, one every `step_ms`, numbered from `number`.
pub fn series(number: usize, count: usize, first_ms: i64, step_ms: i64) -> Vec<Vec<u8>> {
    let at = |nth: usize| first_ms + step_ms * i64::try_from(nth).expect("a small number");
    (0..count).map(|nth| event(number + nth, SERVICES[nth % SERVICES.len()], at(nth))).collect()
}

/// `count` events spread over most of the default look-back, so that they cross a midnight.
pub fn spread(count: usize) -> Vec<Vec<u8>> {
    let step_ms = 20 * HOUR_MS / i64::try_from(count).expect("a small number");
    series(1, count, now_ms() - 21 * HOUR_MS, step_ms)
}

/// `text` as a timestamp of an event of its own, in any form.
pub fn stamped(number: usize, text: &str) -> Vec<u8> {
    format!(r#"{{"id":"{number:024x}","service":"sso","timestamp":"{text}","organization":"{ORGANIZATION}"}}"#).into_bytes()
}
