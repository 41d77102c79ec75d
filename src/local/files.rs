//! Files and folders that only their owner can read, that survive a power cut once they are
//! written, and that are reached through no symbolic link.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Read and write for the owner; a umask can only take from it.
const FILE_MODE: u32 = 0o600;
/// The same for a folder, and to enter it.
const FOLDER_MODE: u32 = 0o700;
/// A link is not followed, and a pipe that nobody writes into is not waited for.
const NO_LINK: i32 = libc::O_NOFOLLOW | libc::O_NONBLOCK;

/// Makes a folder, and those above it that are missing.
///
/// # Errors
/// What the system says; [`ErrorKind::AlreadyExists`] if something else has that name.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = above(path);
    create_folder(above)?;
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        // Another process was first.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        ended => ended?,
    }
    flush_folder(above)
}

/// Makes the names in a folder survive a power cut.
pub(super) fn flush_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The folder that a path lies in.
pub(super) fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a symbolic link at `path`, and in place of each folder between `root` and it; `root`
/// itself may be one.
///
/// # Errors
/// [`ErrorKind::InvalidData`] that names the link; else what the system says.
pub(super) fn refuse_links(root: &Path, path: &Path) -> io::Result<()> {
    for part in path.ancestors().take_while(|part| *part != root) {
        match fs::symlink_metadata(part) {
            Ok(found) if found.is_symlink() => {
                return Err(invalid(part, "is a symbolic link, and none is followed here"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a file below `root`; `None` if it does not exist.
///
/// # Errors
/// As [`refuse_links`]; [`ErrorKind::InvalidData`] also for what is not a file.
pub(super) fn read(root: &Path, path: &Path) -> io::Result<Option<Vec<u8>>> {
    refuse_links(root, path)?;
    let mut file = match OpenOptions::new().read(true).custom_flags(NO_LINK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(invalid(path, "is not a file"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Opens a file whose only use is to be locked; makes it where it is missing, and never changes
/// what it holds.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    refuse_links(above(path), path)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .custom_flags(NO_LINK)
        .open(path)
}

/// Makes a file that nothing has the name of, not even a link.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

fn invalid(path: &Path, what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("`{}` {what}", path.display()))
}
