//! Daily snapshots of an organization's users. Pure.

pub mod projection;
pub mod snapshot;

pub use self::projection::{Fields, Projection};
pub use self::snapshot::{Part, Snapshot, SnapshotEnd, Step};
