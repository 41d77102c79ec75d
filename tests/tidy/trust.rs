//! The promises of `docs/trust.md`: each is held by checks that name its number, and by mutants that
//! break it.

use std::collections::BTreeMap;
use std::fs;

use regex_lite::Regex;

use crate::source::root;
use crate::{assert_none, repository};

/// What a row of the page's table names, cell by cell: what prints that the promise is broken, the
/// mutants that break it, and what holds it besides.
struct Row {
    promise: String,
    checks: Vec<String>,
    mutants: Vec<String>,
    others: Vec<String>,
}

/// The numbers of the promises, as the page has them: `**P1, complete.**`.
fn promises(page: &str) -> Vec<String> {
    let promise = Regex::new(r"(?m)^\*\*(P[0-9]+), ").unwrap();
    promise.captures_iter(page).map(|found| found[1].to_owned()).collect()
}

fn rows(page: &str) -> Vec<Row> {
    let code = Regex::new("`([^`]+)`").unwrap();
    let named = |cell: Option<&str>| {
        let cell = cell.unwrap_or_default();
        code.captures_iter(cell).map(|found| found[1].to_owned()).collect()
    };
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| P")?.split(" | ");
        Some(Row {
            promise: format!("P{}", cells.next()?),
            checks: named(cells.next()),
            mutants: named(cells.next()),
            others: named(cells.next()),
        })
    };
    page.lines().filter_map(row).collect()
}

/// Mutants by name, each with the promise that it breaks.
fn mutants(sources: &[(String, String)]) -> BTreeMap<String, String> {
    let mutant = Regex::new(r#"name: "([^"]+)",\s+breaks: "(P[0-9]+)","#).unwrap();
    let found = sources.iter().flat_map(|(_, text)| mutant.captures_iter(text));
    found.map(|found| (found[1].to_owned(), found[2].to_owned())).collect()
}

/// Whether one of the files at a path, which arguments may follow, names a promise.
fn is_named(files: &[(String, String)], promise: &str, named: &str) -> bool {
    let path = named.split(' ').next().unwrap_or_default();
    let number = Regex::new(&format!(r"\b{promise}\b")).unwrap();
    let is_at = |name: &str| {
        name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    files.iter().any(|(name, text)| is_at(name) && number.is_match(text))
}

/// What the page lacks, or names without reason.
fn complaints(page: &str, files: &[(String, String)]) -> Vec<String> {
    let (promises, rows, mutants) = (promises(page), rows(page), mutants(files));
    let numbers: Vec<_> = rows.iter().map(|row| row.promise.clone()).collect();
    let mut wrong = Vec::new();
    if promises != numbers {
        wrong.push(format!("the promises are {promises:?}, the rows {numbers:?}"));
    }
    for Row { promise, checks, mutants: breaking, others } in rows {
        if checks.is_empty() || breaking.is_empty() {
            wrong.push(format!("{promise} has no check or no mutant"));
        }
        let named = checks.iter().chain(&others);
        let silent = named.filter(|named| !is_named(files, &promise, named));
        wrong.extend(silent.map(|named| format!("{named} does not name {promise}")));
        let others = breaking.iter().filter(|name| mutants.get(*name) != Some(&promise));
        wrong.extend(others.map(|name| format!("no mutant `{name}` breaks {promise}")));
    }
    wrong
}

#[test]
fn every_promise_has_a_check_and_a_mutant_that_name_its_number() {
    let page = fs::read_to_string(root().join("docs/trust.md")).unwrap();
    assert!(promises(&page).len() > 10, "{page}");
    let is_page = |name: &str| name.ends_with(".md");
    let files: Vec<_> = repository().into_iter().filter(|(name, _)| !is_page(name)).collect();
    assert_none("promises", complaints(&page, &files));
}

#[test]
fn a_promise_that_nothing_holds_is_found() {
    let page = "**P1, complete.** x\n**P2, once.** x\n**P3, as sent.** x\n\
        | P1 | `a.rs` | `one` | `b c`, `d` |\n| P2 | `a.rs` | `one`, `none` | `a.rs` |\n| P4 | |\n";
    let files = [
        ("a.rs", "/// Holds P1."),
        ("b", "P12"),
        ("d/e", "P1"),
        ("f", "name: \"one\",\n    breaks: \"P1\","),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let wrong = [
        "the promises are [\"P1\", \"P2\", \"P3\"], the rows [\"P1\", \"P2\", \"P4\"]",
        "b c does not name P1",
        "a.rs does not name P2",
        "a.rs does not name P2",
        "no mutant `one` breaks P2",
        "no mutant `none` breaks P2",
        "P4 has no check or no mutant",
    ];
    assert_eq!(complaints(page, &files), wrong);
}
