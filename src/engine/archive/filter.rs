//! `EVENT_FILTER`: which events are archived, decided by the event's own bytes.
//!
//! ```json
//! {"keep": [{"service": ["sso", "directory"]}], "drop": [{"event_type": "ldap_search", "success": true}]}
//! ```
//!
//! A rule matches if all of its fields match; a field matches if its value is one of those listed;
//! a list of rules matches if any rule does. An event is archived if no `drop` rule matches it and,
//! if there are `keep` rules, at least one of them matches. Fields are in dot notation; a list in
//! the event matches if any of its elements does; `null` also matches a field that does not exist.

use serde_json::value::RawValue;

use crate::json::{self, for_each_member};

/// A parsed filter.
///
/// ```
/// use engine::archive::filter::Filter;
///
/// let filter = Filter::parse(r#"{"drop": [{"event_type": "ldap_search", "success": true}]}"#)?;
/// assert!(!filter.keeps(br#"{"event_type":"ldap_search","success":true}"#));
/// assert!(filter.keeps(br#"{"event_type":"ldap_search","success":false}"#));
/// # Ok::<(), Vec<String>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    /// Every field that a rule names. Rules refer to a field by its index here.
    fields: Field,
    field_count: usize,
    keep: Vec<Rule>,
    drop: Vec<Rule>,
}

/// One step of the fields' names, and the steps below it.
#[derive(Clone, Debug, Default)]
struct Field {
    below: Vec<(String, Self)>,
    /// The index of the field, if a rule names the field that ends here.
    place: Option<usize>,
}

/// Conditions that must all be true.
type Rule = Vec<Condition>;

#[derive(Clone, Debug)]
struct Condition {
    /// Index of the field.
    field: usize,
    any_of: Vec<Literal>,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Null,
    Bool(bool),
    /// A number as it is written, because it may be larger than any type can represent.
    Number(String),
    Text(Vec<u8>),
}

/// For each field of the filter, the values of the event.
type Found<'e> = Vec<Vec<&'e RawValue>>;

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Every problem, as a message that follows the variable's name.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut filter =
            Self { fields: Field::default(), field_count: 0, keep: Vec::new(), drop: Vec::new() };
        let mut problems = Vec::new();
        let Some(lists) = members(text, "", &mut problems) else {
            return Err(vec!["is not a JSON object".to_owned()]);
        };
        if lists.is_empty() {
            problems.push("has neither `keep` nor `drop`".to_owned());
        }
        for (name, rules) in lists {
            let rules = |filter: &mut Self, problems: &mut _| filter.rules(&name, rules, problems);
            match name.as_str() {
                "keep" => filter.keep = rules(&mut filter, &mut problems),
                "drop" => filter.drop = rules(&mut filter, &mut problems),
                _ => problems.push(format!("has `{name}`: expected `keep` and `drop`")),
            }
        }
        if problems.is_empty() { Ok(filter) } else { Err(problems) }
    }

    fn rules(&mut self, list: &str, raw: &RawValue, problems: &mut Vec<String>) -> Vec<Rule> {
        let rules: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
        if rules.is_empty() {
            problems.push(format!("has a `{list}` that is not a list of rules"));
        }
        rules.into_iter().map(|rule| self.rule(list, rule, problems)).collect()
    }

    fn rule(&mut self, list: &str, raw: &RawValue, problems: &mut Vec<String>) -> Rule {
        let Some(fields) = members(raw.get(), &format!(" in `{list}`"), problems) else {
            problems.push(format!("has a rule in `{list}` that is not a JSON object"));
            return Vec::new();
        };
        if fields.is_empty() {
            problems.push(format!("has a rule in `{list}` without a field: it matches all"));
        }
        let mut conditions = Vec::new();
        for (name, values) in fields {
            if name.split('.').any(str::is_empty) {
                problems.push(format!("names a field `{name}`: expected names with dots between"));
            }
            let listed: Vec<&RawValue> =
                serde_json::from_str(values.get()).unwrap_or_else(|_| vec![values]);
            let any_of: Vec<_> = listed.iter().filter_map(|value| Literal::of(value)).collect();
            if any_of.is_empty() || any_of.len() < listed.len() {
                problems.push(format!(
                    "compares `{name}` with {}: expected text, a number, true, false, null, or a \
                     list of those",
                    values.get()
                ));
            }
            conditions.push(Condition { field: self.place(&name), any_of });
        }
        conditions
    }

    /// The index of the field of this name, which is added if it is new.
    fn place(&mut self, name: &str) -> usize {
        let field = name.split('.').fold(&mut self.fields, |field, step| {
            let at = field.below.iter().position(|(known, _)| known == step).unwrap_or_else(|| {
                field.below.push((step.to_owned(), Field::default()));
                field.below.len() - 1
            });
            &mut field.below[at].1
        });
        *field.place.get_or_insert_with(|| {
            self.field_count += 1;
            self.field_count - 1
        })
    }

    /// Whether `event`, the JSON of an object, is archived.
    #[must_use]
    pub fn keeps(&self, event: &[u8]) -> bool {
        // Rows that are not JSON objects in UTF-8 are quarantined and never filtered.
        let Ok(event) = std::str::from_utf8(event) else { return true };
        let mut found: Found<'_> = vec![Vec::new(); self.field_count];
        self.fields.find_in_object(event, &mut found);
        let matches =
            |rules: &[Rule]| rules.iter().any(|rule| rule.iter().all(|c| c.holds(&found)));
        !matches(&self.drop) && (self.keep.is_empty() || matches(&self.keep))
    }
}

