//! The mock as an HTTP/1.1 server on the loopback interface. All hosts share one port.

mod body;

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::respond;
use crate::wire::{Answer, Delivery, Request};
use crate::world::World;
use crate::world::behaviour::HeaderSpelling;
use body::{Cut, pause, scripted};

/// Returns the virtual time, UTC milliseconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A running server. Dropping it closes its port and its connections.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    /// Ends when it is dropped.
    _accepting: JoinSet<()>,
}

impl MockServer {
    /// Starts a server on 127.0.0.1 and any free port.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(world: World, clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let world = Arc::new(Mutex::new(world));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&world), clock));
        Ok(Self { address, world, _accepting: accepting })
    }

    /// The base of Directory Insights: `http://127.0.0.1:PORT/insights/directory/v1`.
    pub fn insights_url(&self) -> String {
        format!("http://{}/insights/directory/v1", self.address)
    }

    /// The console, without a path: `http://127.0.0.1:PORT`.
    pub fn console_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token endpoint: `http://127.0.0.1:PORT/oauth2/token`.
    pub fn token_url(&self) -> String {
        format!("http://{}/oauth2/token", self.address)
    }

    /// The world behind the server, to load events, set faults and read the log. The server
    /// answers nothing while the guard is held; do not hold it across an `await`.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }
}

/// A panic while the lock was held leaves the world usable, because every change to it is complete.
fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections until it is aborted; its connections end with it.
async fn accept(listener: TcpListener, world: Arc<Mutex<World>>, clock: Clock) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, Arc::clone(&world), Arc::clone(&clock)));
            }
            Err(error) => tracing::debug!(%error, "connection was not accepted"),
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, world: Arc<Mutex<World>>, clock: Clock) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection keeps its delay");
    }
    let is_titled = lock(&world).behaviours.header_spelling == HeaderSpelling::Documented;
    let is_reset = AtomicBool::new(false);
    let service = service_fn(|request| Box::pin(serve_request(request, &world, &clock, &is_reset)));
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .title_case_headers(is_titled)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = poll_fn(|context| connection.poll_without_shutdown(context)).await {
        tracing::debug!(%error, "connection ended early");
    }
    if is_reset.load(Ordering::Relaxed) {
        let stream = connection.into_parts().io.into_inner();
        if let Err(error) = stream.set_zero_linger() {
            tracing::debug!(%error, "connection is closed instead of reset");
        }
    }
}

/// Answers one request.
///
/// # Errors
///
/// If the connection is to be reset, or the request's body did not arrive.
async fn serve_request(
    request: hyper::Request<Incoming>,
    world: &Mutex<World>,
    clock: &Clock,
    is_reset: &AtomicBool,
) -> Result<hyper::Response<UnsyncBoxBody<Bytes, Cut>>, Cut> {
    let (parts, incoming) = request.into_parts();
    let body = incoming.collect().await.map_err(|_| Cut)?.to_bytes();
    let request = received(&parts, body);
    let (answer, latency) = {
        let mut world = lock(world);
        (respond(&mut world, clock(), &request), world.behaviours.latency)
    };
    if !latency.is_zero() {
        pause(latency).await;
    }
    match answer.delivery {
        Delivery::Reset => {
            is_reset.store(true, Ordering::Relaxed);
            return Err(Cut);
        }
        Delivery::Stall(duration) => pause(duration).await,
        _ => {}
    }
    Ok(response(answer))
}

fn received(parts: &hyper::http::request::Parts, body: Bytes) -> Request {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    Request {
        method: parts.method.as_str().to_owned(),
        path: path.to_owned(),
        headers: headers.collect(),
        body,
    }
}

fn response(answer: Answer) -> hyper::Response<UnsyncBoxBody<Bytes, Cut>> {
    let told_length = match answer.delivery {
        Delivery::CutAfter(_) => Some(answer.body.len().to_string()),
        Delivery::WrongContentLength(length) => Some(length.to_string()),
        Delivery::Whole | Delivery::Chunked | Delivery::Reset | Delivery::Stall(_) => None,
    };
    let mut response = hyper::Response::new(scripted(answer.body, answer.delivery));
    // An invalid status or header can only come from a fault of a test. It is logged, and the rest
    // of the answer is sent.
    match StatusCode::from_u16(answer.status) {
        Ok(status) => *response.status_mut() = status,
        Err(error) => tracing::warn!(%error, status = answer.status, "status cannot be sent"),
    }
    let length = told_length.map(|length| ("Content-Length".to_owned(), length));
    for (name, value) in answer.headers.into_iter().chain(length) {
        match (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => {
                response.headers_mut().append(name, value);
            }
            _ => tracing::warn!(name, "header cannot be sent"),
        }
    }
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[expect(clippy::disallowed_methods, reason = "what a real server does takes real time")]
mod tests;
