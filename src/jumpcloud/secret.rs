//! The secret: an API key as plain text, or JSON with `api_key`, or JSON with `client_id` and
//! `client_secret`.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// The credentials for JumpCloud. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// An administrator's API key.
    ApiKey(SecretString),
    /// A service account.
    ServiceAccount {
        /// The name of the account, which is not secret.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
    },
}

/// Why the secret cannot be used. No message contains any part of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SecretError {
    /// It is empty or only white space.
    #[error("the secret is empty")]
    Empty,
    /// It is JSON without the expected members.
    #[error("the secret is JSON with neither `api_key` nor both `client_id` and `client_secret`")]
    Shape,
    /// It has characters that are not allowed in a header.
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
    /// Reads a secret of any of the three forms. White space around it is ignored, because pasted
    /// secrets often have some.
    ///
    /// # Errors
    /// [`SecretError`] if it has none of the three forms, or characters that are not allowed in a
    /// header.
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
    fn an_invalid_secret_is_reported_without_showing_it() {
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
