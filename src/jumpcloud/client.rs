//! The Directory Insights client: the real [`Insights`].

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use super::auth::{Auth, AuthError, Proof, without};
use super::http::{Answer, BodyLimits, Http, HttpError};
use super::retry;
use crate::limits::{ANSWER_BYTES_MAX, PAGE_INFLATED_BYTES_MAX, PAGE_WIRE_BYTES_MAX, TRIES_MAX};
use crate::page::{Page, PageHeaders, Token};
use crate::ports::{Clock, Insights, InsightsError, Meter, PageRequest};
use crate::stream::Scope;
use crate::time;

/// Asks JumpCloud. Cheap to clone; all clones share connections, credential and pace.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    http: Http,
    auth: Arc<Auth>,
    clock: Arc<dyn Clock>,
    insights_url: String,
    /// Milliseconds the local clock was ahead at the last answer; `NEVER` before the first.
    ahead_ms: AtomicI64,
}

const NEVER: i64 = i64::MIN;

/// For answers that hold numbers.
const COUNT_LIMITS: BodyLimits =
    BodyLimits { wire_bytes: ANSWER_BYTES_MAX, inflated_bytes: ANSWER_BYTES_MAX };

/// Why a try did not give an answer, by what comes next.
enum Failed {
    /// Another try would fail the same way.
    For(InsightsError),
    /// The proof of this generation was refused.
    Unauthorized { generation: u64, message: String },
    /// Another try may succeed, after the time JumpCloud names.
    Now { message: String, wait_ms: Option<u64> },
}

/// The body of a question, as JumpCloud's API description has it.
#[derive(Default, Serialize)]
struct Body<'a> {
    service: &'a [String],
    start_time: String,
    end_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_after: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_value: Option<&'static str>,
}

impl<'a> Body<'a> {
    fn of(request: &'a PageRequest, path: &str) -> Self {
        let ask = &request.ask;
        let window = Self {
            service: &request.query,
            start_time: time::rfc3339(ask.start_ms),
            end_time: time::rfc3339(ask.end_ms),
            ..Self::default()
        };
        match path {
            "/events" => {
                let search_after = ask.token.as_ref().map(Token::json);
                Self { sort: Some("ASC"), limit: Some(ask.limit), search_after, ..window }
            }
            "/events/interval" => {
                Self { interval_unit: Some("h"), interval_value: Some("1"), ..window }
            }
            _ => window,
        }
    }
}

impl Client {
    /// A client for the API at `insights_url`.
    #[must_use]
    pub fn new(http: Http, auth: Arc<Auth>, clock: Arc<dyn Clock>, insights_url: String) -> Self {
        let ahead_ms = AtomicI64::new(NEVER);
        Self(Arc::new(Shared { http, auth, clock, insights_url, ahead_ms }))
    }
}

impl Insights for Client {
    fn page(&self, request: PageRequest) -> BoxFuture<'static, Result<Page, InsightsError>> {
        let shared = Arc::clone(&self.0);
        ByItself::start(async move { shared.page(&request).await })
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let shared = Arc::clone(&self.0);
        ByItself::start(async move {
            let read = |answer: Answer| {
                let count: Result<Count, _> = serde_json::from_slice(&answer.body);
                count.map(|answer| answer.count).map_err(|_| "the answer holds no count".to_owned())
            };
            shared.exchange(&request, "/events/count", COUNT_LIMITS, read).await
        })
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        #[derive(Deserialize)]
        struct Buckets {
            buckets: Vec<Bucket>,
        }
        #[derive(Deserialize)]
        struct Bucket {
            key: i64,
            doc_count: i64,
        }
        let shared = Arc::clone(&self.0);
        ByItself::start(async move {
            let read = |answer: Answer| {
                let found: Result<Buckets, _> = serde_json::from_slice(&answer.body);
                let buckets = found.map_err(|_| "the answer holds no buckets".to_owned())?.buckets;
                Ok(buckets.into_iter().map(|bucket| (bucket.key, bucket.doc_count)).collect())
            };
            shared.exchange(&request, "/events/interval", COUNT_LIMITS, read).await
        })
    }

    fn ahead_ms(&self) -> Option<i64> {
        Some(self.0.ahead_ms.load(Ordering::Relaxed)).filter(|ahead_ms| *ahead_ms != NEVER)
    }
}

impl Shared {
    async fn page(&self, request: &PageRequest) -> Result<Page, InsightsError> {
        let limits =
            BodyLimits { wire_bytes: PAGE_WIRE_BYTES_MAX, inflated_bytes: PAGE_INFLATED_BYTES_MAX };
        let mut differed = false;
        let read = |answer: Answer| {
            let headers = page_headers(&answer.headers);
            let page = Page::parse(answer.body, headers).map_err(|error| error.to_string())?;
            let rows = page.rows().len() as u64;
            match page.headers.count {
                // Once more; if it stays, the array is believed.
                Some(count) if count != rows && !differed => {
                    differed = true;
                    Err(format!("X-Result-Count is {count}, the array has {rows} rows"))
                }
                _ => Ok(page),
            }
        };
        self.exchange(request, "/events", limits, read).await
    }

