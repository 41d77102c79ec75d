//! `search_term`, `q` and `exact_match`: which events a query's filter keeps.
//!
//! Values are lower-cased when they are indexed, so only a search in lower case finds them.

use serde_json::{Map, Value};

use crate::wire::Refusal;

/// The filter of a query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    term: Option<Term>,
    text: Option<String>,
    exact: Option<String>,
}

#[derive(Debug, Clone)]
enum Term {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Vec<Self>),
    /// A field in dot notation and the values of which one must match.
    Field(String, Vec<Value>),
}

impl Filter {
    /// Reads the filter's fields of a request body.
    pub(crate) fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let filter = Self {
            term: body.get("search_term").map(read_term).transpose()?,
            text: text("q").filter(|q| !q.is_empty()),
            exact: text("exact_match").filter(|exact| !exact.is_empty()),
        };
        if filter.text.is_some() && filter.exact.is_some() {
            return Err(Refusal::new(400, "q and exact_match exclude each other"));
        }
        Ok(filter)
    }

    /// Whether the filter keeps an event. One that is not JSON passes only an empty filter.
    pub(crate) fn keeps(&self, raw: &[u8]) -> bool {
        if self.term.is_none() && self.text.is_none() && self.exact.is_none() {
            return true;
        }
        let Ok(event) = serde_json::from_slice::<Value>(raw) else {
            return false;
        };
        let finds = |test: &dyn Fn(&str) -> bool| any_scalar(&event, test);
        self.term.as_ref().is_none_or(|term| term.keeps(&event))
            && self.text.as_ref().is_none_or(|text| finds(&|value| value.contains(text)))
            && self.exact.as_ref().is_none_or(|exact| finds(&|value| value == exact))
    }
}

impl Term {
    fn keeps(&self, event: &Value) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.keeps(event)),
            Self::Or(terms) => terms.iter().any(|term| term.keeps(event)),
            Self::Not(terms) => !terms.iter().any(|term| term.keeps(event)),
            Self::Field(path, wanted) => field(event, path).is_some_and(|found| {
                any_scalar(found, &|value| {
                    wanted.iter().any(|want| scalar(want).as_deref() == Some(value))
                })
            }),
        }
    }
}

/// Reads `{"and":[…]}`, `{"or":[…]}` or `{"not":[…]}`.
fn read_term(value: &Value) -> Result<Term, Refusal> {
    let refusal = || Refusal::new(400, "search_term must hold exactly one of and, or, not");
    let term = value.as_object().ok_or_else(refusal)?;
    let mut entries = term.iter();
    let (Some((operator, operands)), None) = (entries.next(), entries.next()) else {
        return Err(refusal());
    };
    let terms = match operands {
        Value::Array(list) => list.iter().map(read_operand).collect::<Result<Vec<_>, _>>()?,
        single => vec![read_operand(single)?],
    };
    match operator.as_str() {
        "and" => Ok(Term::And(terms)),
        "or" => Ok(Term::Or(terms)),
        "not" => Ok(Term::Not(terms)),
        _ => Err(refusal()),
    }
}

/// Reads one entry of a list: a nested term, or fields that must all match.
fn read_operand(value: &Value) -> Result<Term, Refusal> {
    let fields =
        value.as_object().ok_or_else(|| Refusal::new(400, "search_term lists hold objects"))?;
    if fields.len() == 1 && fields.keys().all(|key| matches!(key.as_str(), "and" | "or" | "not")) {
        return read_term(value);
    }
    let terms = fields.iter().map(|(path, wanted)| {
        let wanted = wanted.as_array().cloned().unwrap_or_else(|| vec![wanted.clone()]);
        Term::Field(path.clone(), wanted)
    });
    Ok(Term::And(terms.collect()))
}

/// The value at a path in dot notation.
pub(crate) fn field<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(event, |value, name| value.get(name))
}

/// Whether any scalar in a value, lower-cased, passes the test.
fn any_scalar(value: &Value, test: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| any_scalar(item, test)),
        Value::Object(fields) => fields.values().any(|item| any_scalar(item, test)),
        other => scalar(other).is_some_and(|text| test(&text.to_lowercase())),
    }
}

/// A scalar as text; `None` for `null` and for what is no scalar.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An event cut down to the given paths; `None` if it holds none of them.
pub(crate) fn projected(event: &Value, paths: &[String]) -> Option<Value> {
    let mut kept = Value::Object(Map::new());
    let mut found = false;
    for path in paths {
        if let Some(value) = field(event, path) {
            found = true;
            place(&mut kept, path, value.clone());
        }
    }
    found.then_some(kept)
}

/// Puts a value at a path, making the objects on the way.
fn place(target: &mut Value, path: &str, value: Value) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Value::Object(fields) = target else {
        return;
    };
    match rest {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(rest) => {
            let inner = fields.entry(name).or_insert_with(|| Value::Object(Map::new()));
            place(inner, rest, value);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    const EVENT: &[u8] =
        br#"{"event_type":"SSO_auth","success":false,"geoip":{"country_code":"IS"},"n":[1,2]}"#;

    fn keeps(body: &Value) -> bool {
        Filter::read(body.as_object().unwrap()).unwrap().keeps(EVENT)
    }

    /// The grammar of the description, with the lower-cased index it warns of.
    #[test]
    fn terms_nest_and_match_the_lower_cased_index() {
        assert!(keeps(
            &json!({"search_term":{"and":[{"event_type":"sso_auth"},{"success":false}]}})
        ));
        assert!(!keeps(&json!({"search_term":{"and":[{"event_type":"SSO_auth"}]}})));
        assert!(keeps(
            &json!({"search_term":{"or":[{"n":[3,2]},{"and":[{"geoip.country_code":"no"}]}]}})
        ));
        assert!(!keeps(&json!({"search_term":{"not":[{"geoip.country_code":"is"}]}})));
        assert!(keeps(&json!({"q":"sso_"})));
        assert!(!keeps(&json!({"exact_match":"sso_"})));
    }

    /// What the description forbids is refused and not guessed at.
    #[test]
    fn malformed_filters_are_refused() {
        for body in [
            json!({"search_term":{}}),
            json!({"search_term":{"xor":[]}}),
            json!({"search_term":{"and":[1]}}),
            json!({"q":"a","exact_match":"a"}),
        ] {
            assert_eq!(Filter::read(body.as_object().unwrap()).err().unwrap().status, 400);
        }
    }
}
