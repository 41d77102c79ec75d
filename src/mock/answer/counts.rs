//! `/events/count`, `/events/interval` and `/events/distinct`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::events::{Selection, lied};
use crate::time::to_millisecond;
use crate::wire::{Answer, Refusal};
use crate::world::behaviour::DistinctForm;
use crate::world::fault::Fault;

const HOUR_MS: i64 = 3_600_000;

/// Answers `/events/count`.
pub(crate) fn count(selection: &Selection<'_>, fault: Option<&Fault>) -> Answer {
    let count = lied(selection.all().count(), count_error(fault));
    Answer::json(200, json!({ "count": count }).to_string())
}

/// Answers `/events/interval`: rows per hour. A fault that falsifies counts changes the first
/// bucket.
///
/// # Errors
///
/// 400 for any other interval, which the mock does not support.
pub(crate) fn interval(
    selection: &Selection<'_>,
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    if !selection.query.is_hourly {
        return Err(Refusal::new(400, "interval_unit must be h and interval_value 1"));
    }
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for (key, _) in selection.all() {
        *counts.entry(key.sort_ms.div_euclid(HOUR_MS)).or_default() += 1;
    }
    let first = counts.keys().next().copied().unwrap_or_default();
    let last = counts.keys().next_back().copied().unwrap_or_default();
    for empty in first..last {
        counts.entry(empty).or_default();
    }
    let mut error = count_error(fault);
    let buckets: Vec<Value> = counts
        .into_iter()
        .map(|(hour, count)| {
            json!({
                "key": hour * HOUR_MS,
                "key_as_string": to_millisecond(hour * HOUR_MS),
                "doc_count": lied(count, std::mem::take(&mut error)),
            })
        })
        .collect();
    Ok(Answer::json(200, json!({ "buckets": buckets }).to_string()))
}

/// Answers `/events/distinct`: how many rows each service has, the most frequent first.
///
/// # Errors
///
/// 400 for any other field, which the mock does not play.
pub(crate) fn distinct(selection: &Selection<'_>) -> Result<Answer, Refusal> {
    let Some(field) = selection.query.field.as_deref().filter(|field| *field == "service") else {
        return Err(Refusal::new(400, "field must be service"));
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, event) in selection.all() {
        *counts.entry(event.service.to_lowercase()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let left_out = counts.split_off(counts.len().min(selection.ways.distinct_max));
    let buckets: Vec<Value> =
        counts.into_iter().map(|(key, count)| json!({ "key": key, "doc_count": count })).collect();
    let name = match selection.ways.distinct {
        DistinctForm::Buckets => "buckets",
        DistinctForm::FieldNamed => field,
    };
    let answer = json!({
        name: buckets,
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": left_out.iter().map(|(_, count)| count).sum::<usize>(),
    });
    Ok(Answer::json(200, answer.to_string()))
}

fn count_error(fault: Option<&Fault>) -> i64 {
    match fault {
        Some(Fault::CountLies(by)) => *by,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::respond;
    use crate::fixture::{EVENTS, NOW_MS, between, load, request, world};
    use crate::world::World;
    use crate::world::fault::{Rule, When};

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
        let hourly = json!({"interval_unit":"h","interval_value":"1"});
        let answer = ask(&mut world, "/interval", hourly.clone());
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
        world.add_fault(Rule::new(Fault::CountLies(3), When::Always));
        let answer = ask(&mut world, "/interval", hourly.clone());
        assert_eq!(counts(&answer), [(first, 5), (first + HOUR_MS, 0), (first + 2 * HOUR_MS, 2)]);
        assert_eq!(ask(&mut world, "/count", json!({})), json!({"count":7}));
        let daily = json!({"interval_unit":"d","interval_value":"1"});
        assert!(ask(&mut world, "/interval", daily)["message"].is_string());
    }

    /// Both forms of the answer, since description and observation differ, and an answer that
    /// leaves services out.
    #[test]
    fn services_are_counted_in_either_form() {
        let mut world = loaded();
        let by_service = json!({"field":"service"});
        let answer = ask(&mut world, "/distinct", by_service.clone());
        assert_eq!(answer["service"], json!([{"key":"sso","doc_count":4}]));
        world.behaviours.distinct = DistinctForm::Buckets;
        world.behaviours.distinct_max = 0;
        let answer = ask(&mut world, "/distinct", by_service);
        assert_eq!((&answer["buckets"], &answer["sum_other_doc_count"]), (&json!([]), &json!(4)));
        for other in [json!({}), json!({"field":"event_type"})] {
            assert!(ask(&mut world, "/distinct", other)["message"].is_string());
        }
    }
}
