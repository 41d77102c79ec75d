//! A request to JumpCloud with its retries, the renewal of its credential, its rate limit, and an
//! explanation of each refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use tokio_util::task::AbortOnDropHandle;

use super::answer::{self, Answer, BodyLimits, HttpError};
use super::auth::{Auth, AuthHeader};
use super::header_gate::HeaderGate;
use super::headers::{date_ms, page_headers, wait_ms};
use super::refusal::{self, Refused};
use super::retry::{self, TryError};
use crate::http::Http;
use engine::cause::Cause;
use engine::limits::TRIES_MAX;
use engine::page::{PageHeaders, Tries};
use engine::ports::{Clock, InsightsError, Meter, Unfetched};
use engine::stream::Scope;

/// Runs a request as a task of its own, so that it progresses while its caller does something else.
/// It is cancelled when its result is dropped.
pub(super) fn spawn<T: Send + 'static>(
    request: impl Future<Output = Result<T, InsightsError>> + Send + 'static,
) -> BoxFuture<'static, Result<T, InsightsError>> {
    let task = AbortOnDropHandle::new(tokio::spawn(request));
    let ended = |_| Err(InsightsError::Unavailable("the request was ended".into()));
    Box::pin(async move { task.await.unwrap_or_else(ended) })
}

/// What all requests of a process share: connections, credential, rate limit, and the measured
/// clock skew.
pub(super) struct Requester {
    http: Http,
    auth: Arc<Auth>,
    clock: Arc<dyn Clock>,
    /// How many milliseconds the local clock was ahead at the last answer; `NEVER` before the
    /// first.
    clock_skew_ms: AtomicI64,
}

const NEVER: i64 = i64::MIN;

/// One request to any of JumpCloud's APIs.
pub(super) struct ApiRequest<'a> {
    /// The URL before the path.
    pub(super) base_url: &'a str,
    /// The path, with its query string.
    pub(super) path: &'a str,
    /// The JSON body of a `POST`; `None` for a `GET`.
    pub(super) body: Option<Vec<u8>>,
    /// The organization that the request names; `None` if it names none.
    pub(super) scope: Option<&'a Scope>,
    /// The largest answer that is accepted.
    pub(super) limits: BodyLimits,
    /// How often it is tried, where there is a smaller request to make instead.
    pub(super) tries: Option<Tries>,
    /// When tries must end, UTC milliseconds of the local clock.
    pub(super) deadline_ms: i64,
    /// Counts what the request costs.
    pub(super) meter: &'a Meter,
    /// Explains a refusal.
    pub(super) meaning: &'a (dyn Fn(Refused) -> String + Send + Sync),
    /// Receives an answer's headers before its body is read.
    pub(super) gate: Option<&'a HeaderGate>,
}

impl Requester {
    pub(super) fn new(http: Http, auth: Arc<Auth>, clock: Arc<dyn Clock>) -> Self {
        Self { http, auth, clock, clock_skew_ms: AtomicI64::new(NEVER) }
    }

    /// How many milliseconds the local clock was ahead of JumpCloud's at the last answer, at least
    /// 0; `None` before the first answer.
    pub(super) fn clock_skew_ms(&self) -> Option<i64> {
        Some(self.clock_skew_ms.load(Ordering::Relaxed)).filter(|skew_ms| *skew_ms != NEVER)
    }

    /// The number of the credential of the last request.
    pub(super) fn credential(&self) -> u64 {
        self.auth.credential()
    }

    /// Makes a request and returns what `read` makes of its answer. It is retried after a transient
    /// failure or an answer that `read` rejects, and once with a new credential after a 401.
    ///
    /// # Errors
    /// [`InsightsError`] of the last failure, when no try is left, a further try cannot help, or
    /// the deadline would pass.
    pub(super) async fn answer<T, E: Into<TryError>>(
        &self,
        request: &ApiRequest<'_>,
        mut read: impl FnMut(Answer) -> Result<T, E>,
    ) -> Result<T, InsightsError> {
        let mut so_far = SoFar::of(request.tries);
        let mut is_renewed = false;
        if so_far.tried > 0 {
            // Before a smaller request there is a wait, too.
            self.wait(request, &so_far, None, None).await?;
        }
        loop {
            let (cause, wait_ms, is_throttled) = match self.in_time(request, &mut read).await {
                Ok(answer) => return Ok(answer),
                Err(TryError::Permanent(error)) => return Err(error),
                Err(TryError::Unauthorized { cause, .. }) if is_renewed => {
                    return Err(InsightsError::Credential(cause));
                }
                Err(TryError::Unauthorized { generation, .. }) => {
                    is_renewed = true;
                    self.auth.renew(generation).await;
                    continue;
                }
                Err(TryError::Transient { cause, wait_ms, is_throttled }) => {
                    (cause, wait_ms, is_throttled)
                }
                Err(TryError::Unfetched { cause, headers, row }) => {
                    so_far.failed += 1;
                    if so_far.is_enough() {
                        so_far.tried += 1;
                        return Err(so_far.unfetched(cause, headers, row));
                    }
                    (cause, None, false)
                }
            };
            so_far.is_throttled = is_throttled;
            so_far.tried += 1;
            if so_far.tried >= TRIES_MAX {
                return Err(so_far.over(cause));
            }
            self.wait(request, &so_far, Some(cause), wait_ms).await?;
        }
    }

