//! What is written into a folder survives a power cut, and so does its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{API_KEY, argument, collector, mock, text, with};

/// Takes the place of the C library's `fsync`, and says of each folder what was in it when it was flushed.
const FSYNC: &str = r#"
use std::io::Write as _;

#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: i32) -> i32 {
    let folder = std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
    if let (Ok(items), Some(told)) = (std::fs::read_dir(&folder), std::env::var_os("FLUSHED")) {
        let paths = items.map(|item| format!("{}\n", item.unwrap().path().display()));
        let mut told = std::fs::OpenOptions::new().append(true).create(true).open(told).unwrap();
        told.write_all(paths.collect::<String>().as_bytes()).unwrap();
    }
    0
}
"#;

/// Every file and folder below a folder, without the locks, which hold nothing.
fn below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        }
        if !path.ends_with(".lock") {
            found.insert(path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_in_a_folder_is_flushed() {
    let (_mock, variables) = mock(450).await;
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path().canonicalize().unwrap();
    let [source, library, flushed] =
        ["fsync.rs", "libfsync.so", "flushed"].map(|name| place.join(name));
    std::fs::write(&source, FSYNC).unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let library_arguments =
        ["--edition=2024", "--crate-type=cdylib", "-o", argument(&library), argument(&source)];
    let built = Command::new(rustc).args(library_arguments).output().unwrap();
    assert!(built.status.success(), "{}", text(&built));

    let to = place.join("deep/folder");
    let more = [
        ("JUMPCLOUD_API_KEY", API_KEY),
        ("LD_PRELOAD", argument(&library)),
        ("FLUSHED", argument(&flushed)),
    ];
    for _ in 0..2 {
        let output = collector(&["collect", "--to", argument(&to)], &with(&variables, &more));
        assert!(output.status.success(), "{}", text(&output));
    }
    let flushed = std::fs::read_to_string(&flushed).unwrap_or_default();
    let flushed: BTreeSet<_> = flushed.lines().map(PathBuf::from).collect();
    let mut written = BTreeSet::from([place.join("deep"), to.clone()]);
    below(&to, &mut written);
    assert!(written.len() > 10, "{written:?}");
    let lost: Vec<_> = written.difference(&flushed).collect();
    assert!(lost.is_empty(), "a power cut may lose {lost:#?}");
}
