//! The check of a deployment: CloudFormation requests it, `validate` makes it, and an answer is
//! always sent. Without an answer, CloudFormation would wait for an hour.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use serde_json::{Value, json};

use crate::limits::{
    CALLBACK_MS_MAX, CALLBACK_MS_MIN, IAM_PROPAGATION_TRIES, IAM_PROPAGATION_WAIT_MS,
    REASON_BYTES_MAX,
};
use engine::limits::MINUTE_MS;
use engine::ports::Clock;
use engine::task::validate::Failure;

/// A build for tests may answer an emulator of AWS on this machine. The release build, which is
/// what is deployed, answers S3 and nobody else.
const ANSWERS_LOOPBACK: bool = cfg!(debug_assertions);

/// CloudFormation's request to a custom resource, with the fields of AWS's "Custom resource request
/// objects".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    kind: RequestKind,
    /// Whether the update rolls a failed one back: its number is lower than the failed one's.
    is_rollback: bool,
    /// The presigned URL of S3 for the answer. It is never logged.
    reply_to: ReplyTo,
    stack_id: String,
    request_id: String,
    logical_id: String,
    physical_id: String,
}

/// The operation on the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RequestKind {
    Create,
    Update,
    Delete,
    Other(String),
}

/// The URL to which the answer is sent. It contains a signature, so `Debug` and `Display` do not
/// show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyTo(Url);

/// Why no answer could be sent to CloudFormation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CallbackError {
    /// The URL is not one of S3.
    #[error("the event's ResponseURL is refused: {0}; nothing was sent")]
    Refused(String),
    /// The answer was not accepted.
    #[error("could not answer CloudFormation: {0}")]
    Unsent(String),
}

/// Sends an answer to CloudFormation.
#[async_trait]
pub trait Callback: Send + Sync {
    /// Sends `body` with `PUT` to the URL within `time`, without following a redirect.
    ///
    /// # Errors
    /// [`CallbackError::Unsent`] if it was not accepted. The message does not contain the URL.
    async fn put(&self, to: &ReplyTo, body: String, time: Duration) -> Result<(), CallbackError>;
}

impl Request {
    /// Reads an event; `None` if it is not from CloudFormation. Missing fields are left empty,
    /// because an answer has to be sent in any case.
    ///
    /// # Errors
    /// [`CallbackError::Refused`] if the URL for the answer is not one of S3.
    pub fn of(event: &Value) -> Option<Result<Self, CallbackError>> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        let reply_to = text("ResponseURL")?;
        let kind = match text("RequestType").as_deref() {
            Some("Create") => RequestKind::Create,
            Some("Update") => RequestKind::Update,
            Some("Delete") => RequestKind::Delete,
            other => RequestKind::Other(other.unwrap_or_default().to_owned()),
        };
        let number = |properties: &str| {
            let number = event.get(properties)?.get("Check")?.as_str()?.parse::<u64>();
            Some(number.unwrap_or(0))
        };
        let is_rollback = kind == RequestKind::Update
            && number("ResourceProperties") < number("OldResourceProperties");
        let read = |reply_to| Self {
            kind,
            is_rollback,
            reply_to,
            stack_id: text("StackId").unwrap_or_default(),
            request_id: text("RequestId").unwrap_or_default(),
            logical_id: text("LogicalResourceId").unwrap_or_default(),
            // It must never change: with another id CloudFormation would replace the resource.
            physical_id: text("PhysicalResourceId")
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| "jumpcloud-collector-preflight".to_owned()),
        };
        Some(ReplyTo::read(&reply_to, ANSWERS_LOOPBACK).map(read))
    }

    /// Makes the check, unless the resource is deleted, and sends the answer, both before
    /// `deadline_ms`. `check` gets an earlier deadline of its own; its error says what is wrong.
    ///
    /// # Errors
    /// [`CallbackError`] if the answer could not be sent.
    pub async fn serve<C, F>(
        &self,
        check: C,
        callback: &dyn Callback,
        clock: &dyn Clock,
        deadline_ms: i64,
    ) -> Result<Value, CallbackError>
    where
        C: Fn(i64) -> F,
        F: Future<Output = Result<(), Failure>>,
    {
        let left_ms = (deadline_ms - clock.now_ms()).max(0);
        let kept_ms = (left_ms / 2).min(CALLBACK_MS_MAX);
        let verdict = match &self.kind {
            // There is nothing to clean up, and deleting a stack must always be possible.
            RequestKind::Delete => Ok(()),
            RequestKind::Other(kind) => {
                Err(format!("RequestType `{}` is unknown", kind.escape_debug()).into())
            }
            RequestKind::Create | RequestKind::Update => {
                let checking = retry_while_denied(check, clock, deadline_ms - kept_ms);
                let time = millis(left_ms - kept_ms);
                tokio::time::timeout(time, checking).await.unwrap_or_else(|_| {
                    Err(format!("validation did not end within {} s", time.as_secs()).into())
                })
            }
        };
        let reason = reason(&verdict);
        // The previous version was checked when it was deployed. A rollback must succeed even if
        // the account has changed since.
        let status = if verdict.is_ok() || self.is_rollback { "SUCCESS" } else { "FAILED" };
        let answer = self.answer(status, &reason);
        tracing::info!(kind = %self.kind, status, reason, "answering CloudFormation");
        let time = millis((deadline_ms - clock.now_ms()).max(CALLBACK_MS_MIN));
        callback.put(&self.reply_to, answer.to_string(), time).await?;
        Ok(answer)
    }

    /// The answer, with the fields of AWS's "Custom resource response objects".
    fn answer(&self, status: &str, reason: &str) -> Value {
        json!({
            "Status": status,
            "Reason": reason,
            "PhysicalResourceId": self.physical_id,
            "StackId": self.stack_id,
            "RequestId": self.request_id,
            "LogicalResourceId": self.logical_id,
        })
    }
}

