//! Malformed events: members removed, doubled, shuffled, renamed, or of another type.

use fastrand::Rng;
use serde_json::Value;

/// Values put in place of others: each breaks somebody's reader.
const VALUES: [&str; 26] = [
    "null",
    "\"\"",
    "{}",
    "[]",
    "[null]",
    "12",
    "-0.0",
    "12345678901234567890123",
    "true",
    "\"x\"",
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\u{2028}\u{2029}\u{85}\"",
    "[\"a\",[\"b\",null]]",
    "{\"a\":{\"b\":{}}}",
    "{\"id\":\"x\",\"id\":null}",
    "{\"a\":1,\"b\":2,\"a\":3,\"a\":[]}",
    "\"999.1.1.1\"",
    "\"::1\"",
    "\"\\u0031.2.3.4\"",
    "\"2023-13-01\"",
    "\"2023-06-15T14:21:10+02:00\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"a\\nb\\\"c\\\\\"",
    "91.5",
];

/// Names given to members, as they are written between quotes.
const NAMES: [&str; 22] = [
    "@version",
    "version",
    "timestamp",
    "client_ip",
    "src_ip",
    "id",
    "message",
    "system",
    "initiated_by",
    "username",
    "useragent",
    "user_agent",
    "event_type",
    "service",
    "geoip",
    "latitude",
    "resource",
    "success",
    "i\\u0064",
    "\\ud800",
    "tags",
    "jumpcloud",
];

/// A mangled copy of an event.
pub(crate) fn mangled(event: &[u8], rng: &mut Rng) -> String {
    let value = serde_json::from_slice(event).unwrap();
    let much = [0.02, 0.2, 0.6][rng.usize(..3)];
    let mut json = String::new();
    write(&mut json, &value, much, rng);
    json
}

fn write(json: &mut String, value: &Value, much: f64, rng: &mut Rng) {
    match value {
        Value::Object(members) => {
            let mut written: Vec<(String, String)> = Vec::new();
            for (name, value) in members {
                let mut json = String::new();
                write(&mut json, value, much, rng);
                written.push((name.clone(), json));
            }
            for _ in 0..3 {
                if rng.f64() < much {
                    mangle(&mut written, rng);
                }
            }
            let space = ["", " ", "\n"][rng.usize(..3)];
            let written: Vec<_> = written
                .iter()
                .map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}"))
                .collect();
            json.push_str(&format!("{{{}{space}}}", written.join(",")));
        }
        Value::Array(elements) => {
            json.push('[');
            for (at, element) in elements.iter().enumerate() {
                json.push_str(if at == 0 { "" } else { "," });
                write(json, element, much, rng);
            }
            json.push(']');
        }
        _ if rng.f64() < much / 10.0 => json.push_str(VALUES[rng.usize(..VALUES.len())]),
        scalar => json.push_str(&scalar.to_string()),
    }
}

/// Does one thing to the members of an object.
fn mangle(members: &mut Vec<(String, String)>, rng: &mut Rng) {
    let value = VALUES[rng.usize(..VALUES.len())].to_owned();
    let name = NAMES[rng.usize(..NAMES.len())].to_owned();
    let any = rng.usize(..members.len().max(1));
    match (rng.u8(..6), members.get_mut(any)) {
        (0, Some(member)) => member.1 = value,
        (1, Some(member)) => member.0 = name,
        (2, Some(member)) => {
            let again = (member.0.clone(), value);
            members.push(again);
        }
        (3, Some(_)) => {
            members.swap_remove(any);
        }
        (4, _) => rng.shuffle(members),
        _ => members.push((name, value)),
    }
}