    /// Makes a request until it is answered: again after a passing failure, and once more with a
    /// new proof after a 401.
    async fn exchange<T>(
        &self,
        request: &PageRequest,
        path: &str,
        limits: BodyLimits,
        mut read: impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, InsightsError> {
        let mut is_renewed = false;
        let mut tried = 0;
        loop {
            let (message, wait_ms) = match self.in_time(request, path, limits, &mut read).await {
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
            if i64::try_from(wait_ms).is_ok_and(|wait_ms| self.left_ms(request) > wait_ms) {
                tracing::debug!(path, tried, wait_ms, message, "asking again");
                self.clock.sleep(wait_ms).await;
                Meter::add(&request.meter.retries, 1);
            } else {
                let seconds = wait_ms / 1_000;
                let text = format!("{message}; to be asked again in {seconds} s, beyond this run");
                return Err(InsightsError::Unavailable(text));
            }
        }
    }

    /// One try, ended at the request's deadline.
    async fn in_time<T>(
        &self,
        request: &PageRequest,
        path: &str,
        limits: BodyLimits,
        read: &mut impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, Failed> {
        let out_of_time = || Failed::For(InsightsError::OutOfTime);
        let left_ms = u64::try_from(self.left_ms(request)).map_err(|_| out_of_time())?;
        let trying = self.attempt(request, path, limits, read);
        let answer = tokio::time::timeout(Duration::from_millis(left_ms), trying).await;
        answer.unwrap_or_else(|_| Err(out_of_time()))
    }

    async fn attempt<T>(
        &self,
        request: &PageRequest,
        path: &str,
        limits: BodyLimits,
        read: &mut impl FnMut(Answer) -> Result<T, String>,
    ) -> Result<T, Failed> {
        let proof = self.auth.proof(&request.scope).await?;
        self.auth.pace().turn(&*self.clock).await;
        Meter::add(&request.meter.requests, 1);
        let (generation, secret) = (proof.generation, proof.secret.clone());
        let sent = self
            .http
            .send(self.request(request, path, proof), limits, |date| self.meet(date))
            .await;
        let answer =
            sent.map_err(|error| self.failed(hidden(error, &secret), generation, &request.scope))?;
        Meter::add(&request.meter.bytes_in, answer.wire_bytes as u64);
        read(answer).map_err(|message| Failed::Now { message, wait_ms: None })
    }

    fn request(&self, request: &PageRequest, path: &str, proof: Proof) -> reqwest::RequestBuilder {
        let builder = self
            .http
            .post(&format!("{}{path}", self.insights_url))
            .header(proof.name, proof.value)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip");
        let builder = match &request.scope {
            Scope::Own => builder,
            Scope::Organization(id) => builder.header("x-org-id", id),
            Scope::Provider(id) => builder.header("x-provider-id", id),
        };
        // A struct of texts and numbers always serialises.
        builder.body(serde_json::to_vec(&Body::of(request, path)).unwrap_or_default())
    }

    /// Takes note of an answer's `Date`: how far is the local clock ahead?
    fn meet(&self, date: &str) {
        if let Some(date_ms) = retry::http_date_ms(date) {
            let ahead_ms = (self.clock.now_ms() - date_ms).max(0);
            self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
        }
    }

    fn failed(&self, error: HttpError, generation: u64, scope: &Scope) -> Failed {
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
                Failed::For(InsightsError::Refused(plain_words(status, message.as_deref(), scope)))
            }
        }
    }

    fn left_ms(&self, request: &PageRequest) -> i64 {
        request.deadline_ms - self.clock.now_ms()
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

/// What a status means and what to do, with JumpCloud's own words where it has any.
fn plain_words(status: StatusCode, message: Option<&str>, scope: &Scope) -> String {
    let code = status.as_u16();
    let whose = match scope {
        Scope::Own => "its own organization".to_owned(),
        Scope::Organization(id) => format!("organization {id}"),
        Scope::Provider(id) => format!("provider {id}"),
    };
    let meaning = match code {
        300..=399 => "JumpCloud redirects to another address, which is not followed".to_owned(),
        400 => "JumpCloud refuses the question".to_owned(),
        402 => format!("Directory Insights is not enabled for {whose}"),
        403 => format!(
            "the credential may not read the events of {whose}; check its role and JUMPCLOUD_REGION"
        ),
        404 => {
            format!("JumpCloud does not know {whose}; check JUMPCLOUD_ORG_IDS and JUMPCLOUD_REGION")
        }
        _ => "JumpCloud gives an answer that is not understood".to_owned(),
    };
    format!("{meaning} ({code}{})", said(message))
}

/// The headers of a page, matched without case, numbers as numbers.
fn page_headers(headers: &HeaderMap) -> PageHeaders {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    PageHeaders {
        limit: text("x-limit").and_then(|text| text.trim().parse().ok()),
        count: text("x-result-count").and_then(|text| text.trim().parse().ok()),
        token: text("x-search_after").and_then(Token::parse),
    }
}

/// A task that makes progress by itself and ends when nobody waits for it any more.
struct ByItself<T>(JoinHandle<Result<T, InsightsError>>);

impl<T: Send + 'static> ByItself<T> {
    fn start(
        future: impl Future<Output = Result<T, InsightsError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, InsightsError>> {
        Box::pin(Self(tokio::spawn(future)))
    }
}

impl<T> Future for ByItself<T> {
    type Output = Result<T, InsightsError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = |_| Err(InsightsError::Unavailable("the request was ended".to_owned()));
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or_else(ended))
    }
}

impl<T> Drop for ByItself<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
