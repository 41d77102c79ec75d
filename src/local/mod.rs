//! The ports on a folder, for a person at a terminal: the same promises, without AWS.
//!
//! ```text
//! DIR/archive/events/service=…/date=…/…   what a SIEM reads
//! DIR/archive/quarantine/…
//! DIR/state/streams|journal|index/…       births, journal, index
//! DIR/cursors/<stream>.json
//! ```

mod cursors;
mod objects;
mod secret;

use std::io::{self, ErrorKind};
use std::path::Path;

pub use cursors::FolderCursors;
use engine::cause::Cause;
use engine::ports::StoreError;
pub use objects::FolderObjects;
pub use secret::KeySource;

/// The name of the archive's bucket: a folder of that name.
pub const ARCHIVE: &str = "archive";
/// The name of the state's bucket: a folder of that name.
pub const STATE: &str = "state";

/// A full disk may pass; a folder that may not be written, or a file that is none of ours, needs
/// somebody.
fn failed(path: &Path, error: io::Error) -> StoreError {
    let kind = error.kind();
    let cause = Cause::new(format!("{}: {error}", path.display()), error);
    match kind {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::NotADirectory
        | ErrorKind::AlreadyExists
        | ErrorKind::InvalidData => StoreError::Rejected(cause),
        _ => StoreError::Indeterminate(cause),
    }
}