impl Field {
    /// Adds the values of `object` for the fields below this step. If a key appears several times,
    /// its last value counts.
    fn find_in_object<'e>(&self, object: &'e str, found: &mut Found<'e>) {
        let before: Vec<usize> = found.iter().map(Vec::len).collect();
        for_each_member(object, &mut |key, value| {
            let key = json::key(key);
            if let Some((_, field)) = self.below.iter().find(|(name, _)| *name.as_bytes() == *key) {
                field.forget(found, &before);
                field.find(value, found);
            }
        });
    }

    /// Adds `value`, its elements if it is a list, and the values below it.
    fn find<'e>(&self, value: &'e RawValue, found: &mut Found<'e>) {
        let elements: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
        for value in std::iter::once(value).chain(elements) {
            if let Some(place) = self.place {
                found[place].push(value);
            }
            if !self.below.is_empty() && value.get().starts_with('{') {
                self.find_in_object(value.get(), found);
            }
        }
    }

    /// Removes the values of this field and those below that were added after the numbers of values
    /// in `before`.
    fn forget(&self, found: &mut Found<'_>, before: &[usize]) {
        if let Some(place) = self.place {
            found[place].truncate(before[place]);
        }
        for (_, field) in &self.below {
            field.forget(found, before);
        }
    }
}

impl Condition {
    fn holds(&self, found: &Found<'_>) -> bool {
        let values = &found[self.field];
        let is_absent = values.is_empty() && self.any_of.contains(&Literal::Null);
        is_absent || values.iter().any(|value| self.any_of.iter().any(|each| each.is(value)))
    }
}

impl Literal {
    /// `None` for objects and lists.
    fn of(raw: &RawValue) -> Option<Self> {
        Some(match raw.get() {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            text if text.starts_with('"') => Self::Text(json::text(text.as_bytes())?.into_owned()),
            text if text.starts_with(['{', '[']) => return None,
            number => Self::Number(number.to_owned()),
        })
    }

    fn is(&self, raw: &RawValue) -> bool {
        match self {
            Self::Null => raw.get() == "null",
            Self::Bool(value) => raw.get() == if *value { "true" } else { "false" },
            Self::Number(number) => same_number(number, raw.get()),
            Self::Text(text) => json::text(raw.get().as_bytes()).is_some_and(|own| *own == *text),
        }
    }
}

/// Whole numbers are compared digit by digit, others as floating-point numbers.
fn same_number(a: &str, b: &str) -> bool {
    let floats = || a.parse::<f64>().ok().zip(b.parse::<f64>().ok());
    let is_number = b.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    match (a.parse::<i128>(), b.parse::<i128>()) {
        _ if !is_number => false,
        (Ok(a), Ok(b)) => a == b,
        _ => a == b || floats().is_some_and(|(a, b)| a == b),
    }
}

