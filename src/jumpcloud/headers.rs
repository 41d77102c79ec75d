//! Reads the headers of JumpCloud's answers.

use reqwest::header::{AsHeaderName, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};

use engine::page::{PageHeaders, Token};

/// The headers of a page. Names are matched without regard to case; a value that is not a number is
/// `None`.
pub(super) fn page_headers(headers: &HeaderMap) -> PageHeaders {
    let number = |name| text(headers, name)?.trim().parse().ok();
    PageHeaders {
        limit: number("x-limit"),
        count: number("x-result-count"),
        token: text(headers, "x-search_after").and_then(Token::parse),
    }
}

/// When the answer was made, by JumpCloud's clock, in UTC milliseconds.
pub(super) fn date_ms(headers: &HeaderMap) -> Option<i64> {
    http_date_ms(text(headers, DATE)?)
}

/// The wait in milliseconds that `Retry-After` asks for. A date is of JumpCloud's clock, so it is
/// compared with the answer's own `Date` if there is one, and with `now_ms` otherwise.
pub(super) fn wait_ms(headers: &HeaderMap, now_ms: i64) -> Option<u64> {
    retry_after_ms(text(headers, RETRY_AFTER)?, date_ms(headers).unwrap_or(now_ms))
}

/// The name of the body's content encoding, in lower case.
pub(super) fn encoding(headers: &HeaderMap) -> String {
    text(headers, CONTENT_ENCODING).unwrap_or("").trim().to_ascii_lowercase()
}

/// What the body says it is, with its parameters; such names have no case.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    text(headers, CONTENT_TYPE).unwrap_or("").trim().to_ascii_lowercase()
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Reads `Retry-After` in either form, seconds or an HTTP date, to milliseconds from `now_ms`.
fn retry_after_ms(header: &str, now_ms: i64) -> Option<u64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at_ms = http_date_ms(header)?;
    Some(u64::try_from(at_ms - now_ms).unwrap_or(0))
}

/// Reads an HTTP date to UTC milliseconds.
fn http_date_ms(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after_ms("7", 0), Some(7_000));
        let now_ms = 1_795_168_800_000;
        assert_eq!(retry_after_ms("Fri, 20 Nov 2026 10:00:30 GMT", now_ms), Some(30_000));
        assert_eq!(retry_after_ms("Fri, 20 Nov 2026 09:00:00 GMT", now_ms), Some(0));
        assert_eq!(retry_after_ms("31536000", 0), Some(31_536_000_000));
        for text in ["", "soon", "-1", "1.5"] {
            assert_eq!(retry_after_ms(text, 0), None, "{text}");
        }
    }
}
