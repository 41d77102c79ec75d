//! Who imports whom: no cycle between the files of a crate, no import against the direction of the
//! engine's folders, and nothing in a pure folder that waits or reaches for the world.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::assert_none;
use crate::modules::{Files, Modules, Target};
use crate::source::root;

const ENGINE: &str = "src/engine/";

/// Folders that wait, and need the world to do so. All others of the engine are pure.
const WAITING: [&str; 4] = ["task", "fleet", "collect", "ports"];

/// What a pure folder does not name.
const WORLD: &[&str] = &[
    "async_trait",
    "aws_config",
    "fastrand",
    "getrandom",
    "hyper",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "reqwest",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
];

/// Which file imports which, and one path that does.
type Imports<'a> = BTreeMap<&'a str, BTreeMap<String, String>>;

fn imports(modules: &Modules) -> Imports<'_> {
    let mut imports = Imports::new();
    for link in modules.links() {
        if let Target::File(to) = link.to
            && to != link.from
        {
            imports.entry(link.from).or_default().entry(to).or_insert(link.path);
        }
    }
    imports
}

/// Every import that leads back to where it comes from.
pub(crate) fn cycles(modules: &Modules) -> Vec<String> {
    let imports = imports(modules);
    let reached: BTreeMap<_, _> =
        imports.keys().map(|file| (*file, reached_from(file, &imports))).collect();
    let mut found = Vec::new();
    for (from, imported) in &imports {
        let is_cycle = |to: &str| reached.get(to).is_some_and(|files| files.contains(from));
        let back = imported.iter().filter(|(to, _)| is_cycle(to));
        found.extend(back.map(|(to, path)| format!("{from} -> {to} ({path})")));
    }
    found
}

fn reached_from<'a>(file: &str, imports: &'a Imports<'_>) -> BTreeSet<&'a str> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
    while let Some(file) = open.pop() {
        for next in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(&**next) {
                open.push(next);
            }
        }
    }
    reached
}

/// The engine's folders and single files as its crate documentation draws them, topmost first.
/// Those of one line may import each other.
pub(crate) fn layers(documentation: &str) -> Vec<Vec<&str>> {
    let lines = documentation.lines().map_while(|line| line.strip_prefix("//!"));
    let drawn = lines.skip_while(|line| line.trim() != "```text").skip(1);
    let drawn = drawn.take_while(|line| line.trim() != "```");
    drawn.map(|line| line.trim().split("  ").next().unwrap_or("").split(", ").collect()).collect()
}

/// The folder or single file of the engine in which a file lies; `None` for the crate's root.
fn folder(file: &str) -> Option<&str> {
    let below = file.strip_prefix(ENGINE)?;
    let first = below.split('/').next()?;
    (below != "lib.rs").then(|| first.strip_suffix(".rs").unwrap_or(first))
}

/// Imports that lead to a higher layer, and files that lie in none.
pub(crate) fn upward(modules: &Modules, layers: &[Vec<&str>]) -> Vec<String> {
    let layer = |folder: &str| layers.iter().position(|names| names.contains(&folder));
    let mut found = Vec::new();
    for file in modules.files() {
        if folder(file).is_some_and(|folder| layer(folder).is_none()) {
            found.push(format!("{file}: src/engine/lib.rs names no such folder"));
        }
    }
    for (from, imported) in &imports(modules) {
        for (to, path) in imported {
            let (Some(above), Some(below)) = (folder(from), folder(to)) else { continue };
            if layer(above).zip(layer(below)).is_some_and(|(above, below)| above > below) {
                found.push(format!("{from} -> {to} ({path})"));
            }
        }
    }
    found
}

/// What pure folders name of the world, and where they wait.
pub(crate) fn impure(modules: &Modules) -> Vec<String> {
    let is_pure = |file: &str| folder(file).is_some_and(|folder| !WAITING.contains(&folder));
    let waiting = modules.waiting().filter(|file| is_pure(file));
    let mut found: Vec<_> = waiting.map(|file| format!("{file}: async")).collect();
    for link in modules.links().into_iter().filter(|link| is_pure(link.from)) {
        if let Target::Foreign(path) = link.to
            && WORLD.iter().any(|named| may_name(&path, named))
        {
            found.push(format!("{}: {}", link.from, path.join("::")));
        }
    }
    found
}

/// Whether a path leads to `named` or below it, or is a glob that brings it in.
fn may_name(path: &[String], named: &str) -> bool {
    let named: Vec<_> = named.split("::").collect();
    match path.split_last() {
        Some((last, before)) if last == "*" => {
            before.starts_with_all(&named) || named.starts_with_all(before)
        }
        _ => path.starts_with_all(&named),
    }
}

trait StartsWithAll<T> {
    fn starts_with_all(&self, start: &[T]) -> bool;
}

impl<S: AsRef<str>, T: AsRef<str>> StartsWithAll<T> for [S] {
    fn starts_with_all(&self, start: &[T]) -> bool {
        let mut both = self.iter().zip(start);
        self.len() >= start.len() && both.all(|(one, other)| one.as_ref() == other.as_ref())
    }
}

/// What the workspace builds: kind, name in paths, and root file.
fn targets() -> Vec<(String, String, String)> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = cargo.current_dir(root()).output().expect("cargo knows the workspace");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let workspace: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let members = workspace["packages"].as_array().unwrap();
    let targets = members.iter().flat_map(|member| member["targets"].as_array().unwrap());
    let described = targets.map(|target| {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let file = text(&target["src_path"]);
        let file = file.strip_prefix(root().to_str().unwrap()).unwrap().trim_start_matches('/');
        (text(&target["kind"][0]), text(&target["name"]).replace('-', "_"), file.to_owned())
    });
    described.collect()
}

/// Every module of every crate.
fn product() -> Modules {
    let (mut files, mut folders) = (Files::new(), vec![root().join("src"), root().join("tests")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    let product = targets().into_iter().filter(|(kind, ..)| kind == "lib" || kind == "bin");
    let crates: Vec<_> = product.map(|(_, name, file)| (name, file)).collect();
    Modules::read(&crates, &files)
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    assert_none("imports in a cycle", cycles(&product()));
}

#[test]
fn folders_import_what_lies_below_them() {
    let documentation = fs::read_to_string(root().join("src/engine/lib.rs")).unwrap();
    let (modules, layers) = (product(), layers(&documentation));
    let folders: BTreeSet<_> = modules.files().filter_map(folder).collect();
    let drawn = layers.iter().flatten().filter(|name| !folders.contains(*name));
    assert_none("folders that src/engine/lib.rs names and that are not there", drawn);
    assert_none("imports against the folders' direction", upward(&modules, &layers));
}

#[test]
fn pure_folders_are_pure() {
    let modules = product();
    assert!(WAITING.iter().all(|name| modules.files().any(|file| folder(file) == Some(name))));
    assert_none("impure", impure(&modules));
}

#[test]
fn every_path_is_understood() {
    let modules = product();
    let unknown = modules.links().into_iter().filter(|link| link.to == Target::Unknown);
    assert_none("paths", unknown.map(|link| format!("{}: {}", link.from, link.path)));
}

#[test]
fn every_test_is_built() {
    let targets = targets();
    let folders = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let missing = folders.map(|folder| folder.join("main.rs")).filter(|main| {
        let is_main = |file: &str| fs::canonicalize(root().join(file)).unwrap() == *main;
        main.exists() && !targets.iter().any(|(kind, _, file)| kind == "test" && is_main(file))
    });
    assert_none("in no package's manifest", missing.map(|main| main.display().to_string()));
}