/// Repeats the check if AWS denies access, because a new IAM role takes some seconds to be known
/// everywhere.
async fn retry_while_denied<C, F>(
    check: C,
    clock: &dyn Clock,
    deadline_ms: i64,
) -> Result<(), Failure>
where
    C: Fn(i64) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let mut tried = 1;
    loop {
        let verdict = check(deadline_ms).await;
        let is_denied = matches!(&verdict, Err(failure) if failure.is_denied);
        let left_ms = deadline_ms - clock.now_ms();
        let wait_ms = i64::try_from(IAM_PROPAGATION_WAIT_MS).unwrap_or(MINUTE_MS);
        if !is_denied || tried >= IAM_PROPAGATION_TRIES || left_ms < 2 * wait_ms {
            return verdict;
        }
        tried += 1;
        clock.sleep(IAM_PROPAGATION_WAIT_MS).await;
    }
}

/// The reason that CloudFormation shows with the resource: one line of limited length, because the
/// whole answer may have at most 4,096 bytes.
fn reason(verdict: &Result<(), Failure>) -> String {
    let Err(Failure { text, .. }) = verdict else {
        return "all checks passed: JumpCloud, table and buckets".to_owned();
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() <= REASON_BYTES_MAX {
        return line;
    }
    let end = (0..=REASON_BYTES_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    format!("{} … and more: see the function's log", &line[..end])
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl ReplyTo {
    /// Reads an address. Accepted are S3's own, by https, and where `answers_loopback` is set, for
    /// an emulator of AWS, loopback addresses.
    fn read(text: &str, answers_loopback: bool) -> Result<Self, CallbackError> {
        let refused = |what: &str| Err(CallbackError::Refused(what.to_owned()));
        let Ok(url) = Url::parse(text) else { return refused("it is not a URL") };
        if !url.username().is_empty() || url.password().is_some() {
            return refused("it holds credentials");
        }
        let is_loopback = crate::http::is_loopback(&url);
        if answers_loopback && is_loopback && matches!(url.scheme(), "http" | "https") {
            return Ok(Self(url));
        }
        if url.scheme() != "https" || url.port().is_some() {
            return refused("it is not https on its own port");
        }
        let host = url.host_str().unwrap_or_default();
        if !is_s3(host) {
            let shown: String = host.chars().take(REASON_BYTES_MAX / 10).collect();
            return refused(&format!("its host `{}` is not S3's", shown.escape_debug()));
        }
        Ok(Self(url))
    }

    /// The URL, only for the request that sends the answer.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

/// Whether a host is one of S3, in the forms of AWS's "Amazon S3 endpoints": with or without a
/// bucket first, `s3`, `s3-<region>`, `s3.<region>` or `s3.dualstack.<region>`, below
/// `amazonaws.com` or `amazonaws.com.cn`.
fn is_s3(host: &str) -> bool {
    let Some(host) =
        host.strip_suffix(".amazonaws.com.cn").or_else(|| host.strip_suffix(".amazonaws.com"))
    else {
        return false;
    };
    let is_region = |label: &str| {
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        label.contains('-') && label.bytes().all(is_plain)
    };
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [.., "s3"] => true,
        [.., "s3", region] | [.., "s3", "dualstack", region] => is_region(region),
        [.., last] => last.strip_prefix("s3-").is_some_and(is_region),
        [] => false,
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({})", self.0.host_str().unwrap_or_default())
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("Create"),
            Self::Update => f.write_str("Update"),
            Self::Delete => f.write_str("Delete"),
            Self::Other(_) => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests;