    /// Waits before the next try: `asked_ms`, or the usual wait after that number of tries.
    ///
    /// # Errors
    /// The failure of the last try, if the deadline would pass.
    async fn wait(
        &self,
        request: &ApiRequest<'_>,
        so_far: &SoFar,
        cause: Option<Cause>,
        asked_ms: Option<u64>,
    ) -> Result<(), InsightsError> {
        let tried = so_far.tried;
        let backoff_ms = || retry::backoff_ms(tried, self.clock.random());
        let wait_ms = asked_ms.unwrap_or_else(backoff_ms);
        if i64::try_from(wait_ms).is_ok_and(|wait_ms| self.left_ms(request) > wait_ms) {
            let message = cause.as_ref().map(Cause::text);
            tracing::debug!(path = request.path, tried, wait_ms, message, "request is retried");
            self.clock.sleep(wait_ms).await;
            Meter::add(&request.meter.retries, 1);
            return Ok(());
        }
        let seconds = wait_ms.div_ceil(1_000);
        let again = format!("the next try would be in {seconds} s, after the end of this run");
        Err(so_far.over(match cause {
            None => again.into(),
            Some(cause) => Cause::new(format!("{cause}; {again}"), cause),
        }))
    }

    /// Makes one try, which is cancelled at the request's deadline.
    async fn in_time<T, E: Into<TryError>>(
        &self,
        request: &ApiRequest<'_>,
        read: &mut impl FnMut(Answer) -> Result<T, E>,
    ) -> Result<T, TryError> {
        let out_of_time = || TryError::Permanent(InsightsError::OutOfTime);
        let left_ms = u64::try_from(self.left_ms(request)).map_err(|_| out_of_time())?;
        let trying = self.attempt(request, read);
        let answer = tokio::time::timeout(Duration::from_millis(left_ms), trying).await;
        answer.unwrap_or_else(|_| Err(out_of_time()))
    }

    async fn attempt<T, E: Into<TryError>>(
        &self,
        request: &ApiRequest<'_>,
        read: &mut impl FnMut(Answer) -> Result<T, E>,
    ) -> Result<T, TryError> {
        let meter = request.meter;
        let auth = self.auth.header(request.scope).await.inspect_err(|error| {
            if matches!(error, TryError::Permanent(_)) {
                Meter::add(&meter.denied, 1);
            }
        })?;
        self.auth.rate_limiter().acquire(&*self.clock).await;
        Meter::add(&meter.requests, 1);
        let builder = self.build(request).header(&auth.name, &auth.value);
        let answer = self.send(builder, request).await.map_err(|error| {
            count(&error, meter);
            self.try_error(&error, &auth, request.meaning)
        })?;
        Meter::add(&meter.bytes_in, answer.wire_bytes as u64);
        read(answer).map_err(|error| {
            let error = error.into();
            if !matches!(error, TryError::Permanent(_)) {
                Meter::add(&meter.broken, 1);
            }
            error
        })
    }

    fn build(&self, request: &ApiRequest<'_>) -> RequestBuilder {
        let url = format!("{}{}", request.base_url, request.path);
        let builder = match &request.body {
            None => self.http.get(&url),
            Some(body) => {
                self.http.post(&url).header(CONTENT_TYPE, "application/json").body(body.clone())
            }
        };
        let builder = builder.header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip");
        match request.scope {
            None | Some(Scope::Own) => builder,
            Some(Scope::Organization(id)) => builder.header("x-org-id", id),
            Some(Scope::Provider(id)) => builder.header("x-provider-id", id),
        }
    }

    async fn send(
        &self,
        builder: RequestBuilder,
        request: &ApiRequest<'_>,
    ) -> Result<Answer, HttpError> {
        let response = builder.send().await?;
        self.note_date(response.headers());
        let response = answer::ok(response).await?;
        if let Some(gate) = request.gate {
            gate.pass(response.headers()).await;
        }
        answer::body(response, request.limits).await
    }