/// The members of an object of the setting, in order; `None` if it is none. A name that comes
/// twice is a problem: only one of the two could count.
fn members<'t>(
    object: &'t str,
    place: &str,
    problems: &mut Vec<String>,
) -> Option<Vec<(String, &'t RawValue)>> {
    let mut members: Vec<(String, &RawValue)> = Vec::new();
    let is_object = for_each_member(object, &mut |key, value| {
        let name = String::from_utf8_lossy(&json::key(key)).into_owned();
        if members.iter().any(|(known, _)| *known == name) {
            problems.push(format!("names `{name}` twice{place}"));
        }
        members.push((name, value));
    });
    is_object.then_some(members)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"service":"sso","event_type":"sso_auth","success":false,"n":1.50,
        "big":12345678901234567890123,"provider":null,"initiated_by":{"type":"user","id":"1"},
        "changes":[{"field":"state","to":["a","b"]},{"field":"suspended","to":true}],
        "text":"caf\u00e9","first":1,"first":2,"deep":{"a":1},"deep":{"b":1}}"#;

    fn keeps(filter: &str) -> bool {
        Filter::parse(filter).unwrap().keeps(EVENT.as_bytes())
    }

    #[test]
    fn all_fields_of_any_rule_and_any_value_of_a_field() {
        for (rules, matched) in [
            (r#"[{"service":"sso"}]"#, true),
            (r#"[{"service":["ldap","sso"]}]"#, true),
            (r#"[{"service":["ldap"]}]"#, false),
            (r#"[{"service":"SSO"}]"#, false),
            (r#"[{"service":"sso","success":true}]"#, false),
            (r#"[{"service":"sso","success":false}]"#, true),
            (r#"[{"service":"ldap"},{"event_type":"sso_auth"}]"#, true),
            (r#"[{"initiated_by.type":"user","initiated_by.id":["1"]}]"#, true),
            (r#"[{"initiated_by.id":1}]"#, false),
            (r#"[{"initiated_by":"user"}]"#, false),
            (r#"[{"service.name":"sso"}]"#, false),
            (r#"[{"success":"false"}]"#, false),
            (r#"[{"n":1.5}]"#, true),
            (r#"[{"n":1}]"#, false),
            (r#"[{"big":12345678901234567890123}]"#, true),
            (r#"[{"big":12345678901234567890124}]"#, false),
            (r#"[{"provider":null}]"#, true),
            (r#"[{"nowhere":[null,1]}]"#, true),
            (r#"[{"service":null}]"#, false),
            (r#"[{"changes.field":"suspended"}]"#, true),
            (r#"[{"changes.to":["b"]}]"#, true),
            (r#"[{"changes.field":"to"}]"#, false),
            (r#"[{"text":"café"}]"#, true),
            (r#"[{"first":1}]"#, false),
            (r#"[{"first":2}]"#, true),
            (r#"[{"deep.a":1}]"#, false),
            (r#"[{"deep.b":1}]"#, true),
        ] {
            assert_eq!(keeps(&format!(r#"{{"keep":{rules}}}"#)), matched, "keep {rules}");
            assert_eq!(keeps(&format!(r#"{{"drop":{rules}}}"#)), !matched, "drop {rules}");
        }
    }

    #[test]
    fn drop_goes_before_keep() {
        let (sso, ldap) = (r#"[{"service":"sso"}]"#, r#"[{"service":"ldap"}]"#);
        for (keep, drop, kept) in
            [(sso, sso, false), (sso, ldap, true), (ldap, ldap, false), (ldap, sso, false)]
        {
            let filter = format!(r#"{{"keep":{keep},"drop":{drop}}}"#);
            assert_eq!(keeps(&filter), kept, "{filter}");
        }
    }

    #[test]
    fn lists_in_lists_of_any_depth_are_read_past() {
        let event = format!(r#"{{"a":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let filter = Filter::parse(r#"{"keep":[{"a.b":1}]}"#).unwrap();
        assert!(!filter.keeps(event.as_bytes()));
    }

    #[test]
    fn every_problem_is_reported() {
        let problems = |text: &str| Filter::parse(text).unwrap_err().join("; ");
        insta::assert_snapshot!(problems("[]"), @"is not a JSON object");
        insta::assert_snapshot!(problems("{"), @"is not a JSON object");
        insta::assert_snapshot!(problems("{}"), @"has neither `keep` nor `drop`");
        insta::assert_snapshot!(
            problems(r#"{"keep":[],"drop":{},"kep":1,"keep":[{}]}"#),
            @"names `keep` twice; has a `keep` that is not a list of rules; has a `drop` that is not a list of rules; has `kep`: expected `keep` and `drop`; has a rule in `keep` without a field: it matches all"
        );
        insta::assert_snapshot!(
            problems(r#"{"drop":[{"a":1,"a":2,"b..c":[],"d":{},"e":["x",[]]},7]}"#),
            @"names `a` twice in `drop`; names a field `b..c`: expected names with dots between; compares `b..c` with []: expected text, a number, true, false, null, or a list of those; compares `d` with {}: expected text, a number, true, false, null, or a list of those; compares `e` with [\"x\",[]]: expected text, a number, true, false, null, or a list of those; has a rule in `drop` that is not a JSON object"
        );
    }
}
