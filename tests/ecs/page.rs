//! `docs/ecs.md` shows one event of each service before and after. It is checked against the program;
//! `cargo test --test ecs -- --ignored write_the_page` updates it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{ALL, document};

/// An event of each service, one a line.
const EVENTS: &str = include_str!("events.ndjson");
/// The markers above and below the generated part.
const BEGIN: &str = "<!-- made by tests/ecs/page.rs from here -->\n";
const END: &str = "<!-- to here -->\n";

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "docs", "ecs.md"].iter().collect()
}

/// The page with what the program makes of the events.
fn made(page: &str) -> String {
    let (above, rest) = page.split_once(BEGIN).unwrap();
    let (_, below) = rest.split_once(END).unwrap();
    let mut pairs = String::new();
    for event in EVENTS.lines() {
        let value: serde_json::Value = serde_json::from_str(event).unwrap();
        let (service, kind) =
            (&value["service"].as_str().unwrap(), &value["event_type"].as_str().unwrap());
        let (before, after) = (pretty(event), pretty(&document(ALL[0], event.as_bytes())));
        write!(pairs, "\n### {service}: {kind}\n\n```json\n{before}\n```\n\nbecomes\n\n```json\n{after}\n```\n")
            .unwrap();
    }
    format!("{above}{BEGIN}{pairs}\n{END}{below}")
}

/// The same JSON with an indented line a member; order and digits stay.
fn pretty(json: &str) -> String {
    let mut pretty = String::new();
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    let bytes = json.as_bytes();
    for (at, each) in json.char_indices() {
        if is_text {
            is_text = each != '"' || is_escaped;
            is_escaped = each == '\\' && !is_escaped;
            pretty.push(each);
            continue;
        }
        let is_empty = matches!(bytes.get(at..at + 2), Some(b"{}" | b"[]"));
        match each {
            '{' | '[' => {
                depth += 1;
                pretty.push(each);
                pretty.push_str(&if is_empty { String::new() } else { line(depth) });
            }
            '}' | ']' => {
                depth -= 1;
                let was_empty = matches!(bytes.get(at - 1..=at), Some(b"{}" | b"[]"));
                pretty.push_str(&if was_empty { String::new() } else { line(depth) });
                pretty.push(each);
            }
            ',' => pretty.push_str(&format!(",{}", line(depth))),
            ':' => pretty.push_str(": "),
            _ => {
                is_text = each == '"';
                pretty.push(each);
            }
        }
    }
    pretty
}

#[test]
fn the_page_shows_what_the_program_makes() {
    let page = std::fs::read_to_string(path()).unwrap();
    assert!(
        page == made(&page),
        "docs/ecs.md is not what the program makes: \
         run `cargo test --test ecs -- --ignored write_the_page`"
    );
}

#[test]
#[ignore = "updates docs/ecs.md"]
fn write_the_page() {
    let page = std::fs::read_to_string(path()).unwrap();
    std::fs::write(path(), made(&page)).unwrap();
}

#[test]
fn the_page_has_an_event_of_every_documented_service() {
    let services: Vec<_> = EVENTS
        .lines()
        .map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap()["service"].clone())
        .collect();
    for service in [
        "access_management",
        "alerts",
        "asset_management",
        "directory",
        "ldap",
        "mdm",
        "notifications",
        "object_storage",
        "password_manager",
        "radius",
        "reports",
        "saas_app_management",
        "software",
        "sso",
        "systems",
    ] {
        assert_eq!(services.iter().filter(|known| **known == service).count(), 1, "{service}");
    }
}
