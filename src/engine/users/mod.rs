//! Daily snapshots of an organization's users. Pure.

pub mod projection;
pub mod snapshot;
