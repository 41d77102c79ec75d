//! `/events/count`, `/events/interval` and `/events/distinct`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::events::{Selection, lied};
use super::query::read_object;
use super::search::{field, scalar};
use crate::time::to_millisecond;
use crate::wire::{Answer, Refusal};
use crate::world::behaviour::DistinctForm;
use crate::world::fault::Fault;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400 * SECOND_MS;
/// 1970 began on a Thursday and weeks begin on Monday, so the first began on the 5th of January.
const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;
/// The most buckets an answer holds; more are refused.
const BUCKETS_MAX: i64 = 65_536;

/// Answers `/events/count`.
pub(crate) fn count(selection: &Selection<'_>, fault: Option<&Fault>) -> Answer {
    let count = lied(selection.all().count(), count_error(fault));
    Answer::json(200, json!({ "count": count }).to_string())
}

/// Answers `/events/interval`: rows counted by time. A lie of the counts goes into the first
/// bucket.
///
/// # Errors
///
/// 400 for a missing or unknown unit, a value or zone that cannot be read, or too many buckets.
pub(crate) fn interval(
    selection: &Selection<'_>,
    body: &[u8],
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    let grid = Grid::read(&read_object(body)?)?;
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for (key, _) in selection.all() {
        *counts.entry(grid.bucket_ms(key.sort_ms)).or_default() += 1;
    }
    if selection.ways.empty_buckets {
        fill(&mut counts, grid.step_ms)?;
    }
    let mut error = count_error(fault);
    let buckets: Vec<Value> = counts
        .into_iter()
        .map(|(key_ms, count)| {
            json!({
                "key": key_ms,
                "key_as_string": to_millisecond(key_ms),
                "doc_count": lied(count, std::mem::take(&mut error)),
            })
        })
        .collect();
    Ok(Answer::json(200, json!({ "buckets": buckets }).to_string()))
}

fn count_error(fault: Option<&Fault>) -> i64 {
    match fault {
        Some(Fault::CountLies(by)) => *by,
        _ => 0,
    }
}

/// Adds the empty buckets between the first and the last.
fn fill(counts: &mut BTreeMap<i64, usize>, step_ms: i64) -> Result<(), Refusal> {
    let first = counts.first_key_value().map(|(key, _)| *key);
    let last = counts.last_key_value().map(|(key, _)| *key);
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    let empty = (last - first) / step_ms;
    if empty > BUCKETS_MAX {
        return Err(Refusal::new(400, "too many buckets"));
    }
    for number in 0..empty {
        counts.entry(first + number * step_ms).or_default();
    }
    Ok(())
}

/// How time is divided into buckets.
#[derive(Debug, PartialEq, Eq)]
struct Grid {
    /// The length of a bucket, milliseconds.
    step_ms: i64,
    /// Where a bucket begins, milliseconds since 1970 in UTC.
    origin_ms: i64,
}

impl Grid {
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let unit_ms = match text("interval_unit") {
            Some("s") => SECOND_MS,
            Some("m") => 60 * SECOND_MS,
            Some("h") => 3_600 * SECOND_MS,
            Some("d") => DAY_MS,
            Some("w") => 7 * DAY_MS,
            _ => {
                return Err(Refusal::new(400, "interval_unit must be one of s, m, h, d, w"));
            }
        };
        let value = match body.get("interval_value") {
            None | Some(Value::Null) => Some(1),
            Some(Value::String(digits)) => digits.parse().ok(),
            Some(other) => other.as_i64(),
        };
        let value = value
            .filter(|value| (1..=10_000).contains(value))
            .ok_or_else(|| Refusal::new(400, "invalid interval_value"))?;
        let zone_ms = match text("timezone") {
            None | Some("") => 0,
            Some(zone) => {
                read_zone_ms(zone).ok_or_else(|| Refusal::new(400, "invalid timezone"))?
            }
        };
        let week_ms = if unit_ms == 7 * DAY_MS { FIRST_MONDAY_MS } else { 0 };
        Ok(Self { step_ms: unit_ms * value, origin_ms: week_ms - zone_ms })
    }

    /// The beginning of the bucket a time falls in.
    fn bucket_ms(&self, time_ms: i64) -> i64 {
        time_ms - (time_ms - self.origin_ms).rem_euclid(self.step_ms)
    }
}

/// Reads `-0500` as the milliseconds by which local time is ahead of UTC.
fn read_zone_ms(zone: &str) -> Option<i64> {
    let midnight = format!("1970-01-01 00:00:00 {zone}");
    let midnight = jiff::Timestamp::strptime("%F %T %z", midnight).ok()?;
    Some(-midnight.as_millisecond())
}

