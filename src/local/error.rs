//! What a folder's errors mean to a port's caller.

use std::io::{self, ErrorKind};
use std::path::Path;

use engine::cause::Cause;
use engine::ports::StoreError;

/// A full disk may pass; a folder that may not be written, or a file that is none of ours, needs
/// somebody.
pub(super) fn failed(path: &Path, error: io::Error) -> StoreError {
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
