//! What the function is requested to do: parses an event into a task.

pub mod audit;
pub mod backfill;
pub mod hours;
pub mod status;
pub mod validate;
pub mod verify;

use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::fleet::message::Record;
use crate::limits::BACKFILL_DAYS_MAX;
use crate::report::StatusPlace;
use crate::stream::StreamId;
use crate::task::audit::AuditRequest;
use crate::task::backfill::BackfillRequest;
use crate::task::status::StatusRequest;
use crate::time::{self, Window};

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Make one run over each stream.
    Collect,
    /// Make one run over the stream of each message.
    HandleMessages(Vec<Record>),
    /// Archive a past range.
    Backfill(BackfillRequest),
    /// Check that everything that a run needs is available.
    Validate,
    /// Return the status of every stream.
    Status(StatusRequest),
    /// Compare JumpCloud's hourly counts with the archive's.
    Audit(AuditRequest),
}

/// Why an event is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EventError {
    /// It is none the function accepts.
    #[error(transparent)]
    Unknown(#[from] UnknownEvent),
    /// It names a task, and what it says of it cannot be used.
    #[error("`{task}`: {what}")]
    Unusable {
        /// The task.
        task: String,
        /// What is wrong, with the fields that the task has where one is unknown.
        what: String,
    },
}

/// The event is not one that the function accepts.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0}; accepted are: an EventBridge schedule's or rule's event, messages of the work queue, \
     CloudFormation's request of a custom resource, \
     `{{}}`, `{{\"task\":\"collect\"}}`, `{{\"task\":\"validate\"}}`, `{{\"task\":\"status\",\"after\":…}}`, \
     `{{\"task\":\"backfill\",\"start\":…,\"end\":…,\"organizations\":[…],\"plan\":…,\"after\":…}}`, \
     `{{\"task\":\"audit\",\"start\":…,\"end\":…,\"repair\":…,\"by_service\":…}}`"
)]
pub struct UnknownEvent(String);

/// An event that names its task. Unknown fields are refused, because a misspelt field would
/// otherwise change the task without notice.
#[derive(Deserialize)]
#[serde(tag = "task", rename_all = "lowercase", deny_unknown_fields)]
enum Named {
    Collect {
        /// The template lets EventBridge Scheduler add this field, which is only for the log.
        #[serde(default, rename = "scheduled_time")]
        _scheduled_time: IgnoredAny,
    },
    Validate {},
    Status {
        after: Option<StatusPlace>,
    },
    Backfill {
        #[serde(deserialize_with = "time_or_date")]
        start: i64,
        #[serde(deserialize_with = "time_or_date")]
        end: i64,
        organizations: Option<Vec<StreamId>>,
        #[serde(default)]
        plan: bool,
        after: Option<StreamId>,
    },
    Audit {
        #[serde(deserialize_with = "time_or_date")]
        start: i64,
        #[serde(deserialize_with = "time_or_date")]
        end: i64,
        #[serde(default)]
        repair: bool,
        #[serde(default)]
        by_service: bool,
    },
}

/// The names of the tasks.
const NAMES: [&str; 5] = ["collect", "validate", "status", "backfill", "audit"];

