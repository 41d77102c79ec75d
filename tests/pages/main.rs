//! The pages' commands, as a person copies them: each is run here, against emulators where it needs
//! AWS, or listed with the reason why it cannot be. The list is printed by
//! `cargo test -p collector --test pages listed -- --nocapture`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test may stop at what should not be, and passes its own environment on"
)]

mod account;
mod commands;
mod deployment;
mod followed;
mod operation;
mod procedures;
mod shell;
mod situations;
mod table;
