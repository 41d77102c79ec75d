//! One HTTP exchange: headers in, a bounded body out, no redirect followed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libdeflater::{DecompressionError, Decompressor};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::spare::Spare;
use engine::limits::{
    ANSWER_BYTES_MAX, CONNECT_SECONDS, MESSAGE_BYTES_MAX, MIB, READ_SECONDS, SPARE_PAGES_BYTES_MAX,
};
use engine::page::row::PageBody;

/// The HTTP client; one a process. Clones share connections and buffers.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
    spare: Arc<Mutex<Spare>>,
}

/// An answer with status 200 of which no more than the headers were read.
#[derive(Debug)]
pub struct Opened(Response);

/// A whole answer with status 200.
#[derive(Debug)]
pub struct Answer {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, inflated.
    pub body: Vec<u8>,
    /// Length of the body on the wire.
    pub wire_bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No answer, or half of one.
    #[error("{0}")]
    Broken(String),
    /// The body is over a limit.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit it broke.
        limit_bytes: usize,
        /// The answer's headers.
        headers: Box<HeaderMap>,
    },
    /// Any status but 200.
    #[error("{status}{}", .message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    Status {
        /// The status.
        status: StatusCode,
        /// The `message` of JumpCloud's error object, shortened, where there is one.
        message: Option<String>,
        /// The answer's headers.
        headers: Box<HeaderMap>,
    },
}

/// How much of a body is taken.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// As it comes.
    pub wire_bytes: usize,
    /// Inflated.
    pub inflated_bytes: usize,
}

impl Opened {
    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }
}

impl Http {
    /// A client with time-outs, that follows no redirect and knows no proxy: a credential goes to
    /// the host it is meant for or nowhere.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .read_timeout(Duration::from_secs(READ_SECONDS))
            .user_agent(concat!("jumpcloud-collector/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| HttpError::Broken(chain(&error)))?;
        Ok(Self { client, spare: Arc::new(Mutex::new(Spare::new(SPARE_PAGES_BYTES_MAX))) })
    }

    /// Begins a request for what is at `url`.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url)
    }

    /// Begins a request that puts something at `url`.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.client.put(url)
    }

    /// Begins a request with a body.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client.post(url)
    }

    /// Keeps the bytes of an answer for another.
    pub(super) fn give_back(&self, body: PageBody) {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).give(body);
    }

    /// A buffer for an answer of this length, as far as that is known. Small ones are not worth
    /// keeping.
    fn room(&self, length: Option<usize>) -> Vec<u8> {
        match length {
            Some(length) if length < MIB => Vec::with_capacity(length),
            _ => self.spare.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }

    /// Sends a request and takes its answer.
    ///
    /// # Errors
    /// [`HttpError`]; no message holds a header or a body of ours.
    pub async fn exchange(
        &self,
        request: RequestBuilder,
        limits: BodyLimits,
    ) -> Result<Answer, HttpError> {
        let opened = self.send(request, |_| ()).await?;
        self.take(opened, limits).await
    }

    /// Sends a request and waits for the headers of its answer; those of any answer are given to
    /// `met`.
    ///
    /// # Errors
    /// [`HttpError`]; no message holds a header or a body of ours.
    pub async fn send(
        &self,
        request: RequestBuilder,
        met: impl Fn(&HeaderMap),
    ) -> Result<Opened, HttpError> {
        let response = request.send().await.map_err(|error| HttpError::Broken(chain(&error)))?;
        met(response.headers());
        if response.status() != StatusCode::OK {
            return Err(refused(response).await);
        }
        Ok(Opened(response))
    }

    /// Takes the answer's body.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn take(&self, opened: Opened, limits: BodyLimits) -> Result<Answer, HttpError> {
        let Opened(response) = opened;
        let headers = response.headers().clone();
        let too_large =
            |limit_bytes| HttpError::TooLarge { limit_bytes, headers: Box::new(headers.clone()) };
        let encoding = encoding(&headers);
        let is_plain = matches!(encoding.as_str(), "" | "identity");
        let room = if is_plain { self.room(announced(&response)) } else { Vec::new() };
        let wire = match read(response, limits.wire_bytes, room).await? {
            Some(wire) => wire,
            None => return Err(too_large(limits.wire_bytes)),
        };
        let wire_bytes = wire.len();
        let body = match encoding.as_str() {
            _ if is_plain => wire,
            "gzip" | "x-gzip" => {
                inflate(&wire, limits.inflated_bytes, self.room(Some(inflated_length(&wire))))?
                    .ok_or_else(|| too_large(limits.inflated_bytes))?
            }
            other => {
                return Err(HttpError::Broken(format!(
                    "content encoding `{other}` was not asked for"
                )));
            }
        };
        Ok(Answer { headers, body, wire_bytes })
    }
}

