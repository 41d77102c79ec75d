//! The JumpCloud client against the mock over real HTTP, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests"
)]

mod account;
mod broken;
mod conformance;
mod contract;
mod environment;
mod key;
mod lists;
mod network;
mod paging;
mod pushback;
mod quoted;
mod raw;
mod refusals;
mod size;
