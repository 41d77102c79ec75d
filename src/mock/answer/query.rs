//! Reads the body of a request for events.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::search::Filter;
use crate::time::{NS_A_MS, floor_ms, query_time_ns, to_second};
use crate::wire::Refusal;
use crate::world::behaviour::{Behaviours, EqualBounds, LIMIT_MAX, OverMaximum};
use crate::world::store::RowKey;

/// Rows a page holds when the request names no usable limit.
pub(crate) const LIMIT_DEFAULT: usize = 1_000;
/// Where `skip` and `limit` together end, if they do.
const SKIP_CEILING: usize = 10_000;

/// The order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Ascending,
    Descending,
}

impl Sort {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// A request for events, understood.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The services asked for; `None` for all.
    pub(crate) services: Option<BTreeSet<String>>,
    /// Inclusive, nanoseconds.
    pub(crate) start_ns: i128,
    /// Inclusive or exclusive as the behaviours say, nanoseconds.
    pub(crate) end_ns: i128,
    pub(crate) limit: usize,
    pub(crate) sort: Sort,
    /// Rows begin strictly after this place, in the order asked for.
    pub(crate) after: Option<RowKey>,
    /// `search_after` as it was sent.
    pub(crate) after_text: Option<String>,
    pub(crate) skip: usize,
    /// Paths to project to; `None` for whole events.
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) filter: Filter,
}

impl Query {
    /// Reads a body. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// 400 for a body that is not understood, and 500 for `skip` beyond its ceiling.
    pub(crate) fn read(body: &[u8], now_ms: i64, ways: &Behaviours) -> Result<Self, Refusal> {
        let body = read_object(body)?;
        let services = read_services(&body, ways)?;
        let (start_ns, end_ns) = read_bounds(&body, now_ms, ways)?;
        let limit = read_limit(body.get("limit"), ways.limit_over_maximum);
        let after_value = body.get("search_after").filter(|value| !value.is_null());
        let skip = body.get("skip").and_then(Value::as_u64).unwrap_or_default();
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if ways.skip_ceiling && skip.saturating_add(limit) > SKIP_CEILING {
            return Err(Refusal::new(500, "result window is too large"));
        }
        Ok(Self {
            services,
            start_ns,
            end_ns,
            limit,
            sort: read_sort(body.get("sort")),
            after: after_value.map(read_after).transpose()?,
            after_text: after_value.map(Value::to_string),
            skip,
            fields: body.get("fields").map(read_fields).transpose()?,
            filter: Filter::read(&body)?,
        })
    }

    /// Whether an event's service is asked for.
    pub(crate) fn wants(&self, service: &str, ways: &Behaviours) -> bool {
        match &self.services {
            Some(names) => names.contains(service),
            None => !(ways.all_excludes_pam && service == "pam"),
        }
    }
}

/// Reads a body that must be a JSON object.
pub(crate) fn read_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        _ => Err(Refusal::new(400, "Invalid/unknown query JSON body")),
    }
}

fn read_services(
    body: &Map<String, Value>,
    ways: &Behaviours,
) -> Result<Option<BTreeSet<String>>, Refusal> {
    let refusal = |what: &str| {
        let supported = ways.services.join(", ");
        Refusal::new(400, format!("{what}, supported values are: {supported}"))
    };
    let list = body
        .get("service")
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
        .ok_or_else(|| refusal("service must be a list of names"))?;
    let mut names = BTreeSet::new();
    for value in list {
        let name = value.as_str().ok_or_else(|| refusal("service must be a list of names"))?;
        if !ways.services.iter().any(|known| known == name) {
            return Err(refusal(&format!("unknown service {name}")));
        }
        names.insert(name.to_owned());
    }
    Ok((!names.contains("all")).then_some(names))
}

fn read_bounds(
    body: &Map<String, Value>,
    now_ms: i64,
    ways: &Behaviours,
) -> Result<(i128, i128), Refusal> {
    let now_ns = i128::from(now_ms) * NS_A_MS;
    let read = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(query_time_ns)
            .map(|time| Some(cut(time, ways)))
            .ok_or_else(|| Refusal::new(400, format!("invalid {name} {value}"))),
    };
    let start = read("start_time")?.ok_or_else(|| Refusal::new(400, "start_time is required"))?;
    let end = read("end_time")?.unwrap_or(now_ns);
    if ways.refuse_future_start && start > now_ns {
        let text = format!("Start Time {} is in the future", to_second(start));
        return Err(Refusal::new(400, text));
    }
    let is_refused = match ways.equal_bounds {
        EqualBounds::Refused => start >= end,
        EqualBounds::Served => start > end,
    };
    if is_refused {
        // The real text has `>` for what it means by "not after"; it is kept to the letter.
        let (start, end) = (to_second(start), to_second(end));
        let text = format!("Start Time not after End Time {start} > {end}");
        return Err(Refusal::new(400, text));
    }
    Ok((start, end))
}

