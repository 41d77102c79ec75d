//! [`WorkQueue`] on SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::store_error;
use engine::cause::Cause;
use engine::ports::{StoreError, WorkQueue};

/// One queue.
pub struct Sqs {
    client: Client,
    url: String,
}

impl Sqs {
    /// Creates a client for the queue with this URL.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, url: String) -> Self {
        Self { client: Client::new(config), url }
    }
}

#[async_trait]
impl WorkQueue for Sqs {
    async fn send(&self, bodies: &[String]) -> Result<Vec<usize>, StoreError> {
        let what = || format!("send {} messages to the work queue", bodies.len());
        let unmade = |error: aws_sdk_sqs::error::BuildError| {
            StoreError::Indeterminate(Cause::new(format!("{}: {error}", what()), error))
        };
        let entry = |(number, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(body)
                .build()
                .map_err(unmade)
        };
        let entries = bodies.iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>()?;
        let request = self.client.send_message_batch().queue_url(&self.url);
        let answer = request
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| store_error(&what(), error))?;
        for failed in answer.failed() {
            let (entry, code, is_of_sender) = (failed.id(), failed.code(), failed.sender_fault());
            let message = failed.message().unwrap_or_default();
            tracing::warn!(entry, code, message, is_of_sender, "the work queue left a message out");
        }
        let taken: Vec<_> = answer.successful().iter().map(|entry| entry.id()).collect();
        let is_left = |number: &usize| !taken.contains(&number.to_string().as_str());
        Ok((0..bodies.len()).filter(is_left).collect())
    }
}
