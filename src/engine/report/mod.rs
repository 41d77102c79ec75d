//! What an invocation did, and where the streams stand. Pure.

pub mod lateness;
pub mod metrics;
pub mod snapshot;
pub mod status;
pub mod stream;
