//! The secret: an API key as plain text, or JSON with `api_key`, or JSON with `client_id` and
//! `client_secret`.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// What JumpCloud knows us by. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// An administrator's API key.
    ApiKey(SecretString),
    /// A service account.
    ServiceAccount {
        /// Names the account; no secret.
        client_id: String,
        /// Proves it.
        client_secret: SecretString,
    },
}

/// The secret cannot be used. No message holds any of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SecretError {
    /// Nothing, or nothing but space.
    #[error("the secret is empty")]
    Empty,
    /// JSON, but neither of the two shapes.
    #[error("the secret is JSON with neither `api_key` nor both `client_id` and `client_secret`")]
    Shape,
    /// A key that cannot stand in a header.
    #[error("the secret holds characters that no key has")]
    Characters,
}

#[derive(Deserialize)]
struct Json {
    api_key: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Credentials {
    /// Reads a secret of any of the three shapes. White space around it is dropped: people paste.
    ///
    /// # Errors
    /// [`SecretError`].
    pub(super) fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        let text = secret.expose_secret().trim();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if !text.starts_with('{') {
            return Ok(Self::ApiKey(plain(text)?));
        }
        let json: Json = serde_json::from_str(text).map_err(|_| SecretError::Shape)?;
        match json {
            Json { api_key: Some(key), client_id: None, client_secret: None } => {
                Ok(Self::ApiKey(plain(key.trim())?))
            }
            Json { api_key: None, client_id: Some(id), client_secret: Some(secret) } => {
                plain(id.trim())?;
                let client_secret = plain(secret.trim())?;
                Ok(Self::ServiceAccount { client_id: id.trim().to_owned(), client_secret })
            }
            _ => Err(SecretError::Shape),
        }
    }
}

fn plain(text: &str) -> Result<SecretString, SecretError> {
    match text {
        "" => Err(SecretError::Empty),
        _ if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(text.into()),
        _ => Err(SecretError::Characters),
    }
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_shape_is_read() {
        for text in ["jca_key", " jca_key\n", r#"{"api_key":"jca_key"}"#] {
            let Ok(Credentials::ApiKey(key)) = Credentials::parse(&text.into()) else {
                panic!("{text}")
            };
            assert_eq!(key.expose_secret(), "jca_key");
        }
        let account = r#"{"client_id":"me","client_secret":"s3cret"}"#;
        let Ok(Credentials::ServiceAccount { client_id, .. }) = Credentials::parse(&account.into())
        else {
            panic!("a service account")
        };
        assert_eq!(client_id, "me");
    }

    #[test]
    fn what_is_no_secret_says_so_and_shows_nothing() {
        for (text, error) in [
            ("  ", SecretError::Empty),
            ("{}", SecretError::Shape),
            (r#"{"client_id":"me"}"#, SecretError::Shape),
            (r#"{"api_key":"canary""#, SecretError::Shape),
            (r#"{"api_key":"canary","client_id":"a","client_secret":"b"}"#, SecretError::Shape),
            ("can\nary", SecretError::Characters),
            (r#"{"api_key":""}"#, SecretError::Empty),
        ] {
            let found = Credentials::parse(&text.into());
            let Err(found) = found else { panic!("{text}") };
            assert_eq!(found, error);
            assert!(!found.to_string().contains("canary"));
        }
        let shown = format!("{:?}", Credentials::parse(&"canary".into()));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
