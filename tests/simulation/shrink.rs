//! Makes a schedule that fails as small as it can be and still fail: fewer choices, rows,
//! invocations and special settings. What is left says what it takes.
//!
//! ```text
//! SIM_SEED=42 cargo test -p jumpcloud-collector-simulation shrink -- --nocapture
//! SIM_FILE=seed-42.txt cargo test -p jumpcloud-collector-simulation shrink -- --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use engine::stream::StreamId;
use serde_json::Value;

use crate::choices::Record;
use crate::neutral;
use crate::schedule::Schedule;
use crate::truth::Event;
use crate::written::Written;

/// More tries than any schedule needs.
const TRIES_MAX: usize = 20_000;

/// So few choices are tried at earlier numbers, one by one.
const FEW: usize = 100;

/// What fields a schedule has only so that it can be drawn.
const DRAWN_BY: [&str; 6] = ["seed", "events", "faults", "kinds", "surroundings", "has_odd_rows"];

/// What may become neutral by itself. The rest belongs together: times that are multiples of each
/// other, streams and who is configured for them.
const SPECIAL: [&str; 14] = [
    "variants",
    "other_key",
    "jumps",
    "kept_ms",
    "has_odd_counts",
    "unusual",
    "is_listed",
    "reconfigured",
    "batch_limits",
    "slot_bytes_max",
    "slow_pages",
    "ways",
    "skewed",
    "run_ms",
];

/// Shrinks a schedule, and returns it with the number of tries.
pub(crate) fn shrink(
    written: Written,
    fails: &mut dyn FnMut(&Written) -> bool,
) -> (Written, usize) {
    let mut shrinker = Shrinker { smallest: written, fails, tries: 0 };
    loop {
        let before = Size::of(&shrinker.smallest);
        shrinker.labels();
        shrinker.invocations();
        shrinker.rows();
        shrinker.choices();
        shrinker.earlier();
        shrinker.fields();
        shrinker.simpler_rows();
        if Size::of(&shrinker.smallest) == before || shrinker.tries >= TRIES_MAX {
            return (shrinker.smallest, shrinker.tries);
        }
    }
}

struct Shrinker<'a> {
    smallest: Written,
    fails: &'a mut dyn FnMut(&Written) -> bool,
    tries: usize,
}

