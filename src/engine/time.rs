//! Times: UTC milliseconds since 1970-01-01T00:00:00Z (names end in `_ms`), nanoseconds for the
//! timestamps of events, and durations as they are written in settings. Nothing here reads a clock.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{DAY_MS, HOUR_MS, MINUTE_MS};

/// A time in UTC milliseconds since 1970-01-01T00:00:00Z, which is printed and stored in JSON as
/// RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcTime(pub i64);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339(self.0))
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let ns =
            parse_ns(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is not a time")))?;
        Ok(Self(floor_ms(ns)))
    }
}

/// A half-open range of event time, `[start_ms, end_ms)`, in UTC milliseconds since
/// 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond of the range.
    pub start_ms: i64,
    /// The first millisecond after the range.
    pub end_ms: i64,
}

impl Window {
    /// The range `[start_ms, end_ms)`.
    #[must_use]
    pub fn new(start_ms: i64, end_ms: i64) -> Self {
        Self { start_ms, end_ms }
    }

    /// Whether the window contains this millisecond.
    #[must_use]
    pub fn contains(&self, ms: i64) -> bool {
        (self.start_ms..self.end_ms).contains(&ms)
    }

    /// Whether the window contains no millisecond.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start_ms >= self.end_ms
    }

    /// The first milliseconds of the hours that begin in the window, ascending.
    pub fn hours(self) -> impl Iterator<Item = i64> {
        let first_ms = ceil_hour_ms(self.start_ms);
        (first_ms..self.end_ms).step_by(HOUR_MS.unsigned_abs() as usize)
    }

    /// What is left of the window without `others`, which are ascending.
    pub fn without(self, others: impl Iterator<Item = Self>) -> impl Iterator<Item = Self> {
        let end = Self::new(self.end_ms, self.end_ms);
        let mut from_ms = self.start_ms;
        let left = others.filter(|other| !other.is_empty()).chain([end]).map(move |other| {
            let left = Self::new(from_ms, other.start_ms.min(self.end_ms));
            from_ms = from_ms.max(other.end_ms);
            left
        });
        left.filter(|left| !left.is_empty())
    }

    /// The window in pieces of `length_ms`, ascending; the last may be shorter.
    pub fn pieces(self, length_ms: i64) -> impl Iterator<Item = Self> {
        let starts = (self.start_ms..self.end_ms).step_by(length_ms.max(1).unsigned_abs() as usize);
        starts.map(move |ms| Self::new(ms, ms.saturating_add(length_ms).min(self.end_ms)))
    }
}

/// The first millisecond of the hour that contains `ms`.
#[must_use]
pub fn floor_hour_ms(ms: i64) -> i64 {
    hour_of(ms) * HOUR_MS
}

/// `ms` if an hour begins there, else the first millisecond of the next hour.
#[must_use]
pub fn ceil_hour_ms(ms: i64) -> i64 {
    floor_hour_ms(ms.saturating_add(HOUR_MS - 1))
}

/// Parses an RFC 3339 timestamp with zero to nine fraction digits; returns nanoseconds since
/// 1970-01-01T00:00:00Z.
///
/// `None` for anything else, for example without a zone, with ten digits, or before year 0.
/// JumpCloud's services write zero, three, eight or nine digits with trailing zeros trimmed, so
/// timestamps must never be compared as text.
#[must_use]
pub fn parse_ns(text: &str) -> Option<i128> {
    let timestamp: Timestamp = text.parse().ok()?;
    let ns = timestamp.as_nanosecond();
    (ns >= YEAR_0_NS).then_some(ns)
}

/// Reads an RFC 3339 timestamp, or a UTC date as the first millisecond of its day, in milliseconds
/// since the epoch.
#[must_use]
pub fn parse_time_or_day_ms(text: &str) -> Option<i64> {
    parse_ns(text).or_else(|| parse_ns(&format!("{text}T00:00:00Z"))).map(floor_ms)
}

/// 0000-01-01T00:00:00Z.
const YEAR_0_NS: i128 = -62_167_219_200 * 1_000_000_000;

/// The millisecond that contains `ns`: rounded down, also before 1970.
#[must_use]
pub fn floor_ms(ns: i128) -> i64 {
    // The usual case, which is much faster.
    if let Ok(ns) = i64::try_from(ns) {
        return ns.div_euclid(1_000_000);
    }
    let ms = ns.div_euclid(1_000_000);
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

/// `2026-11-21T08:00:00.000Z`: always three digits, because JumpCloud compares to the millisecond.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

/// `2026-11-21`, the UTC date of `ms`.
#[must_use]
pub fn date(ms: i64) -> Date {
    jiff::tz::TimeZone::UTC.to_datetime(timestamp(ms)).date()
}

/// Whole hours since 1970-01-01T00:00:00Z, rounded down.
#[must_use]
pub fn hour_of(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS)
}

