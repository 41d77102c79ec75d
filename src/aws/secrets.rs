//! [`Secrets`] on Secrets Manager.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use super::store_error;
use engine::ports::{Secrets, StoreError};

/// One secret.
pub struct SecretsManager {
    client: Client,
    id: String,
}

impl SecretsManager {
    /// Creates a client for the secret with this name or ARN.
    #[must_use]
    pub fn new(config: &aws_config::SdkConfig, id: String) -> Self {
        Self { client: Client::new(config), id }
    }
}

#[async_trait]
impl Secrets for SecretsManager {
    async fn read(&self) -> Result<SecretString, StoreError> {
        let what = || format!("read secret {}", self.id);
        // The stage is named because the function's permission is limited to it.
        let answer = self
            .client
            .get_secret_value()
            .secret_id(&self.id)
            .version_stage("AWSCURRENT")
            .send()
            .await;
        let answer = answer.map_err(|error| store_error(&what(), error))?;
        let binary = || StoreError::Rejected(format!("{}: it is binary, not text", what()).into());
        answer.secret_string.map(SecretString::from).ok_or_else(binary)
    }
}
