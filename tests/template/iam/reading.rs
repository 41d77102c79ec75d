//! The template as plain JSON, and its policies as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

pub(crate) fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The template with CloudFormation's short tags (`!Ref x`) written out (`{"Ref": x}`).
pub(crate) fn template() -> Value {
    let source = fs::read_to_string(path("template.yaml")).unwrap();
    plain(&Yaml::load_from_str(&source).unwrap()[0])
}

fn plain(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Mapping(entries) => {
            let member = |(key, value): (&Yaml<'_>, &Yaml<'_>)| {
                (key.as_str().unwrap().to_owned(), plain(value))
            };
            Value::Object(entries.iter().map(member).collect::<Map<_, _>>())
        }
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Tagged(tag, inner) => match tag.suffix.as_str() {
            "Ref" => json!({ "Ref": plain(inner) }),
            function => json!({ format!("Fn::{function}"): plain(inner) }),
        },
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        other => panic!("not used in templates: {other:?}"),
    }
}

pub(crate) fn properties<'a>(template: &'a Value, id: &str) -> &'a Value {
    &template["Resources"][id]["Properties"]
}

pub(crate) fn logical_ids(template: &Value, kind: &str) -> Vec<String> {
    let resources = template["Resources"].as_object().unwrap();
    let mut ids: Vec<_> =
        resources.iter().filter(|(_, it)| it["Type"] == kind).map(|(id, _)| id.clone()).collect();
    ids.sort();
    ids
}

/// A policy document as text: one statement after the other, with conditions in the order of their names.
pub(crate) fn document(document: &Value) -> String {
    let mut all = String::new();
    for entry in document["Statement"].as_array().unwrap() {
        let Some(choice) = entry.get("Fn::If") else {
            write_statement(&mut all, entry);
            continue;
        };
        for (word, statement) in [("with", &choice[1]), ("without", &choice[2])] {
            if statement.get("Effect").is_some() {
                writeln!(all, "{word} {}", text(&choice[0])).unwrap();
                write_statement(&mut all, statement);
            } else {
                assert_eq!(text(statement), "${AWS::NoValue}", "neither: {choice}");
            }
        }
    }
    all
}

fn write_statement(all: &mut String, statement: &Value) {
    let [sid, effect] = ["Sid", "Effect"].map(|key| text(&statement[key]));
    let action = strings(&statement["Action"]).join(" ");
    writeln!(all, "{sid}: {effect} {action}").unwrap();
    if let Some(principal) = statement.get("Principal") {
        let named = principal.get("Service").or_else(|| principal.get("AWS"));
        let who = text(named.unwrap_or(principal));
        writeln!(all, "  to {who}").unwrap();
    }
    if let Some(resource) = statement.get("Resource") {
        writeln!(all, "  on {}", strings(resource).join(" ")).unwrap();
    }
    let operators = statement.get("Condition").and_then(Value::as_object);
    for (operator, keys) in operators.into_iter().flatten().collect::<BTreeMap<_, _>>() {
        for (key, values) in keys.as_object().unwrap().iter().collect::<BTreeMap<_, _>>() {
            writeln!(all, "  if {operator} {key}: {}", strings(values).join(" ")).unwrap();
        }
    }
}

/// A value or list of values, each as [`text`].
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(text).collect(),
        one => vec![text(one)],
    }
}

/// A string as `Fn::Sub` would write it.
pub(crate) fn text(value: &Value) -> String {
    if let Some(plain) = value.as_str().or_else(|| value["Fn::Sub"].as_str()) {
        return plain.to_owned();
    }
    if let Some(choice) = value["Fn::If"].as_array() {
        let parts: Vec<_> = choice.iter().map(text).collect();
        return format!("({} ? {} : {})", parts[0], parts[1], parts[2]);
    }
    let name = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"].as_str());
    format!("${{{}}}", name.unwrap())
}
