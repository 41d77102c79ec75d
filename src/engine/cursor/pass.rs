//! The place of the pass through all streams that were ever created, which finds those that are no
//! longer collected. It is in an item of its own, beside the streams'.

use crate::cursor::{Condition, Item, Update, Value, attribute, number, text};
use crate::limits::PASS_EVERY_MS;

/// How far the pass is. A new one begins [`PASS_EVERY_MS`] after the last one has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// When it began, UTC milliseconds; `None` before the first.
    started_ms: Option<i64>,
    /// The key of the certificate up to which it went, empty at its beginning; `None` once it has
    /// come to the end.
    after: Option<String>,
    /// Streams needing an operator that it has found so far.
    found: i64,
    /// Streams needing an operator that the last one found that came to its end.
    last_found: i64,
}

impl Pass {
    /// Reads the place from its item. What cannot be read is taken for absent, so that a pass begins.
    #[must_use]
    pub fn read(item: &Item) -> Self {
        let count = |name| number(item, name).unwrap_or(0);
        Self {
            started_ms: number(item, attribute::PASS_STARTED_MS).ok(),
            after: text(item, attribute::PASS_AFTER).ok().map(str::to_owned),
            found: count(attribute::PASS_NEEDING_OPERATOR),
            last_found: count(attribute::LAST_NEEDING_OPERATOR),
        }
    }

    /// Whether there is something to do at `now_ms`. A clock that was set back begins a new one.
    #[must_use]
    pub fn is_due(&self, now_ms: i64) -> bool {
        let is_recent = |started_ms| (started_ms..started_ms + PASS_EVERY_MS).contains(&now_ms);
        self.after.is_some() || !self.started_ms.is_some_and(is_recent)
    }

    /// The pass that is under way or, if there is none, a new one.
    #[must_use]
    pub fn under_way(self, now_ms: i64) -> Self {
        match self.after {
            Some(_) => self,
            None => Self {
                started_ms: Some(now_ms),
                after: Some(String::new()),
                found: 0,
                last_found: self.last_found,
            },
        }
    }

    /// The key after which it continues.
    #[must_use]
    pub fn after(&self) -> &str {
        self.after.as_deref().unwrap_or_default()
    }

    /// The pass once it has come to the key `last`, or to its end, and has found so many more streams
    /// needing an operator.
    #[must_use]
    pub fn at(mut self, last: Option<String>, found: i64) -> Self {
        self.found += found;
        if last.is_none() {
            self.last_found = self.found;
        }
        Self { after: last, ..self }
    }

    /// Streams needing an operator that the last pass found that came to its end.
    #[must_use]
    pub fn needing_operator(&self) -> i64 {
        self.last_found
    }

    /// Writes the place, on condition that the item is still as it was read.
    #[must_use]
    pub fn replace(&self, item: &Item) -> Update {
        let names = [attribute::PASS_STARTED_MS, attribute::PASS_AFTER];
        let unchanged = names.map(|name| match item.get(name) {
            Some(value) => Condition::Is(name, value.clone()),
            None => Condition::Absent(name),
        });
        let mut update = Update { conditions: unchanged.into(), ..Update::default() };
        update.put(attribute::PASS_STARTED_MS, self.started_ms.map(Value::N));
        update.put(attribute::PASS_AFTER, self.after.clone().map(Value::S));
        update.put(attribute::PASS_NEEDING_OPERATOR, Some(Value::N(self.found)));
        update.put(attribute::LAST_NEEDING_OPERATOR, Some(Value::N(self.last_found)));
        update
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pass: &Pass, item: &mut Item) -> Pass {
        let update = pass.replace(item);
        assert!(update.allows(item));
        update.apply(item);
        assert!(!update.allows(item), "another run has continued it meanwhile");
        Pass::read(item)
    }

    #[test]
    fn a_pass_continues_until_its_end_and_begins_again_after_an_hour() {
        let mut item = Item::new();
        let first = Pass::read(&item);
        assert!(first.is_due(10));
        let first = first.under_way(10);
        assert_eq!(first.after(), "");
        let first = written(&first.at(Some("streams/v1/b.json".to_owned()), 2), &mut item);
        assert!(first.is_due(11), "it is under way");
        assert_eq!((first.after(), first.needing_operator()), ("streams/v1/b.json", 0));
        let first = written(&first.under_way(11).at(None, 1), &mut item);
        assert_eq!(first.needing_operator(), 3);
        assert!(!first.is_due(9 + PASS_EVERY_MS) && first.is_due(10 + PASS_EVERY_MS));
        assert!(first.is_due(9), "the clock was set back");
        let second = first.under_way(10 + PASS_EVERY_MS);
        assert_eq!((second.after(), second.needing_operator()), ("", 3));
        let second = written(&second.at(None, 0), &mut item);
        assert_eq!(second.needing_operator(), 0);
    }
}