    fn note_date(&self, headers: &HeaderMap) {
        if let Some(date_ms) = date_ms(headers) {
            let skew_ms = (self.clock.now_ms() - date_ms).max(0);
            self.clock_skew_ms.store(skew_ms, Ordering::Relaxed);
        }
    }

    fn try_error(
        &self,
        error: &HttpError,
        auth: &AuthHeader,
        meaning: &dyn Fn(Refused) -> String,
    ) -> TryError {
        let answer = match error {
            HttpError::Broken(text) => {
                return TryError::unfetched(format!("JumpCloud: {}", auth.redaction.clean(text)));
            }
            HttpError::TooLarge { limit_bytes, headers } => {
                let (limit_bytes, headers) = (*limit_bytes, page_headers(headers));
                return TryError::Permanent(InsightsError::TooLarge { limit_bytes, headers });
            }
            HttpError::Status(answer) => answer,
        };
        let said = answer.said(&auth.redaction);
        let wait_ms = wait_ms(&answer.headers, self.clock.now_ms());
        // A firewall may refuse for a while only.
        let is_for_a_while = answer.status.is_client_error()
            && answer.status != StatusCode::UNAUTHORIZED
            && wait_ms.is_some();
        if retry::is_transient(answer.status) || is_for_a_while {
            let message = format!("JumpCloud answers {said}");
            // Who asks for patience, in whatever form, would not be helped by a smaller request.
            let asks_for_patience = answer.status == StatusCode::TOO_MANY_REQUESTS
                || answer.headers.contains_key(RETRY_AFTER);
            if !asks_for_patience {
                return TryError::unfetched(message);
            }
            return TryError::status(answer.status, message, wait_ms);
        }
        let message = refusal::of_api(answer, &said, meaning);
        if answer.status == StatusCode::UNAUTHORIZED {
            TryError::Unauthorized { generation: auth.generation, cause: message.into() }
        } else {
            TryError::refused(answer.status, message)
        }
    }

    fn left_ms(&self, request: &ApiRequest<'_>) -> i64 {
        request.deadline_ms - self.clock.now_ms()
    }
}

/// The tries of a request until now.
struct SoFar {
    tries: Option<Tries>,
    /// All of them, those before this request among them.
    tried: u32,
    /// Those of this request that one for fewer rows might not have failed.
    failed: u32,
    /// Whether the last one was asked to wait.
    is_throttled: bool,
}

impl SoFar {
    fn of(tries: Option<Tries>) -> Self {
        Self { tries, tried: tries.map_or(0, |tries| tries.made), failed: 0, is_throttled: false }
    }

    /// Whether it is time for a smaller request.
    fn is_enough(&self) -> bool {
        self.tries.is_some_and(|tries| self.failed >= tries.failures)
    }

    /// The request has failed: its tries or its time are used up.
    fn over(&self, cause: Cause) -> InsightsError {
        let cause = self.told(cause);
        if self.is_throttled {
            return InsightsError::Throttled(cause);
        }
        if self.tries.is_some() && self.failed > 0 {
            let Self { tried, failed, .. } = *self;
            let (is_over, headers, row) = (true, None, None);
            let why = Unfetched { cause, tried, failed, is_over, headers, row };
            return InsightsError::Unfetched(Box::new(why));
        }
        InsightsError::Unavailable(cause)
    }

    /// It is time for a smaller request, in this run if a try is left.
    fn unfetched(
        &self,
        cause: Cause,
        headers: Option<PageHeaders>,
        row: Option<Vec<u8>>,
    ) -> InsightsError {
        let Self { tried, failed, .. } = *self;
        let (cause, is_over) = (self.told(cause), tried >= TRIES_MAX);
        let why = Unfetched { cause, tried, failed, is_over, headers, row };
        InsightsError::Unfetched(Box::new(why))
    }

    fn told(&self, cause: Cause) -> Cause {
        match self.tried {
            tried if tried >= TRIES_MAX => {
                Cause::new(format!("{cause}; tried {tried} times"), cause)
            }
            _ => cause,
        }
    }
}

/// Counts a failed try by its kind.
fn count(error: &HttpError, meter: &Meter) {
    let counter = match error {
        HttpError::Broken(_) => &meter.broken,
        HttpError::Status(answer) => match answer.status.as_u16() {
            401 | 403 => &meter.denied,
            429 => &meter.throttled,
            _ if retry::is_transient(answer.status) => &meter.broken,
            _ => return,
        },
        HttpError::TooLarge { .. } => return,
    };
    Meter::add(counter, 1);
}
