//! Answers of JumpCloud: only those with status 200 are read, and within limits.

use libdeflater::{DecompressionError, Decompressor};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

use super::headers::{encoding, media_type};
use super::redaction::{Foreign, Redaction};
use crate::http::with_causes;
use crate::limits::ANSWER_BYTES_MAX;
use engine::cause::Cause;

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
#[derive(Debug)]
pub(super) enum HttpError {
    /// There was no answer, or an incomplete one.
    Broken(Foreign),
    /// The body is larger than a limit.
    TooLarge {
        /// The limit in bytes.
        limit_bytes: usize,
        /// The answer's headers.
        headers: Box<HeaderMap>,
    },
    /// The answer has another status than 200.
    Status(Box<StatusAnswer>),
}

/// An answer with another status than 200.
#[derive(Debug)]
pub(super) struct StatusAnswer {
    pub(super) status: StatusCode,
    /// The `message` of JumpCloud's error object, if there is one.
    pub(super) message: Option<Foreign>,
    /// Whether it is an HTML page, as firewalls send them.
    pub(super) is_page: bool,
    pub(super) headers: HeaderMap,
}

impl StatusAnswer {
    /// The status, and the message without credentials.
    pub(super) fn said(&self, redaction: &Redaction) -> String {
        let code = self.status.as_u16();
        match &self.message {
            Some(message) => format!("{code}: {}", redaction.quote(message)),
            None if self.is_page => format!("{code}, as an HTML page"),
            None => code.to_string(),
        }
    }
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
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Cause> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Cause::new(format!("the answer has no valid {what}"), error))
    }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        Self::broken(with_causes(error))
    }
}

impl HttpError {
    fn broken(text: impl Into<String>) -> Self {
        Self::Broken(Foreign::new(text))
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
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read(response, ANSWER_BYTES_MAX).await.ok().flatten().unwrap_or_default();
    let (message, is_page) = (message(&body), is_page(&headers, &body));
    Err(HttpError::Status(Box::new(StatusAnswer { status, message, is_page, headers })))
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
        _ => return Err(HttpError::broken("its content encoding was not offered")),
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
                return Err(HttpError::broken("the answer's gzip data is invalid or incomplete"));
            }
        }
    }
}

/// The text of JumpCloud's error object, `{"message":…}`, or of OAuth's.
fn message(body: &[u8]) -> Option<Foreign> {
    let object: serde_json::Value = serde_json::from_slice(body).ok()?;
    let names = ["message", "error_description", "error"];
    let text = names.iter().find_map(|name| object.get(name)?.as_str())?;
    Some(Foreign::new(text))
}

/// Whether an answer is HTML: it says so, or begins so.
fn is_page(headers: &HeaderMap, body: &[u8]) -> bool {
    media_type(headers).starts_with("text/html") || body.trim_ascii_start().starts_with(b"<")
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
        let said = |body: &[u8]| message(body).map(|text| Redaction::default().quote(&text));
        assert_eq!(said(br#"{"message":"no\nway"}"#).unwrap(), "“noway”");
        assert_eq!(
            said(br#"{"error":"invalid_client","error_description":"nope"}"#).unwrap(),
            "“nope”"
        );
        assert_eq!(said(b"<html>"), None);
        assert_eq!(said(br#"{"message":5}"#), None);
    }
}
