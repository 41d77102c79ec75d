//! `CUSTOM_FIELDS`: members that are added to every line, after the event's own bytes.

use memchr::memmem::Finder;

use crate::json::{self, for_each_member, ndjson::Json, surrogates};
use crate::limits::CUSTOM_FIELDS_BYTES_MAX;

/// The members to add, each already serialized.
#[derive(Clone, Debug, Default)]
pub struct CustomFields(Vec<Member>);

#[derive(Clone, Debug)]
struct Member {
    name: Vec<u8>,
    /// Finds `"name"`.
    quoted: Finder<'static>,
    /// `"name":value`, on one line.
    json: Vec<u8>,
}

impl CustomFields {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Every problem, as a message that follows the variable's name.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut members: Vec<Member> = Vec::new();
        if text.len() > CUSTOM_FIELDS_BYTES_MAX {
            let length = text.len();
            problems
                .push(format!("has {length} bytes: expected {CUSTOM_FIELDS_BYTES_MAX} at most"));
        }
        // So that the line of an event has one only if the event has one.
        if surrogates::lone(text.as_bytes()).next().is_some() {
            problems.push("has half of a surrogate pair: expected whole characters".to_owned());
        }
        let is_object = for_each_member(text, &mut |key, value| {
            let key = json::key(key);
            let name = String::from_utf8_lossy(&key);
            if members.iter().any(|known| known.name == *key) {
                problems.push(format!("names `{name}` twice"));
            }
            if name.is_empty() || name.starts_with("__") || name.chars().any(char::is_control) {
                let name = name.escape_debug();
                problems.push(format!(
                    "names `{name}`: expected a name that does not begin with `__`, which readers \
                     keep for themselves"
                ));
            }
            let mut json = serde_json::json!(name).to_string().into_bytes();
            let quoted = Finder::new(&json).into_owned();
            json.push(b':');
            Json::of(value.get().as_bytes()).write(&mut json);
            members.push(Member { name: key.to_vec(), quoted, json });
        });
        if !is_object {
            problems.push("is not a JSON object".to_owned());
        }
        if problems.is_empty() { Ok(Self(members)) } else { Err(problems) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the members with these names.
    pub(super) fn leave_out<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let names: Vec<_> = names.map(str::as_bytes).collect();
        self.0.retain(|member| !names.contains(&&*member.name));
    }

    /// Adds the members to the object at the end of `line`, which begins at `start`, except those
    /// whose names it has already. The bytes of the object's own members do not change.
    pub fn append(&self, line: &mut Vec<u8>, start: usize) {
        if self.0.is_empty() {
            return;
        }
        let is_taken = self.names_in(&line[start..]);
        if line.pop_if(|last| *last == b'}').is_none() {
            return;
        }
        let is_token = |byte: &&u8| !matches!(byte, b' ' | b'\t');
        let mut is_first = line[start..].iter().rev().find(is_token) == Some(&b'{');
        for (member, _) in self.0.iter().zip(is_taken).filter(|(_, is_taken)| !is_taken) {
            if !is_first {
                line.push(b',');
            }
            line.extend_from_slice(&member.json);
            is_first = false;
        }
        line.push(b'}');
    }

    /// For each member, whether `object` has one with the same name.
    fn names_in(&self, object: &[u8]) -> Vec<bool> {
        let mut is_there = vec![false; self.0.len()];
        // Most events have none of the names. Without an escape, that is seen without parsing.
        let has_escape = memchr::memchr(b'\\', object).is_some();
        if !has_escape && !self.0.iter().any(|member| member.quoted.find(object).is_some()) {
            return is_there;
        }
        if let Ok(object) = std::str::from_utf8(object) {
            for_each_member(object, &mut |key, _| {
                if let Some(at) = self.0.iter().position(|member| member.name == *json::key(key)) {
                    is_there[at] = true;
                }
            });
        }
        is_there
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn added(fields: &str, object: &str) -> String {
        let mut line = b"{\"before\":1}\n".to_vec();
        let start = line.len();
        line.extend_from_slice(object.as_bytes());
        CustomFields::parse(fields).unwrap().append(&mut line, start);
        String::from_utf8(line).unwrap().split_off(start)
    }

    #[test]
    fn members_follow_the_events_own_bytes() {
        let fields = r#"{"env": "prod", "n":1.50, "tags":[ "a" , "b" ]}"#;
        assert_eq!(
            added(fields, r#"{"a":1 }"#),
            r#"{"a":1 ,"env":"prod","n":1.50,"tags":[ "a" , "b" ]}"#
        );
        assert_eq!(added(r#"{"env":1}"#, "{}"), r#"{"env":1}"#);
        assert_eq!(added(r#"{"env":1}"#, "{ \t }"), "{ \t \"env\":1}");
        assert_eq!(added("{}", r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn an_events_own_member_wins() {
        let fields = r#"{"severity":"info","env":"prod"}"#;
        for object in [r#"{"severity":"Medium"}"#, r#"{"sever\u0069ty":null,"x":{"env":1}}"#] {
            let own = &object[..object.len() - 1];
            assert_eq!(added(fields, object), format!(r#"{own},"env":"prod"}}"#));
        }
        assert_eq!(added(fields, r#"{"env":1,"severity":2}"#), r#"{"env":1,"severity":2}"#);
    }

    #[test]
    fn a_value_stays_on_one_line() {
        let written = added("{\"a\":[1,\r\n 2],\"b\":\"x\u{2028}y\"}", r#"{"c":1}"#);
        assert_eq!(written, "{\"c\":1,\"a\":[1, 2],\"b\":\"x\\u2028y\"}");
    }

    #[test]
    fn every_problem_is_reported() {
        let problems = |text: &str| CustomFields::parse(text).unwrap_err().join("; ");
        insta::assert_snapshot!(problems("[1]"), @"is not a JSON object");
        insta::assert_snapshot!(problems(r#"{"a":1}x"#), @"is not a JSON object");
        insta::assert_snapshot!(
            problems(r#"{"a":{"\ud83d\ude00":"\ud83d"}}"#),
            @"has half of a surrogate pair: expected whole characters"
        );
        insta::assert_snapshot!(
            problems(r#"{"a":1,"\u0061":2,"__x":3,"":4,"b\n":5}"#),
            @r"names `a` twice; names `__x`: expected a name that does not begin with `__`, which readers keep for themselves; names ``: expected a name that does not begin with `__`, which readers keep for themselves; names `b\n`: expected a name that does not begin with `__`, which readers keep for themselves"
        );
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(CUSTOM_FIELDS_BYTES_MAX));
        assert_eq!(problems(&long), "has 4104 bytes: expected 4096 at most");
    }
}
