//! The range of event time that a command is asked about.

use clap::Args;
use engine::limits::{BACKFILL_DAYS_MAX, DAY_MS};
use engine::time::{self, UtcTime, Window};

use crate::usage::UsageError;

/// A range of event time.
#[derive(Args)]
pub(crate) struct Range {
    /// First UTC day, like 2026-11-01; or a time, like 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) start: UtcTime,
    /// End of the range, which is not part of it: a UTC day or time
    #[arg(long, value_name = "TIME", value_parser = parse)]
    pub(crate) end: UtcTime,
}

/// A day or a time.
fn parse(text: &str) -> Result<UtcTime, String> {
    time::parse_time_or_day_ms(text)
        .map(UtcTime)
        .ok_or_else(|| "expected a day like 2026-11-01 or a time like 2026-11-01T08:00:00Z".into())
}

impl Range {
    /// The range, which is not empty.
    pub(crate) fn window(&self) -> Result<Window, UsageError> {
        let Self { start, end } = *self;
        let window = Window::new(start.0, end.0);
        if window.is_empty() {
            let wrong = format!("--start {start} is not before --end {end}");
            let right = "--end is not part of the range: for one day, give the day after it";
            return Err(UsageError::new(wrong, right));
        }
        Ok(window)
    }

    /// The range, if it is not empty and has no more days than one backfill may have.
    pub(crate) fn window_of_days(&self) -> Result<Window, UsageError> {
        let window = self.window()?;
        let days = time::day_of(window.end_ms - 1) - time::day_of(window.start_ms) + 1;
        if days > BACKFILL_DAYS_MAX {
            let wrong =
                format!("the range has {days} days, and a backfill at most {BACKFILL_DAYS_MAX}");
            let end = UtcTime(window.start_ms + BACKFILL_DAYS_MAX * DAY_MS);
            let right = format!(
                "give --end {}, then the days from there in another call",
                time::date(end.0)
            );
            return Err(UsageError::new(wrong, right));
        }
        Ok(window)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn range(start: &str, end: &str) -> Range {
        Range { start: parse(start).unwrap(), end: parse(end).unwrap() }
    }

    #[test]
    fn a_range_is_neither_empty_nor_too_long() {
        assert!(parse("yesterday").is_err() && parse("2026-13-01").is_err());
        assert!(range("2026-11-20", "2026-11-21T00:00:00Z").window().is_ok());
        for end in ["2026-11-20", "2026-11-19"] {
            let error = range("2026-11-20", end).window().unwrap_err().to_string();
            assert!(error.contains("is not before --end") && error.lines().count() == 2, "{error}");
        }
        assert!(range("2026-01-01", "2026-04-11").window_of_days().is_ok());
        let error = range("2026-01-01", "2026-04-11T00:00:01Z").window_of_days().unwrap_err();
        let error = error.to_string();
        assert!(error.contains("101 days") && error.contains("--end 2026-04-11"), "{error}");
    }
}