/// A bound as it is compared: cut to the millisecond unless exact bounds are switched on.
fn cut(time_ns: i128, ways: &Behaviours) -> i128 {
    if ways.full_precision_bounds { time_ns } else { i128::from(floor_ms(time_ns)) * NS_A_MS }
}

/// A whole number from 1 to the maximum is meant; anything else silently gives the default.
fn read_limit(value: Option<&Value>, over_maximum: OverMaximum) -> usize {
    let asked = value.and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    match (asked, over_maximum) {
        (Some(limit @ 1..=LIMIT_MAX), _) => limit,
        (Some(limit), OverMaximum::Clamped) if limit > LIMIT_MAX => LIMIT_MAX,
        _ => LIMIT_DEFAULT,
    }
}

fn read_sort(value: Option<&Value>) -> Sort {
    match value.and_then(Value::as_str) {
        Some(name) if name.eq_ignore_ascii_case("desc") => Sort::Descending,
        _ => Sort::Ascending,
    }
}

fn read_after(value: &Value) -> Result<RowKey, Refusal> {
    RowKey::read(value).ok_or_else(|| Refusal::new(400, "invalid search_after"))
}

fn read_fields(value: &Value) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = value
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    if names.is_empty() {
        return Err(Refusal::new(400, "fields must name at least one field"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::Answer;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn refusal(body: &Value, ways: &Behaviours) -> Refusal {
        match Query::read(body.to_string().as_bytes(), NOW_MS, ways) {
            Err(refusal) => refusal,
            Ok(query) => Refusal::new(200, format!("{query:?}")),
        }
    }

    fn with(field: &str, value: Value) -> Value {
        let mut body = json!({"service":["all"],"start_time":"2026-01-26T09:00:00Z"});
        body[field] = value;
        body
    }

    /// Nonsense silently gives the default, which is how a client loses rows unnoticed.
    #[test]
    fn limits_are_read_as_the_description_says() {
        let read = |value: Value| read_limit(Some(&value), OverMaximum::Default);
        assert_eq!(read(json!(1)), 1);
        assert_eq!(read(json!(10_000)), 10_000);
        for nonsense in [json!(0), json!(-1), json!(10_001), json!("50"), json!(1.5), Value::Null] {
            assert_eq!(read(nonsense), 1_000);
        }
        assert_eq!(read_limit(None, OverMaximum::Default), 1_000);
        assert_eq!(read_limit(Some(&json!(10_001)), OverMaximum::Clamped), 10_000);
    }

    /// Clients show this text to people and match on it.
    #[test]
    fn a_start_after_the_end_has_the_observed_text() {
        let body = json!({
            "service": ["all"],
            "start_time": "2026-01-26T09:13:52.250Z",
            "end_time": "2026-01-26T09:11:52Z",
        });
        let refused = refusal(&body, &Behaviours::default());
        let times = r"2026-01-26T09:13:52Z \u003e 2026-01-26T09:11:52Z";
        let wanted = format!(r#"{{"message":"Start Time not after End Time {times}"}}"#);
        assert_eq!(Answer::from(refused).body, wanted);
    }

    /// A mock that forgives what the service refuses would hide a collector's mistakes.
    #[test]
    fn bad_bodies_are_refused() {
        let ways = Behaviours::default();
        for body in [
            json!([]),
            json!({"start_time":"2026-01-26T09:00:00Z"}),
            json!({"service":["all"]}),
            with("service", json!("all")),
            with("service", json!([])),
            with("service", json!(["sso,ldap"])),
            with("start_time", json!("2026-01-26T09:00:00Z\n")),
            with("start_time", json!("2126-01-26T09:00:00Z")),
            with("end_time", json!("2026-01-26T09:00:00Z")),
            with("end_time", json!(5)),
            with("search_after", json!([1])),
            with("search_after", json!(["x", "y"])),
            with("search_after", json!([1, 2])),
            with("fields", json!([])),
        ] {
            assert_eq!(refusal(&body, &ways).status, 400, "{body}");
        }
        let unknown = refusal(&with("service", json!(["nosuch"])), &ways);
        assert!(unknown.message.contains("saas_app_management"));
    }
}
