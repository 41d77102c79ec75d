//! Everything that names the version of this program names the same one.

use std::fs;

use regex_lite::Regex;

use crate::source::root;
use crate::{assert_none, repository};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("the file is there")
}

#[test]
fn the_changelog_begins_with_this_version() {
    let changelog = read("CHANGELOG.md");
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## "));
    assert_eq!(newest, Some(VERSION), "CHANGELOG.md");
}

/// Wherever a page names a file of a release or a tag.
#[test]
fn pages_name_this_version() {
    let named = Regex::new(r"jumpcloud-collector-(\d+\.\d+\.\d+)|\bv(\d+\.\d+\.\d+)\b").unwrap();
    let pages = repository().into_iter().filter(|(name, _)| name.ends_with(".md"));
    let wrong = pages.flat_map(|(name, text)| {
        let found = named.captures_iter(&text).filter(|found| {
            let version = found.get(1).or(found.get(2)).map(|version| version.as_str());
            version != Some(VERSION)
        });
        found.map(|found| format!("{name}: {}", &found[0])).collect::<Vec<_>>()
    });
    assert_none("another version than this", wrong);
}

#[test]
fn every_package_has_this_version() {
    let lock = read("Cargo.lock");
    let ours = lock.split("[[package]]").filter(|package| !package.contains("source = "));
    let other = ours.filter(|package| package.contains("name = "));
    let other = other.filter(|package| !package.contains(&format!("version = \"{VERSION}\"")));
    assert_none("another version than this", other.map(|package| package.trim().to_owned()));
}

/// A release is made, and tested, with one compiler.
#[test]
fn every_workflow_has_the_compiler_of_releases() {
    let release = read("infra/release");
    let compiler = Regex::new(r#"(?m)^compiler="rustc (\d+\.\d+\.\d+) "#).unwrap();
    let compiler = &compiler.captures(&release).expect("infra/release names its compiler")[1];
    let named = Regex::new(r"RUSTUP_TOOLCHAIN: (\S+)").unwrap();
    let files = repository().into_iter().filter(|(name, _)| name.starts_with(".github/workflows/"));
    let mut count = 0;
    let wrong: Vec<_> = files
        .flat_map(|(name, text)| {
            let found = named.captures_iter(&text).map(|found| found[1].to_owned());
            let found: Vec<_> = found.collect();
            count += found.len();
            found.into_iter().filter(|it| it != compiler).map(move |it| format!("{name}: {it}"))
        })
        .collect();
    assert!(count >= 4, "{count}");
    assert_none("another compiler than that of releases", wrong);
}
