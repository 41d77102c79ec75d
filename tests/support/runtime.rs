//! The Lambda Runtime API of one function process.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::Request;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, watch};

use super::http::{Answer, Server, answer};

const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:111122223333:function:jumpcloud-collector";

/// What the function said about an invocation, or about its own start.
#[derive(Clone, Debug)]
pub enum Said {
    Response(Value),
    Error(Value),
}

struct Invocation {
    id: String,
    event: String,
    deadline_ms: u128,
}

struct State {
    queue: Mutex<mpsc::UnboundedReceiver<Invocation>>,
    said: mpsc::UnboundedSender<Said>,
    first_next: watch::Sender<Option<Instant>>,
}

/// See the module.
pub struct Runtime {
    server: Server,
    queue: mpsc::UnboundedSender<Invocation>,
    said: Mutex<mpsc::UnboundedReceiver<Said>>,
    first_next: watch::Receiver<Option<Instant>>,
}

impl Runtime {
    /// Starts an API with nothing to do.
    pub async fn start() -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        let (say, said) = mpsc::unbounded_channel();
        let (first_next, first_next_seen) = watch::channel(None);
        let state = Arc::new(State { queue: Mutex::new(queued), said: say, first_next });
        let server = Server::start(move |request| serve(Arc::clone(&state), request)).await;
        Self { server, queue, said: Mutex::new(said), first_next: first_next_seen }
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Enqueues one invocation that must end within `limit`.
    pub fn enqueue(&self, event: &str, limit: Duration) {
        let deadline = SystemTime::now() + limit;
        let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
        let id = format!("{:032x}", fastrand::u128(..));
        let event = event.to_owned();
        let invocation = Invocation { id, event, deadline_ms: deadline.as_millis() };
        self.queue.send(invocation).expect("the API is up");
    }

    /// Waits for the next thing the function says.
    pub async fn said(&self) -> Said {
        self.said.lock().await.recv().await.expect("the API is up")
    }

    /// What the function said already, if anything.
    pub async fn said_already(&self) -> Option<Said> {
        self.said.lock().await.try_recv().ok()
    }

    /// Waits until the function asks for its first invocation, and says when it did.
    pub async fn first_next(&self) -> Instant {
        let mut first = self.first_next.clone();
        let at = *first.wait_for(Option::is_some).await.expect("the API is up");
        at.expect("waited for it")
    }
}

async fn serve(state: Arc<State>, request: Request<Bytes>) -> Option<Answer> {
    let path = request.uri().path().strip_prefix("/2018-06-01/runtime/")?.to_owned();
    if path == "invocation/next" {
        return next(&state).await;
    }
    let body = serde_json::from_slice(request.body())
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(request.body()).into_owned()));
    let said = match path.rsplit('/').next() {
        Some("response") => Said::Response(body),
        Some("error") => Said::Error(body),
        _ => return Some(answer(404, "application/json", "{}")),
    };
    state.said.send(said).ok()?;
    Some(answer(202, "application/json", r#"{"status":"OK"}"#))
}

async fn next(state: &State) -> Option<Answer> {
    state
        .first_next
        .send_if_modified(|first| first.replace(first.unwrap_or_else(Instant::now)).is_none());
    let Invocation { id, event, deadline_ms } = state.queue.lock().await.recv().await?;
    let mut answer = answer(200, "application/json", event);
    let trace = format!("Root=1-{}-{};Sampled=0", &id[..8], &id[8..]);
    for (name, value) in [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", FUNCTION_ARN.to_owned()),
        ("lambda-runtime-trace-id", trace),
    ] {
        answer.headers_mut().insert(name, value.parse().expect("a header value"));
    }
    Some(answer)
}
