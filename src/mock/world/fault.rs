//! Faults: what goes wrong, and when.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use crate::wire::{Answer, Delivery, Request};
use crate::world::credentials::credential;

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// This answer instead of the real one.
    Answer(Answer),
    /// An error with this status that quotes the credential of the request.
    QuotedCredential(u16),
    /// The connection is reset before a byte of the answer.
    Reset,
    /// The true answer, cut after this many bytes under the `Content-Length` of the whole.
    CutAfter(usize),
    /// The true answer, compressed, without the last half of the gzip data, with the
    /// `Content-Length` of what is sent.
    TruncatedGzip,
    /// The true answer with a byte 0 in its middle, which is invalid in JSON.
    GarbledJson,
    /// The true answer after this time of silence.
    Stall(Duration),
    /// The true answer under a wrong `Content-Length`.
    WrongContentLength(u64),
    /// `X-Result-Count`, and the counts of `/events/count` and `/events/interval`, are wrong by
    /// this number.
    CountLies(i64),
    /// `X-Result-Count` is not there.
    CountAbsent,
    /// `X-Result-Count` is not a number.
    CountGarbage,
    /// Pages hold at most this many rows, and `X-Limit` says so.
    LimitLowered(usize),
    /// Pages hold at most this many rows, and `X-Limit` is not there.
    LimitLoweredUnsaid(usize),
    /// `X-Limit` is not there.
    LimitAbsent,
    /// This answer instead of a page of more than so many rows.
    LargePage {
        /// The most rows of a page that is answered.
        rows: usize,
        /// What a larger one is answered with.
        answer: Answer,
    },
    /// `X-Search_after` is not there, on full pages only.
    TokenAbsentOnFullPages,
    /// `X-Search_after` is not there.
    TokenAbsent,
    /// A continued page repeats the rows and the token of the previous page.
    TokenRepeated,
    /// `X-Search_after` is not JSON.
    TokenGarbage,
    /// All access tokens issued so far are revoked before the request is handled.
    TokensRevoked,
    /// The first API key is removed before this request, and the second is valid in its place.
    KeyRotated {
        /// The key that is refused from now on.
        old: String,
        /// The key that is valid from now on.
        new: String,
    },
    /// An organization has this user from this request on.
    UserAdded {
        /// The organization.
        organization: String,
        /// The user as lists contain it.
        user: serde_json::Value,
    },
    /// An organization's user with this `_id` is gone from this request on.
    UserRemoved {
        /// The organization.
        organization: String,
        /// The user's `_id`.
        id: String,
    },
}

/// The form of `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds(u64),
    /// An HTTP date, given in UTC milliseconds since 1970.
    Date(u64),
    /// The header is not there.
    Absent,
}

impl Fault {
    /// An error in JumpCloud's own form.
    pub fn error(status: u16, message: &str) -> Self {
        Self::from(Answer::error(status, message))
    }

    /// A page of a proxy: an HTML body under any status, 200 too.
    pub fn html(status: u16) -> Self {
        let body = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1>\
             </center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::from(Answer::new(status, "text/html", body))
    }

    /// The page of a firewall that blocks the client.
    pub fn blocked() -> Self {
        let body = "<html><body><h1>403 Forbidden</h1><p>Your IP has been blocked due to \
                    suspected abuse.</p></body></html>";
        Self::from(Answer::new(403, "text/html", body))
    }

