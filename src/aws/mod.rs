//! The ports on AWS: S3, DynamoDB, Secrets Manager, SQS, and CloudFormation's callback.

mod callback;
pub mod dynamodb;
pub mod s3;
pub mod secrets;
pub mod sqs;

use aws_config::ConfigLoader;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use std::time::Duration;

use crate::limits::{CONNECT_SECONDS, READ_SECONDS};
use crate::proxy::Proxy;
use engine::cause::Cause;
use engine::ports::StoreError;

/// The configuration of all AWS clients: region and credentials as in other AWS tools, time-outs,
/// and the SDK's standard retries.
pub async fn load(proxy: Option<&Proxy>) -> aws_config::SdkConfig {
    loader(proxy, Duration::from_secs(READ_SECONDS)).load().await
}

/// The loader of that configuration, with a time-out for each answer.
pub fn loader(proxy: Option<&Proxy>, read_timeout: Duration) -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
        .read_timeout(read_timeout)
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .timeout_config(timeouts)
        .http_client(http_client(proxy))
}

/// The SDK's default HTTP client, but with this proxy only. The default would also send requests
/// without TLS, for example for credentials, through the environment's `HTTP_PROXY`.
fn http_client(proxy: Option<&Proxy>) -> SharedHttpClient {
    let proxy = proxy.map_or_else(ProxyConfig::disabled, Proxy::of_aws);
    Builder::new().build_with_connector_fn(move |settings, components| {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default().tls_provider(provider);
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(proxy.clone()));
        connector.build()
    })
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
        _ => "the answer of the service is invalid",
    }
}
