//! The ports on a folder, for the command line: the same guarantees as with AWS.
//!
//! ```text
//! DIR/archive/events/service=…/date=…/…   what a SIEM reads
//! DIR/archive/quarantine/…
//! DIR/state/streams|journal|index/…       births, journal, index
//! DIR/cursors/<stream>.json
//! ```

mod cursors;
mod error;
mod files;
mod objects;
mod secret;

pub use cursors::FolderCursors;
pub use objects::FolderObjects;
pub use secret::KeySource;

/// The name of the archive bucket, which is a folder of that name.
pub const ARCHIVE: &str = "archive";
/// The name of the state bucket, which is a folder of that name.
pub const STATE: &str = "state";
