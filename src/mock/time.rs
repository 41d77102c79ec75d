//! Times as JumpCloud reads and writes them.

use jiff::Timestamp;
use jiff::civil::DateTime;

/// Nanoseconds in a millisecond.
pub(crate) const NS_A_MS: i128 = 1_000_000;

/// Reads a bound of a query as nanoseconds since 1970.
///
/// RFC 3339 with 0 to 9 fraction digits and `Z` or a numeric zone; without a zone it is UTC. Any
/// white space around it, a final line break too, makes it unreadable.
pub(crate) fn query_time_ns(text: &str) -> Option<i128> {
    let zone_at = 19 + fraction_length(text.get(19..)?)?;
    let (local, zone) = text.split_at_checked(zone_at)?;
    if !has_shape(local.get(..19)?, "dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    let zone = match zone {
        "" => "Z",
        "Z" => "Z",
        other if has_shape(&other.replace('-', "+"), "+dd:dd") => other,
        _ => return None,
    };
    let time: Timestamp = format!("{local}{zone}").parse().ok()?;
    Some(time.as_nanosecond())
}

/// The length of a leading fraction with its point; 0 without one, `None` for a bad one.
fn fraction_length(text: &str) -> Option<usize> {
    let Some(digits) = text.strip_prefix('.') else {
        return Some(0);
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    (1..=9).contains(&count).then_some(count + 1)
}

/// Whether a text is like the shape, in which `d` stands for any digit.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        })
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

/// The millisecond a time falls in.
pub(crate) fn floor_ms(time_ns: i128) -> i64 {
    i64::try_from(time_ns.div_euclid(NS_A_MS)).unwrap_or(i64::MAX)
}

/// A time to the second, such as `2026-11-21T09:30:00Z`.
pub(crate) fn to_second(time_ns: i128) -> String {
    let second = i64::try_from(time_ns.div_euclid(1_000_000_000)).unwrap_or_default();
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string())
}

/// A time with three fraction digits, such as `2026-11-21T09:30:00.000Z`.
pub(crate) fn to_millisecond(time_ms: i64) -> String {
    with_fraction(time_ms, "000", 3)
}

/// A time with as many fraction digits as asked: 0, 3, or up to 9, of which the last six are
/// `below_ms`.
pub(crate) fn with_fraction(time_ms: i64, below_ms: &str, digits: usize) -> String {
    let second = to_second(i128::from(time_ms) * NS_A_MS);
    if digits == 0 {
        return second;
    }
    let fraction = format!("{:03}{below_ms}", time_ms.rem_euclid(1_000));
    let kept = fraction.get(..digits).unwrap_or(&fraction);
    format!("{}.{kept}Z", second.trim_end_matches('Z'))
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
        assert_eq!(with_fraction(1_001, "234567", 0), "1970-01-01T00:00:01Z");
        assert_eq!(with_fraction(1_001, "234567", 8), "1970-01-01T00:00:01.00123456Z");
        assert_eq!(to_millisecond(1_001), "1970-01-01T00:00:01.001Z");
    }
}
