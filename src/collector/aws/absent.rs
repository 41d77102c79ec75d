//! A program that was built without AWS's clients: what needs them is refused.

use engine::ports::Objects;
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::proxy::Proxy;
use serde_json::Value;

use crate::usage::UsageError;

/// A deployed stack; this program finds none.
pub(crate) enum Stack {}

impl Stack {
    /// Refuses `--stack`.
    pub(crate) async fn find(
        _name: &str,
        _profile: Option<&String>,
        _region: Option<&String>,
        _proxy: Option<&Proxy>,
    ) -> anyhow::Result<Self> {
        Err(refusal("--stack").into())
    }

    /// Cannot be called.
    pub(crate) async fn ask(&self, _event: &Value) -> anyhow::Result<Value> {
        match *self {}
    }
}

/// Refuses `--archive-bucket`.
pub(crate) async fn buckets(_terminal: &Terminal) -> anyhow::Result<Box<dyn Objects>> {
    Err(refusal("--archive-bucket").into())
}

fn refusal(option: &str) -> UsageError {
    let wrong = format!("{option}: this program was built without the feature `aws`");
    UsageError::new(wrong, "build it without --no-default-features")
}
