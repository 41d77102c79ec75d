//! What a schedule leaves open until it runs: which request is answered next and when, what goes
//! wrong with it, what happens around the invocations. Chance decides, or a written schedule.
//!
//! Choices are numbered within their label, and the neutral one, that nothing goes wrong, needs no
//! words: so a written schedule does not change when choices of a new label are added, and is made
//! simpler by leaving out what it says.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use crate::chance::Chance;
use crate::tally::Fault;

/// What is chosen, and of what, where that has numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Label(&'static str, &'static str);

impl From<&'static str> for Label {
    fn from(what: &'static str) -> Self {
        Self(what, "")
    }
}

impl From<(&'static str, &'static str)> for Label {
    fn from((what, of): (&'static str, &'static str)) -> Self {
        Self(what, of)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, of) = self;
        if of.is_empty() { f.write_str(what) } else { write!(f, "{what} of {of}") }
    }
}

/// Choices that are not the neutral ones, by label and number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record(pub(crate) BTreeMap<String, BTreeMap<u64, String>>);

impl Record {
    pub(crate) fn insert(&mut self, label: String, number: u64, text: String) {
        self.0.entry(label).or_default().insert(number, text);
    }

    fn get(&self, label: Label, number: u64) -> Option<&str> {
        self.0.get(&label.to_string())?.get(&number).map(String::as_str)
    }
}

/// A record that is being made; what is in it is there even if the engine panics.
pub(crate) type Recorder = Arc<Mutex<Record>>;

/// A choice as a written schedule has it: without white space.
pub(crate) trait Choice: PartialEq + Sized {
    fn written(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// Chooses.
#[derive(Debug)]
pub(crate) struct Choices {
    source: Source,
    /// How many choices of each label were made, where that matters.
    made: HashMap<Label, u64>,
}

#[derive(Debug)]
enum Source {
    Drawn(Chance),
    Recorded(Chance, Recorder),
    Written(Arc<Record>),
}

impl Choices {
    pub(crate) fn drawn(chance: Chance, recorder: Option<Recorder>) -> Self {
        let source = match recorder {
            Some(recorder) => Source::Recorded(chance, recorder),
            None => Source::Drawn(chance),
        };
        Self { source, made: HashMap::new() }
    }

    pub(crate) fn written(record: Arc<Record>) -> Self {
        Self { source: Source::Written(record), made: HashMap::new() }
    }

    /// How many choices of a label were made as written.
    pub(crate) fn made(&self, label: impl Into<Label>) -> u64 {
        self.made.get(&label.into()).copied().unwrap_or(0)
    }

    /// Makes a choice. `neutral` is what is chosen where a written schedule says nothing.
    pub(crate) fn choose<T: Choice>(
        &mut self,
        label: impl Into<Label>,
        neutral: T,
        draw: impl FnOnce(&mut Chance) -> T,
    ) -> T {
        self.choose_by_number(label, |_| neutral, draw)
    }

    /// The same, where what is neutral depends on the number of the choice.
    pub(crate) fn choose_by_number<T: Choice>(
        &mut self,
        label: impl Into<Label>,
        neutral: impl FnOnce(u64) -> T,
        draw: impl FnOnce(&mut Chance) -> T,
    ) -> T {
        if let Source::Drawn(chance) = &mut self.source {
            return draw(chance);
        }
        let label = label.into();
        let made = self.made.entry(label).or_default();
        let number = *made;
        *made += 1;
        match &mut self.source {
            Source::Drawn(chance) => draw(chance),
            Source::Recorded(chance, recorder) => {
                let chosen = draw(chance);
                if chosen != neutral(number) {
                    let mut record = recorder.lock().unwrap();
                    record.insert(label.to_string(), number, chosen.written());
                }
                chosen
            }
            Source::Written(record) => match record.get(label, number) {
                Some(text) => T::read(text).unwrap_or_else(|| panic!("no {label}: {text}")),
                None => neutral(number),
            },
        }
    }

    pub(crate) fn percent(&mut self, label: impl Into<Label>, n: u64) -> bool {
        self.choose(label, false, |chance| chance.percent(n))
    }

    /// One of so many; the first is neutral. Where there is only one, nothing is chosen, and
    /// nothing numbered.
    pub(crate) fn one_of(&mut self, label: impl Into<Label>, n: usize) -> usize {
        let draw = |chance: &mut Chance| chance.index(n);
        match &mut self.source {
            Source::Drawn(chance) | Source::Recorded(chance, _) if n == 1 => draw(chance),
            Source::Written(_) if n == 1 => 0,
            _ => Some(self.choose(label, 0, draw)).filter(|at| *at < n).unwrap_or(0),
        }
    }
}

macro_rules! as_text {
    ($($choice:ty),+) => {
        $(impl Choice for $choice {
            fn written(&self) -> String {
                self.to_string()
            }

            fn read(text: &str) -> Option<Self> {
                Self::from_str(text).ok()
            }
        })+
    };
}

as_text!(i64, usize, bool);

impl Choice for [u8; 16] {
    fn written(&self) -> String {
        hex::encode(self)
    }

    fn read(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok()
    }
}

impl Choice for Fault {
    fn written(&self) -> String {
        format!("{self:?}")
    }

    fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.written() == text)
    }
}

/// `None` is the neutral one.
impl<T: Choice> Choice for Option<T> {
    fn written(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::written)
    }

    fn read(text: &str) -> Option<Self> {
        if text == "none" { Some(None) } else { T::read(text).map(Some) }
    }
}
