//! The built function end to end: the `bootstrap` binary as a child process, with AWS, the Lambda
//! Runtime API and JumpCloud on loopback in this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod support;

use support::iam::reading as template_reading;

mod function {
    mod backfill;
    mod cost;
    mod crash;
    mod deployment;
    mod fleet;
    mod invocation;
    mod late;
    mod memory;
    mod metrics;
    mod mix;
    mod odd;
    mod oracle;
    mod organizations;
    mod output;
    mod peers;
    mod permissions;
    mod reading;
    mod secret;
    mod users;
    mod weather;
}
