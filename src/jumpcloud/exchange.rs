//! A question to JumpCloud, asked until it is answered: the tries, the credential's renewal, the
//! pace, and what each refusal means.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, DATE, HeaderMap};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::SecretString;

use super::auth::{Auth, AuthError, without};
use super::http::{Answer, BodyLimits, Http, HttpError};
use super::opening::Opening;
use super::retry;
use engine::limits::TRIES_MAX;
use engine::page::PageHeaders;
use engine::page::row::PageBody;
use engine::page::token::Token;
use engine::ports::{Clock, InsightsError, Meter};
use engine::stream::Scope;

/// What every question of a process shares: connections, credential, pace, and JumpCloud's clock.
pub(super) struct Exchange {
    http: Http,
    auth: Arc<Auth>,
    clock: Arc<dyn Clock>,
    /// Milliseconds the local clock was ahead at the last answer; `NEVER` before the first.
    ahead_ms: AtomicI64,
}

const NEVER: i64 = i64::MIN;

/// One question, whatever it asks.
pub(super) struct Question<'a> {
    /// For the log.
    pub(super) path: &'a str,
    /// Whose answer is wanted; `None` where the route takes no organization.
    pub(super) scope: Option<&'a Scope>,
    /// How much of an answer is taken.
    pub(super) limits: BodyLimits,
    /// Tries end here, on the local clock.
    pub(super) deadline_ms: i64,
    /// Counts what the question costs.
    pub(super) meter: &'a Meter,
    /// The request but for credential and scope, made anew for each try.
    pub(super) request: &'a (dyn Fn(&Http) -> RequestBuilder + Send + Sync),
    /// What a refusal means, in plain words, by its status.
    pub(super) meaning: &'a (dyn Fn(u16) -> String + Send + Sync),
    /// Where an answer's headers go before its body is read.
    pub(super) opening: Option<&'a Opening>,
}

/// Why a try did not give an answer, by what comes next.
enum Failed {
    /// Another try would fail the same way.
    For(InsightsError),
    /// The proof of this generation was refused.
    Unauthorized { generation: u64, message: String },
    /// Another try may succeed, after the time JumpCloud names.
    Now { message: String, wait_ms: Option<u64> },
}

impl Exchange {
    pub(super) fn new(http: Http, auth: Arc<Auth>, clock: Arc<dyn Clock>) -> Self {
        Self { http, auth, clock, ahead_ms: AtomicI64::new(NEVER) }
    }

