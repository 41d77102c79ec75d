//! HTTP requests to whatever is not AWS: with time-outs, through the proxy, and no redirect is followed.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use reqwest::header::USER_AGENT;
use reqwest::{Method, RequestBuilder, Url};

use crate::limits::{CONNECT_SECONDS, READ_SECONDS};
use crate::proxy::Proxy;

/// The value of `User-Agent`.
const NAME: &str = concat!("jumpcloud-collector/", env!("CARGO_PKG_VERSION"));

/// The HTTP client. There is one per process; clones share connections.
#[derive(Clone)]
pub struct Http(reqwest::Client);

impl Http {
    /// Creates a client with time-outs that follows no redirect, so that a credential is sent only
    /// to the host it is meant for. A proxy only tunnels TLS.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(proxy: Option<&Proxy>) -> Result<Self, reqwest::Error> {
        Self::with_read_timeout(proxy, Duration::from_secs(READ_SECONDS))
    }

    /// The same client, which waits so long for the next bytes of an answer.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn with_read_timeout(
        proxy: Option<&Proxy>,
        read_timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .read_timeout(read_timeout);
        let builder = match proxy {
            None => builder,
            Some(proxy) => builder.proxy(proxy.of_reqwest()),
        };
        Ok(Self(builder.build()?))
    }

    /// Begins a `GET` request.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Begins a `PUT` request.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Begins a `POST` request.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// The user agent is set per request, because a proxy would receive the client's own.
    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.0.request(method, url).header(USER_AGENT, NAME)
    }
}

/// The error and its causes, without the URL, which the caller knows or which nobody may know.
pub fn with_causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = successors(Some(&error as &dyn Error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Whether an address is a loopback address of this machine. Only such addresses may be configured,
/// for tests, so that a credential cannot be sent to another host.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