    /// 429 with `Retry-After` in one of its forms.
    pub fn too_many_requests(retry_after: RetryAfter) -> Self {
        let mut answer = Answer::error(429, "Too Many Requests");
        match retry_after {
            RetryAfter::Absent => {}
            RetryAfter::Seconds(seconds) => answer.set_header("Retry-After", &seconds.to_string()),
            RetryAfter::Date(at_ms) => {
                let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(at_ms));
                answer.set_header("Retry-After", &date);
            }
        }
        Self::from(answer)
    }

    /// A redirect with one of 301, 302, 307, 308.
    pub fn redirect(status: u16, location: &str) -> Self {
        let mut answer = Answer::new(status, "text/html", "");
        answer.set_header("Location", location);
        Self::from(answer)
    }

    /// A gateway's time-out for pages of more than so many rows.
    pub fn slow_above(rows: usize) -> Self {
        Self::LargePage { rows, answer: Answer::new(504, "text/html", "<html>504</html>") }
    }

    /// `null` as the page of no rows.
    pub fn null_page() -> Self {
        let mut answer = Answer::json(200, "null");
        answer.set_header("X-Result-Count", "0");
        Self::from(answer)
    }

    /// 200 with an unexpected body: `null`, `{}`, an error object, or an empty one.
    pub fn body(body: &str) -> Self {
        Self::from(Answer::json(200, body.to_owned()))
    }

    /// The answer that replaces the real one, if this fault has one.
    pub(crate) fn replacement(&self, request: &Request) -> Option<Answer> {
        match self {
            Self::Answer(answer) => Some(answer.clone()),
            Self::QuotedCredential(status) => {
                let text = format!("not accepted: {}", credential(request).unwrap_or("nothing"));
                Some(Answer::error(*status, &text))
            }
            Self::Reset => Some(Answer {
                status: 0,
                headers: Vec::new(),
                body: Bytes::new(),
                delivery: Delivery::Reset,
                rows: 0,
            }),
            _ => None,
        }
    }

    /// Damages the delivery of the true answer, if this fault does that.
    pub(crate) fn damage(&self, answer: &mut Answer) {
        match *self {
            Self::CutAfter(length) => answer.delivery = Delivery::CutAfter(length),
            Self::Stall(duration) => answer.delivery = Delivery::Stall(duration),
            Self::WrongContentLength(length) => {
                answer.delivery = Delivery::WrongContentLength(length);
            }
            Self::GarbledJson => {
                let mut body = answer.body.to_vec();
                body.insert(body.len() / 2, 0);
                answer.body = body.into();
            }
            Self::TruncatedGzip => {
                compress(answer);
                answer.body.truncate(answer.body.len() / 2);
            }
            _ => {}
        }
    }
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// Compresses a body with gzip, unless it is already.
pub(crate) fn compress(answer: &mut Answer) {
    if answer.header("content-encoding").is_some() {
        return;
    }
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut compressed = vec![0; compressor.gzip_compress_bound(answer.body.len())];
    // The buffer has the size libdeflate asks for, so this cannot fail; if it did, the answer
    // would stay as it is, which is right too.
    if let Ok(length) = compressor.gzip_compress(&answer.body, &mut compressed) {
        compressed.truncate(length);
        answer.body = compressed.into();
        answer.set_header("Content-Encoding", "gzip");
    }
}

/// When a rule applies, counted over the matching requests since it was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// On every request.
    Always,
    /// On the nth request only, the first being 1.
    Nth(u64),
    /// On the next so many requests.
    Next(u64),
}

/// A fault, the requests that it matches, and when it applies.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    when: When,
    path_end: Option<String>,
    organization: Option<String>,
    service: Option<String>,
    seen: u64,
}

impl Rule {
    /// A rule for every request to any path.
    pub fn new(fault: Fault, when: When) -> Self {
        Self { fault, when, path_end: None, organization: None, service: None, seen: 0 }
    }

    /// The same rule for paths that end so, such as `/events`.
    #[must_use]
    pub fn on(mut self, path_end: &str) -> Self {
        self.path_end = Some(path_end.to_owned());
        self
    }

    /// The same rule for requests that name this organization in `x-org-id`.
    #[must_use]
    pub fn for_organization(mut self, id: &str) -> Self {
        self.organization = Some(id.to_owned());
        self
    }

    /// The same rule for requests whose service list has this name in it.
    #[must_use]
    pub fn for_service(mut self, name: &str) -> Self {
        self.service = Some(name.to_owned());
        self
    }

    /// Counts a request if the rule matches it, and returns the fault if it is due.
    pub(crate) fn meets(&mut self, request: &Request) -> Option<&Fault> {
        let is_path = self.path_end.as_ref().is_none_or(|end| request.route().ends_with(end));
        let is_organization = self
            .organization
            .as_ref()
            .is_none_or(|id| request.header_values("x-org-id").any(|asked| asked == id));
        let is_service = self.service.as_ref().is_none_or(|name| names_service(request, name));
        if !(is_path && is_organization && is_service) {
            return None;
        }
        self.seen += 1;
        let is_due = match self.when {
            When::Always => true,
            When::Nth(number) => self.seen == number,
            When::Next(count) => self.seen <= count,
        };
        is_due.then_some(&self.fault)
    }
}

/// Whether a request asks for events of the service.
fn names_service(request: &Request, name: &str) -> bool {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body["service"].as_array().is_some_and(|names| names.iter().any(|asked| asked == name))
}
