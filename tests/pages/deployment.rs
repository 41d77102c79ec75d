//! What a deployment makes of the template: parameters, the function's variables, outputs.

use std::collections::BTreeMap;

use fixtures::iam::reading::{properties, template};
use fixtures::iam::stack::Stack;
use regex_lite::Regex;
use serde_json::{Value, json};

/// A stack, as its last deployment left it.
#[derive(Default)]
pub struct Deployed {
    parameters: BTreeMap<String, String>,
}

impl Deployed {
    /// Updates the stack with overrides as SAM reads them; the other parameters keep their values.
    /// Returns all, and the secret's new value if the API key among them has changed.
    pub fn update(
        &mut self,
        overrides: &str,
    ) -> Result<(BTreeMap<String, String>, Option<String>), String> {
        let given = read(overrides)?;
        for (name, value) in &given {
            check(&template()["Parameters"][name], value)
                .map_err(|error| format!("{name}={value}: {error}"))?;
        }
        let key = given
            .get("JumpCloudApiKey")
            .filter(|key| self.parameters.get("JumpCloudApiKey") != Some(key));
        let key = key.cloned();
        self.parameters.extend(given);
        if !self.stack().passes_its_rules() {
            return Err("a rule of the template is not met".to_owned());
        }
        Ok((self.parameters.clone(), key))
    }

    /// The function's variables.
    pub fn variables(&self) -> Vec<(String, String)> {
        let template = template();
        let variables = &properties(&template, "Collector")["Environment"]["Variables"];
        let resolved = self.stack().resolve(variables).unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let members = resolved.as_object().unwrap().iter();
        members.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// The outputs, as `sam list stack-outputs` shows them.
    pub fn outputs(&self) -> Value {
        let template = template();
        let stack = self.stack();
        let is_made = |output: &Value| {
            let condition = output.get("Condition").and_then(Value::as_str);
            condition.is_none_or(|name| stack.condition(name))
        };
        let outputs = template["Outputs"].as_object().unwrap().iter();
        outputs
            .filter(|(_, output)| is_made(output))
            .map(|(name, output)| json!({"OutputKey": name, "OutputValue": stack.resolve(&output["Value"])}))
            .collect()
    }

    fn stack(&self) -> Stack {
        let set: Vec<_> =
            self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Stack::of(&set)
    }
}

/// Overrides as SAM reads them: `Name=value`, one after the other, with single or double quotes
/// around a value with characters of its own, and a backslash before those within.
fn read(overrides: &str) -> Result<BTreeMap<String, String>, String> {
    let one =
        Regex::new(r#"^\s*([A-Za-z0-9]+)=("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\s"'{]+)(?:\s|$)"#);
    let one = one.unwrap();
    let (mut given, mut left) = (BTreeMap::new(), overrides);
    while !left.trim().is_empty() {
        let found =
            one.captures(left).ok_or_else(|| format!("cannot be read from here: {left}"))?;
        let value = found[2].trim_matches(|c| c == '\'' || c == '"').replace("\\\"", "\"");
        given.insert(found[1].to_owned(), value);
        left = &left[found.get(0).unwrap().end()..];
    }
    Ok(given)
}

/// What CloudFormation asks of a parameter's value.
fn check(parameter: &Value, value: &str) -> Result<(), String> {
    if parameter.is_null() {
        return Err("the template has no such parameter".to_owned());
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let allowed = parameter.get("AllowedValues").and_then(Value::as_array);
    let is_allowed = allowed.is_none_or(|allowed| allowed.iter().map(text).any(|it| it == value));
    let pattern = parameter.get("AllowedPattern").and_then(Value::as_str);
    let fits = pattern
        .is_none_or(|pattern| Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(value));
    if is_allowed && fits { Ok(()) } else { Err("the template does not allow it".to_owned()) }
}

#[test]
fn overrides_are_read_as_sam_reads_them() {
    let given =
        |overrides: &str| read(overrides).map(|given| given.into_iter().collect::<Vec<_>>());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(given("A=1 B=\"\" "), Ok(vec![pair("A", "1"), pair("B", "")]));
    assert_eq!(
        given(r#"F='{"drop":[{"a":"b"}]}'"#),
        Ok(vec![pair("F", r#"{"drop":[{"a":"b"}]}"#)])
    );
    assert!(given(r#"F={"drop":[]}"#).is_err(), "the pages warn of it");
    assert!(given("A").is_err());
}
