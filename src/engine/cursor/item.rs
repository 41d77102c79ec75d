//! A change to an item as data: its conditions, and what is then set, added and removed.
//!
//! [`Update::allows`] and [`Update::apply`] define what it does; the adapters only translate it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::stream::StreamId;

/// The value of an attribute: DynamoDB's `N` or `S`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Value {
    /// A whole number.
    N(i64),
    /// A text.
    S(String),
}

/// An item without its partition key.
pub type Item = BTreeMap<String, Value>;

/// Items of the table, by stream.
pub type Items = BTreeMap<StreamId, Item>;

/// A condition on an item. A comparison with an absent attribute is false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The attribute does not exist. True also if the item does not exist.
    Absent(&'static str),
    /// The attribute exists.
    Present(&'static str),
    /// The attribute is equal to the value.
    Is(&'static str, Value),
    /// The attribute is less than the number.
    Below(&'static str, i64),
    /// The attribute is greater than the number.
    Above(&'static str, i64),
    /// The attribute is less than or equal to the number.
    AtMost(&'static str, i64),
    /// At least one of these conditions is true.
    Any(Vec<Self>),
}

/// One atomic conditional update of one item. It is made only if all of `conditions` are true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The conditions, on the item before the update.
    pub conditions: Vec<Condition>,
    /// Attributes that are set.
    pub set: Vec<(&'static str, Value)>,
    /// Attributes to which a number is added; an absent one counts as 0.
    pub add: Vec<(&'static str, i64)>,
    /// Attributes that are removed.
    pub remove: Vec<&'static str>,
}

/// An attribute is absent or of the wrong type.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("its `{0}` is absent or cannot be read")]
pub struct Unreadable(pub &'static str);

/// A number of the item.
///
/// # Errors
/// [`Unreadable`] if it is absent or a text.
pub fn number(item: &Item, name: &'static str) -> Result<i64, Unreadable> {
    match item.get(name) {
        Some(Value::N(n)) => Ok(*n),
        _ => Err(Unreadable(name)),
    }
}

/// A text of the item.
///
/// # Errors
/// [`Unreadable`] if it is absent or a number.
pub fn text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, Unreadable> {
    match item.get(name) {
        Some(Value::S(text)) => Ok(text),
        _ => Err(Unreadable(name)),
    }
}

impl Update {
    /// Whether all conditions are true of `item`. An item that does not exist has no attributes.
    #[must_use]
    pub fn allows(&self, item: &Item) -> bool {
        self.conditions.iter().all(|condition| condition.holds(item))
    }

    /// Makes the update, without checking the conditions.
    pub fn apply(&self, item: &mut Item) {
        for (name, value) in &self.set {
            item.insert((*name).to_owned(), value.clone());
        }
        for (name, by) in &self.add {
            let before = number(item, name).unwrap_or(0);
            item.insert((*name).to_owned(), Value::N(before + by));
        }
        for name in &self.remove {
            item.remove(*name);
        }
    }

    /// Sets the attribute, or removes it if `value` is `None`.
    pub fn put(&mut self, name: &'static str, value: Option<Value>) {
        match value {
            Some(value) => self.set.push((name, value)),
            None => self.remove.push(name),
        }
    }
}

impl Condition {
    fn holds(&self, item: &Item) -> bool {
        let compare = |name, holds: &dyn Fn(i64) -> bool| number(item, name).is_ok_and(holds);
        match self {
            Self::Absent(name) => !item.contains_key(*name),
            Self::Present(name) => item.contains_key(*name),
            Self::Is(name, value) => item.get(*name) == Some(value),
            Self::Below(name, n) => compare(name, &|found| found < *n),
            Self::Above(name, n) => compare(name, &|found| found > *n),
            Self::AtMost(name, n) => compare(name, &|found| found <= *n),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(item)),
        }
    }
}
