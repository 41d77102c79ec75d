//! What the function is asked to do: an event in, a task out.

pub mod audit;
pub mod backfill;
pub mod hours;
pub mod status;
pub mod validate;
pub mod verify;

use serde_json::{Map, Value};

use crate::fleet::message::Record;
use crate::stream::StreamId;
use crate::task::audit::Range;
use crate::task::backfill::Wish;
use crate::time;

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// One run over each stream.
    Collect,
    /// One run over each message's stream.
    Answer(Vec<Record>),
    /// Archive a past range.
    Backfill(Wish),
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
    "{0}; accepted are: an EventBridge schedule's or rule's event, messages of the work queue, \
     CloudFormation's request of a custom resource, \
     `{{}}`, `{{\"task\":\"collect\"}}`, `{{\"task\":\"validate\"}}`, `{{\"task\":\"status\"}}`, \
     `{{\"task\":\"backfill\",\"start\":…,\"end\":…,\"organizations\":[…],\"plan\":…}}`, \
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
        if let Some(records) = event.get("Records") {
            return messages(records).map(Self::Answer).map_err(UnknownEvent);
        }
        match event.get("task") {
            None if event.is_empty() || is_schedule(event) => Ok(Self::Collect),
            None => Err(UnknownEvent("the event names no `task`".to_owned())),
            Some(Value::String(task)) => match task.as_str() {
                "collect" => Ok(Self::Collect),
                "validate" => Ok(Self::Validate),
                "status" => Ok(Self::Status),
                "audit" => audit(event).map(Self::Audit).map_err(UnknownEvent),
                "backfill" => backfill(event).map(Self::Backfill).map_err(UnknownEvent),
                other => Err(UnknownEvent(format!("task `{}` is unknown", other.escape_debug()))),
            },
            Some(_) => Err(UnknownEvent("the event's `task` is no text".to_owned())),
        }
    }
}

/// The messages of an event from SQS.
fn messages(records: &Value) -> Result<Vec<Record>, String> {
    let text = |record: &Value, name: &str| Some(record.get(name)?.as_str()?.to_owned());
    let read = |record: &Value| {
        let source = text(record, "eventSource");
        let (message_id, body) = (text(record, "messageId")?, text(record, "body")?);
        (source.as_deref() == Some("aws:sqs")).then_some(Record { message_id, body })
    };
    let records = records.as_array().filter(|records| !records.is_empty());
    let records = records.and_then(|records| records.iter().map(read).collect());
    records.ok_or_else(|| "the event's `Records` are no messages of SQS".to_owned())
}

fn audit(event: &Map<String, Value>) -> Result<Range, String> {
    let (start_ms, end_ms) = range(event)?;
    Ok(Range {
        start_ms,
        end_ms,
        repair: flag(event, "repair")?,
        by_service: flag(event, "by_service")?,
    })
}

fn backfill(event: &Map<String, Value>) -> Result<Wish, String> {
    let (start_ms, end_ms) = range(event)?;
    let organizations = match event.get("organizations") {
        None | Some(Value::Null) => None,
        Some(names) => Some(organizations(names)?),
    };
    Ok(Wish { start_ms, end_ms, organizations, plan: flag(event, "plan")? })
}

fn organizations(names: &Value) -> Result<Vec<StreamId>, String> {
    let named = |name: &Value| {
        let stream: Option<StreamId> = name.as_str()?.to_owned().try_into().ok();
        stream.filter(StreamId::is_organization)
    };
    let names = names.as_array().filter(|names| !names.is_empty());
    let names = names.and_then(|names| names.iter().map(named).collect());
    names.ok_or_else(|| {
        "`organizations` is no list of `self` or organization ids of 24 hex digits".to_owned()
    })
}

/// `start` and `end`: times in RFC 3339 or UTC dates, the end exclusive.
fn range(event: &Map<String, Value>) -> Result<(i64, i64), String> {
    let time = |name: &str| {
        let text = event.get(name).and_then(Value::as_str).unwrap_or("");
        let ns = time::parse_ns(text).or_else(|| time::parse_ns(&format!("{text}T00:00:00Z")));
        ns.map(time::floor_ms)
            .ok_or_else(|| format!("`{name}` is no time like 2026-11-21T08:00:00Z"))
    };
    let (start_ms, end_ms) = (time("start")?, time("end")?);
    if start_ms < end_ms {
        Ok((start_ms, end_ms))
    } else {
        Err("`start` is not before `end`".to_owned())
    }
}

fn flag(event: &Map<String, Value>, name: &str) -> Result<bool, String> {
    match event.get(name).unwrap_or(&Value::Bool(false)) {
        Value::Bool(flag) => Ok(*flag),
        _ => Err(format!("`{name}` is neither true nor false")),
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

    /// Where the examples of events are.
    const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events");

    const NOVEMBER_20: Range = Range {
        start_ms: 1_795_132_800_000,
        end_ms: 1_795_219_200_000,
        repair: false,
        by_service: false,
    };

    fn october() -> Wish {
        Wish {
            start_ms: 1_790_812_800_000,
            end_ms: 1_791_417_600_000,
            organizations: Some(vec![StreamId::own()]),
            plan: false,
        }
    }

    fn message() -> Record {
        Record {
            message_id: "059f36b4-87a3-44ab-83d2-661975830a7d".to_owned(),
            body: r#"{"version":1,"stream":"self","task":"collect"}"#.to_owned(),
        }
    }

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
            ("backfill.json", Task::Backfill(october())),
            ("sqs.json", Task::Answer(vec![message()])),
        ] {
            let event = std::fs::read(format!("{EXAMPLES}/{file}")).unwrap();
            let event = serde_json::from_slice(&event).unwrap();
            assert_eq!(Task::of(&event), Ok(task), "{file}");
        }
        let examples = std::fs::read_dir(EXAMPLES).unwrap();
        assert_eq!(examples.count(), 10 + 3, "an example without a test");
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
            json!({"Records": [{"eventSource": "aws:s3", "messageId": "1", "body": ""}]}),
            json!({"task": "backfill", "start": "2026-10-01"}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "organizations": []}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "organizations": ["provider-0123456789abcdef01234567"]}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "plan": 1}),
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
