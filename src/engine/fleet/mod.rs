//! Which streams there are, which are due, and the work queue that many of them go through.

pub mod collectors;
pub mod discover;
pub mod dispatch;
pub(crate) mod lanes;
pub mod message;
mod pass;
pub mod queue;
