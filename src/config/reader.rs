//! Reads variables one by one and keeps every problem, so that all are reported together.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::env::VarError;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use engine::limits::DAY_MS;
use engine::time;

/// Every problem of a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

/// Looks up one variable, as [`std::env::var`] does. An empty one counts as unset, because templates
/// cannot leave a variable out.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// A valid duration.
pub(super) struct Span {
    pub(super) ms: i64,
    /// As it is set.
    pub(super) text: String,
}

/// Reads variables and collects their problems.
pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    problems: Vec<String>,
    /// The variables whose values are no texts.
    garbled: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: Lookup<'a>) -> Self {
        Self { lookup, problems: Vec::new(), garbled: RefCell::default() }
    }

    pub(super) fn done<T>(mut self, value: T) -> Result<T, ConfigError> {
        for name in std::mem::take(self.garbled.get_mut()) {
            self.problem(&name, "is not valid UTF-8");
        }
        if self.problems.is_empty() { Ok(value) } else { Err(ConfigError(self.problems)) }
    }

    pub(super) fn problem(&mut self, name: &str, what: impl fmt::Display) {
        self.problems.push(format!("{name} {what}"));
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match (self.lookup)(name) {
            Ok(text) => text,
            Err(VarError::NotPresent) => return None,
            Err(VarError::NotUnicode(_)) => {
                self.garbled.borrow_mut().insert(name.to_owned());
                return None;
            }
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// `true` or `false`; unset is false.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_else(|| "false".to_owned());
        text.parse().unwrap_or_else(|_| {
            self.problem(name, format!("is `{text}`: expected true or false"));
            false
        })
    }

    /// The result of `parse` for the variable; `None` if it is unset or has problems.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Vec<String>>,
    ) -> Option<T> {
        match parse(&self.text(name)?) {
            Ok(parsed) => Some(parsed),
            Err(problems) => {
                problems.iter().for_each(|problem| self.problem(name, problem));
                None
            }
        }
    }

    pub(super) fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, "is not set");
            String::new()
        })
    }

    pub(super) fn web_address(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let is_web = |url: reqwest::Url| matches!(url.scheme(), "http" | "https");
        if !reqwest::Url::parse(&text).is_ok_and(is_web) {
            self.problem(name, format!("is `{text}`: expected an address like https://…"));
        }
        Some(text)
    }

    pub(super) fn list(&mut self, name: &str, otherwise: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_else(|| otherwise.to_owned());
        let mut items: Vec<String> = Vec::new();
        if text.is_empty() {
            return items;
        }
        for item in text.split(',').map(str::trim) {
            if item.is_empty() {
                self.problem(name, "has an empty item");
            } else if items.iter().any(|known| known == item) {
                self.problem(name, format!("names `{item}` twice"));
            } else {
                items.push(item.to_owned());
            }
        }
        items
    }

    /// A duration in milliseconds; 0 if it has a problem, because then there is no configuration.
    pub(super) fn duration(
        &mut self,
        name: &str,
        otherwise: &str,
        allowed: RangeInclusive<i64>,
    ) -> i64 {
        self.span(name, otherwise, allowed).map_or(0, |span| span.ms)
    }

    /// A duration that others are compared with; `None` if it has a problem.
    pub(super) fn span(
        &mut self,
        name: &str,
        otherwise: &str,
        allowed: RangeInclusive<i64>,
    ) -> Option<Span> {
        let text = self.text(name).unwrap_or_else(|| otherwise.to_owned());
        let (least_ms, most) = (*allowed.start(), allowed.end() / DAY_MS);
        let least = match least_ms >= DAY_MS {
            true => format!("{}d", least_ms / DAY_MS),
            false => format!("{}s", least_ms / 1_000),
        };
        let expected = match time::parse_duration_ms(&text) {
            Some(ms) if allowed.contains(&ms) => return Some(Span { ms, text }),
            Some(_) => format!("{least} to {most}d"),
            None => "a duration like 90s, 15m, 24h or 15d".to_owned(),
        };
        self.problem(name, format!("is `{text}`: expected {expected}"));
        None
    }

    pub(super) fn number<N>(&mut self, name: &str, otherwise: N, allowed: RangeInclusive<N>) -> N
    where
        N: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let Some(text) = self.text(name) else { return otherwise };
        if let Ok(number) = text.parse()
            && allowed.contains(&number)
        {
            return number;
        }
        let (least, most) = (allowed.start(), allowed.end());
        let expected = format!("a whole number from {least} to {most}");
        self.problem(name, format!("is `{text}`: expected {expected}"));
        otherwise
    }
}
