//! Times as JumpCloud reads and writes them.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::DateTime;
use regex_lite::Regex;

/// Nanoseconds in a millisecond.
pub(crate) const NS_A_MS: i128 = 1_000_000;

/// Reads a bound of a query as nanoseconds since 1970.
///
/// RFC 3339 with 0 to 9 fraction digits and `Z` or a numeric zone; without a zone it is UTC. Any
/// white space around it, a final line break too, makes it unreadable.
pub(crate) fn query_time_ns(text: &str) -> Option<i128> {
    #[expect(clippy::unwrap_used, reason = "the pattern is a constant")]
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        let zone = r"(Z|[+-]\d\d:\d\d)?";
        Regex::new(&format!(r"^\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?{zone}$")).unwrap()
    });
    let zone = FORM.captures(text)?.get(1).map_or("Z", |_| "");
    let time: Timestamp = format!("{text}{zone}").parse().ok()?;
    Some(time.as_nanosecond())
}

/// Reads an event's timestamp as nanoseconds since 1970, as leniently as RFC 3339 allows.
pub(crate) fn event_time_ns(text: &str) -> Option<i128> {
    let time = text.parse::<Timestamp>().ok();
    let time = time.or_else(|| {
        let local: DateTime = text.parse().ok()?;
        local.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    Some(time.as_nanosecond())
}

/// The millisecond that contains a time.
pub(crate) fn floor_ms(time_ns: i128) -> i64 {
    i64::try_from(time_ns.div_euclid(NS_A_MS)).unwrap_or(i64::MAX)
}

/// A time to the second, such as `2026-11-21T09:30:00Z`.
pub(crate) fn to_second(time_ns: i128) -> String {
    format!("{:.0}", timestamp(time_ns))
}

/// A time with three fraction digits, such as `2026-11-21T09:30:00.000Z`.
pub(crate) fn to_millisecond(time_ms: i64) -> String {
    format!("{:.3}", timestamp(i128::from(time_ms) * NS_A_MS))
}

/// A time with up to nine fraction digits; zeros at their end are left out.
pub(crate) fn to_nanosecond(time_ns: i128) -> String {
    timestamp(time_ns).to_string()
}

fn timestamp(time_ns: i128) -> Timestamp {
    Timestamp::from_nanosecond(time_ns).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Every form clients have been seen to send must be read alike.
    #[test]
    fn all_forms_of_a_bound_are_the_same_time() {
        let wanted = query_time_ns("2026-01-26T09:13:52Z").unwrap();
        for form in [
            "2026-01-26T09:13:52.000Z",
            "2026-01-26T09:13:52.0000000Z",
            "2026-01-26T09:13:52.000000000Z",
            "2026-01-26T09:13:52+00:00",
            "2026-01-26T11:13:52+02:00",
            "2026-01-26T04:13:52-05:00",
            "2026-01-26T09:13:52",
        ] {
            assert_eq!(query_time_ns(form), Some(wanted), "{form}");
        }
    }

    /// A trailing line break stopped a real collector; the mock must show it.
    #[test]
    fn what_is_not_a_time_is_refused() {
        for form in [
            "",
            "2026-01-26",
            "2026-01-26T09:13:52Z\n",
            " 2026-01-26T09:13:52Z",
            "2026-01-26 09:13:52Z",
            "2026-01-26T09:13:52.Z",
            "2026-01-26T09:13:52.1234567890Z",
            "2026-13-26T09:13:52Z",
            "2026-01-26T09:13:52z",
            "2026-01-26T09:13:52Ü",
        ] {
            assert_eq!(query_time_ns(form), None, "{form:?}");
        }
    }

    /// Times before 1970 must not round towards it.
    #[test]
    fn a_millisecond_is_the_floor() {
        assert_eq!(floor_ms(-1), -1);
        assert_eq!(floor_ms(1_999_999), 1);
    }

    /// The digits of the forms JumpCloud sends.
    #[test]
    fn fractions_have_the_digits_asked_for() {
        assert_eq!(to_second(1_001_234_560), "1970-01-01T00:00:01Z");
        assert_eq!(to_nanosecond(1_001_234_560), "1970-01-01T00:00:01.00123456Z");
        assert_eq!(to_nanosecond(1_000_000_000), "1970-01-01T00:00:01Z");
        assert_eq!(to_millisecond(1_001), "1970-01-01T00:00:01.001Z");
    }
}
