//! Schedules that failed once, as written in `regressions/`, each tried in every test run.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome;
use crate::simulate::{Ending, Simulation};
use crate::trace::Trace;
use crate::written::Written;

/// Where they are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Reads one, by its name there or its whole path.
pub(crate) fn read(file: &Path) -> Written {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    Written::read(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// Writes the schedule of a seed that failed, and returns where.
pub(crate) fn keep(seed: u64) -> PathBuf {
    let (written, _) = Written::of_seed(seed, Trace::Off);
    let file = folder().join(format!("seed-{seed}.txt"));
    fs::write(&file, written.to_string()).unwrap();
    file
}

#[test]
fn regressions() {
    let files: Vec<_> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let written = read(&file);
        let wrong = outcome(|| Simulation::written(&written, Trace::Off).run()).wrong;
        assert!(wrong.is_empty(), "{}: {}", file.display(), wrong.join("\n    "));
    }
}

/// Whatever is drawn and chosen in them is written down.
#[test]
fn written_schedules_give_the_same_traces_as_their_seeds() {
    for seed in 0..20 {
        let kept = || Trace::Kept(RefCell::default());
        let (written, ending) = Written::of_seed(seed, kept());
        let text = written.to_string();
        let read = Written::read(&text).unwrap();
        assert_eq!(read.to_string(), text);
        same(seed, &ending.unwrap(), &Simulation::written(&read, kept()).run());
    }
}

fn same(seed: u64, first: &Ending, second: &Ending) {
    let (first, second) = (&first.trace, &second.trace);
    let at = first.iter().zip(second).position(|(first, second)| first != second);
    let lines = at.map(|at| (&first[at], &second[at]));
    assert!(first == second, "seed {seed} differs: {lines:?}");
}
