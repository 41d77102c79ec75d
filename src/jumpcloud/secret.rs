//! The secret: an API key or `clientId:clientSecret` as plain text, or JSON with `api_key`, or JSON
//! with `client_id` and `client_secret`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// The credentials for JumpCloud. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// An administrator's API key.
    ApiKey(SecretString),
    /// A service account.
    ServiceAccount {
        /// Its secret.
        client_secret: SecretString,
        /// Name and secret as they are sent: `clientId:clientSecret` in base64.
        basic: SecretString,
        /// The same before it is encoded.
        pair: SecretString,
    },
}

/// Why the secret cannot be used. No message contains any part of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum SecretError {
    /// It is empty, or only white space and quotes.
    #[error("the secret is empty")]
    Empty,
    /// It is JSON without the expected members.
    #[error("the secret is JSON with neither `api_key` nor both `client_id` and `client_secret`")]
    Shape,
    /// It has characters that no API key, client id or client secret has.
    #[error(
        "the secret is neither an API key nor `clientId:clientSecret` nor JSON: it holds \
         characters that those do not have"
    )]
    Characters,
}

#[derive(Deserialize)]
struct Json {
    api_key: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

impl Credentials {
    /// Reads a secret of any of the four forms. White space and quotes around it are ignored, because
    /// pasted secrets often have some.
    ///
    /// # Errors
    /// [`SecretError`] if it has none of the four forms.
    pub(super) fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        let text = bare(secret.expose_secret());
        if !text.starts_with('{') {
            return Self::plain(text);
        }
        let json: Json = serde_json::from_str(text).map_err(|_| SecretError::Shape)?;
        match json {
            Json { api_key: Some(key), client_id: None, client_secret: None } => {
                Self::plain(bare(&key))
            }
            Json { api_key: None, client_id: Some(id), client_secret: Some(secret) } => {
                Self::service_account(bare(&id), bare(&secret))
            }
            _ => Err(SecretError::Shape),
        }
    }

    /// Every form in which a text may quote them.
    pub(super) fn forms(&self) -> Vec<SecretString> {
        match self {
            Self::ApiKey(key) => vec![key.clone()],
            Self::ServiceAccount { client_secret, basic, pair } => {
                vec![client_secret.clone(), basic.clone(), pair.clone()]
            }
        }
    }

    /// No API key and no client id has a colon.
    fn plain(text: &str) -> Result<Self, SecretError> {
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        match text.split_once(':') {
            Some((id, secret)) => Self::service_account(id, secret),
            None if is_token(text) => Ok(Self::ApiKey(text.into())),
            None => Err(SecretError::Characters),
        }
    }

    fn service_account(id: &str, secret: &str) -> Result<Self, SecretError> {
        if id.is_empty() || secret.is_empty() {
            return Err(SecretError::Empty);
        }
        if !is_token(id) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Characters);
        }
        let pair = format!("{id}:{secret}");
        Ok(Self::ServiceAccount {
            client_secret: secret.into(),
            basic: STANDARD.encode(&pair).into(),
            pair: pair.into(),
        })
    }
}

/// `text` without the white space and the pairs of quotes around it.
fn bare(text: &str) -> &str {
    // The first is what some editors begin a file with.
    let text = text.trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace());
    let quoted = ['"', '\''].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q));
    quoted.map_or(text, bare)
}

/// Whether it is made of the characters that keys, identifiers and tokens are made of (RFC 9110's
/// `token68`).
fn is_token(text: &str) -> bool {
    let text = text.trim_end_matches('=');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

#[cfg(test)]
#[expect(clippy::panic, reason = "tests")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credentials, SecretError> {
        Credentials::parse(&text.into())
    }

    #[test]
    fn each_shape_is_read_whatever_is_around_it() {
        let around = |text: &str| {
            [
                text.to_owned(),
                format!(" {text}\r\n"),
                format!("\"{text}\""),
                format!("'{text}'\n"),
                format!("' \"{text}\" '"),
                format!("\u{feff}{text}"),
            ]
        };
        for shape in ["jca_key", r#"{"api_key":"jca_key"}"#, r#"{"api_key":" 'jca_key' "}"#] {
            for text in around(shape) {
                let Ok(Credentials::ApiKey(key)) = parse(&text) else { panic!("{text}") };
                assert_eq!(key.expose_secret(), "jca_key", "{text}");
            }
        }
        for shape in [
            "me:s3:cret",
            r#"{"api_key":"me:s3:cret"}"#,
            r#"{"client_id":"me","client_secret":"s3:cret"}"#,
            r#"{"client_id":"\"me\"","client_secret":" s3:cret"}"#,
        ] {
            for text in around(shape) {
                let Ok(account) = parse(&text) else { panic!("{text}") };
                let forms = account.forms();
                let forms: Vec<_> = forms.iter().map(|form| form.expose_secret()).collect();
                assert_eq!(forms, ["s3:cret", "bWU6czM6Y3JldA==", "me:s3:cret"], "{text}");
            }
        }
    }

    #[test]
    fn an_invalid_secret_is_reported_without_showing_it() {
        for (text, error) in [
            ("  ", SecretError::Empty),
            (" '\"\"' ", SecretError::Empty),
            (":canary", SecretError::Empty),
            ("canary:", SecretError::Empty),
            ("{}", SecretError::Shape),
            (r#"{"client_id":"me"}"#, SecretError::Shape),
            (r#"{"api_key":"canary""#, SecretError::Shape),
            (r#"{"api_key":"canary","client_id":"a","client_secret":"b"}"#, SecretError::Shape),
            (r#"{"api_key":""}"#, SecretError::Empty),
            (r#"{"client_id":"can:ary","client_secret":"b"}"#, SecretError::Characters),
            ("can\nary", SecretError::Characters),
            ("canary two", SecretError::Characters),
            ("canary:t wo", SecretError::Characters),
            ("\"canary", SecretError::Characters),
            ("\"", SecretError::Characters),
            ("KEY=canary", SecretError::Characters),
            ("[\"canary\"]", SecretError::Characters),
            ("canäry", SecretError::Characters),
            ("====", SecretError::Characters),
        ] {
            let Err(found) = parse(text) else { panic!("{text}") };
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("canary"));
        }
        for text in ["canary", "id:canary"] {
            let shown = format!("{:?}", parse(text));
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
