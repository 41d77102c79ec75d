//! The log of requests and answers, which tests read afterwards.

use serde_json::{Map, Value};

use super::credentials::{CredentialKind, Credentials, credential_kind};
use crate::wire::{Answer, Delivery, Request};

/// The host of JumpCloud to which a path belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Directory Insights: `/insights/directory/v1`.
    Insights,
    /// The console: `/api`.
    Console,
    /// The token endpoint: `/oauth2`.
    OAuth,
    /// Not a host of JumpCloud: no request should be sent there.
    Elsewhere,
}

impl Host {
    /// The host a path belongs to.
    pub(crate) fn of(route: &str) -> Self {
        let is_under = |prefix: &str| {
            route.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if is_under("/insights/directory/v1") {
            Self::Insights
        } else if is_under("/api") {
            Self::Console
        } else if is_under("/oauth2") {
            Self::OAuth
        } else {
            Self::Elsewhere
        }
    }
}

/// One request and its answer. It contains no secret: only kind and name of the credential.
#[derive(Debug, Clone)]
pub struct Record {
    /// Counts from 0.
    pub number: usize,
    /// Virtual time, UTC milliseconds.
    pub at_ms: i64,
    /// The method.
    pub method: String,
    /// The path with its query string.
    pub path: String,
    /// The host to which the path belongs.
    pub host: Host,
    /// How the client identified itself, if it did.
    pub credential_kind: Option<CredentialKind>,
    /// The name of the key, or the client id; `unknown` if the mock does not know it.
    pub credential: Option<String>,
    /// The values of `x-org-id`.
    pub organizations: Vec<String>,
    /// The value of `x-provider-id`.
    pub provider: Option<String>,
    /// The names of all headers, in lower case.
    pub header_names: Vec<String>,
    /// Whether gzip was offered.
    pub offers_gzip: bool,
    /// The body, if it is a JSON object. Never that of a token request.
    pub body: Option<Map<String, Value>>,
    /// The status answered; 0 for a reset connection.
    pub status: u16,
    /// Rows served.
    pub rows: usize,
    /// The `X-Search_after` served.
    pub token_served: Option<String>,
    /// How the answer was delivered.
    pub delivery: Delivery,
}

impl Record {
    /// A record of a request; what was answered is added by [`Record::answered`].
    pub(crate) fn of(number: usize, at_ms: i64, request: &Request, known: &Credentials) -> Self {
        let host = Host::of(request.route());
        let body = match host {
            Host::OAuth => None,
            _ => serde_json::from_slice(&request.body).ok(),
        };
        Self {
            number,
            at_ms,
            method: request.method.clone(),
            path: request.path.clone(),
            host,
            credential_kind: credential_kind(request),
            credential: known.name_of(request),
            organizations: request.header_values("x-org-id").map(str::to_owned).collect(),
            provider: request.header("x-provider-id").map(str::to_owned),
            header_names: request.headers.iter().map(|(name, _)| name.to_lowercase()).collect(),
            offers_gzip: offers_gzip(request),
            body,
            status: 0,
            rows: 0,
            token_served: None,
            delivery: Delivery::Whole,
        }
    }

    /// The same record with what was answered.
    pub(crate) fn answered(mut self, answer: &Answer) -> Self {
        self.status = answer.status;
        self.rows = answer.rows;
        self.token_served = answer.header("x-search_after").map(str::to_owned);
        self.delivery = answer.delivery;
        self
    }
}

/// Whether a request accepts gzip.
pub(crate) fn offers_gzip(request: &Request) -> bool {
    request
        .header_values("accept-encoding")
        .flat_map(|value| value.split(','))
        .any(|coding| coding.trim().split(';').next() == Some("gzip"))
}
