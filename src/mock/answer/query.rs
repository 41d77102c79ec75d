//! Reads the body of a request for events.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::time::{NS_A_MS, floor_ms, query_time_ns, to_second};
use crate::wire::Refusal;
use crate::world::behaviour::{Behaviours, LIMIT_MAX, SERVICES};
use crate::world::store::RowKey;

/// Rows of a page if the request has no valid limit.
pub(crate) const LIMIT_DEFAULT: usize = 1_000;

/// The body of a request, as far as a collector needs it. The mock does not support filters,
/// projections, `skip` or descending order; a body with any of them is refused, because an answer
/// that ignores them would be wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    service: Vec<String>,
    start_time: String,
    end_time: Option<String>,
    #[serde(default)]
    limit: Value,
    sort: Option<String>,
    search_after: Option<Value>,
    interval_unit: Option<String>,
    interval_value: Option<String>,
    field: Option<String>,
}

/// A parsed request for events.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The requested services; `None` for all.
    services: Option<BTreeSet<String>>,
    /// Inclusive, nanoseconds.
    pub(crate) start_ns: i128,
    /// Inclusive or exclusive as the behaviours say, nanoseconds.
    pub(crate) end_ns: i128,
    pub(crate) limit: usize,
    /// Rows begin strictly after this key.
    pub(crate) after: Option<RowKey>,
    /// `search_after` as it was sent.
    pub(crate) after_text: Option<String>,
    /// Whether an interval of one hour is requested.
    pub(crate) is_hourly: bool,
    /// The field whose values are asked for.
    pub(crate) field: Option<String>,
}

impl Query {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// 400 for a body that cannot be parsed.
    pub(crate) fn read(body: &[u8], now_ms: i64, ways: &Behaviours) -> Result<Self, Refusal> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|_| Refusal::new(400, "Invalid/unknown query JSON body"))?;
        if body.sort.is_some_and(|sort| sort != "ASC") {
            return Err(Refusal::new(400, "sort must be ASC"));
        }
        let services = read_services(body.service)?;
        let (start_ns, end_ns) =
            read_bounds(&body.start_time, body.end_time.as_deref(), now_ms, ways)?;
        let read_after =
            |value| RowKey::read(value).ok_or_else(|| Refusal::new(400, "invalid search_after"));
        let interval = (body.interval_unit.as_deref(), body.interval_value.as_deref());
        Ok(Self {
            services,
            start_ns,
            end_ns,
            limit: read_limit(&body.limit),
            after: body.search_after.as_ref().map(read_after).transpose()?,
            after_text: body.search_after.as_ref().map(Value::to_string),
            is_hourly: interval == (Some("h"), Some("1")),
            field: body.field,
        })
    }

    /// Whether an event's service is requested.
    pub(crate) fn wants(&self, service: &str, ways: &Behaviours) -> bool {
        match &self.services {
            Some(names) => names.contains(service),
            None => !(ways.all_excludes_pam && service == "pam"),
        }
    }
}

fn read_services(names: Vec<String>) -> Result<Option<BTreeSet<String>>, Refusal> {
    let refusal = |what: &str| {
        let supported = SERVICES.join(", ");
        Refusal::new(400, format!("{what}, supported values are: {supported}"))
    };
    if names.is_empty() {
        return Err(refusal("service must be a list of names"));
    }
    if let Some(unknown) = names.iter().find(|name| !SERVICES.contains(&name.as_str())) {
        return Err(refusal(&format!("unknown service {unknown}")));
    }
    let names: BTreeSet<String> = names.into_iter().collect();
    Ok((!names.contains("all")).then_some(names))
}

fn read_bounds(
    start: &str,
    end: Option<&str>,
    now_ms: i64,
    ways: &Behaviours,
) -> Result<(i128, i128), Refusal> {
    let now_ns = i128::from(now_ms) * NS_A_MS;
    let read = |text: &str| match query_time_ns(text) {
        Some(time_ns) => Ok(cut(time_ns, ways)),
        None => Err(Refusal::new(400, format!("invalid time {text}"))),
    };
    let start = read(start)?;
    let end = end.map_or(Ok(now_ns), read)?;
    if start > now_ns {
        let text = format!("Start Time {} is in the future", to_second(start));
        return Err(Refusal::new(400, text));
    }
    if start >= end {
        // The real service writes `>` in this text, so the mock does, too.
        let (start, end) = (to_second(start), to_second(end));
        let text = format!("Start Time not after End Time {start} > {end}");
        return Err(Refusal::new(400, text));
    }
    Ok((start, end))
}

/// A bound in the precision in which it is compared: milliseconds, unless exact bounds are
/// configured.
fn cut(time_ns: i128, ways: &Behaviours) -> i128 {
    if ways.full_precision_bounds { time_ns } else { i128::from(floor_ms(time_ns)) * NS_A_MS }
}

/// Valid is a whole number from 1 to the maximum; for anything else the default is used, as by the
/// real service.
fn read_limit(value: &Value) -> usize {
    let asked = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
    asked.filter(|limit| (1..=LIMIT_MAX).contains(limit)).unwrap_or(LIMIT_DEFAULT)
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
        let read = |value: Value| read_limit(&value);
        assert_eq!(read(json!(1)), 1);
        assert_eq!(read(json!(10_000)), 10_000);
        for nonsense in [json!(0), json!(-1), json!(10_001), json!("50"), json!(1.5), Value::Null] {
            assert_eq!(read(nonsense), 1_000);
        }
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
            with("sort", json!("DESC")),
        ] {
            assert_eq!(refusal(&body, &ways).status, 400, "{body}");
        }
        for unplayed in ["search_term", "q", "exact_match", "fields", "skip", "timezone"] {
            assert_eq!(refusal(&with(unplayed, json!(1)), &ways).status, 400, "{unplayed}");
        }
        let unknown = refusal(&with("service", json!(["nosuch"])), &ways);
        assert!(unknown.message.contains("saas_app_management"));
    }
}
