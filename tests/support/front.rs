//! The front of all AWS services: sees every request whole before the service does, numbers and
//! notes it, and can make one of them, or all from one on, fail in a chosen way. It refuses what the
//! account's policies refuse.

use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use hyper::{Method, Request};
use tokio::sync::watch;

use super::account::Account;
use super::http::{Answer, answer};

/// An AWS service of the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    S3,
    SecretsManager,
    Sqs,
}

/// What happens to a request instead of being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The function is killed and the service never sees the request.
    Kill,
    /// The service acts, and the function is killed before it learns of it.
    KillAfter,
    /// The connection is closed and the service never sees the request.
    Cut,
    /// The service acts, and the connection is closed without an answer.
    CutAfter,
    /// Answered 500; the service never sees the request.
    Answer500,
    /// Kept back until [`Front::release`], then served.
    Hold,
}

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The ordinal of the request it meets, from 0, over all services.
    pub at: usize,
    pub way: Way,
    /// Whether it meets every later request too, until [`Front::heal`].
    pub lasting: bool,
}

/// One request, as it came by.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The operation's name in AWS's documentation.
    pub operation: String,
    /// Bucket and key, or the item's partition key; empty where there is none.
    pub target: String,
    /// What the service answered; absent if it never saw the request.
    pub status: Option<u16>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    fault: Option<Fault>,
    met: usize,
    victim: Option<Arc<Mutex<Child>>>,
}

/// See the module.
pub struct Front {
    state: Mutex<State>,
    /// Whose policies hold; without it there is one rule: what could overwrite is refused.
    pub account: OnceLock<Account>,
    /// How many requests are held, and whether they may go on.
    held: watch::Sender<(usize, bool)>,
}

impl Default for Front {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            account: OnceLock::new(),
            held: watch::Sender::new((0, false)),
        }
    }
}

impl Front {
    /// Serves one request through `forward`, or lets the armed fault have it; `None` is a cut.
    ///
    /// What was forwarded is finished even if the caller goes away: a killed client takes no
    /// write back that the service has begun.
    pub async fn pass<F>(
        &self,
        service: Service,
        request: &Request<Bytes>,
        forward: F,
    ) -> Option<Answer>
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (ordinal, way) = self.note(service, request);
        match way {
            Some(Way::Kill) => {
                self.kill();
                return None;
            }
            Some(Way::Cut) => return None,
            Some(Way::Answer500) => return Some(internal_error(service)),
            Some(Way::Hold) => self.hold().await,
            Some(Way::KillAfter | Way::CutAfter) | None => {}
        }
        let answer = match self.refuses(service, request) {
            Some(refusal) => refusal,
            None => {
                let answer = tokio::spawn(forward).await.expect("a stand-in of AWS does not panic");
                match self.account.get() {
                    Some(account) => account.answers(service, request, answer),
                    None => answer,
                }
            }
        };
        self.state().seen[ordinal].status = Some(answer.status().as_u16());
        match way {
            Some(Way::KillAfter) => {
                self.kill();
                None
            }
            Some(Way::CutAfter) => None,
            _ => Some(answer),
        }
    }

    fn refuses(&self, service: Service, request: &Request<Bytes>) -> Option<Answer> {
        if let Some(account) = self.account.get() {
            return account.refuses(service, request);
        }
        let is_put = service == Service::S3 && *request.method() == Method::PUT;
        let may_overwrite = request.headers().get("if-none-match").is_none_or(|it| it != "*");
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        (is_put && may_overwrite).then(|| answer(403, "application/xml", denied))
    }

    /// Arms one fault in place of any other.
    pub fn arm(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some(fault);
        state.met = 0;
    }

    /// How many requests the armed fault met so far.
    pub fn met(&self) -> usize {
        self.state().met
    }

    /// Disarms the fault and says how many requests it met.
    pub fn heal(&self) -> usize {
        let mut state = self.state();
        state.fault = None;
        std::mem::take(&mut state.met)
    }

    /// Waits until a request is held; pair it with something that ends if none ever is.
    pub async fn until_held(&self) {
        self.held.subscribe().wait_for(|(held, _)| *held > 0).await.expect("the front lives");
    }

    /// Lets held requests go on, now and from now on.
    pub fn release(&self) {
        self.held.send_modify(|(_, free)| *free = true);
    }

    /// How many requests came by so far: the ordinal of the next one.
    pub fn count(&self) -> usize {
        self.state().seen.len()
    }

    /// Everything that came by so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Bucket and key of every object whose creation the service confirmed, in order of arrival.
    pub fn created(&self) -> Vec<String> {
        let created = |seen: &&Seen| seen.operation == "PutObject" && seen.status == Some(200);
        self.state().seen.iter().filter(created).map(|seen| seen.target.clone()).collect()
    }

    /// Starts the process that [`Way::Kill`] kills; no request of its comes by before it is known.
    pub fn spawn_victim(&self, spawn: impl FnOnce() -> Child) -> Arc<Mutex<Child>> {
        let mut state = self.state();
        let child = Arc::new(Mutex::new(spawn()));
        state.victim = Some(Arc::clone(&child));
        child
    }

    fn note(&self, service: Service, request: &Request<Bytes>) -> (usize, Option<Way>) {
        let (operation, target) = name(service, request);
        let mut state = self.state();
        let ordinal = state.seen.len();
        state.seen.push(Seen { operation, target, status: None });
        let meets = |fault: &Fault| ordinal == fault.at || (fault.lasting && ordinal > fault.at);
        let way = state.fault.filter(meets).map(|fault| fault.way);
        state.met += usize::from(way.is_some());
        (ordinal, way)
    }

    async fn hold(&self) {
        self.held.send_modify(|(held, _)| *held += 1);
        self.held.subscribe().wait_for(|(_, free)| *free).await.expect("the front lives");
    }

    fn kill(&self) {
        let victim = self.state().victim.clone().expect("a function was started");
        victim
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .kill()
            .expect("a child can be killed");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Operation and target of a request.
fn name(service: Service, request: &Request<Bytes>) -> (String, String) {
    if service == Service::S3 {
        return (
            s3_operation(request).to_owned(),
            request.uri().path().trim_start_matches('/').to_owned(),
        );
    }
    let operation = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = operation.and_then(|target| target.split('.').next_back()).unwrap_or_default();
    let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let target = body["Key"]["stream"]["S"].as_str().or_else(|| body["SecretId"].as_str());
    (operation.to_owned(), target.unwrap_or_default().to_owned())
}

fn s3_operation(request: &Request<Bytes>) -> &'static str {
    let listed = request.uri().query().is_some_and(|query| query.contains("list-type=2"));
    match *request.method() {
        Method::PUT => "PutObject",
        Method::HEAD => "HeadObject",
        Method::GET if listed => "ListObjectsV2",
        Method::GET => "GetObject",
        _ => "other",
    }
}

fn internal_error(service: Service) -> Answer {
    match service {
        Service::S3 => answer(
            500,
            "application/xml",
            "<Error><Code>InternalError</Code><Message>try again</Message></Error>",
        ),
        Service::DynamoDb => answer(
            500,
            "application/x-amz-json-1.0",
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"try again"}"#,
        ),
        Service::Sqs => answer(
            500,
            "application/x-amz-json-1.0",
            r#"{"__type":"com.amazonaws.sqs#InternalError","message":"try again"}"#,
        ),
        Service::SecretsManager => answer(
            500,
            "application/x-amz-json-1.1",
            r#"{"__type":"InternalServiceError","Message":"try again"}"#,
        ),
    }
}
