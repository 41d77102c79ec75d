//! House rules that no compiler checks. Each test lists every finding, not only the first.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_trees;
mod layers;
mod modules;
mod pages;
mod paths;
mod quotes;
mod source;
mod trust;
mod version;
mod words;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::process::Command;

use regex_lite::Regex;
use source::{ALL, Source, root};

const FILE_LINES_MAX: usize = 400;

/// Words with too many meanings, or with the wrong ones.
const NOT_OURS: [&str; 9] =
    ["checkpoint", "watermark", "offset", "sink", "sync", "manager", "util", "utils", "process"];

/// Names given by others that have one of these words; `offset` is a part's place in its entry.
const GIVEN: [&str; 6] =
    ["Sync", "sync_all", "SecretsManager", "PasswordManager", "password_manager", "byte_offset"];
const GIVEN_IN: [(&str, &str); 2] =
    [("src/engine/journal/entry.rs", "offset"), ("src/engine/collect/parts.rs", "offset")];

/// Proper nouns with which a message may begin.
const PROPER: [&str; 9] =
    ["JumpCloud", "JUMPCLOUD_", "S3", "HTTP", "UTF-8", "X-", "AWS", "DynamoDB", "JSON"];

/// The files of the product.
fn product() -> impl Iterator<Item = &'static Source> {
    ALL.iter().filter(|source| source.is_below("src/"))
}

fn assert_none<T: Display>(rule: &str, found: impl IntoIterator<Item = T>) {
    let mut found: Vec<_> = found.into_iter().map(|finding| format!("\n  {finding}")).collect();
    found.sort();
    assert!(found.is_empty(), "{rule}: {}{}", found.len(), found.concat());
}

#[test]
fn files_are_short() {
    let long = ALL.iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path))
    });
    assert_none("files over 400 lines", long);
}

#[test]
fn messages_begin_in_lower_case_and_end_without_a_full_stop() {
    let wrong = product().flat_map(|source| {
        let openings = source.find(r"#\[error\(|\btracing::(trace|debug|info|warn|error)!\(");
        let mut wrong = Vec::new();
        for (start, opening) in openings {
            let end = closing(&source.code, start + opening.len());
            let inside = source.literals.iter().filter(|(from, _)| (start..end).contains(from));
            for (from, to) in inside {
                let message = &source.text[*from..*to];
                let is_proper = PROPER.iter().any(|noun| message.starts_with(noun));
                let is_upper = message.starts_with(|first: char| first.is_uppercase());
                if (is_upper && !is_proper) || message.ends_with(['.', '!']) {
                    wrong.push(format!("{}: {message}", source.at(*from)));
                }
            }
        }
        wrong
    });
    assert_none("messages", wrong);
}

/// Where the parenthesis that is open at `from` is closed.
fn closing(code: &str, from: usize) -> usize {
    let mut depth = 1;
    let end = code[from..].bytes().position(|byte| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        depth == 0
    });
    from + end.expect("parentheses close")
}

#[test]
fn only_the_terminal_program_prints() {
    let sources = product().filter(|s| !s.is_below("src/collector/"));
    let printing = r"\be?print(ln)?!|\bdbg!";
    assert_none("printing", sources.flat_map(|source| source.complaints(printing)));
}

/// Where temporary files go is no configuration.
#[test]
fn environment_and_time_are_read_in_one_place_each() {
    let found = product().flat_map(|source| {
        let mut found = Vec::new();
        if !source.is_below("src/config/") {
            found.extend(
                source.complaints(r"\benv::(var\w*|args\w*|set\w*|remove\w*)|use std::env"),
            );
        }
        if source.path != "src/clock.rs" {
            found.extend(source.complaints(r"\bSystemTime\b|\bInstant::now\b|\btime::sleep\b"));
        }
        // The mock is slow on purpose where a test asks for it, and its tests measure that.
        if source.is_below("src/mock/") {
            let is_slow = |finding: &String| finding.ends_with("sleep");
            found.retain(|finding| !is_slow(finding) && !source.path.ends_with("/tests.rs"));
        }
        found
    });
    assert_none("environment or time", found);
}

/// What the function depends on is built into it, cold start and all.
#[test]
fn the_function_depends_on_neither_the_mock_nor_the_command_line() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--package", "jumpcloud-collector", "--edges", "normal"]);
    cargo.args(["--prefix", "none", "--format", "{p}", "--locked", "--offline"]);
    let output = cargo.current_dir(root()).output().expect("cargo lists dependencies");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("names are UTF-8");
    let packages: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains("jumpcloud-collector-engine"), "{packages:?}");
    let foreign = ["jumpcloud-collector-mock", "collector", "clap", "indicatif", "aws-sdk-sso"];
    assert_none("not the function's", foreign.iter().filter(|name| packages.contains(*name)));
}

#[test]
fn names_keep_to_the_words_of_the_design() {
    let parts = Regex::new(r"[A-Z]+[a-z0-9]*|[a-z0-9]+").unwrap();
    let found = product().flat_map(|source| {
        let mut found = Vec::new();
        // Paths into other crates and `std` have the names that others gave them.
        let foreign = r"\b(std|core|tokio|tracing_subscriber)::\w+|\b\w+_util\b";
        let foreign = source.find(foreign);
        for (at, name) in source.find(r"\b[A-Za-z_]\w*") {
            let is_given = GIVEN.contains(&name)
                || GIVEN_IN.contains(&(&*source.path, name))
                || foreign.iter().any(|(from, path)| (*from..from + path.len()).contains(&at));
            let is_banned = |part: regex_lite::Match<'_>| {
                NOT_OURS.contains(&&*part.as_str().to_ascii_lowercase())
            };
            if !is_given && parts.find_iter(name).any(is_banned) {
                found.push(format!("{}: {name}", source.at(at)));
            }
        }
        found
    });
    assert_none("names", found);
}

/// The files of the repository, the uncommitted ones among them.
fn names_in_repository() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = git.output().expect("git lists its files");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    names.split_terminator('\0').map(str::to_owned).collect()
}

/// Those that are text.
fn repository() -> Vec<(String, String)> {
    let read = |name: String| fs::read_to_string(root().join(&name)).ok().map(|text| (name, text));
    names_in_repository().into_iter().filter_map(read).collect()
}

#[test]
fn no_file_holds_a_place_of_one_machine_or_a_promise() {
    const PARTS: [&str; 7] = ["/wo", "/tm", "/ro", "TOD", "FIX", "XX", "todo"];
    let place = r"(^|[^\w.~})\]$/-])/(work|tmp|root)\b";
    let promise = r"\bTO[D]O\b|\bFIX[M]E\b|\bX[X]X\b|\btodo[!]";
    let bad = Regex::new(&format!("(?m){place}|{promise}")).unwrap();
    let found = repository().into_iter().flat_map(|(name, text)| {
        // Most lines are told by a part, which is faster than the whole.
        let may_be = |line: &str| PARTS.iter().any(|part| line.contains(part));
        let is_bad = |(_, line): &(usize, &str)| may_be(line) && bad.is_match(line);
        let lines = text.lines().enumerate().filter(is_bad);
        lines.map(|(n, line)| format!("{name}:{}: {}", n + 1, line.trim())).collect::<Vec<_>>()
    });
    assert_none("places and promises", found);
}
