//! Selects members of a JSON object. The selected members keep the object's own bytes: values are
//! never parsed and written again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::json::{for_each_member, key};

/// A set of member names in dot notation. For an array, names refer to members of its elements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// If empty, the whole member.
    below: BTreeMap<Vec<u8>, Self>,
}

/// Which members of an object are kept.
///
/// ```
/// use engine::users::projection::{Fields, Projection};
///
/// let only = Fields::parse(&["name", "mfa"]);
/// let without = Fields::parse(&["mfa.secret"]).expect("no empty part");
/// let user = r#"{"name":"Ada","phone":"1","mfa":{"on":true,"secret":"x"}}"#;
/// assert_eq!(Projection { only, without }.of(user), r#"{"name":"Ada","mfa":{"on":true}}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// If given, only these members are kept.
    pub only: Option<Fields>,
    /// These members are dropped in any case.
    pub without: Fields,
}

impl Fields {
    /// Reads names in dot notation. `None` if one has an empty part.
    #[must_use]
    pub fn parse<T: AsRef<str>>(names: &[T]) -> Option<Self> {
        let mut fields = Self::default();
        for name in names {
            let parts: Vec<_> = name.as_ref().split('.').collect();
            if parts.contains(&"") {
                return None;
            }
            fields.insert(&parts);
        }
        Some(fields)
    }

    /// Adds a name. If a whole member is in the set, names below it change nothing.
    fn insert(&mut self, parts: &[&str]) {
        let [first, rest @ ..] = parts else { return };
        match self.below.get_mut(first.as_bytes()) {
            Some(known) if known.is_whole() => {}
            Some(known) if rest.is_empty() => known.below.clear(),
            Some(known) => known.insert(rest),
            None => {
                let mut new = Self::default();
                new.insert(rest);
                self.below.insert(first.as_bytes().to_vec(), new);
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.below.is_empty()
    }
}

impl Projection {
    /// The selected part of `object`, which must be valid JSON. It is borrowed if everything is
    /// kept.
    #[must_use]
    pub fn of<'a>(&self, object: &'a str) -> Cow<'a, str> {
        let kept = match &self.only {
            Some(only) => keep(object, only),
            None => Cow::Borrowed(object),
        };
        match kept {
            Cow::Borrowed(object) => drop_from(object, &self.without),
            Cow::Owned(object) => Cow::Owned(drop_from(&object, &self.without).into_owned()),
        }
    }
}

/// `json` with nothing but `fields`.
fn keep<'a>(json: &'a str, fields: &Fields) -> Cow<'a, str> {
    rewritten(
        json,
        &|name| match fields.below.get(name) {
            None => Fate::Dropped,
            Some(below) if below.is_whole() => Fate::Kept,
            Some(below) => Fate::Entered(below),
        },
        &|inner, below| keep(inner, below),
    )
}

/// `json` without `fields`.
fn drop_from<'a>(json: &'a str, fields: &Fields) -> Cow<'a, str> {
    rewritten(
        json,
        &|name| match fields.below.get(name) {
            None => Fate::Kept,
            Some(below) if below.is_whole() => Fate::Dropped,
            Some(below) => Fate::Entered(below),
        },
        &|inner, below| drop_from(inner, below),
    )
}

/// What is done with a member.
enum Fate<'f> {
    Kept,
    Dropped,
    /// The members of its value are selected with these fields.
    Entered(&'f Fields),
}

/// Selects the members of an object, or of the objects of an array; any other value is unchanged.
/// The result is borrowed if nothing was dropped. The depth of recursion is that of the fields, not
/// that of the JSON.
fn rewritten<'a, 'f>(
    json: &'a str,
    fate: &dyn Fn(&[u8]) -> Fate<'f>,
    enter: &dyn Fn(&'a str, &'f Fields) -> Cow<'a, str>,
) -> Cow<'a, str> {
    match json.as_bytes().first() {
        Some(b'{') => {
            let mut members = Vec::new();
            if !for_each_member(json, &mut |name, value| members.push((name, value))) {
                return json.into();
            }
            let all = members.len();
            let kept = members.into_iter().filter_map(|(name, value)| {
                let value = match fate(&key(name)) {
                    Fate::Kept => Cow::Borrowed(value.get()),
                    Fate::Dropped => return None,
                    Fate::Entered(below) => enter(value.get(), below),
                };
                Some((name.get(), value))
            });
            let kept: Vec<_> = kept.collect();
            if kept.len() == all && kept.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_)))
            {
                return json.into();
            }
            let members: Vec<_> =
                kept.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            format!("{{{}}}", members.join(",")).into()
        }
        Some(b'[') => {
            let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return json.into();
            };
            let elements: Vec<_> =
                elements.iter().map(|element| rewritten(element.get(), fate, enter)).collect();
            if elements.iter().all(|element| matches!(element, Cow::Borrowed(_))) {
                return json.into();
            }
            format!("[{}]", elements.join(",")).into()
        }
        _ => json.into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Fields {
        Fields::parse(names).unwrap()
    }

    fn only(names: &[&str], json: &str) -> String {
        let projection = Projection { only: Some(fields(names)), without: Fields::default() };
        projection.of(json).into_owned()
    }

    fn without(names: &[&str], json: &str) -> String {
        Projection { only: None, without: fields(names) }.of(json).into_owned()
    }

    const USER: &str = r#"{"_id": "a", "n":1.50,"mfa":{"configured": true ,"x":[1, 2]},"keys":[{"name":"k","key":"s"},7]}"#;

    #[test]
    fn an_object_that_loses_nothing_is_its_own_bytes() {
        assert!(matches!(Projection::default().of(USER), Cow::Borrowed(_)));
        assert_eq!(without(&["phoneNumbers", "mfa.secret", "n.x", "keys.z"], USER), USER);
        assert_eq!(only(&["_id", "n", "mfa", "keys"], USER), USER);
    }

    #[test]
    fn what_is_kept_keeps_its_bytes() {
        assert_eq!(
            without(&["_id", "mfa.configured", "keys.key"], USER),
            r#"{"n":1.50,"mfa":{"x":[1, 2]},"keys":[{"name":"k"},7]}"#
        );
        assert_eq!(
            only(&["n", "mfa.x", "keys.name"], USER),
            r#"{"n":1.50,"mfa":{"x":[1, 2]},"keys":[{"name":"k"},7]}"#
        );
        assert_eq!(only(&["none"], USER), "{}");
        assert_eq!(without(&["a"], r#"{"\u0061":1,"a":2,"b":3}"#), r#"{"b":3}"#, "by its value");
    }

    #[test]
    fn what_is_left_out_is_left_out_of_what_is_kept() {
        let projection =
            Projection { only: Some(fields(&["mfa", "n"])), without: fields(&["mfa.x"]) };
        assert_eq!(projection.of(USER), r#"{"n":1.50,"mfa":{"configured":true}}"#);
    }

    #[test]
    fn a_member_named_as_a_whole_stays_so() {
        assert_eq!(fields(&["a", "a.b"]), fields(&["a"]));
        assert_eq!(fields(&["a.b", "a"]), fields(&["a"]));
        assert_eq!(Fields::parse(&["a..b"]), None);
        assert_eq!(Fields::parse(&[""]), None);
    }

    #[test]
    fn depth_and_odd_values_are_no_matter() {
        let deep = format!(r#"{{"a":{}1{},"b":"\ud800"}}"#, "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(without(&["b"], &deep).len(), deep.len() - r#","b":"\ud800""#.len());
        assert_eq!(without(&["a"], &deep), r#"{"b":"\ud800"}"#);
    }
}
