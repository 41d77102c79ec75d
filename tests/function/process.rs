//! The built function as a child process.

pub use fixtures::process::{Function, Outcome};
