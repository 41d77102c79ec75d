//! What the function is asked to do: an event in, a task out.

use serde_json::{Map, Value};

use crate::audit::Range;
use crate::time;

/// A task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One run over each stream.
    Collect,
    /// Check that everything needed is there.
    Validate,
    /// Where every stream stands.
    Status,
    /// Compare hourly counts with the archive's.
    Audit(Range),
}

/// The event is none the function accepts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0}; accepted are: an EventBridge schedule's or rule's event, `{{}}`, \
     `{{\"task\":\"collect\"}}`, `{{\"task\":\"validate\"}}`, `{{\"task\":\"status\"}}`, \
     `{{\"task\":\"audit\",\"start\":…,\"end\":…,\"repair\":…}}`"
)]
pub struct UnknownEvent(String);

impl Task {
    /// Reads an event.
    ///
    /// # Errors
    /// [`UnknownEvent`], which lists what is accepted.
    pub fn of(event: &Value) -> Result<Self, UnknownEvent> {
        let Value::Object(event) = event else {
            return Err(UnknownEvent("the event is no JSON object".to_owned()));
        };
        match event.get("task") {
            None if event.is_empty() || is_schedule(event) => Ok(Self::Collect),
            None => Err(UnknownEvent("the event names no `task`".to_owned())),
            Some(Value::String(task)) => match task.as_str() {
                "collect" => Ok(Self::Collect),
                "validate" => Ok(Self::Validate),
                "status" => Ok(Self::Status),
                "audit" => range(event).map(Self::Audit).map_err(UnknownEvent),
                other => Err(UnknownEvent(format!("task `{}` is unknown", other.escape_debug()))),
            },
            Some(_) => Err(UnknownEvent("the event's `task` is no text".to_owned())),
        }
    }
}

/// The range of an audit: times in RFC 3339 or UTC dates, the end exclusive.
fn range(event: &Map<String, Value>) -> Result<Range, String> {
    let time = |name: &str| {
        let text = event.get(name).and_then(Value::as_str).unwrap_or("");
        let ns = time::parse_ns(text).or_else(|| time::parse_ns(&format!("{text}T00:00:00Z")));
        ns.map(time::floor_ms)
            .ok_or_else(|| format!("`{name}` is no time like 2026-11-21T08:00:00Z"))
    };
    let (start_ms, end_ms) = (time("start")?, time("end")?);
    if start_ms >= end_ms {
        return Err("`start` is not before `end`".to_owned());
    }
    match event.get("repair").unwrap_or(&Value::Bool(false)) {
        Value::Bool(repair) => Ok(Range { start_ms, end_ms, repair: *repair }),
        _ => Err("`repair` is neither true nor false".to_owned()),
    }
}

/// EventBridge Scheduler's own event and that of a rule look alike.
fn is_schedule(event: &Map<String, Value>) -> bool {
    let source = event.get("source").and_then(Value::as_str).unwrap_or("");
    event.get("detail-type").and_then(Value::as_str) == Some("Scheduled Event")
        && matches!(source, "aws.events" | "aws.scheduler")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    const NOVEMBER_20: Range =
        Range { start_ms: 1_795_132_800_000, end_ms: 1_795_219_200_000, repair: false };

    #[test]
    fn every_example_is_accepted() {
        for (file, task) in [
            ("scheduler.json", Task::Collect),
            ("scheduler-default.json", Task::Collect),
            ("rule.json", Task::Collect),
            ("empty.json", Task::Collect),
            ("collect.json", Task::Collect),
            ("validate.json", Task::Validate),
            ("status.json", Task::Status),
            ("audit.json", Task::Audit(NOVEMBER_20)),
        ] {
            let path = format!("{}/events/{file}", env!("CARGO_MANIFEST_DIR"));
            let event = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            assert_eq!(Task::of(&event), Ok(task), "{file}");
        }
        let examples = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/events")).unwrap();
        assert_eq!(examples.count(), 8, "an example without a test");
    }

    #[test]
    fn anything_else_is_refused_with_a_list() {
        for event in [
            json!(null),
            json!([]),
            json!("collect"),
            json!({"task": "colect"}),
            json!({"task": 1}),
            json!({"Records": []}),
            json!({"task": "audit"}),
            json!({"task": "audit", "start": "2026-11-21", "end": "2026-11-20"}),
            json!({"task": "audit", "start": "2026-11-20", "end": "2026-11-21", "repair": "yes"}),
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
        ] {
            let error = Task::of(&event).unwrap_err().to_string();
            assert!(error.contains("accepted are"), "{error}");
        }
    }
}
