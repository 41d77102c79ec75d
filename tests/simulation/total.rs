//! What several calls of `infra/simulate --continue` have tried, one after the other.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use crate::tally::Tally;

/// The schedules of all calls, without violation: a call that finds one does not count. The first
/// one began at seed 0.
pub(crate) struct Total {
    file: PathBuf,
    schedules: u64,
    events: u64,
    faults: u64,
}

impl Total {
    /// Reads what the calls before have written.
    pub(crate) fn read(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let text = fs::read_to_string(&file).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap_or(0);
        Self { schedules: next(), events: next(), faults: next(), file }
    }

    /// The first seed that none of them has tried.
    pub(crate) fn next_seed(&self) -> u64 {
        self.schedules
    }

    /// Adds what one more call has tried, and writes the sums.
    pub(crate) fn add(&mut self, tally: &Tally) {
        self.schedules += tally.schedules;
        self.events += tally.events;
        self.faults += tally.faults();
        let text = format!("{} {} {}\n", self.schedules, self.events, self.faults);
        fs::write(&self.file, text).unwrap();
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schedules, events, faults, .. } = self;
        write!(
            f,
            "in all calls: {schedules} schedules, {events} events, {faults} faults, 0 violations, \
             seeds 0..{schedules}"
        )
    }
}
