//! Translates errors of the file system to those of the ports.

use std::io::{self, ErrorKind};
use std::path::Path;

use engine::cause::Cause;
use engine::ports::StoreError;

/// A full disk is transient. A folder without write permission, or a file of another kind, needs an
/// operator.
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