impl Task {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError::Unknown`], which lists what is accepted; [`EventError::Unusable`] if a task
    /// cannot be done with what the event says.
    pub fn of(event: &Value) -> Result<Self, EventError> {
        let Value::Object(members) = event else {
            return Err(UnknownEvent("the event is not a JSON object".to_owned()).into());
        };
        let task = match (members.get("Records"), members.get("task")) {
            (Some(records), _) => messages(records).map(Self::HandleMessages),
            (None, Some(task)) => {
                let read = Named::deserialize(event).map_err(|e| e.to_string()).and_then(named);
                return read.map_err(|what| {
                    match task.as_str().filter(|name| NAMES.contains(name)) {
                        Some(task) => EventError::Unusable { task: task.to_owned(), what },
                        None => UnknownEvent(what).into(),
                    }
                });
            }
            (None, None) if members.is_empty() || is_schedule(members) => Ok(Self::Collect),
            (None, None) => Err("the event names no `task`".to_owned()),
        };
        Ok(task.map_err(UnknownEvent)?)
    }
}

fn named(event: Named) -> Result<Task, String> {
    Ok(match event {
        Named::Collect { .. } => Task::Collect,
        Named::Validate {} => Task::Validate,
        Named::Status { after } => Task::Status(StatusRequest { after }),
        Named::Backfill { start, end, organizations, plan, after } => {
            let is_named = |named: &Vec<StreamId>| {
                !named.is_empty() && named.iter().all(StreamId::is_organization)
            };
            if !organizations.as_ref().is_none_or(is_named) {
                return Err(
                    "`organizations` is not a list of `self` or organization ids".to_owned()
                );
            }
            let window = window(start, end)?;
            let days = time::day_of(end - 1) - time::day_of(start) + 1;
            if days > BACKFILL_DAYS_MAX {
                return Err(format!(
                    "the range has {days} days, at most {BACKFILL_DAYS_MAX} are allowed"
                ));
            }
            Task::Backfill(BackfillRequest { window, organizations, plan, after })
        }
        Named::Audit { start, end, repair, by_service } => {
            Task::Audit(AuditRequest { window: window(start, end)?, repair, by_service })
        }
    })
}

fn window(start_ms: i64, end_ms: i64) -> Result<Window, String> {
    let window = Window::new(start_ms, end_ms);
    if window.is_empty() {
        let [start, end] = [start_ms, end_ms].map(time::rfc3339);
        return Err(format!("`start`, {start}, is not before `end`, {end}"));
    }
    Ok(window)
}

/// Parses a time in RFC 3339 or a UTC date to milliseconds.
fn time_or_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || {
        let text = text.escape_debug();
        de::Error::custom(format!("`{text}` is not a time like 2026-11-21T08:00:00Z"))
    };
    time::parse_time_or_day_ms(&text).ok_or_else(wrong)
}

/// The messages of an event from SQS.
fn messages(records: &Value) -> Result<Vec<Record>, String> {
    let records = Vec::<Record>::deserialize(records).ok();
    let is_sqs = |records: &Vec<Record>| {
        !records.is_empty() && records.iter().all(|record| record.event_source == "aws:sqs")
    };
    records.filter(is_sqs).ok_or_else(|| "the event's `Records` are not messages of SQS".to_owned())
}

/// Whether it is an event of EventBridge Scheduler or of a scheduled rule, which have the same
/// form.
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

    const NOVEMBER_20: AuditRequest = AuditRequest {
        window: Window { start_ms: 1_795_132_800_000, end_ms: 1_795_219_200_000 },
        repair: false,
        by_service: false,
    };

    fn october() -> BackfillRequest {
        BackfillRequest {
            window: Window::new(1_790_812_800_000, 1_791_417_600_000),
            organizations: Some(vec![StreamId::own()]),
            plan: false,
            after: None,
        }
    }

    fn message() -> Record {
        Record {
            event_source: "aws:sqs".to_owned(),
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
            ("status.json", Task::Status(StatusRequest::default())),
            ("audit.json", Task::Audit(NOVEMBER_20)),
            ("backfill.json", Task::Backfill(october())),
            ("sqs.json", Task::HandleMessages(vec![message()])),
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
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
        ] {
            let error = Task::of(&event).unwrap_err().to_string();
            assert!(error.contains("accepted are"), "{error}");
        }
    }

    /// The other tasks are none of the caller's concern then.
    #[test]
    fn a_task_whose_values_are_wrong_is_no_unknown_task() {
        for (event, what) in [
            (
                json!({"task": "audit", "start": "2026-11-21", "end": "2026-11-20"}),
                "`audit`: `start`, 2026-11-21T00:00:00.000Z, is not before `end`, 2026-11-20T00:00:00.000Z",
            ),
            (
                json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-01"}),
                "`backfill`: `start`, 2026-10-01T00:00:00.000Z, is not before `end`, 2026-10-01T00:00:00.000Z",
            ),
            (
                json!({"task": "audit", "start": "yesterday", "end": "2026-11-20"}),
                "`audit`: `yesterday` is not a time like 2026-11-21T08:00:00Z",
            ),
            (json!({"task": "audit"}), "`audit`: missing field `start`"),
            (
                json!({"task": "backfill", "start": "2026-01-01", "end": "2026-10-01"}),
                "`backfill`: the range has 273 days, at most 100 are allowed",
            ),
            (
                json!({"task": "validate", "quick": true}),
                "`validate`: unknown field `quick`, there are no fields",
            ),
        ] {
            assert_eq!(Task::of(&event).unwrap_err().to_string(), what);
        }
        for event in [
            json!({"task": "backfill", "start": "2026-10-01"}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "organizations": []}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "organizations": ["provider-0123456789abcdef01234567"]}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "plan": 1}),
            json!({"task": "collect", "stream": "self"}),
            json!({"task": "status", "afer": "self"}),
            json!({"task": "status", "after": "self"}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "after": "../self"}),
            json!({"task": "backfill", "start": "2026-10-01", "end": "2026-10-02", "organisations": ["self"]}),
            json!({"task": "audit", "start": "2026-11-20", "end": "2026-11-21", "byservice": true}),
            json!({"task": "audit", "start": "2026-11-20", "end": "2026-11-21", "repair": "yes"}),
        ] {
            let error = Task::of(&event).unwrap_err();
            assert!(matches!(error, EventError::Unusable { .. }), "{error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_named() {
        let event =
            json!({"task": "audit", "start": "2026-11-20", "end": "2026-11-21", "fix": true});
        let error = Task::of(&event).unwrap_err().to_string();
        assert!(
            error.starts_with("`audit`: unknown field `fix`, expected one of `start`, `end`"),
            "{error}"
        );
    }
}
