//! [`Secrets`] for the command line: from the environment or a file, never from an argument, which
//! every process on the machine could read.

use std::path::PathBuf;

use async_trait::async_trait;
use secrecy::SecretString;

use engine::cause::Cause;
use engine::ports::{Secrets, StoreError};

/// Where the API key is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// The value from the environment.
    Environment(SecretString),
    /// A file, read again each time, because the key may be rotated while the program runs.
    File(PathBuf),
    /// No key is configured.
    None,
}

#[async_trait]
impl Secrets for KeySource {
    async fn read(&self) -> Result<SecretString, StoreError> {
        match self {
            Self::Environment(secret) => Ok(secret.clone()),
            Self::File(path) => {
                // The name is not repeated: it may be the key itself, given in its place.
                std::fs::read_to_string(path).map(SecretString::from).map_err(|error| {
                    let text = format!("the file that --key-file names cannot be read: {error}");
                    StoreError::Rejected(Cause::new(text, error))
                })
            }
            Self::None => Err(StoreError::Rejected(
                "no API key: set JUMPCLOUD_API_KEY, or name a file with --key-file".into(),
            )),
        }
    }
}
