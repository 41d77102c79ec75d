//! The users whom made-up events name, as the console lists them.

use serde_json::{Value, json};

use super::cast::Person;

/// One row a person. Rows are ragged: not everybody has a telephone or a key.
pub(super) fn of(people: &[Person], organization: &str) -> Vec<Value> {
    people.iter().enumerate().map(|(number, person)| row(number, person, organization)).collect()
}

fn row(number: usize, person: &Person, organization: &str) -> Value {
    let (given, family) = person.display_name.split_once(' ').unwrap_or((&person.display_name, ""));
    let mut row = json!({
        "_id": person.id,
        "username": person.username,
        "email": person.email,
        "firstname": given,
        "lastname": family,
        "displayname": person.display_name,
        "state": if number % 40 == 39 { "SUSPENDED" } else { "ACTIVATED" },
        "activated": true,
        "suspended": number % 40 == 39,
        "sudo": false,
        "mfa": { "configured": !number.is_multiple_of(5), "exclusion": false },
        "organization": organization,
        "attributes": [],
        "addresses": [],
    });
    if !number.is_multiple_of(3) {
        row["phoneNumbers"] = json!([{ "type": "work", "number": format!("+1 555 {number:04}") }]);
    }
    if number.is_multiple_of(7) {
        row["ssh_keys"] = json!([{ "name": "laptop", "public_key": "ssh-ed25519 AAAA" }]);
    }
    if number.is_multiple_of(2) {
        row["department"] = json!(["Engineering", "Finance", "Sales"][number % 3]);
    }
    row
}
