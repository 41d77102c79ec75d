//! The tables of permissions in `infra/README.md`, made of the template.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::reading::{logical_ids, path, properties, strings, template, text};

/// Kinds of resources that hold policies, and whom the statements of one without a principal are for.
const HOLDERS: [&str; 4] =
    ["AWS::IAM::Role", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"];

/// A statement of the template, and its position.
struct Row {
    holder: String,
    condition: String,
    statement: Value,
}

#[test]
fn the_tables_of_permissions_are_those_of_the_template() {
    let page = fs::read_to_string(path("infra/README.md")).unwrap();
    let rows = rows(&template());
    for (effect, who) in [("Allow", "who"), ("Deny", "who may not")] {
        let table = table(&rows, effect, who);
        assert!(page.contains(&table), "infra/README.md does not have this table:\n\n{table}");
    }
}

fn table(rows: &[Row], effect: &str, who: &str) -> String {
    let what = if effect == "Allow" { "may" } else { "do" };
    let mut table = format!("| {who} | {what} | on | if | statement |\n|---|---|---|---|---|\n");
    for row in rows.iter().filter(|row| row.statement["Effect"] == effect) {
        writeln!(table, "| {} |", row.cells().join(" | ")).unwrap();
    }
    table
}

fn rows(template: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    for id in HOLDERS.iter().flat_map(|kind| logical_ids(template, kind)) {
        let holder = properties(template, &id);
        let mut documents = vec![&holder["PolicyDocument"], &holder["AssumeRolePolicyDocument"]];
        let policies = holder["Policies"].as_array().into_iter().flatten();
        documents.extend(policies.map(|policy| &policy["PolicyDocument"]));
        for entry in documents.iter().filter_map(|it| it["Statement"].as_array()).flatten() {
            let choices = match entry["Fn::If"].as_array() {
                Some(choice) => {
                    let name = text(&choice[0]);
                    let name = name.trim_matches(['$', '{', '}']);
                    vec![(name.to_owned(), &choice[1]), (format!("not {name}"), &choice[2])]
                }
                None => vec![(String::new(), entry)],
            };
            for (condition, statement) in choices {
                if statement.get("Effect").is_some() {
                    let (holder, statement) = (id.clone(), statement.clone());
                    rows.push(Row { holder, condition, statement });
                }
            }
        }
    }
    rows
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let statement = &self.statement;
        let who = match statement.get("Principal") {
            Some(principal) if principal == "*" => "anybody".to_owned(),
            Some(principal) => {
                let named = principal.get("Service").or_else(|| principal.get("AWS")).unwrap();
                code(&strings(named))
            }
            None => code(std::slice::from_ref(&self.holder)),
        };
        // A role's trust is about the role.
        let on = match statement.get("Resource") {
            Some(resource) => code(&strings(resource)),
            None => code(std::slice::from_ref(&self.holder)),
        };
        let mut conditions = Vec::new();
        if !self.condition.is_empty() {
            conditions.push(code(std::slice::from_ref(&self.condition)));
        }
        let operators = statement.get("Condition").and_then(Value::as_object);
        for (operator, keys) in operators.into_iter().flatten() {
            for (key, values) in keys.as_object().unwrap() {
                conditions.push(match (operator.as_str(), values.as_str()) {
                    ("Null", Some("true")) => format!("`{key}` is absent"),
                    ("Null", _) => format!("`{key}` is there"),
                    _ => format!("`{key}` {} {}", words(operator), code(&strings(values))),
                });
            }
        }
        let statement_is = format!("`{}` of `{}`", text(&statement["Sid"]), self.holder);
        [who, code(&strings(&statement["Action"])), on, conditions.join("; "), statement_is]
    }
}

fn words(operator: &str) -> &'static str {
    match operator {
        "StringEquals" | "ArnEquals" | "Bool" => "is",
        "StringLike" | "ArnLike" => "is like",
        "StringLikeIfExists" => "is absent or like",
        "BoolIfExists" => "is absent or",
        "StringNotEquals" => "is not",
        "NumericLessThan" => "is below",
        other => panic!("no words for {other}"),
    }
}

/// Names as the template has them, without its signs.
fn code(names: &[String]) -> String {
    let plain = |name: &String| {
        let name = name.replace(".Arn}", "").replace(['{', '}', '$'], "");
        // A choice between a resource and none, or one that is made and one that is given.
        let chosen = name.split_once(" ? ").and_then(|(_, chosen)| chosen.split_once(" : "));
        format!("`{}`", chosen.map_or(&*name, |(chosen, _)| chosen))
    };
    names.iter().map(plain).collect::<Vec<_>>().join(", ")
}
