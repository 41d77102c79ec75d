//! A small world for the tests of this module.

use serde_json::{Value, json};

use crate::answer::respond;
use crate::time::to_millisecond;
use crate::wire::{Answer, Request};
use crate::world::World;
use crate::world::credentials::Key;

/// Virtual now: 2027-01-15T08:00:00Z.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
/// The organization of [`KEY`].
pub(crate) const ORGANIZATION: &str = "64a1b2c3d4e5f60718293a4b";
/// A key of one organization.
pub(crate) const KEY: &str = "jca_made_up_key";
/// The path of `/events`.
pub(crate) const EVENTS: &str = "/insights/directory/v1/events";

/// A world with one key and no events.
pub(crate) fn world() -> World {
    let mut world = World::new(1);
    world.add_key(KEY, Key::single("key-1", ORGANIZATION));
    world
}

/// The JSON of the nth event.
pub(crate) fn event(number: usize, time_ms: i64) -> String {
    let time = to_millisecond(time_ms);
    let organization = ORGANIZATION;
    json!({"service":"sso","number":number,"organization":organization,"timestamp":time})
        .to_string()
}

/// Loads events numbered from 0 at these times, visible from the beginning.
pub(crate) fn load(world: &mut World, times_ms: impl IntoIterator<Item = i64>) {
    for (number, time_ms) in times_ms.into_iter().enumerate() {
        let raw = event(number, time_ms);
        assert!(world.load(raw, i64::MIN).is_ok());
    }
}

/// A query of all services over the hour before now, with further fields.
pub(crate) fn query(more: Value) -> Value {
    between(NOW_MS - 3_600_000, NOW_MS, more)
}

/// A query of all services between two times, with further fields.
pub(crate) fn between(start_ms: i64, end_ms: i64, more: Value) -> Value {
    let mut body = json!({
        "service": ["all"],
        "start_time": to_millisecond(start_ms),
        "end_time": to_millisecond(end_ms),
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

/// A request with [`KEY`].
pub(crate) fn request(path: &str, body: &Value) -> Request {
    Request::post(path, body.to_string()).with_header("x-api-key", KEY)
}

/// Asks `/events` at [`NOW_MS`].
pub(crate) fn ask(world: &mut World, body: &Value) -> Answer {
    respond(world, NOW_MS, &request(EVENTS, body))
}

/// The numbers of the events in a body.
pub(crate) fn numbers(answer: &Answer) -> Vec<u64> {
    let rows: Vec<Value> = serde_json::from_slice(&answer.body).unwrap_or_default();
    rows.iter().filter_map(|row| row["number"].as_u64()).collect()
}

/// The token of an answer, as it is sent back.
pub(crate) fn token(answer: &Answer) -> Value {
    let text = answer.header("x-search_after").unwrap_or("null");
    serde_json::from_str(text).unwrap_or_default()
}

/// Reads all pages of a query: how many requests it took, and the numbers of the events.
pub(crate) fn read_all(world: &mut World, mut body: Value) -> (usize, Vec<u64>) {
    let mut all = Vec::new();
    for requests in 1..100 {
        let answer = ask(world, &body);
        let limit = answer.header("x-limit").and_then(|text| text.parse().ok());
        all.extend(numbers(&answer));
        if Some(answer.rows) != limit {
            return (requests, all);
        }
        body["search_after"] = token(&answer);
    }
    (100, all)
}