    /// How far the local clock was ahead at the last answer; `None` before the first.
    pub(super) fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.ahead_ms.load(Ordering::Relaxed)).filter(|ahead_ms| *ahead_ms != NEVER)
    }

    /// Keeps the bytes of an answer for another.
    pub(super) fn give_back(&self, body: PageBody) {
        self.http.give_back(body);
    }

    /// Asks until `read` has its answer: again after a passing failure or an answer that cannot be
    /// read, and once more with a new proof after a 401.
    pub(super) async fn answer<T>(
        &self,
        question: &Question<'_>,
        mut read: impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, InsightsError> {
        let mut is_renewed = false;
        let mut tried = 0;
        loop {
            let (message, wait_ms) = match self.in_time(question, &mut read).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::Unauthorized { generation, message }) => {
                    if is_renewed {
                        return Err(InsightsError::Refused(message));
                    }
                    is_renewed = true;
                    self.auth.renew(generation).await;
                    continue;
                }
                Err(Failed::Now { message, wait_ms }) => (message, wait_ms),
            };
            tried += 1;
            if tried >= TRIES_MAX {
                return Err(InsightsError::Unavailable(format!("{message}; tried {tried} times")));
            }
            let wait_ms = wait_ms.unwrap_or_else(|| retry::backoff_ms(tried, self.chance()));
            if i64::try_from(wait_ms).is_ok_and(|wait_ms| self.left_ms(question) > wait_ms) {
                tracing::debug!(path = question.path, tried, wait_ms, message, "asking again");
                self.clock.sleep(wait_ms).await;
                Meter::add(&question.meter.retries, 1);
            } else {
                let seconds = wait_ms / 1_000;
                let text = format!("{message}; to be asked again in {seconds} s, beyond this run");
                return Err(InsightsError::Unavailable(text));
            }
        }
    }

    /// One try, ended at the question's deadline.
    async fn in_time<T>(
        &self,
        question: &Question<'_>,
        read: &mut impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, Failed> {
        let out_of_time = || Failed::For(InsightsError::OutOfTime);
        let left_ms = u64::try_from(self.left_ms(question)).map_err(|_| out_of_time())?;
        let trying = self.attempt(question, read);
        let answer = tokio::time::timeout(Duration::from_millis(left_ms), trying).await;
        answer.unwrap_or_else(|_| Err(out_of_time()))
    }

    async fn attempt<T>(
        &self,
        question: &Question<'_>,
        read: &mut impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, Failed> {
        let proof = self.auth.proof(question.scope).await.inspect_err(|error| {
            if matches!(error, AuthError::Refused(_)) {
                Meter::add(&question.meter.denied, 1);
            }
        })?;
        self.auth.pace().turn(&*self.clock).await;
        Meter::add(&question.meter.requests, 1);
        let request = (question.request)(&self.http)
            .header(proof.name, proof.value)
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip");
        let request = match question.scope {
            None | Some(Scope::Own) => request,
            Some(Scope::Organization(id)) => request.header("x-org-id", id),
            Some(Scope::Provider(id)) => request.header("x-provider-id", id),
        };
        let sent = self.sent(question, request).await;
        let answer = sent.map_err(|error| {
            count(&error, question.meter);
            self.failed(hidden(error, &proof.secret), proof.generation, question)
        })?;
        Meter::add(&question.meter.bytes_in, answer.wire_bytes as u64);
        read(answer).map_err(|message| {
            Meter::add(&question.meter.broken, 1);
            Failed::Now { message, wait_ms: None }
        })
    }

    async fn sent(
        &self,
        question: &Question<'_>,
        request: RequestBuilder,
    ) -> Result<Answer, HttpError> {
        let opened = self.http.send(request, |headers| self.meet(headers)).await?;
        if let Some(opening) = question.opening {
            opening.pass(opened.headers()).await;
        }
        self.http.take(opened, question.limits).await
    }

    /// Takes note of an answer's `Date`: how far is the local clock ahead?
    fn meet(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok());
        if let Some(date_ms) = date.and_then(retry::http_date_ms) {
            let ahead_ms = (self.clock.now_ms() - date_ms).max(0);
            self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        }
    }

    fn failed(&self, error: HttpError, generation: u64, question: &Question<'_>) -> Failed {
        match error {
            HttpError::Broken(message) => {
                Failed::Now { message: format!("JumpCloud: {message}"), wait_ms: None }
            }
            HttpError::TooLarge { limit_bytes, headers } => Failed::For(InsightsError::TooLarge {
                limit_bytes,
                token: page_headers(&headers).token,
            }),
            HttpError::Status { status: StatusCode::UNAUTHORIZED, message, .. } => {
                let message =
                    format!("JumpCloud refuses the credential (401{})", said(message.as_deref()));
                Failed::Unauthorized { generation, message }
            }
            HttpError::Status { status, message, headers } if retry::is_passing(status) => {
                let wait_ms = retry::wait_ms(&headers, self.clock.now_ms());
                let message =
                    format!("JumpCloud answers {}{}", status.as_u16(), said(message.as_deref()));
                Failed::Now { message, wait_ms }
            }
            HttpError::Status { status, message, .. } => {
                let meaning = plain_words(status.as_u16(), question.meaning);
                let (code, said) = (status.as_u16(), said(message.as_deref()));
                Failed::For(InsightsError::Refused(format!("{meaning} ({code}{said})")))
            }
        }
    }

    fn left_ms(&self, question: &Question<'_>) -> i64 {
        question.deadline_ms - self.clock.now_ms()
    }

    /// A fraction in `0.0..1.0`.
    fn chance(&self) -> f64 {
        let random = self.clock.random();
        f64::from(u32::from_be_bytes([random[0], random[1], random[2], random[3]]))
            / f64::from(u32::MAX)
    }
}

impl From<AuthError> for Failed {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(message) => Self::For(InsightsError::Refused(message)),
            AuthError::Unavailable { message, wait_ms } => Self::Now { message, wait_ms },
        }
    }
}

/// Counts what was answered instead of what was asked for.
fn count(error: &HttpError, meter: &Meter) {
    let counter = match error {
        HttpError::Broken(_) => &meter.broken,
        HttpError::Status { status, .. } => match status.as_u16() {
            401 | 403 => &meter.denied,
            429 => &meter.throttled,
            _ if retry::is_passing(*status) => &meter.broken,
            _ => return,
        },
        HttpError::TooLarge { .. } => return,
    };
    Meter::add(counter, 1);
}

/// The error, should JumpCloud's message quote the credential, without it.
fn hidden(error: HttpError, secret: &SecretString) -> HttpError {
    match error {
        HttpError::Status { status, message, headers } => {
            let message = message.map(|message| without(secret, &message));
            HttpError::Status { status, message, headers }
        }
        other => other,
    }
}

fn said(message: Option<&str>) -> String {
    message.map(|message| format!(": {message}")).unwrap_or_default()
}

/// What a status means and what to do: the question's own words where they differ from question
/// to question.
fn plain_words(code: u16, meaning: &dyn Fn(u16) -> String) -> String {
    match code {
        300..=399 => "JumpCloud redirects to another address, which is not followed".to_owned(),
        400 => "JumpCloud refuses the question".to_owned(),
        402..=404 => meaning(code),
        _ => "JumpCloud gives an answer that is not understood".to_owned(),
    }
}

/// The headers of a page, matched without case, numbers as numbers.
pub(super) fn page_headers(headers: &HeaderMap) -> PageHeaders {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    PageHeaders {
        limit: text("x-limit").and_then(|text| text.trim().parse().ok()),
        count: text("x-result-count").and_then(|text| text.trim().parse().ok()),
        token: text("x-search_after").and_then(Token::parse),
    }
}
