//! The credential of a request: read from the secret, exchanged for a token if it is a service
//! account, and renewed when JumpCloud refuses it.

use std::sync::Arc;

use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::headers::wait_ms;
use super::http::{self, BodyLimits, Http, HttpError};
use super::rate_limit::RateLimiter;
use super::retry::{TryError, is_transient};
use super::secret::Credentials;
use crate::limits::{ANSWER_BYTES_MAX, SECRET_AGE_MS_MAX, TOKEN_EARLY_MS};
use engine::cause::Cause;
use engine::ports::{Clock, Secrets, StoreError};
use engine::stream::Scope;

/// The life of a token in seconds if JumpCloud does not state it (its own client assumes this).
const TOKEN_SECONDS: i64 = 3_600;

/// The header that authenticates a request.
#[derive(Debug)]
pub struct AuthHeader {
    /// `x-api-key` or `authorization`.
    pub name: HeaderName,
    /// Marked sensitive.
    pub value: HeaderValue,
    /// The number of the reading of the secret from which it comes; see [`Auth::renew`].
    pub generation: u64,
    /// The secret part of the header, which must be removed from any message of JumpCloud that
    /// quotes it.
    pub secret: SecretString,
}

/// `message` without `secret`.
pub(super) fn without(secret: &SecretString, message: &str) -> String {
    message.replace(secret.expose_secret(), "[secret]")
}

/// Credentials and token, as far as they are known. There is one per process.
pub struct Auth {
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    http: Http,
    token_url: String,
    rate_limiter: RateLimiter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// The credentials, and when they were read (UTC milliseconds).
    credentials: Option<(Credentials, i64)>,
    /// The token, and when it must be renewed (UTC milliseconds).
    token: Option<(SecretString, i64)>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<i64>,
}

impl Auth {
    /// Starts without credentials; the first request reads them.
    #[must_use]
    pub fn new(
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        http: Http,
        token_url: String,
    ) -> Self {
        let rate_limiter = RateLimiter::default();
        Self { secrets, clock, http, token_url, rate_limiter, state: Mutex::default() }
    }

    /// Limits the rate of all requests made with these credentials, those for tokens included.
    pub(super) fn rate_limiter(&self) -> &RateLimiter {
        &self.rate_limiter
    }

    /// The header for a request about `scope`, which is `None` for requests that name no
    /// organization. Concurrent callers share one reading of the secret and one token.
    ///
    /// # Errors
    /// [`TryError::Permanent`] if an operator must correct the secret or what AWS or JumpCloud
    /// allow it, [`TryError::Transient`] otherwise.
    pub async fn header(&self, scope: Option<&Scope>) -> Result<AuthHeader, TryError> {
        let mut state = self.state.lock().await;
        let credentials = self.credentials(&mut state).await?;
        let (name, prefix, secret) = match &credentials {
            Credentials::ApiKey(key) => (HeaderName::from_static("x-api-key"), "", key.clone()),
            Credentials::ServiceAccount { .. } if scope == Some(&Scope::Own) => {
                return Err(TryError::credential(
                    "a service account must name its organization: set JUMPCLOUD_ORG_IDS or \
                     JUMPCLOUD_PROVIDER_ID",
                ));
            }
            Credentials::ServiceAccount { .. } => {
                (AUTHORIZATION, "Bearer ", self.token(&mut state, credentials).await?)
            }
        };
        let value = sensitive(&format!("{prefix}{}", secret.expose_secret()))?;
        Ok(AuthHeader { name, value, generation: state.generation, secret })
    }

    /// Drops secret and token after JumpCloud refused a header of this generation. A second call
    /// with the same generation changes nothing.
    pub async fn renew(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            *state = State { generation: generation + 1, ..State::default() };
        }
    }

    async fn credentials(&self, state: &mut State) -> Result<Credentials, TryError> {
        let now_ms = self.clock.now_ms();
        match &state.credentials {
            Some((credentials, read_ms))
                if (0..SECRET_AGE_MS_MAX).contains(&(now_ms - read_ms)) =>
            {
                Ok(credentials.clone())
            }
            _ => {
                let credentials = self.read_secret().await?;
                state.credentials = Some((credentials.clone(), now_ms));
                Ok(credentials)
            }
        }
    }

    async fn read_secret(&self) -> Result<Credentials, TryError> {
        let secret = self.secrets.read().await.map_err(|error| match error {
            StoreError::Denied(_) | StoreError::Rejected(_) => {
                TryError::credential(Cause::of(error))
            }
            StoreError::Indeterminate(cause) => TryError::transient(cause.to_string()),
        })?;
        Credentials::parse(&secret).map_err(|error| TryError::credential(error.to_string()))
    }

    /// The token, requested again shortly before it expires. If the credentials are refused, they
    /// are read once more, because they may have been rotated.
    async fn token(
        &self,
        state: &mut State,
        credentials: Credentials,
    ) -> Result<SecretString, TryError> {
        let now_ms = self.clock.now_ms();
        if let Some((token, _)) = state.token.as_ref().filter(|(_, renew_ms)| now_ms < *renew_ms) {
            return Ok(token.clone());
        }
        let answer = match self.fetch_token(&credentials).await {
            Err(TryError::Permanent(_)) => {
                let credentials = self.read_secret().await?;
                state.credentials = Some((credentials.clone(), now_ms));
                self.fetch_token(&credentials).await?
            }
            answer => answer?,
        };
        let life_ms = answer.expires_in.unwrap_or(TOKEN_SECONDS).clamp(0, 86_400) * 1_000;
        let early_ms = TOKEN_EARLY_MS.min(life_ms / 2);
        let token = SecretString::from(answer.access_token);
        state.token = Some((token.clone(), now_ms + life_ms - early_ms));
        Ok(token)
    }

    async fn fetch_token(&self, credentials: &Credentials) -> Result<TokenAnswer, TryError> {
        let Credentials::ServiceAccount { client_id, client_secret } = credentials else {
            return Err(TryError::credential("the secret is no longer that of a service account"));
        };
        let pair = format!("{client_id}:{}", client_secret.expose_secret());
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        let basic = sensitive(&basic)?;
        let request = self
            .http
            .post(&self.token_url)
            .header(AUTHORIZATION, basic)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&scope=api");
        self.rate_limiter.acquire(&*self.clock).await;
        let sent = async {
            let response = http::ok(request.send().await?).await?;
            http::body(response, BodyLimits::same(ANSWER_BYTES_MAX)).await
        };
        let answer =
            sent.await.map_err(|error| token_error(&error, client_secret, self.clock.now_ms()))?;
        let unread =
            |message| TryError::transient(format!("JumpCloud's token endpoint: {message}"));
        answer.json("token").map_err(unread)
    }
}

/// A header value that is marked sensitive, so that logs do not show it.
fn sensitive(text: &str) -> Result<HeaderValue, TryError> {
    let refused = |_| TryError::credential("the credential holds characters that no header may");
    let mut value = HeaderValue::try_from(text).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

fn token_error(error: &HttpError, secret: &SecretString, now_ms: i64) -> TryError {
    let message = without(secret, &format!("JumpCloud's token endpoint: {error}"));
    match error {
        HttpError::Status { status, headers, .. } if is_transient(*status) => {
            TryError::Transient { message, wait_ms: wait_ms(headers, now_ms) }
        }
        HttpError::Status { .. } => TryError::credential(message),
        _ => TryError::transient(message),
    }
}