/// Answers `/events/distinct`: the values of one field and how many rows have them, the most
/// frequent first.
///
/// # Errors
///
/// 400 if no field is named.
pub(crate) fn distinct(selection: &Selection<'_>, body: &[u8]) -> Result<Answer, Refusal> {
    let body = read_object(body)?;
    let path = body
        .get("field")
        .and_then(Value::as_str)
        .filter(|path| !path.is_empty())
        .ok_or_else(|| Refusal::new(400, "field is required"))?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, event) in selection.all() {
        let value: Value = serde_json::from_slice(&event.raw).unwrap_or_default();
        if let Some(text) = field(&value, path).and_then(scalar) {
            *counts.entry(text.to_lowercase()).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let buckets: Vec<Value> =
        counts.into_iter().map(|(key, count)| json!({ "key": key, "doc_count": count })).collect();
    let name = match selection.ways.distinct {
        DistinctForm::Buckets => "buckets",
        DistinctForm::FieldNamed => path,
    };
    let answer = json!({
        name: buckets,
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": 0,
    });
    Ok(Answer::json(200, answer.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::respond;
    use crate::fixture::{EVENTS, NOW_MS, between, load, request, world};
    use crate::world::World;
    use crate::world::fault::{Rule, When};

    const HOUR_MS: i64 = 3_600_000;

    fn ask(world: &mut World, endpoint: &str, more: Value) -> Value {
        let body = between(NOW_MS - 4 * HOUR_MS, NOW_MS, more);
        let answer = respond(world, NOW_MS, &request(&format!("{EVENTS}{endpoint}"), &body));
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn loaded() -> World {
        let mut world = world();
        let hours = [3 * HOUR_MS, 3 * HOUR_MS - 1, HOUR_MS, 1];
        load(&mut world, hours.map(|before| NOW_MS - before));
        world
    }

    /// Hourly counts are what gaps are found by.
    #[test]
    fn rows_are_counted_by_the_hour() {
        let mut world = loaded();
        let answer = ask(&mut world, "/interval", json!({"interval_unit":"h"}));
        let counts = |answer: &Value| -> Vec<(i64, i64)> {
            let buckets = answer["buckets"].as_array().cloned().unwrap_or_default();
            let pair = |bucket: &Value| {
                (
                    bucket["key"].as_i64().unwrap_or_default(),
                    bucket["doc_count"].as_i64().unwrap_or_default(),
                )
            };
            buckets.iter().map(pair).collect()
        };
        let first = NOW_MS - 3 * HOUR_MS;
        assert_eq!(counts(&answer), [(first, 2), (first + HOUR_MS, 0), (first + 2 * HOUR_MS, 2)]);
        assert_eq!(answer["buckets"][0]["key_as_string"], "2027-01-15T05:00:00.000Z");
        world.behaviours.empty_buckets = false;
        world.add_fault(Rule::new(Fault::CountLies(3), When::Always));
        let answer = ask(&mut world, "/interval", json!({"interval_unit":"h"}));
        assert_eq!(counts(&answer), [(first, 5), (first + 2 * HOUR_MS, 2)]);
        assert_eq!(ask(&mut world, "/count", json!({})), json!({"count":7}));
    }

    /// Days and weeks begin where the zone says.
    #[test]
    fn buckets_follow_the_zone() {
        let grid = |body: Value| {
            let grid = body.as_object().and_then(|body| Grid::read(body).ok());
            grid.map(|grid| to_millisecond(grid.bucket_ms(NOW_MS)))
        };
        let wanted = |text: &str| Some(text.to_owned());
        assert_eq!(grid(json!({"interval_unit":"d"})), wanted("2027-01-15T00:00:00.000Z"));
        assert_eq!(grid(json!({"interval_unit":"w"})), wanted("2027-01-11T00:00:00.000Z"));
        let west = json!({"interval_unit":"d","timezone":"-0500"});
        assert_eq!(grid(west), wanted("2027-01-15T05:00:00.000Z"));
        let long = json!({"interval_unit":"h","interval_value":"6"});
        assert_eq!(grid(long), wanted("2027-01-15T06:00:00.000Z"));
        for bad in [json!({}), json!({"interval_unit":"h","interval_value":"0"})] {
            assert_eq!(grid(bad), None);
        }
    }

    /// Both forms of the answer, since description and observation differ.
    #[test]
    fn distinct_values_are_counted_in_either_form() {
        let mut world = loaded();
        let answer = ask(&mut world, "/distinct", json!({"field":"service"}));
        assert_eq!(answer["service"], json!([{"key":"sso","doc_count":4}]));
        world.behaviours.distinct = DistinctForm::Buckets;
        let answer = ask(&mut world, "/distinct", json!({"field":"service"}));
        assert_eq!(answer["buckets"][0]["doc_count"], 4);
        assert!(ask(&mut world, "/distinct", json!({}))["message"].is_string());
    }
}
