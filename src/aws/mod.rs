//! The ports on AWS: S3, DynamoDB, Secrets Manager, SQS, and CloudFormation's callback.

mod callback;
pub mod dynamodb;
pub mod s3;
pub mod secrets;
pub mod sqs;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use std::time::Duration;

use crate::limits::{CONNECT_SECONDS, READ_SECONDS};
use engine::cause::Cause;
use engine::ports::StoreError;

/// The configuration of all AWS clients: region and credentials as in other AWS tools, time-outs,
/// and the SDK's standard retries.
pub async fn load() -> aws_config::SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
        .read_timeout(Duration::from_secs(READ_SECONDS))
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .timeout_config(timeouts)
        .load()
        .await
}

/// Converts an SDK error to one named by what the caller does next. `what` names the request.
pub fn store_error<E>(what: &str, error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = status(&error);
    let code = error.code().unwrap_or_default();
    let text = match (error.message(), status) {
        (Some(message), Some(status)) => format!("{what}: {status} {code}: {message}"),
        (_, Some(status)) => format!("{what}: {status} {code}"),
        (_, None) => format!("{what}: {}", reason(&error)),
    };
    let is_throttled =
        ["Throttl", "SlowDown", "ProvisionedThroughput", "RequestLimit", "RequestTimeout"]
            .iter()
            .any(|name| code.contains(name));
    let is_denied = code.contains("AccessDenied") || status == Some(403);
    let cause = Cause::new(text, error);
    match status {
        Some(400..=499) if status != Some(409) && status != Some(429) && !is_throttled => {
            if is_denied {
                StoreError::Denied(cause)
            } else {
                StoreError::Rejected(cause)
            }
        }
        _ => StoreError::Indeterminate(cause),
    }
}

/// The HTTP status of the answer, if there was one.
fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

fn reason<E>(error: &SdkError<E>) -> &'static str {
    match error {
        SdkError::ConstructionFailure(_) => "the request could not be made",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "the service or its credentials could not be reached",
        SdkError::ResponseError(_) => "the answer was incomplete",
        _ => "the service gave no valid answer",
    }
}