/// Whole days since 1970-01-01T00:00:00Z, rounded down.
#[must_use]
pub fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

fn timestamp(ms: i64) -> Timestamp {
    let bounded = ms.clamp(Timestamp::MIN.as_millisecond() + 1, Timestamp::MAX.as_millisecond());
    Timestamp::from_millisecond(bounded).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Parses a duration as it is written in settings (`0s`, `90s`, `15m`, `24h`, `15d`); returns
/// milliseconds.
///
/// ```
/// use engine::time::parse_duration_ms;
///
/// assert_eq!(parse_duration_ms("15m"), Some(900_000));
/// assert_eq!(parse_duration_ms("15"), None, "a unit is asked for");
/// ```
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let unit_at = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (digits, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => MINUTE_MS,
        "h" => HOUR_MS,
        "d" => DAY_MS,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_from_none_to_nine_are_one_instant() {
        let second = parse_ns("2023-06-15T15:16:41Z");
        assert_eq!(second, Some(1_686_842_201_000_000_000));
        for text in ["2023-06-15T15:16:41.0Z", "2023-06-15T15:16:41.000000000Z"] {
            assert_eq!(parse_ns(text), second, "{text}");
        }
        assert_eq!(parse_ns("2023-06-15T14:21:10.34334445Z"), Some(1_686_838_870_343_344_450));
        assert_eq!(parse_ns("2019-04-09T05:01:18+09:30"), parse_ns("2019-04-08T19:31:18Z"));
    }

    #[test]
    fn what_is_not_rfc_3339_is_not_read() {
        for text in [
            "",
            "yesterday",
            "1686842201",
            "2023-13-01T00:00:00Z",
            "2023-06-15",
            "2023-06-15T15:16:41.1234567890Z",
        ] {
            assert_eq!(parse_ns(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_its_first_millisecond() {
        assert_eq!(parse_time_or_day_ms("1970-01-02"), Some(DAY_MS));
        assert_eq!(parse_time_or_day_ms("1970-01-02T00:00:00.001Z"), Some(DAY_MS + 1));
        for text in ["", "1970-1-2", "1970-02-30", "1970-01-02T"] {
            assert_eq!(parse_time_or_day_ms(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_are_floored_on_both_sides_of_the_epoch() {
        assert_eq!(floor_ms(1_999_999), 1);
        assert_eq!(floor_ms(-1), -1);
        assert_eq!(date(-1).to_string(), "1969-12-31");
        assert_eq!(hour_of(-1), -1);
    }

    #[test]
    fn windows_are_cut_into_pieces() {
        let pieces: Vec<_> = Window::new(5, 12).pieces(3).collect();
        assert_eq!(pieces, [Window::new(5, 8), Window::new(8, 11), Window::new(11, 12)]);
        assert_eq!(Window::new(5, 5).pieces(3).count(), 0);
    }

    #[test]
    fn a_window_without_others_is_what_is_left() {
        let left = |others: &[(i64, i64)]| -> Vec<_> {
            let others = others.iter().map(|(start_ms, end_ms)| Window::new(*start_ms, *end_ms));
            let left = Window::new(10, 20).without(others);
            left.map(|left| (left.start_ms, left.end_ms)).collect()
        };
        assert_eq!(left(&[]), [(10, 20)]);
        assert_eq!(left(&[(0, 5), (5, 12), (12, 13), (15, 15), (16, 18)]), [(13, 16), (18, 20)]);
        assert_eq!(left(&[(0, 30)]), []);
        assert_eq!(left(&[(12, 25), (30, 40)]), [(10, 12)]);
    }

    #[test]
    fn times_are_written_with_three_digits() {
        assert_eq!(rfc3339(1_686_842_201_000), "2023-06-15T15:16:41.000Z");
        assert_eq!(rfc3339(1_686_842_201_120), "2023-06-15T15:16:41.120Z");
    }

    #[test]
    fn durations_name_their_unit() {
        assert_eq!(parse_duration_ms("90s"), Some(90_000));
        assert_eq!(parse_duration_ms("15d"), Some(15 * DAY_MS));
        assert_eq!(parse_duration_ms("0s"), Some(0));
        for text in ["", "s", "15", "1.5h", "-1s", "1w", "5 m", "99999999999999999999d", "1é"] {
            assert_eq!(parse_duration_ms(text), None, "{text}");
        }
    }
}
