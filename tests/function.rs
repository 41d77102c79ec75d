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

mod function {
    mod backfill;
    mod crash;
    mod fleet;
    mod invocation;
    mod late;
    mod memory;
    mod odd;
    mod oracle;
    mod organizations;
    mod output;
    mod peers;
    mod reading;
    mod secret;
    mod weather;
}
