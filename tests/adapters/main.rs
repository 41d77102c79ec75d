//! Every adapter of a port held to one contract: in memory, on a folder, on AWS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

mod contracts;
mod cursors;
mod environment;
mod folder;
mod lost;
mod objects;
mod queue;
mod secrets;
mod trouble;
