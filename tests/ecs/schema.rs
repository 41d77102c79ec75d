//! The schema as a reader of documents sees it. Shares no code with what writes them.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

const SCHEMA: &str = include_str!("../../src/engine/archive/output/ecs/ecs-8.11.txt");

/// Everything that is wrong with a document.
pub(crate) fn check(document: &str) -> Vec<String> {
    if let Err(error) = serde_json::from_str::<Once>(document) {
        return vec![error.to_string()];
    }
    let value: Value = serde_json::from_str(document).unwrap();
    let mut found = Vec::new();
    if document.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        found.push("a reader would split it".to_owned());
    }
    for required in ["/@timestamp", "/ecs/version", "/event/kind", "/event/outcome"] {
        if value.pointer(required).is_none() {
            found.push(format!("{required} is missing"));
        }
    }
    object(&fields(), "", &value, &mut found);
    found
}

/// Checks that a document that says something did not fit says what, and holds the event as it
/// came. How many do: one or none.
pub(crate) fn check_misfit(document: &str, event: &str) -> usize {
    let document: Value = serde_json::from_str(document).unwrap();
    if document["event"]["kind"] != "pipeline_error" {
        assert_eq!(document.get("error"), None);
        return 0;
    }
    assert_eq!(document["event"]["original"], event);
    assert!(document["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert_eq!(document["tags"][0], "preserve_original_event");
    1
}

fn fields() -> HashMap<&'static str, &'static str> {
    let lines = SCHEMA.lines().skip_while(|line| *line != "[fields]").skip(1);
    lines.map_while(|line| line.split_once(' ')).collect()
}

fn object(fields: &HashMap<&str, &str>, path: &str, value: &Value, found: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if path == "jumpcloud" {
            let is_event =
                value.as_object().is_some_and(|all| all.len() == 1 && all.contains_key("event"));
            if !is_event || is_empty(&value["event"]) {
                found.push(format!("{path}: {value}"));
            }
            continue;
        }
        match fields
            .get(&*path)
            .map(|kind| kind.split_once(' ').map_or((*kind, false), |(kind, _)| (kind, true)))
        {
            None if value.is_object() && value != &Value::Object(serde_json::Map::new()) => {
                object(fields, &path, value, found);
            }
            Some((kind, false)) if is(kind, value) => {}
            Some((kind, true))
                if value.as_array().is_some_and(|all| {
                    !all.is_empty() && all.iter().all(|each| is(kind, each))
                }) => {}
            kind => found.push(format!("{path} is {value}, expected {kind:?}")),
        }
    }
}

/// Whether it or something in it is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty() || all.iter().any(is_empty),
        Value::Object(all) => all.is_empty() || all.values().any(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is(kind: &str, value: &Value) -> bool {
    let text = value.as_str();
    match kind {
        "keyword" | "match_only_text" => text.is_some(),
        "long" => value.is_i64(),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "date" => text.is_some_and(|text| {
            let is_cut = text.len() == 24 && text.ends_with('Z') && &text[19..20] == ".";
            is_cut && text.parse::<jiff::Timestamp>().is_ok()
        }),
        "geo_point" => {
            let within = |name, limit| value[name].as_f64().is_some_and(|n: f64| n.abs() <= limit);
            within("lat", 90.0) && within("lon", 180.0)
        }
        other => panic!("{other} is no type"),
    }
}

/// JSON of which no object has a key twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Once;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
        let mut keys = std::collections::HashSet::new();
        while let Some((key, Once)) = map.next_entry::<String, Once>()? {
            if !keys.insert(key.clone()) {
                return Err(Error::custom(format!("{key} is there twice")));
            }
        }
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Once, A::Error> {
        while seq.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E>(self) -> Result<Once, E> {
        Ok(Once)
    }
}
