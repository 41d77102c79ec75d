//! A deployed stack: its function, found by the stack's name and asked as a person would ask it.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use serde_json::Value;

use engine::limits::RUN_MS_MAX;
use engine::ports::StoreError;
use jumpcloud_collector::aws::store_error;
use jumpcloud_collector::limits::CONNECT_SECONDS;

/// The function's name in the template.
const FUNCTION: &str = "Collector";

/// Where a stack is, and who asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// A profile of the AWS configuration files; the default one if there is none.
    pub(crate) profile: Option<String>,
    /// An AWS Region; the profile's if there is none.
    pub(crate) region: Option<String>,
}

/// A deployed stack's function.
pub(crate) struct Stack {
    lambda: aws_sdk_lambda::Client,
    function: String,
}

/// Why a stack gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StackError {
    /// AWS did not let the question through.
    #[error(transparent)]
    Aws(#[from] StoreError),
    /// There is no such function.
    #[error("stack {0} has no function {FUNCTION}: is it this collector's stack?")]
    NoFunction(String),
    /// The function answered with an error, in its own words.
    #[error("{0}")]
    Failed(String),
    /// The answer cannot be read.
    #[error("the function's answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

impl Stack {
    /// Finds the function of the stack `name`. Credentials, Region and proxies are found as in
    /// other AWS tools.
    ///
    /// # Errors
    /// [`StackError`].
    pub(crate) async fn find(name: &str, access: Access) -> Result<Self, StackError> {
        // An invocation is asked for once: a second try would run the task again.
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .read_timeout(Duration::from_millis(RUN_MS_MAX.unsigned_abs()))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(profile) = access.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = access.region {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;
        let answer = aws_sdk_cloudformation::Client::new(&config)
            .describe_stack_resource()
            .stack_name(name)
            .logical_resource_id(FUNCTION)
            .send()
            .await
            .map_err(|error| store_error(&format!("find the function of stack {name}"), error))?;
        let resource = answer.stack_resource_detail.and_then(|found| found.physical_resource_id);
        let function = resource.ok_or_else(|| StackError::NoFunction(name.to_owned()))?;
        let once = aws_config::retry::RetryConfig::disabled();
        let lambda = aws_sdk_lambda::config::Builder::from(&config).retry_config(once).build();
        Ok(Self { lambda: aws_sdk_lambda::Client::from_conf(lambda), function })
    }

    /// Invokes the function with `event` and waits for its answer.
    ///
    /// # Errors
    /// [`StackError`]; `Failed` with the function's own message.
    pub(crate) async fn ask(&self, event: &Value) -> Result<Value, StackError> {
        let answer = self
            .lambda
            .invoke()
            .function_name(&self.function)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::None)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|error| store_error(&format!("invoke {}", self.function), error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let value: Value = serde_json::from_slice(&payload)?;
        match answer.function_error {
            None => Ok(value),
            Some(kind) => {
                let message = value.get("errorMessage").and_then(Value::as_str);
                Err(StackError::Failed(message.map_or(kind, str::to_owned)))
            }
        }
    }
}