impl Shrinker<'_> {
    /// Keeps a simpler schedule if it still fails.
    fn attempt(&mut self, simpler: Written) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let fails = (self.fails)(&simpler);
        if fails {
            self.smallest = simpler;
        }
        fails
    }

    fn attempt_to(&mut self, change: impl FnOnce(&mut Written)) -> bool {
        let mut simpler = self.smallest.clone();
        change(&mut simpler);
        self.attempt(simpler)
    }

    /// All choices of one label: latencies, random bytes, whose turn it is.
    fn labels(&mut self) {
        let labels: Vec<_> = self.smallest.choices.0.keys().cloned().collect();
        for label in labels {
            self.attempt_to(|simpler| {
                simpler.choices.0.remove(&label);
            });
        }
    }

    fn invocations(&mut self) {
        let mut fewer = self.smallest.schedule.scheduled_runs / 2;
        while fewer < self.smallest.schedule.scheduled_runs {
            if !self.attempt_to(|simpler| simpler.schedule.scheduled_runs = fewer) {
                fewer += (self.smallest.schedule.scheduled_runs - fewer).div_ceil(2);
            } else {
                fewer /= 2;
            }
        }
    }

    fn rows(&mut self) {
        let rows = self.smallest.events.clone();
        let mut with = |shrinker: &mut Self, rows: &[Event]| {
            shrinker.attempt_to(|simpler| simpler.events = rows.to_vec())
        };
        leave_out(self, rows, &mut with);
    }

    fn choices(&mut self) {
        let of_label = |(label, choices): (&String, &BTreeMap<u64, String>)| {
            let with_label =
                |(number, text): (&u64, &String)| (label.clone(), *number, text.clone());
            choices.iter().map(with_label).collect::<Vec<_>>()
        };
        let all = self.smallest.choices.0.iter().flat_map(of_label).collect();
        let mut with = |shrinker: &mut Self, choices: &[(String, u64, String)]| {
            let mut record = Record::default();
            for (label, number, text) in choices.iter().cloned() {
                record.insert(label, number, text);
            }
            shrinker.attempt_to(|simpler| simpler.choices = record)
        };
        leave_out(self, all, &mut with);
    }

    /// What is left happens earlier, so that less has to happen before.
    fn earlier(&mut self) {
        let of_label = |(label, choices): (&String, &BTreeMap<u64, String>)| {
            choices.keys().map(|number| (label.clone(), *number)).collect::<Vec<_>>()
        };
        let all: Vec<_> = self.smallest.choices.0.iter().flat_map(of_label).collect();
        if all.len() > FEW {
            return;
        }
        for (label, mut number) in all {
            while let Some(earlier) = [number / 2, number.saturating_sub(1)]
                .into_iter()
                .find(|earlier| self.renumber(&label, number, *earlier))
            {
                number = earlier;
            }
        }
    }

    fn renumber(&mut self, label: &str, number: u64, earlier: u64) -> bool {
        let mut simpler = self.smallest.clone();
        let Some(choices) = simpler.choices.0.get_mut(label) else { return false };
        if choices.contains_key(&earlier) {
            return false;
        }
        let choice = choices.remove(&number);
        choices.extend(choice.map(|choice| (earlier, choice)));
        self.attempt(simpler)
    }

    fn fields(&mut self) {
        self.attempt_to(|simpler| set_neutral(&mut simpler.schedule, &DRAWN_BY));
        for name in SPECIAL {
            self.field(|schedule| set_neutral(schedule, &[name]));
        }
        if !self.smallest.events.iter().any(|event| event.is_giant) {
            self.field(|schedule| set_neutral(schedule, &["page_bytes"]));
        }
        self.field(|schedule| {
            schedule.stack = None;
            schedule.settings.system_users = None;
            schedule.unusual.has_queue = false;
        });
        for at in (0..self.smallest.schedule.calls().len()).rev() {
            self.field(|schedule| {
                let calls = schedule.stack.as_mut().map(|stack| &mut stack.calls);
                calls.map(|calls| calls.remove(at));
            });
        }
        for at in (0..self.smallest.schedule.jumps.len()).rev() {
            self.field(|schedule| {
                schedule.jumps.remove(at);
            });
        }
        for at in (0..self.smallest.schedule.refusals.len()).rev() {
            self.field(|schedule| {
                schedule.refusals.remove(at);
            });
        }
        self.field(|schedule| schedule.streams.retain(|stream| !stream.is_lane()));
        for only in self.smallest.schedule.streams.clone() {
            self.field(|schedule| {
                schedule.alternates = false;
                schedule.settings.names_organizations = only.live() != StreamId::own();
                schedule.streams.retain(|stream| stream.live() == only.live());
            });
        }
        let neutral = neutral::settings();
        self.field(|schedule| schedule.settings.queries = neutral.queries);
        self.field(|schedule| schedule.settings.start_lookback_ms = neutral.start_lookback_ms);
        self.field(|schedule| schedule.settings.settle_lag_ms = neutral.settle_lag_ms);
        self.field(|schedule| schedule.settings.page_limit = neutral.page_limit);
        self.field(|schedule| schedule.settings.pages_per_run = neutral.pages_per_run);
    }

    /// Changes a part of the schedule, if there is anything to change.
    fn field(&mut self, change: impl FnOnce(&mut Schedule)) {
        let mut schedule = self.smallest.schedule.clone();
        change(&mut schedule);
        let differs = value(&schedule) != value(&self.smallest.schedule);
        if differs && !schedule.streams.is_empty() {
            self.attempt_to(|simpler| simpler.schedule = schedule);
        }
    }

    /// Rows that appear at once.
    fn simpler_rows(&mut self) {
        for at in 0..self.smallest.events.len() {
            let Event { place_ms, visible_ms, .. } = self.smallest.events[at];
            if place_ms != visible_ms {
                self.attempt_to(|simpler| simpler.events[at].visible_ms = place_ms);
            }
        }
    }
}

fn value(schedule: &Schedule) -> Value {
    serde_json::to_value(schedule).unwrap()
}

fn set_neutral(schedule: &mut Schedule, names: &[&str]) {
    let (mut fields, neutral) = (value(schedule), value(&Schedule::default()));
    names.iter().for_each(|name| fields[*name] = neutral[*name].clone());
    *schedule = serde_json::from_value(fields).unwrap();
}

/// Leaves out as many of `items` as it can: all, halves, quarters, and in the end each one.
fn leave_out<S, T: Clone>(
    shrinker: &mut S,
    mut items: Vec<T>,
    still_fails: &mut dyn FnMut(&mut S, &[T]) -> bool,
) {
    let mut size = items.len();
    while size > 0 {
        let mut from = 0;
        while from < items.len() {
            let to = items.len().min(from + size);
            let fewer = [&items[..from], &items[to..]].concat();
            if still_fails(shrinker, &fewer) {
                items = fewer;
            } else {
                from = to;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

/// How much there is in a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) choices: usize,
    pub(crate) invocations: u32,
    pub(crate) bytes: usize,
}

impl Size {
    pub(crate) fn of(written: &Written) -> Self {
        Self {
            rows: written.events.len(),
            choices: written.choices.0.values().map(BTreeMap::len).sum(),
            invocations: written.schedule.scheduled_runs,
            bytes: written.to_string().len(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, choices, invocations, bytes } = self;
        write!(f, "{rows} rows, {choices} choices, {invocations} invocations, {bytes} bytes")
    }
}

/// What findings are about, without the numbers and names in them.
pub(crate) fn kinds(wrong: &[String]) -> BTreeSet<String> {
    let kind = |finding: &String| {
        // Behind the promise's number.
        let start = finding.find(": ").filter(|_| finding.starts_with('P')).unwrap_or(0);
        let is_special = |c: char| c.is_ascii_digit() || "{[(`/;".contains(c);
        let end = finding[start..].find(is_special).map_or(finding.len(), |at| start + at);
        finding[..end].trim().to_owned()
    };
    wrong.iter().map(kind).collect()
}
