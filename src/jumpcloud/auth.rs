//! The credential of a request: read from the secret, exchanged for a token if it is a service
//! account, and renewed when JumpCloud refuses it.

use std::sync::{Arc, PoisonError};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::answer::{self, BodyLimits, HttpError};
use super::headers::wait_ms;
use super::rate_limit::RateLimiter;
use super::redaction::Redaction;
use super::refusal;
use super::retry::{TryError, is_transient};
use super::secret::Credentials;
use crate::http::Http;
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
    /// Removes the credentials from what an answer says, in case it quotes them.
    pub(super) redaction: Arc<Redaction>,
}

/// Credentials and token, as far as they are known. There is one per process.
pub struct Auth {
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    http: Http,
    token_url: String,
    rate_limiter: RateLimiter,
    state: Mutex<State>,
    last: std::sync::Mutex<LastKey>,
}

/// The API key of the last header, and how many different ones there were.
#[derive(Default)]
struct LastKey {
    number: u64,
    key: SecretString,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// The credentials, and when they were read (UTC milliseconds).
    credentials: Option<(Credentials, i64)>,
    /// The token, and when it must be renewed (UTC milliseconds).
    token: Option<(SecretString, i64)>,
    /// Has every form of the credentials that were used.
    redaction: Arc<Redaction>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: Option<i64>,
}

impl State {
    fn learn_credentials(&mut self, credentials: Credentials, now_ms: i64) {
        Arc::make_mut(&mut self.redaction).learn(credentials.forms());
        self.credentials = Some((credentials, now_ms));
    }

