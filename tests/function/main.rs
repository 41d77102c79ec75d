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

use fixtures::iam::reading as template_reading;

mod aliases;
mod aws_mock_conformance;
mod backfill;
mod bounds;
mod chaos;
mod cost;
mod crash;
mod deployment;
mod fleet;
mod invocation;
mod late;
mod malformed_events;
mod memory;
mod metrics;
mod operator;
mod oracle;
mod organizations;
mod outages;
mod output;
mod pages;
mod permissions;
mod process;
mod proxy;
mod queries;
mod quoted;
mod randomness;
mod reading;
mod secret;
mod users;
