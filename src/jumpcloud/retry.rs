//! When a request is tried again, and after how long.

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use engine::limits::{BACKOFF_FIRST_MS, BACKOFF_MAX_MS};

/// The wait before try `tried + 1`, when JumpCloud names none: full jitter, any time between 0 and
/// a ceiling that doubles with each try. `chance` is in `0.0..1.0`.
#[must_use]
pub fn backoff_ms(tried: u32, chance: f64) -> u64 {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1 << tried.saturating_sub(1).min(20));
    let ceiling = doubled.min(BACKOFF_MAX_MS);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a product of a small count and a fraction"
    )]
    let wait = (ceiling as f64 * chance.clamp(0.0, 1.0)) as u64;
    wait
}

/// Whether another try may be answered differently.
#[must_use]
pub fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// The wait that an answer's headers ask for. A date is JumpCloud's, so it is measured from the
/// answer's own `Date` where it has one, and from `now_ms` otherwise.
#[must_use]
pub fn wait_ms(headers: &HeaderMap, now_ms: i64) -> Option<u64> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let its_now_ms = text(DATE).and_then(http_date_ms).unwrap_or(now_ms);
    retry_after_ms(text(RETRY_AFTER)?, its_now_ms)
}

/// Reads `Retry-After` in either form, seconds or an HTTP date, to milliseconds from `now_ms`.
#[must_use]
pub fn retry_after_ms(header: &str, now_ms: i64) -> Option<u64> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(seconds.saturating_mul(1_000));
    }
    let at_ms = http_date_ms(header)?;
    Some(u64::try_from(at_ms - now_ms).unwrap_or(0))
}

/// Reads an HTTP date to UTC milliseconds.
#[must_use]
pub fn http_date_ms(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_is_full_and_its_ceiling_doubles() {
        assert_eq!(backoff_ms(1, 0.0), 0);
        assert_eq!(backoff_ms(1, 0.5), BACKOFF_FIRST_MS / 2);
        assert_eq!(backoff_ms(3, 1.0), BACKOFF_FIRST_MS * 4);
        assert_eq!(backoff_ms(u32::MAX, 1.0), BACKOFF_MAX_MS);
    }

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