    /// Keeps the forms of the credentials newest, so that no number of tokens displaces them.
    fn learn_token(&mut self, token: SecretString, renew_ms: i64) {
        let credentials = self.credentials.iter().flat_map(|(credentials, _)| credentials.forms());
        Arc::make_mut(&mut self.redaction).learn([token.clone()].into_iter().chain(credentials));
        self.token = Some((token, renew_ms));
    }
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
        let (state, last) = (Mutex::default(), std::sync::Mutex::default());
        Self { secrets, clock, http, token_url, rate_limiter, state, last }
    }

    /// The number of the API key of the last header: another one for each key that was not the one
    /// before, and 0 before the first.
    pub(super) fn credential(&self) -> u64 {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).number
    }

    fn count(&self, key: &SecretString) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.key.expose_secret() != key.expose_secret() {
            *last = LastKey { number: last.number + 1, key: key.clone() };
        }
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
        match self.header_of(&mut state, &credentials, scope).await {
            // They may have been rotated since they were read.
            Err(TryError::Unauthorized { .. }) => {}
            header => return header,
        }
        let credentials = self.read_secret(&mut state).await?;
        match self.header_of(&mut state, &credentials, scope).await {
            Err(TryError::Unauthorized { cause, .. }) => Err(TryError::credential(cause)),
            header => header,
        }
    }

    /// # Errors
    /// [`TryError::Unauthorized`] if the token endpoint refuses the credentials.
    async fn header_of(
        &self,
        state: &mut State,
        credentials: &Credentials,
        scope: Option<&Scope>,
    ) -> Result<AuthHeader, TryError> {
        let (name, prefix, secret) = match credentials {
            Credentials::ApiKey(key) => {
                self.count(key);
                (HeaderName::from_static("x-api-key"), "", key.clone())
            }
            Credentials::ServiceAccount { .. } if scope == Some(&Scope::Own) => {
                return Err(TryError::credential(
                    "a service account must name its organization: set JUMPCLOUD_ORG_IDS or \
                     JUMPCLOUD_PROVIDER_ID",
                ));
            }
            Credentials::ServiceAccount { basic, .. } => {
                (AUTHORIZATION, "Bearer ", self.token(state, basic).await?)
            }
        };
        let value = sensitive(&format!("{prefix}{}", secret.expose_secret()))?;
        let redaction = Arc::clone(&state.redaction);
        Ok(AuthHeader { name, value, generation: state.generation, redaction })
    }

    /// Drops secret and token after JumpCloud refused a header of this generation. A second call
    /// with the same generation changes nothing.
    pub async fn renew(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            let redaction = std::mem::take(&mut state.redaction);
            *state = State { generation: generation + 1, redaction, ..State::default() };
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
            _ => self.read_secret(state).await,
        }
    }

    async fn read_secret(&self, state: &mut State) -> Result<Credentials, TryError> {
        let secret = self.secrets.read().await.map_err(|error| match error {
            StoreError::Denied(_) | StoreError::Rejected(_) => {
                TryError::credential(Cause::of(error))
            }
            StoreError::Indeterminate(cause) => TryError::transient(cause),
        })?;
        let credentials =
            Credentials::parse(&secret).map_err(|error| TryError::credential(Cause::of(error)))?;
        state.learn_credentials(credentials.clone(), self.clock.now_ms());
        Ok(credentials)
    }

    /// The token, requested again shortly before it expires.
    async fn token(
        &self,
        state: &mut State,
        basic: &SecretString,
    ) -> Result<SecretString, TryError> {
        let now_ms = self.clock.now_ms();
        if let Some((token, _)) = state.token.as_ref().filter(|(_, renew_ms)| now_ms < *renew_ms) {
            return Ok(token.clone());
        }
        let answer = self.fetch_token(state, basic).await?;
        let life_ms = answer.expires_in.unwrap_or(TOKEN_SECONDS).clamp(0, 86_400) * 1_000;
        let early_ms = TOKEN_EARLY_MS.min(life_ms / 2);
        let token = SecretString::from(answer.access_token);
        state.learn_token(token.clone(), now_ms + life_ms - early_ms);
        Ok(token)
    }

    async fn fetch_token(
        &self,
        state: &State,
        basic: &SecretString,
    ) -> Result<TokenAnswer, TryError> {
        let request = self
            .http
            .post(&self.token_url)
            .header(AUTHORIZATION, sensitive(&format!("Basic {}", basic.expose_secret()))?)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&scope=api");
        self.rate_limiter.acquire(&*self.clock).await;
        let sent = async {
            let response = answer::ok(request.send().await?).await?;
            answer::body(response, BodyLimits::same(ANSWER_BYTES_MAX)).await
        };
        let answer = sent.await.map_err(|error| token_error(&error, state, self.clock.now_ms()))?;
        let unread = |cause| {
            TryError::transient(Cause::new(format!("JumpCloud's token endpoint: {cause}"), cause))
        };
        answer.json("token").map_err(unread)
    }
}

/// A header value that is marked sensitive, so that logs do not show it.
fn sensitive(text: &str) -> Result<HeaderValue, TryError> {
    let refused =
        |_| TryError::credential("the credential has characters that a header may not have");
    let mut value = HeaderValue::try_from(text).map_err(refused)?;
    value.set_sensitive(true);
    Ok(value)
}

fn token_error(error: &HttpError, state: &State, now_ms: i64) -> TryError {
    let endpoint = "JumpCloud's token endpoint";
    let redaction = &state.redaction;
    match error {
        HttpError::Broken(text) => {
            TryError::transient(format!("{endpoint}: {}", redaction.clean(text)))
        }
        HttpError::TooLarge { limit_bytes, .. } => TryError::transient(format!(
            "{endpoint}: the answer is larger than {limit_bytes} bytes"
        )),
        HttpError::Status(answer) => {
            let said = answer.said(redaction);
            if is_transient(answer.status) {
                let wait_ms = wait_ms(&answer.headers, now_ms);
                let message = format!("{endpoint} answers {said}");
                return TryError::status(answer.status, message, wait_ms);
            }
            let message = format!("{endpoint}: {} ({said})", refusal::of_token(answer));
            TryError::Unauthorized { generation: state.generation, cause: message.into() }
        }
    }
}
