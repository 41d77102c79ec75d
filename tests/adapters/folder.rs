//! What the adapters of a folder promise beyond the contracts: only its owner reads what they
//! write, no symbolic link is followed, and what a crash leaves is removed.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use engine::cursor::{Update, Value};
use engine::ports::{Cursors as _, Objects as _, PutResult, StoreError};
use jumpcloud_collector::local::{FolderCursors, FolderObjects};
use tempfile::TempDir;

use crate::cursors::stream;
use crate::objects::{create, meta};
use fixtures::aws::ARCHIVE;

const KEY: &str = "events/service=sso/part.ndjson.gz";

/// Every file and folder below a path, with its permissions.
fn modes(folder: &Path, found: &mut Vec<(String, u32)>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        let kind = if path.is_dir() { "folder" } else { "file" };
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777;
        found.push((format!("{kind} {}", path.display()), mode));
        if path.is_dir() {
            modes(&path, found);
        }
    }
}

fn update() -> Update {
    Update { set: vec![("seq", Value::N(7))], ..Update::default() }
}

fn assert_link_refused<T: std::fmt::Debug>(ended: Result<T, StoreError>, link: &Path, what: &str) {
    let Err(StoreError::Rejected(cause)) = ended else { panic!("{what}: {ended:?}") };
    let expected = format!("`{}` is a symbolic link", link.display());
    assert!(cause.text().contains(&expected), "{what}: {cause}");
}

#[tokio::test]
async fn only_the_owner_reads_what_is_written() {
    let folder = TempDir::new().unwrap();
    let body = Bytes::from_static(b"events");
    create(&FolderObjects::new(folder.path().join("deep/root")), ARCHIVE, KEY, &body).await;
    let cursors = FolderCursors::new(folder.path().join("deep/cursors"));
    cursors.update(&stream(1), &update()).await.unwrap();
    let mut found = Vec::new();
    modes(folder.path(), &mut found);
    assert!(found.len() > 8, "{found:?}");
    found.retain(|(name, mode)| *mode != if name.starts_with("folder") { 0o700 } else { 0o600 });
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn a_lock_is_not_taken_through_a_link_and_never_changed() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let cursors = FolderCursors::new(folder.path().to_owned());
    let (lock, precious) = (folder.path().join(".lock"), elsewhere.path().join("precious"));
    fs::write(&precious, "precious").unwrap();
    symlink(&precious, &lock).unwrap();
    assert_link_refused(cursors.update(&stream(1), &update()).await, &lock, "a link");
    fs::remove_file(&precious).unwrap();
    assert_link_refused(cursors.update(&stream(1), &update()).await, &lock, "to nothing");
    assert!(!precious.exists(), "nothing is made through it");

    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "of another program").unwrap();
    cursors.update(&stream(1), &update()).await.unwrap();
    assert_eq!(fs::read_to_string(&lock).unwrap(), "of another program");
}

#[tokio::test]
async fn a_link_in_place_of_a_cursor_is_refused() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let other = FolderCursors::new(elsewhere.path().to_owned());
    other.update(&stream(1), &update()).await.unwrap();
    let name = format!("{}.json", stream(1));
    let (link, target) = (folder.path().join(&name), elsewhere.path().join(&name));
    symlink(&target, &link).unwrap();
    let before = fs::read(&target).unwrap();
    let cursors = FolderCursors::new(folder.path().to_owned());
    assert_link_refused(cursors.get(&stream(1)).await, &link, "get");
    assert_link_refused(cursors.update(&stream(1), &update()).await, &link, "update");
    assert_eq!(fs::read(&target).unwrap(), before);

    let link = folder.path().join("cursors");
    symlink(elsewhere.path(), &link).unwrap();
    let cursors = FolderCursors::new(link.clone());
    assert_link_refused(cursors.get(&stream(1)).await, &link, "get in a linked folder");
    let ended = cursors.update(&stream(1), &update()).await;
    assert_link_refused(ended, &link, "update in a linked folder");
}

/// Also what a crash left of a cursor is no way out of the folder.
#[tokio::test]
async fn what_is_left_beside_a_cursor_is_replaced() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (aside, precious) =
        (folder.path().join(format!(".{}.aside", stream(1))), elsewhere.path().join("precious"));
    fs::write(&precious, "precious").unwrap();
    symlink(&precious, &aside).unwrap();
    let cursors = FolderCursors::new(folder.path().to_owned());
    let item = cursors.update(&stream(1), &update()).await.unwrap();
    assert_eq!(cursors.get(&stream(1)).await.unwrap(), item);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(!aside.exists());
}

