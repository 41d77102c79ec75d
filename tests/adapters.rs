//! Every adapter of a port held to one contract: in memory, on a folder, on AWS.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "the tests of the built function use the rest, and real time"
)]
mod support;

mod adapters {
    mod contracts;
    mod cursors;
    mod lost;
    mod objects;
    mod queue;
    mod secrets;
    mod stage;
    mod trouble;
}