fn announced(response: &Response) -> Option<usize> {
    response.content_length().and_then(|length| usize::try_from(length).ok())
}

/// Reads a body to its end, into `body`; `None` if it is longer than `limit`.
async fn read(
    mut response: Response,
    limit: usize,
    mut body: Vec<u8>,
) -> Result<Option<Vec<u8>>, HttpError> {
    let announced = announced(&response);
    if announced.is_some_and(|length| length > limit) {
        return Ok(None);
    }
    body.clear();
    body.reserve_exact(announced.unwrap_or(0));
    while let Some(chunk) =
        response.chunk().await.map_err(|error| HttpError::Broken(chain(&error)))?
    {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The name of the body's encoding; such names have no case.
fn encoding(headers: &HeaderMap) -> String {
    let name = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    name.unwrap_or("").trim().to_ascii_lowercase()
}

/// How long a gzip member says it is. That is a hint and no promise.
fn inflated_length(wire: &[u8]) -> usize {
    wire.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize)
}

/// Inflates one gzip member into `body`; `None` if it is longer than `limit`. Where the member is
/// wrong about its length, the buffer grows up to the limit.
fn inflate(wire: &[u8], limit: usize, mut body: Vec<u8>) -> Result<Option<Vec<u8>>, HttpError> {
    // An empty buffer is no buffer to libdeflate.
    let mut size = inflated_length(wire).clamp(1, limit);
    loop {
        // What the buffer held before is written over.
        body.resize(size, 0);
        match Decompressor::new().gzip_decompress(wire, &mut body) {
            Ok(length) => {
                body.truncate(length);
                return Ok(Some(body));
            }
            Err(DecompressionError::InsufficientSpace) if size < limit => {
                size = size.saturating_mul(4).clamp(64 * 1024, limit);
            }
            Err(DecompressionError::InsufficientSpace) => return Ok(None),
            Err(DecompressionError::BadData) => {
                return Err(HttpError::Broken(
                    "the answer's gzip data is broken or cut off".to_owned(),
                ));
            }
        }
    }
}

async fn refused(response: Response) -> HttpError {
    let (status, headers) = (response.status(), Box::new(response.headers().clone()));
    let body =
        read(response, ANSWER_BYTES_MAX, Vec::new()).await.ok().flatten().unwrap_or_default();
    HttpError::Status { status, message: message(&body), headers }
}

/// The text of JumpCloud's error object, `{"message":…}`, or of OAuth's.
fn message(body: &[u8]) -> Option<String> {
    let object: serde_json::Value = serde_json::from_slice(body).ok()?;
    let names = ["message", "error_description", "error"];
    let text = names.iter().find_map(|name| object.get(name)?.as_str())?;
    Some(text.chars().filter(|c| !c.is_control()).take(MESSAGE_BYTES_MAX / 2).collect())
}

/// An error and what caused it. `reqwest` puts the URL into its own text; ours holds no secret,
/// but it says nothing the reader does not know.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() {
        // Without its URL.
        text = if error.is_timeout() {
            "timed out".to_owned()
        } else {
            "the exchange failed".to_owned()
        };
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn gzip(raw: &[u8]) -> Vec<u8> {
        let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut gzip = vec![0; compressor.gzip_compress_bound(raw.len())];
        let length = compressor.gzip_compress(raw, &mut gzip).unwrap();
        gzip.truncate(length);
        gzip
    }

    #[test]
    fn gzip_is_inflated_within_its_limit() {
        for raw in [&b""[..], b"[]", &[7; 100_000]] {
            assert_eq!(inflate(&gzip(raw), 100_000, vec![7; 10]).unwrap().unwrap(), raw);
        }
        assert!(inflate(&gzip(&[7; 100_001]), 100_000, Vec::new()).unwrap().is_none());
    }

    #[test]
    fn a_gzip_body_that_lies_about_its_length_is_bounded_all_the_same() {
        let mut bomb = gzip(&[7; 10_000_000]);
        let at = bomb.len() - 4;
        bomb[at..].copy_from_slice(&[1, 0, 0, 0]);
        assert!(!matches!(inflate(&bomb, 100_000, Vec::new()), Ok(Some(_))));
        assert!(inflate(&gzip(&[7; 1_000])[..20], 100_000, Vec::new()).is_err());
    }

    #[test]
    fn messages_are_taken_from_error_objects_only() {
        assert_eq!(message(br#"{"message":"no\nway"}"#).unwrap(), "noway");
        assert_eq!(
            message(br#"{"error":"invalid_client","error_description":"nope"}"#).unwrap(),
            "nope"
        );
        assert_eq!(message(b"<html>"), None);
        assert_eq!(message(br#"{"message":5}"#), None);
    }
}
