//! Handles one event: the function without the Lambda runtime.

use serde_json::Value;

use crate::telemetry::Emitter;
use engine::error::RunError;
use engine::fleet::dispatch::{self, Fleet};
use engine::fleet::queue;
use engine::limits::FAILURES_TOLERATED;
use engine::read::Budget;
use engine::report::View;
use engine::task::{EventError, Task, audit, backfill, status, validate};

/// Why an invocation fails. The names are stable: alarms may filter on them.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The event is none the function accepts, or what it says of its task cannot be used.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Streams failed because of something an operator must correct, or for the third time in a
    /// row.
    #[error("streams failed: {0}")]
    StreamsFailed(String),
    /// A check of `validate` failed.
    #[error("validation failed: {0}")]
    ValidationFailed(String),
    /// What is stored could not be read, or is damaged: nothing was done.
    #[error(transparent)]
    StateUnreachable(#[from] RunError),
}

impl InvocationError {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Event(EventError::Unknown(_)) => "UnknownEvent",
            Self::Event(EventError::Unusable { .. }) => "UnusableEvent",
            Self::StreamsFailed(_) => "StreamsFailed",
            Self::ValidationFailed(_) => "ValidationFailed",
            Self::StateUnreachable(_) => "StateUnreachable",
        }
    }
}

/// Does what `event` requests, and returns the answer.
///
/// # Errors
/// [`InvocationError`], after a run was made over every stream that is due. The report is logged
/// before.
pub async fn handle(
    fleet: &Fleet,
    event: &Value,
    budget: Budget,
    emitter: &Emitter,
) -> Result<Value, InvocationError> {
    let Fleet { engine, organizations, .. } = fleet;
    match Task::of(event)? {
        Task::Collect => {
            let report = dispatch::collect(fleet, budget).await?;
            let answer = json(&report);
            tracing::info!(report = %answer, "collected");
            emitter.emit(&report, View::Fleet(&report.statuses_before), budget.started_ms);
            answer_or_fail(answer, report.failure(FAILURES_TOLERATED))
        }
        Task::HandleMessages(records) => {
            let (answer, report) = queue::handle_messages(engine, &records, budget).await;
            tracing::info!(report = %json(&report), "handled messages");
            emitter.emit(&report, View::Streams, budget.started_ms);
            Ok(json(&answer))
        }
        Task::Backfill(request) => {
            let backfill = backfill::backfill(fleet, &request, budget).await?;
            let answer = json(&backfill);
            tracing::info!(backfill = %answer, "opened lanes");
            // A plan only tells: what it says is refused is no failure of the call.
            let failure = (!request.plan).then(|| backfill.failure(FAILURES_TOLERATED));
            answer_or_fail(answer, failure.flatten())
        }
        Task::Validate => {
            let preflight = validate::validate(engine, organizations, budget).await;
            tracing::info!(preflight = %json(&preflight), "validated");
            match preflight.failure() {
                Some(failure) => Err(InvocationError::ValidationFailed(failure.text)),
                None => Ok(json(&preflight)),
            }
        }
        Task::Status(request) => {
            Ok(json(&status::status(engine, organizations, request, budget).await?))
        }
        Task::Audit(request) => {
            let audit = audit::audit(engine, organizations, request, budget).await?;
            tracing::info!(audit = %json(&audit), "audited");
            answer_or_fail(json(&audit), audit.failure())
        }
    }
}

fn answer_or_fail(answer: Value, failure: Option<String>) -> Result<Value, InvocationError> {
    match failure {
        Some(failure) => Err(InvocationError::StreamsFailed(failure)),
        None => Ok(answer),
    }
}

/// As [`engine::json::encode`], to a value.
#[expect(clippy::expect_used, reason = "a mistake in a type, met by every test that answers it")]
fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("structs of texts and numbers are JSON")
}
