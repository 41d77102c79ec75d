//! AWS as a person at a terminal is known to it: credentials and a Region, or one plain message.

use std::error::Error;

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_lambda::config::ProvideCredentials as _;
use engine::ports::Objects;
use jumpcloud_collector::aws::{load, s3::S3};
use jumpcloud_collector::config::Terminal;

use crate::usage::UsageError;

/// The configuration, if it has credentials and a Region.
pub(super) async fn ready(config: SdkConfig) -> anyhow::Result<SdkConfig> {
    let provider = config.credentials_provider().context("no source of AWS credentials")?;
    if let Err(error) = provider.provide_credentials().await {
        bail!(
            "no AWS credentials: {}: log in as for the AWS CLI, set AWS_PROFILE, or set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            innermost(&error)
        );
    }
    if config.region().is_none() {
        let right = "set AWS_REGION, or choose a profile that names a Region";
        return Err(UsageError::new("the AWS Region is not known", right).into());
    }
    Ok(config)
}

/// The buckets that this person may read.
pub(crate) async fn buckets(terminal: &Terminal) -> anyhow::Result<Box<dyn Objects>> {
    let config = ready(load(terminal.source.proxy.as_ref()).await).await?;
    Ok(Box::new(S3::new(&config, terminal.s3_path_style)))
}

/// What an error comes from in the end, which says most; without the list of what was tried.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.split(". ").next().unwrap_or_default().to_owned()
}
