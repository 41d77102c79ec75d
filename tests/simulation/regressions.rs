//! Schedules that failed once, as written in `regressions/`, each tried in every test run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::shrink::{self, Size};
use crate::simulate::{Ending, Simulation};
use crate::trace::Trace;
use crate::written::Written;
use crate::{number, outcome};

/// Where they are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// Reads one, by its name there or its whole path.
pub(crate) fn read(file: &Path) -> Written {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    Written::read(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// The place of the sentence in a schedule that was just shrunk.
const UNEXPLAINED: &str = "Say here what was wrong.";

/// How a schedule that fails becomes a regression.
pub(crate) fn how_to_keep(seed: u64) -> String {
    format!(
        "SIM_SEED={seed} cargo test --profile bench -p jumpcloud-collector-simulation shrink -- \
         --nocapture"
    )
}

/// Shrinks the schedule of seed `SIM_SEED`, or in file `SIM_FILE`, and writes it as a regression.
#[test]
fn shrink() {
    let file = std::env::var_os("SIM_FILE").map(PathBuf::from);
    let (written, name) = match (file, number("SIM_SEED")) {
        (Some(file), _) => (read(&file), file.file_stem().unwrap().display().to_string()),
        (None, Some(seed)) => (Written::of_seed(seed, Trace::Off).0, format!("seed-{seed}")),
        (None, None) => return,
    };
    let run = |written: &Written| outcome(|| Simulation::written(written, Trace::Off).run()).wrong;
    let (found, before) = (shrink::kinds(&run(&written)), Size::of(&written));
    assert!(!found.is_empty(), "{name} does not fail");
    // A panic of the engine is a failure like any other, and is met in many of the tries.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut fails = |written: &Written| !found.is_disjoint(&shrink::kinds(&run(written)));
    let (mut smallest, tries) = shrink::shrink(written, &mut fails);
    let wrong = run(&smallest);
    std::panic::set_hook(hook);
    smallest.why = format!("{UNEXPLAINED}\n{name}: {}", wrong.join("\n    "));
    let file = folder().join(format!("{name}.txt"));
    fs::write(&file, smallest.to_string()).unwrap();
    println!("{before} became {} in {tries} tries", Size::of(&smallest));
    println!("{}: {}", file.display(), wrong.join("\n    "));
}

/// What is left is what it takes, and nothing else.
#[test]
fn a_schedule_is_shrunk_to_what_makes_it_fail() {
    // A process ends after it has written a cursor, and then a page is garbled.
    let mut fails = |written: &Written| {
        let trace = Simulation::written(written, Trace::Kept(RefCell::default())).run().trace;
        let mut lines = trace.iter();
        lines.any(|line| line.contains("update cursor") && line.ends_with("!! CrashAfter"))
            && lines.any(|line| line.ends_with("!! PageGarbled"))
    };
    let mut seeds = (0..1_000).map(|seed| Written::of_seed(seed, Trace::Off).0);
    let written = seeds.find(|written| fails(written)).unwrap();
    let before = Size::of(&written);
    let (smallest, tries) = shrink::shrink(written, &mut fails);
    println!("{before} became {} in {tries} tries:\n{smallest}", Size::of(&smallest));
    assert!(fails(&Written::read(&smallest.to_string()).unwrap()));
    let Size { rows, choices, invocations, .. } = Size::of(&smallest);
    assert_eq!((rows, choices), (0, 2));
    assert!(invocations <= 3, "{invocations}");
}

#[test]
fn regressions() {
    let files: Vec<_> = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let written = read(&file);
        assert!(!written.why.starts_with(UNEXPLAINED), "{}: {UNEXPLAINED}", file.display());
        let wrong = outcome(|| Simulation::written(&written, Trace::Off).run()).wrong;
        assert!(wrong.is_empty(), "{}: {}", file.display(), wrong.join("\n    "));
    }
}

/// Whatever is drawn and chosen in them is written down.
#[test]
fn written_schedules_give_the_same_traces_as_their_seeds() {
    let mut drawn = BTreeSet::new();
    for seed in 0..40 {
        let kept = || Trace::Kept(RefCell::default());
        let (written, ending) = Written::of_seed(seed, kept());
        let text = written.to_string();
        let fields = text.lines().skip_while(|line| *line != "[schedule]").skip(1);
        let fields = fields.take_while(|line| !line.starts_with('['));
        drawn.extend(fields.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())));
        let read = Written::read(&text).unwrap();
        assert_eq!(read.to_string(), text);
        same(seed, &ending.unwrap(), &Simulation::written(&read, kept()).run());
    }
    let apart = ["stack", "variants", "other_key", "jumps", "has_odd_counts", "unusual"];
    for name in apart {
        assert!(drawn.contains(name), "{name} is in none of them: {drawn:?}");
    }
}

fn same(seed: u64, first: &Ending, second: &Ending) {
    let (first, second) = (&first.trace, &second.trace);
    let at = first.iter().zip(second).position(|(first, second)| first != second);
    let lines = at.map(|at| (&first[at], &second[at]));
    assert!(first == second, "seed {seed} differs: {lines:?}");
}
