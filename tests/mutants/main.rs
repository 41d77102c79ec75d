//! The simulation is only worth what it catches: each of these changes to the source breaks a rule
//! of the protocol, and two thousand schedules must show which promise that breaks.
//!
//! ```text
//! infra/mutants                  all of them, some minutes
//! infra/mutants --changed        a few of those whose files changed, as the test command does
//! MUTANT=nonce infra/mutants     those whose name holds a word
//! ```
//!
//! A mutant is an edit of a copy of the source, below `target`; the engine has no switches. Only
//! the engine and the simulation are built of it, so that each takes seconds.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "tests")]

mod aging;
mod around;
mod list;
mod reading;
mod writing;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use aging::AGING_MUTANTS;
use list::{Mutant, mutants};

/// Schedules within which each must be caught.
const SCHEDULES: u64 = 2_000;

/// A copy of the workspace, of which the engine and the simulation are built.
struct Copy(PathBuf);

impl Copy {
    fn make() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let copy = root.join("target/mutants/copy");
        for folder in ["events", "src", "tests"] {
            copy_folder(&root.join(folder), &copy.join(folder));
        }
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(root.join(file), copy.join(file)).unwrap();
        }
        Self(copy)
    }

    /// Makes each edit where its text is found, once, and nowhere else.
    fn edit(&self, mutant: &Mutant) -> Vec<(PathBuf, String)> {
        let mut originals = Vec::new();
        for (file, from, to) in mutant.edits {
            let path = self.0.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.matches(from).count(), 1, "{}: {file} has `{from}`", mutant.name);
            fs::write(&path, text.replace(from, to)).unwrap();
            originals.push((path, text));
        }
        originals.reverse();
        originals
    }

    /// Targets of tests of this copy.
    fn tests(&self, package: &str, targets: &[&str]) -> Command {
        let mut tests = Command::new(env!("CARGO"));
        tests
            .args(["test", "--offline", "--quiet", "--package", package])
            .args(targets)
            .current_dir(&self.0)
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env("CARGO_TARGET_DIR", self.0.with_file_name("build"));
        tests
    }

    /// What the simulation of this copy prints, up to the first schedule that breaks a promise.
    fn simulate(&self, promise: &str) -> String {
        let mut tests = self.tests("jumpcloud-collector-simulation", &["--tests"]);
        tests
            .args(["--", "many", "--ignored", "--nocapture"])
            .env("SIM_SCHEDULES", SCHEDULES.to_string())
            .env("SIM_FAILED_MAX", "1");
        if !promise.is_empty() {
            tests.env("SIM_PROMISE", promise);
        }
        text(&tests.output().unwrap())
    }

    /// What the engine's own tests print: of its files, and of a world that ages.
    fn age(&self) -> String {
        let targets = ["--lib", "--test", "aging"];
        text(&self.tests("jumpcloud-collector-engine", &targets).output().unwrap())
    }
}

fn text(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Copies what is new and removes what is gone, so that only what a mutant changes is built again.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for gone in fs::read_dir(to).unwrap().map(Result::unwrap) {
        if !from.join(gone.file_name()).exists() {
            let path = gone.path();
            if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        }
    }
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            // The fuzzer is a workspace of its own, with much that it has built and found.
            if !path.ends_with("tests/fuzz") {
                copy_folder(&path, &copy);
            }
        } else if fs::read(&copy).ok() != Some(fs::read(&path).unwrap()) {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

/// Schedules tried and violations found, as the simulation's last line says.
fn verdict(output: &str) -> Option<(u64, u64)> {
    let line = output.lines().find(|line| line.contains(" violations, seeds "))?;
    let number = |text: &str| text.split_whitespace().next()?.parse().ok();
    let fields: Vec<&str> = line.split(", ").collect();
    Some((number(fields.first()?)?, number(fields.get(3)?)?))
}

/// How a promise was broken.
struct Broken<'o> {
    /// The schedules in which it was.
    seeds: BTreeSet<&'o str>,
    first: String,
}

/// The promises that were broken, by the numbers with which what is printed of each seed begins.
fn broken(output: &str) -> BTreeMap<&str, Broken<'_>> {
    let mut broken = BTreeMap::new();
    let mut seed = "";
    for line in output.lines() {
        let begins = line.strip_prefix("seed ").and_then(|line| line.split_once(": "));
        let finding = match begins {
            Some((number, finding)) => {
                seed = number;
                finding
            }
            None => line.strip_prefix("    ").unwrap_or_default(),
        };
        let Some((promise, _)) = finding.split_once(": ") else { continue };
        let is_number = |number: &str| number.parse::<u32>().is_ok();
        if promise.strip_prefix('P').is_some_and(is_number) {
            let first =
                || Broken { seeds: BTreeSet::new(), first: format!("seed {seed}: {finding}") };
            broken.entry(promise).or_insert_with(first).seeds.insert(seed);
        }
    }
    broken
}

