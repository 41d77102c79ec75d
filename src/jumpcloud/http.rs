//! HTTP requests: bodies are bounded, and redirects are not followed.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use libdeflater::{DecompressionError, Decompressor};
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::headers::encoding;
use crate::limits::{ANSWER_BYTES_MAX, CONNECT_SECONDS, READ_SECONDS};
use engine::limits::MESSAGE_BYTES_MAX;

/// The HTTP client. There is one per process; clones share connections.
#[derive(Clone, Debug)]
pub struct Http(reqwest::Client);

/// A complete answer with status 200.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    /// The body, decompressed.
    pub(super) body: Vec<u8>,
    /// Length of the body as received, in bytes.
    pub(super) wire_bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// There was no answer, or an incomplete one.
    #[error("{0}")]
    Broken(String),
    /// The body is larger than a limit.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
        /// The answer's headers.
        headers: Box<HeaderMap>,
    },
    /// The answer has another status than 200.
    #[error("{status}{}", .message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    Status {
        /// The status.
        status: StatusCode,
        /// The `message` of JumpCloud's error object, shortened, if there is one.
        message: Option<String>,
        /// The answer's headers.
        headers: Box<HeaderMap>,
    },
}

/// The largest allowed length of a body in bytes, inclusive.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyLimits {
    /// As received.
    pub(super) wire_bytes: usize,
    /// After decompression.
    pub(super) inflated_bytes: usize,
}

impl BodyLimits {
    /// The same limit before and after inflating.
    pub(super) const fn same(bytes: usize) -> Self {
        Self { wire_bytes: bytes, inflated_bytes: bytes }
    }
}

impl Answer {
    /// Reads the body as JSON. `what` names the expected content in the error.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|_| format!("the answer has no valid {what}"))
    }
}

impl From<reqwest::Error> for HttpError {
    /// The error and its causes, without the URL, which the caller knows.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let causes = successors(Some(&error as &dyn Error), |error| (*error).source());
        Self::Broken(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

impl Http {
    /// Creates a client with time-outs that follows no redirect and uses no proxy, so that a
    /// credential is sent only to the host it is meant for.
    ///
    /// # Errors
    /// [`HttpError::Broken`] if TLS cannot be set up.
    pub fn new() -> Result<Self, HttpError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            .read_timeout(Duration::from_secs(READ_SECONDS))
            .user_agent(concat!("jumpcloud-collector/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// Begins a `GET` request.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.0.get(url)
    }

    /// Begins a `PUT` request.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.0.put(url)
    }

    /// Begins a `POST` request.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.0.post(url)
    }
}

/// The response if its status is 200.
///
/// # Errors
/// [`HttpError::Status`] for any other status.
pub(super) async fn ok(response: Response) -> Result<Response, HttpError> {
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let (status, headers) = (response.status(), Box::new(response.headers().clone()));
    let body = read(response, ANSWER_BYTES_MAX).await.ok().flatten().unwrap_or_default();
    Err(HttpError::Status { status, message: message(&body), headers })
}

/// Receives the whole body of a response.
///
/// # Errors
/// [`HttpError::Broken`] if it is incomplete or cannot be decompressed, [`HttpError::TooLarge`] if
/// it is larger than a limit.
pub(super) async fn body(mut response: Response, limits: BodyLimits) -> Result<Answer, HttpError> {
    let headers = std::mem::take(response.headers_mut());
    let encoding = encoding(&headers);
    let too_large =
        |limit_bytes, headers| HttpError::TooLarge { limit_bytes, headers: Box::new(headers) };
    let Some(wire) = read(response, limits.wire_bytes).await? else {
        return Err(too_large(limits.wire_bytes, headers));
    };
    let wire_bytes = wire.len();
    let body = match encoding.as_str() {
        "" | "identity" => Some(wire),
        "gzip" | "x-gzip" => inflate(&wire, limits.inflated_bytes)?,
        _ => {
            let message = format!("content encoding `{encoding}` was not offered");
            return Err(HttpError::Broken(message));
        }
    };
    match body {
        Some(body) => Ok(Answer { headers, body, wire_bytes }),
        None => Err(too_large(limits.inflated_bytes, headers)),
    }
}

/// Reads a body to its end; `None` if it is longer than `limit`.
async fn read(mut response: Response, limit: usize) -> Result<Option<Vec<u8>>, HttpError> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Ok(None);
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The decompressed length that a gzip member states. It may be wrong.
fn inflated_length(wire: &[u8]) -> usize {
    wire.last_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize)
}

/// Decompresses one gzip member; `None` if the result is longer than `limit`. If the member states
/// a wrong length, the buffer grows up to the limit.
fn inflate(wire: &[u8], limit: usize) -> Result<Option<Vec<u8>>, HttpError> {
    // libdeflate needs a buffer of at least one byte.
    let mut size = inflated_length(wire).clamp(1, limit);
    loop {
        let mut body = vec![0; size];
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
                    "the answer's gzip data is invalid or incomplete".to_owned(),
                ));
            }
        }
    }
}

/// The text of JumpCloud's error object, `{"message":…}`, or of OAuth's.
fn message(body: &[u8]) -> Option<String> {
    let object: serde_json::Value = serde_json::from_slice(body).ok()?;
    let names = ["message", "error_description", "error"];
    let text = names.iter().find_map(|name| object.get(name)?.as_str())?;
    Some(text.chars().filter(|c| !c.is_control()).take(MESSAGE_BYTES_MAX / 2).collect())
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
            assert_eq!(inflate(&gzip(raw), 100_000).unwrap().unwrap(), raw);
        }
        assert!(inflate(&gzip(&[7; 100_001]), 100_000).unwrap().is_none());
    }

    #[test]
    fn a_gzip_body_that_lies_about_its_length_is_bounded_all_the_same() {
        let mut bomb = gzip(&[7; 10_000_000]);
        let at = bomb.len() - 4;
        bomb[at..].copy_from_slice(&[1, 0, 0, 0]);
        assert!(!matches!(inflate(&bomb, 100_000), Ok(Some(_))));
        assert!(inflate(&gzip(&[7; 1_000])[..20], 100_000).is_err());
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
