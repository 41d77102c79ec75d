//! What is written into a folder survives a power cut, and so does its name.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fixtures::preload;

use crate::{API_KEY, argument, collector, mock, text, with};

/// Takes the place of the C library's `fsync`. It says of each folder what was in it when it was flushed,
/// and of each file, which may be renamed later, its inode and how long it was.
const FSYNC: &str = r#"
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: i32) -> i32 {
    let open = format!("/proc/self/fd/{fd}");
    let Some(told) = std::env::var_os("FLUSHED") else { return 0 };
    let metadata = std::fs::metadata(&open).unwrap();
    let lines = match metadata.is_dir() {
        true => {
            let items = std::fs::read_dir(std::fs::read_link(&open).unwrap()).unwrap();
            items.map(|item| format!("{}\n", item.unwrap().path().display())).collect()
        }
        false => format!("{} {}\n", metadata.ino(), metadata.len()),
    };
    let mut told = std::fs::OpenOptions::new().append(true).create(true).open(told).unwrap();
    told.write_all(lines.as_bytes()).unwrap();
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
async fn every_name_in_a_folder_and_every_file_is_flushed() {
    let (_mock, variables) = mock(450).await;
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path().canonicalize().unwrap();
    let (library, flushed) = (preload::library(&place, FSYNC), place.join("flushed"));
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
    let is_lost = |path: &&PathBuf| {
        let metadata = path.metadata().unwrap();
        let content = PathBuf::from(format!("{} {}", metadata.ino(), metadata.len()));
        !flushed.contains(*path) || (metadata.is_file() && !flushed.contains(&content))
    };
    let mut written = BTreeSet::from([place.join("deep"), to.clone()]);
    below(&to, &mut written);
    assert!(written.len() > 10, "{written:?}");
    let lost: Vec<_> = written.iter().filter(is_lost).collect();
    assert!(lost.is_empty(), "a power cut may lose {lost:#?}");
}
