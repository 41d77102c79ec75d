//! A schedule as a person reads it: what was wrong in it once, its settings, what is chosen in it,
//! and JumpCloud's rows. It depends on nothing that is drawn.
//!
//! ```text
//! what was wrong
//!
//! [schedule]
//! page_bytes 900
//! [choices]
//! fault of create entry: 3=CrashAfter CrashBefore
//! [rows]
//! -0:04:59.001 +2345 4711 sso 0 = {"id":"00c0ffee00c0ffee",@o,@s,@t,"n":512}
//! ```
//!
//! A choice is behind its number; one without a number follows the one before it.

use std::fmt;
use std::sync::PoisonError;

use serde_json::{Map, Value};

use crate::choices::{Record, Recorder};
use crate::row;
use crate::schedule::Schedule;
use crate::simulate::{Ending, Simulation};
use crate::trace::Trace;
use crate::truth::Event;

/// Columns that a line of choices has at most.
const COLUMNS: usize = 100;

/// A schedule with everything that happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What was wrong, and where it was found.
    pub(crate) why: String,
    pub(crate) schedule: Schedule,
    pub(crate) choices: Record,
    pub(crate) events: Vec<Event>,
}

impl Written {
    /// Runs the schedule of a seed and writes down what is chosen, up to a panic of the engine.
    pub(crate) fn of_seed(seed: u64, trace: Trace) -> (Self, std::thread::Result<Ending>) {
        let recorder = Recorder::default();
        let schedule = Schedule::draw(seed);
        let simulation = Simulation::recorded(schedule.clone(), trace, Some(&recorder));
        let events = simulation.events();
        let run = std::panic::AssertUnwindSafe(|| simulation.run());
        let ending = std::panic::catch_unwind(run);
        let choices = recorder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (Self { why: format!("seed {seed}"), schedule, choices, events }, ending)
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut sections = text.split("\n[");
        let why = sections.next().unwrap_or_default().trim().to_owned();
        let (mut fields, mut choices, mut rows) = (Map::new(), Record::default(), Vec::new());
        for section in sections {
            let (name, text) = section.split_once("]\n").ok_or("a section has no name")?;
            match name {
                "schedule" => fields = read_fields(text)?,
                "choices" => choices = read_choices(text)?,
                "rows" => rows.extend(text.lines()),
                _ => return Err(format!("section {name} is unknown")),
            }
        }
        let schedule: Schedule =
            serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())?;
        let row = |line: &&str| row::read(line, schedule.start_ms).ok_or(format!("no row: {line}"));
        let events = rows.iter().map(row).collect::<Result<_, _>>()?;
        Ok(Self { why, schedule, choices, events })
    }
}

fn read_fields(text: &str) -> Result<Map<String, Value>, String> {
    let field = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), serde_json::from_str(value).ok()?))
    };
    text.lines().map(|line| field(line).ok_or(format!("no field: {line}"))).collect()
}

fn read_choices(text: &str) -> Result<Record, String> {
    let mut record = Record::default();
    for line in text.replace("\n ", " ").lines() {
        let (label, choices) = line.split_once(':').ok_or(format!("no choices: {line}"))?;
        let mut next = 0;
        for choice in choices.split_whitespace() {
            let (number, choice) = match choice.split_once('=') {
                Some((number, choice)) => (number.parse().map_err(|_| line.to_owned())?, choice),
                None => (next, choice),
            };
            record.insert(label.to_owned(), number, choice.to_owned());
            next = number + 1;
        }
    }
    Ok(record)
}

/// What differs from the neutral schedule.
fn special(schedule: &Schedule) -> Map<String, Value> {
    let fields = |schedule| match serde_json::to_value(schedule) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a schedule has fields"),
    };
    let mut special = fields(schedule);
    leave_out(&mut special, &fields(&Schedule::default()));
    special
}

fn leave_out(fields: &mut Map<String, Value>, neutral: &Map<String, Value>) {
    fields.retain(|name, value| neutral.get(name) != Some(value));
    for (name, value) in fields {
        if let (Value::Object(fields), Some(Value::Object(neutral))) = (value, neutral.get(name)) {
            leave_out(fields, neutral);
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n[schedule]", self.why)?;
        for (name, value) in special(&self.schedule) {
            writeln!(f, "{name} {value}")?;
        }
        writeln!(f, "[choices]")?;
        for (label, choices) in self.choices.0.iter().filter(|(_, choices)| !choices.is_empty()) {
            let (mut line, mut next) = (format!("{label}:"), 0);
            for (number, choice) in choices {
                let choice =
                    if *number == next { choice.clone() } else { format!("{number}={choice}") };
                if line.len() + choice.len() >= COLUMNS {
                    writeln!(f, "{line}")?;
                    line = String::new();
                }
                line = line + " " + &choice;
                next = number + 1;
            }
            writeln!(f, "{line}")?;
        }
        writeln!(f, "[rows]")?;
        let row = |event| row::write(event, self.schedule.start_ms);
        self.events.iter().try_for_each(|event| writeln!(f, "{}", row(event)))
    }
}