/// `P2 in 7, P12 in 3`.
fn listed(broken: &BTreeMap<&str, Broken<'_>>) -> String {
    let listed = broken.iter().map(|(promise, how)| format!("{promise} in {}", how.seeds.len()));
    listed.collect::<Vec<_>>().join(", ")
}

/// The mutants that the environment asks for: whose name holds `MUTANT`, that edit a file which
/// changed after commit `MUTANTS_SINCE`, and of these `MUTANTS_MAX`, in an order that
/// `MUTANTS_DRAWN_BY` determines. What is not set asks for all.
fn chosen() -> Vec<&'static Mutant> {
    let variable = |name| std::env::var(name).ok();
    let name = variable("MUTANT").unwrap_or_default();
    let changed = variable("MUTANTS_SINCE").map(|since| changed_files(&since));
    let is_changed = |mutant: &&Mutant| {
        let files = || mutant.edits.iter().map(|(file, ..)| *file);
        changed.as_ref().is_none_or(|changed| files().any(|file| changed.contains(file)))
    };
    let mut chosen: Vec<_> =
        mutants().filter(|mutant| mutant.name.contains(&name)).filter(is_changed).collect();
    if let Some(max) = variable("MUTANTS_MAX") {
        let drawn_by = variable("MUTANTS_DRAWN_BY");
        chosen.sort_by_cached_key(|mutant| {
            let mut hasher = DefaultHasher::new();
            (&drawn_by, mutant.name).hash(&mut hasher);
            hasher.finish()
        });
        chosen.truncate(max.parse().unwrap());
    }
    chosen
}

/// Files that differ between the commit and the working tree, from the root of the repository.
fn changed_files(commit: &str) -> HashSet<String> {
    let output = Command::new("git").args(["diff", "--name-only", commit]).output().unwrap();
    assert!(output.status.success(), "git diff: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Told at once, and not only when the engine is built for it.
#[test]
fn each_edit_finds_its_place() {
    let all = mutants().chain(AGING_MUTANTS);
    for (mutant, (file, from, _)) in
        all.flat_map(|mutant| mutant.edits.iter().map(move |edit| (mutant, edit)))
    {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{}: {file} has `{from}`", mutant.name);
    }
}

#[test]
fn a_finding_counts_for_the_promise_that_it_begins_with() {
    let output = "P1: no\nseed 7: P2: there twice: P1: x\n    P2: again\n    P12: an identity\nseed 8: the \
        engine panicked: P3\n    P12: another\n    there P2: no\n";
    let broken = broken(output);
    assert_eq!(listed(&broken), "P12 in 2, P2 in 1");
    assert_eq!(broken["P12"].first, "seed 7: P12: an identity");
}

#[test]
#[ignore = "builds the engine once a mutant"]
fn each_is_caught_within_two_thousand_schedules() {
    let chosen = chosen();
    println!("{} of {} mutants", chosen.len(), mutants().count());
    let copy = Copy::make();
    let sound = copy.simulate("");
    assert_eq!(verdict(&sound), Some((SCHEDULES, 0)), "the engine as it is: {sound}");
    let mut survived = Vec::new();
    for mutant in chosen {
        let started = Instant::now();
        let originals = copy.edit(mutant);
        let output = copy.simulate(mutant.breaks);
        for (path, text) in originals {
            fs::write(path, text).unwrap();
        }
        assert!(verdict(&output).is_some(), "{} does not build or run: {output}", mutant.name);
        let broken = broken(&output);
        let seconds = started.elapsed().as_secs_f64();
        println!("{seconds:>5.1} s  {}: {} ({})", mutant.name, mutant.breaks, listed(&broken));
        match broken.get(mutant.breaks) {
            Some(how) => println!("         {}", how.first),
            None => survived.push(mutant.name),
        }
    }
    assert!(survived.is_empty(), "their promises were not seen broken: {survived:?}");
}

#[test]
#[ignore = "builds the engine once a mutant"]
fn each_that_takes_months_is_caught_by_the_engines_own_tests() {
    let wanted = std::env::var("MUTANT").unwrap_or_default();
    let copy = Copy::make();
    let sound = copy.age();
    assert!(
        !sound.contains("FAILED") && sound.contains("test result: ok"),
        "the engine as it is: {sound}"
    );
    for mutant in AGING_MUTANTS.iter().filter(|mutant| mutant.name.contains(&wanted)) {
        let originals = copy.edit(mutant);
        let output = copy.age();
        for (path, text) in originals {
            fs::write(path, text).unwrap();
        }
        assert!(output.contains("test result: FAILED"), "{} survived: {output}", mutant.name);
        let failed: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        println!("{}: {} {failed:?}", mutant.name, mutant.breaks);
    }
}
