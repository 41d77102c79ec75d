//! A deployed stack: its function, found by the stack's name and asked as a person would ask it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use aws_config::Region;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use serde_json::Value;

use engine::limits::RUN_MS_MAX;
use jumpcloud_collector::aws::{loader, store_error};
use jumpcloud_collector::proxy::Proxy;

use super::account;
use crate::failed::StreamsFailed;

/// The function's name in the template.
const FUNCTION: &str = "Collector";

/// A deployed stack's function.
pub(crate) struct Stack {
    lambda: aws_sdk_lambda::Client,
    function: String,
}

impl Stack {
    /// Finds the function of the stack `name`, with a profile of the AWS configuration files or the
    /// default one, and in an AWS Region or the profile's. Credentials are found as in other AWS
    /// tools.
    pub(crate) async fn find(
        name: &str,
        profile: Option<&String>,
        region: Option<&String>,
        proxy: Option<&Proxy>,
    ) -> anyhow::Result<Self> {
        let mut loader = loader(proxy, Duration::from_millis(RUN_MS_MAX.unsigned_abs()));
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region.clone()));
        }
        let config = account::ready(loader.load().await).await?;
        let answer = aws_sdk_cloudformation::Client::new(&config)
            .describe_stack_resource()
            .stack_name(name)
            .logical_resource_id(FUNCTION)
            .send()
            .await
            .map_err(|error| store_error(&format!("find the function of stack {name}"), error))?;
        let resource = answer.stack_resource_detail.and_then(|found| found.physical_resource_id);
        let function = resource.with_context(|| {
            format!("stack {name} has no function {FUNCTION}: it is not a stack of this collector")
        })?;
        // An invocation is asked for once: a second try would run the task again.
        let once = aws_config::retry::RetryConfig::disabled();
        let lambda = aws_sdk_lambda::config::Builder::from(&config).retry_config(once).build();
        Ok(Self { lambda: aws_sdk_lambda::Client::from_conf(lambda), function })
    }

    /// Invokes the function with `event` and waits for its answer.
    ///
    /// # Errors
    /// If AWS does not let it through; the function's own message if it failed.
    pub(crate) async fn ask(&self, event: &Value) -> anyhow::Result<Value> {
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
        let value: Value =
            serde_json::from_slice(&payload).context("the function's answer cannot be read")?;
        if let Some(kind) = answer.function_error {
            let message = value["errorMessage"].as_str().unwrap_or(&kind);
            if value["errorType"] == "StreamsFailed" {
                return Err(StreamsFailed(message.to_owned()).into());
            }
            bail!("{message}");
        }
        Ok(value)
    }
}
