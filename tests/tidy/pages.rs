//! The pages: their links lead somewhere, and what each lists is all there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

use crate::source::root;
use crate::{assert_none, names_in_repository, product, repository};

/// A page's lines outside fenced code, each with its number from 1.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    page.lines().enumerate().filter_map(move |(number, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((number + 1, line))
    })
}

/// The targets of a page's links, each with the number of its line.
fn links(page: &str) -> Vec<(usize, String)> {
    let code = Regex::new("`[^`]*`").unwrap();
    let link = Regex::new(r"\]\(<?([^)\s>]+)>?[^)]*\)").unwrap();
    let mut found = Vec::new();
    for (number, line) in prose(page) {
        let line = code.replace_all(line, "");
        found.extend(link.captures_iter(&line).map(|link| (number, link[1].to_owned())));
    }
    found
}

/// The anchors that a page's headings make: lower case, without punctuation, hyphens for spaces, and
/// a number behind one that comes again.
fn anchors(page: &str) -> BTreeSet<String> {
    let heading = Regex::new(r"^#{1,6} +(.+?)(?: +#+)?$").unwrap();
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let mut times = BTreeMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(page) {
        let Some(heading) = heading.captures(line) else { continue };
        let text = link.replace_all(&heading[1], "$1").to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor = kept.collect::<String>().replace(' ', "-");
        let before = times.entry(anchor.clone()).or_default();
        anchors.insert(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    anchors
}

/// Where a link of the page `from` leads: a path from the top of the repository. `None` if it leads
/// out of it.
fn target(from: &str, link: &str) -> Option<String> {
    let mut path = PathBuf::from(from);
    if !link.is_empty() {
        path.pop();
    }
    for part in Path::new(link).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    path.into_os_string().into_string().ok()
}

/// Every link that leads nowhere, of these pages of a repository that has these files.
fn dead_links(pages: &BTreeMap<String, String>, files: &[String]) -> Vec<String> {
    let is_there = |path: &str| {
        let is_at = |file: &String| {
            file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        files.iter().any(is_at)
    };
    let mut dead = Vec::new();
    for (name, page) in pages {
        for (line, link) in links(page) {
            if ["http://", "https://", "mailto:"].iter().any(|scheme| link.starts_with(scheme)) {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = target(name, file).filter(|path| is_there(path));
            let has_anchor = |path: &String| {
                anchor.is_empty()
                    || pages.get(path).is_some_and(|page| anchors(page).contains(anchor))
            };
            if target.filter(has_anchor).is_none() {
                dead.push(format!("{name}:{line}: {link}"));
            }
        }
    }
    dead
}

fn pages() -> BTreeMap<String, String> {
    repository().into_iter().filter(|(name, _)| name.ends_with(".md")).collect()
}

#[test]
fn links_and_anchors_of_all_pages_lead_somewhere() {
    let pages = pages();
    assert!(pages.contains_key("README.md") && pages.contains_key("docs/siem/README.md"));
    assert_none("dead links", dead_links(&pages, &names_in_repository()));
}

#[test]
fn a_dead_link_is_found() {
    let page = "# One `two`, three\n## One two three\n\
        [a](#one-two-three) [b](#one-two-three-1) [c](#one-two-three-2) [d](docs/x.md#y)\n\
        [e](docs) [f](doc) [g](../x.md) [h](docs/x.md#z) [i](https://example.com) `[j](no)`\n\
        ```\n# z\n[k](no)\n```\n";
    let other = "### Y\n[up](../README.md#one-two-three) ![picture](no.png)\n";
    let pages = BTreeMap::from([("README.md", page), ("docs/x.md", other)]);
    let pages = pages.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let files = ["README.md", "docs/x.md"].map(str::to_owned);
    let dead = [
        "README.md:3: #one-two-three-2",
        "README.md:4: doc",
        "README.md:4: ../x.md",
        "README.md:4: docs/x.md#z",
        "docs/x.md:2: no.png",
    ];
    assert_eq!(dead_links(&pages, &files), dead);
}

#[test]
fn every_page_of_docs_is_listed() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("docs has an index");
    let listed: BTreeSet<_> =
        links(&index).iter().filter_map(|(_, link)| target("docs/README.md", link)).collect();
    let is_own = |name: &&String| {
        let name = name.strip_prefix("docs/").unwrap_or("README.md");
        name != "README.md" && (!name.contains('/') || name.ends_with("/README.md"))
    };
    let pages = pages();
    let pages: Vec<_> = pages.keys().filter(is_own).collect();
    assert!(pages.len() > 10, "{pages:?}");
    assert_none("not listed", pages.into_iter().filter(|name| !listed.contains(*name)));
}

/// What the pages describe in tables: code in the first cells of rows, each with the pages that have it
/// there, one for each row.
fn described(pages: &BTreeMap<String, String>) -> BTreeMap<String, Vec<&str>> {
    let code = Regex::new("`([^`]+)`").unwrap();
    let mut described = BTreeMap::<String, Vec<&str>>::new();
    for (name, page) in pages {
        for (_, line) in prose(page) {
            let Some((first, _)) = line.strip_prefix("| ").and_then(|row| row.split_once(" |"))
            else {
                continue;
            };
            for found in code.captures_iter(first) {
                described.entry(found[1].to_owned()).or_default().push(name);
            }
        }
    }
    described
}

/// Which of `names` do not have exactly one row in all pages, or have it on another page than `page`.
fn not_described_once(
    pages: &BTreeMap<String, String>,
    page: &str,
    names: &BTreeSet<String>,
) -> Vec<String> {
    let described = described(pages);
    let rows_of = |name: &String| described.get(name).map(Vec::as_slice).unwrap_or_default();
    let wrong = names.iter().filter(|name| rows_of(name) != [page]);
    wrong.map(|name| format!("{name}: {:?}", rows_of(name))).collect()
}

#[test]
fn a_name_that_is_described_nowhere_or_twice_is_found() {
    let pages = [
        ("docs/a.md", "| `ONE` | x |\n| `TWO`, `THREE` | `FOUR` |\n```\n| `FIVE` | x |\n```\n"),
        ("docs/b.md", "`ONE`\n| `TWO` | again |\n| `SIX` | elsewhere |\n"),
    ];
    let pages = pages.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    let names = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"].map(str::to_owned).into();
    let wrong =
        ["FIVE: []", "FOUR: []", "SIX: [\"docs/b.md\"]", "TWO: [\"docs/a.md\", \"docs/b.md\"]"];
    assert_eq!(not_described_once(&pages, "docs/a.md", &names), wrong);
}

/// Text literals of these files that look as `pattern` says; `known` must be one of them.
fn literals(pattern: &str, is_read: impl Fn(&str) -> bool, known: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    let sources = product().filter(|source| is_read(&source.path));
    let literals = sources
        .flat_map(|source| source.literals.iter().map(|(from, to)| &source.text[*from..*to]));
    let names: BTreeSet<_> =
        literals.filter(|literal| pattern.is_match(literal)).map(str::to_owned).collect();
    assert!(names.contains(known), "{names:?}");
    names
}

#[test]
fn every_variable_is_described_once_in_the_settings() {
    let is_read = |path: &str| path.starts_with("src/config/") && !path.ends_with("/tests.rs");
    let names = literals("^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^METRICS$", is_read, "ARCHIVE_BUCKET");
    assert_none("settings", not_described_once(&pages(), "docs/settings.md", &names));
}

#[test]
fn every_metric_is_described_once_on_its_page() {
    let is_read = |path: &str| path == "src/engine/report/metrics.rs";
    // Words of the embedded metric format have fewer capitals, or none that begin a word within.
    let metric = "^[A-Z][a-z]+([A-Z][a-z0-9]+)+$|^Streams$";
    let mut names = literals(metric, is_read, "EventsDelivered");
    names.remove("CloudWatchMetrics");
    assert_none("metrics", not_described_once(&pages(), "docs/metrics.md", &names));
}

#[test]
fn every_task_is_described_once_among_the_tasks() {
    let task = Regex::new(r#""task": ?"(\w+)""#).unwrap();
    let names_in = |text: &str| -> BTreeSet<String> {
        task.captures_iter(text).map(|found| found[1].to_owned()).collect()
    };
    let examples = repository().into_iter().filter(|(name, _)| name.starts_with("events/"));
    let names: BTreeSet<_> = examples.flat_map(|(_, example)| names_in(&example)).collect();
    assert!(names.contains("audit"), "{names:?}");
    let pages = pages();
    let mut rows = BTreeMap::<String, Vec<&str>>::new();
    for (event, places) in described(&pages) {
        for name in names_in(&event) {
            rows.entry(name).or_default().extend(&places);
        }
    }
    let is_wrong = |name: &&String| rows.get(*name).is_none_or(|rows| rows != &["docs/tasks.md"]);
    assert_none("tasks", names.iter().filter(is_wrong));
}

/// Lines of a page's prose that are too long; those of tables cannot be broken, nor can a word.
fn long_lines(name: &str, page: &str) -> Vec<String> {
    let code = Regex::new("`[^`]*`").unwrap();
    let is_long = |line: &str| {
        // What cannot be broken: a command in backticks, or a link.
        let words = code.replace_all(line, "x").split_whitespace().count();
        line.chars().count() > 120 && !line.starts_with('|') && words > 4
    };
    let long = prose(page).filter(|(_, line)| is_long(line));
    long.map(|(number, _)| format!("{name}:{number}")).collect()
}

#[test]
fn lines_of_pages_fit_into_120_columns() {
    let pages = pages();
    assert_none("long lines", pages.iter().flat_map(|(name, page)| long_lines(name, page)));
}

#[test]
fn a_long_line_of_a_page_is_found() {
    let words = "five words and some more ".repeat(5);
    let code = "x".repeat(130);
    let page = format!("{words}\n| {words} |\nshort\n```\n{words}\n```\n`{code}`:\n- {words}\n");
    assert_eq!(long_lines("docs/x.md", &page), ["docs/x.md:1", "docs/x.md:8"]);
}
