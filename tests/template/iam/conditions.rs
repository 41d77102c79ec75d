//! Condition operators of policies, by "IAM JSON policy elements: Condition operators".

use std::collections::BTreeMap;

use serde_json::Value;

use super::policy::texts;

/// Condition keys, in lower case, and their values in a request. A key without a value is null.
pub(crate) type Context = BTreeMap<String, Vec<String>>;

/// How the values of a request are held against those of a policy.
#[derive(Clone, Copy)]
enum Set {
    Single,
    Any,
    All,
}

/// Whether all conditions of a statement hold.
pub(crate) fn hold(conditions: &Value, context: &Context) -> bool {
    let operators = conditions.as_object().into_iter().flatten();
    let mut keys = operators.flat_map(|(operator, keys)| {
        keys.as_object().unwrap().iter().map(move |it| (operator, it))
    });
    keys.all(|(operator, (key, values))| {
        let found = context.get(&key.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        holds(operator, found, &texts(values))
    })
}

fn holds(operator: &str, found: &[String], wanted: &[String]) -> bool {
    if operator == "Null" {
        return wanted.iter().any(|is_null| (is_null == "true") == found.is_empty());
    }
    let (set, operator) = match operator.split_once(':') {
        Some(("ForAnyValue", operator)) => (Set::Any, operator),
        Some(("ForAllValues", operator)) => (Set::All, operator),
        Some(_) => panic!("no such set: {operator}"),
        None => (Set::Single, operator),
    };
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let (compare, is_negated) = comparison(operator);
    let is_met = |value: &String| wanted.iter().any(|wanted| compare(wanted, value)) != is_negated;
    match (set, found) {
        (Set::All, []) => true,
        (Set::Any, []) => false,
        (Set::Single, []) => if_exists || is_negated,
        (Set::All, found) => found.iter().all(is_met),
        (Set::Any, found) => found.iter().any(is_met),
        (Set::Single, [value]) => is_met(value),
        (Set::Single, found) => panic!("{operator} with several values: {found:?}"),
    }
}

/// Whether a value of a policy, the first, is met by one of a request, and whether that is then denied.
fn comparison(operator: &str) -> (fn(&str, &str) -> bool, bool) {
    match operator {
        "StringEquals" => (|wanted, value| wanted == value, false),
        "StringNotEquals" => (|wanted, value| wanted == value, true),
        "StringLike" => (matches, false),
        "Bool" => (|wanted, value| wanted.eq_ignore_ascii_case(value), false),
        "NumericLessThan" => (|wanted, value| number(value) < number(wanted), false),
        "ArnEquals" | "ArnLike" => (matches_arn, false),
        other => panic!("not evaluated: {other}"),
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// Whether a text meets a pattern in which `*` stands for any text and `?` for any letter.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut next) = (0, 0);
    // Where the last asterisk stands, and how much of the text it has taken.
    let mut retry = None;
    while at < text.len() {
        match pattern.get(next) {
            Some('*') => {
                retry = Some((next, at));
                next += 1;
            }
            Some(letter) if *letter == '?' || *letter == text[at] => {
                (at, next) = (at + 1, next + 1);
            }
            _ => {
                let Some((asterisk, taken)) = retry else { return false };
                retry = Some((asterisk, taken + 1));
                (at, next) = (taken + 1, asterisk + 1);
            }
        }
    }
    pattern[next..].iter().all(|letter| *letter == '*')
}

/// The same of an ARN, each of its six components by itself. `*` alone is every ARN.
pub(crate) fn matches_arn(pattern: &str, arn: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (patterns, parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    patterns.clone().count() == parts.clone().count()
        && patterns.zip(parts).all(|(pattern, part)| matches(pattern, part))
}
