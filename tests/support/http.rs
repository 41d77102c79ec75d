//! The smallest server the emulators need: whole requests in, whole answers out, or no answer.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An answer with its whole body.
pub type Answer = Response<Full<Bytes>>;

/// A server on a loopback port of its own; it ends when this value is dropped.
pub struct Server {
    address: String,
    _connections: JoinSet<Infallible>,
}

impl Server {
    /// Serves `handle`, which gets each request only once its body has arrived whole.
    ///
    /// `None` closes the connection without a byte of an answer.
    pub async fn start<H, F>(handle: H) -> Self
    where
        H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
        F: Future<Output = Option<Answer>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound listener has an address").to_string();
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, Arc::new(handle)));
        Self { address, _connections: connections }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept<H, F>(listener: TcpListener, handle: Arc<H>) -> Infallible
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Option<Answer>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a loopback connection is accepted");
        stream.set_nodelay(true).expect("a TCP socket takes nodelay");
        connections.spawn(serve(stream, Arc::clone(&handle)));
    }
}

/// Serves one connection; a client that goes away in the middle is no error of the server's.
async fn serve<H, F>(stream: TcpStream, handle: Arc<H>)
where
    H: Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    F: Future<Output = Option<Answer>> + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let handle = Arc::clone(&handle);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let answer = handle(Request::from_parts(head, body)).await;
            answer.ok_or_else(|| io::Error::other("cut off"))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// An answer of `status` with a body.
pub fn answer(status: u16, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a valid status");
    let content_type = content_type.parse().expect("a valid content type");
    answer.headers_mut().insert("content-type", content_type);
    answer
}