/// At the key itself, and at every folder above it.
#[tokio::test]
async fn a_link_in_place_of_an_object_or_its_folder_is_refused() {
    let body = Bytes::from_static(b"events");
    for place in
        ["archive", "archive/events", "archive/events/service=sso", &format!("archive/{KEY}")]
    {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        create(&FolderObjects::new(elsewhere.path().to_owned()), ARCHIVE, KEY, &body).await;
        let link = folder.path().join(place);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(elsewhere.path().join(place), &link).unwrap();

        let objects = FolderObjects::new(folder.path().to_owned());
        assert_link_refused(objects.get(ARCHIVE, KEY).await, &link, "get");
        assert_link_refused(objects.sha256(ARCHIVE, KEY).await, &link, "sha256");
        assert_link_refused(objects.list(ARCHIVE, "", "", 9).await, &link, "list");
        assert_link_refused(objects.list(ARCHIVE, KEY, "", 9).await, &link, "list of a folder");
        for key in [KEY, "events/service=sso/other.ndjson.gz"] {
            let ended = objects.create(ARCHIVE, key, body.clone(), &meta(&body)).await;
            if place.ends_with(KEY) && key != KEY {
                assert_eq!(ended.unwrap(), PutResult::Created, "beside a link");
            } else {
                assert_link_refused(ended, &link, key);
            }
        }
        let mut found = Vec::new();
        modes(elsewhere.path(), &mut found);
        assert!(!found.iter().any(|(name, _)| name.contains("other")), "{place}: {found:?}");
    }
}

/// A link to nothing is no free key.
#[tokio::test]
async fn a_link_to_nothing_is_refused() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join(ARCHIVE).join("key");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(folder.path().join("nothing"), &link).unwrap();
    let objects = FolderObjects::new(folder.path().to_owned());
    let body = Bytes::from_static(b"events");
    assert_link_refused(objects.get(ARCHIVE, "key").await, &link, "get");
    let ended = objects.create(ARCHIVE, "key", body.clone(), &meta(&body)).await;
    assert_link_refused(ended, &link, "create");
    assert!(!folder.path().join("nothing").exists());
}

/// A folder, or a pipe that nobody writes into.
#[tokio::test]
async fn what_is_not_a_file_is_no_object() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join(ARCHIVE).join("folder")).unwrap();
    let pipe = folder.path().join(ARCHIVE).join("pipe");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let objects = FolderObjects::new(folder.path().to_owned());
    for key in ["folder", "pipe"] {
        let ended = objects.get(ARCHIVE, key).await;
        let Err(StoreError::Rejected(cause)) = ended else { panic!("{key}: {ended:?}") };
        assert!(cause.text().ends_with("is not a file"), "{cause}");
    }
}

#[tokio::test]
async fn what_a_file_manager_leaves_is_no_object() {
    let folder = TempDir::new().unwrap();
    let objects = FolderObjects::new(folder.path().to_owned());
    create(&objects, ARCHIVE, "events/day/first", &Bytes::from_static(b"events")).await;
    for hidden in [".DS_Store", "events/day/.directory"] {
        fs::write(folder.path().join(ARCHIVE).join(hidden), "view").unwrap();
    }
    assert_eq!(objects.list(ARCHIVE, "", "", 9).await.unwrap(), ["events/day/first"]);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_once_nobody_is_at_work() {
    let folder = TempDir::new().unwrap();
    let aside = folder.path().join(".aside");
    let (body, left) = (Bytes::from_static(b"events"), aside.join("1-00000000000000ab"));
    let first = FolderObjects::new(folder.path().to_owned());
    create(&first, ARCHIVE, "first", &body).await;
    fs::write(&left, "half").unwrap();
    create(&FolderObjects::new(folder.path().to_owned()), ARCHIVE, "second", &body).await;
    assert!(left.exists(), "it may be the first one's");
    drop(first);
    let third = FolderObjects::new(folder.path().to_owned());
    create(&third, ARCHIVE, "third", &body).await;
    assert!(!left.exists(), "nobody writes it");
    assert_eq!(third.list(ARCHIVE, "", "", 9).await.unwrap(), ["first", "second", "third"]);
}
