//! The collector's logic, without AWS, HTTP, clock or configuration. What it needs from outside are
//! its [`ports`].
//!
//! A run claims a stream, recovers what was decided before it, reads a window, and decides,
//! publishes and advances it batch by batch. Each folder is one step of the data, and imports only
//! folders listed below it:
//!
//! ```text
//! task       what an event or a person asks for: collect, backfill, audit, status, validate, verify
//! fleet      which streams there are, which are due, and the work queue
//! collect    one run over one stream: the one place with the protocol's order
//! report     what an invocation did
//! error      why a run failed
//! read       what to ask JumpCloud for                                                pure
//! journal    what was decided: entries, index, birth certificates                     pure
//! ports      what the engine needs of the world
//! cursor     the table's item and every change to it                                  pure
//! settings   what the configuration says
//! archive    which events and bytes go where                                          pure
//! users      daily snapshots of users                                                 pure
//! page       what JumpCloud sent                                                      pure
//! json, identity, stream, time, limits, cause                                              pure
//! ```
//!
//! It is a crate of its own so that nothing in it can use AWS, HTTP or the environment directly,
//! and so that it is optimized for speed while the adapters, which are large, are optimized for
//! size.
//!
//! # Invariants
//!
//! - Journal entry `n + 1` is created once, by a writer that had loaded the index of `1..=n`.
//! - Archive objects and slot objects are pure functions of entries, and never overwritten.
//! - Parts are written before slot objects, and slot objects before the cursor moves.
//! - Only `collect`, `fleet`, `task` and `ports` wait for anything; the others know no clock, no
//!   network, no environment.

pub mod archive;
pub mod cause;
pub mod collect;
pub mod cursor;
pub mod error;
pub mod fleet;
pub mod identity;
pub mod journal;
pub mod json;
pub mod limits;
pub mod page;
pub mod ports;
pub mod read;
pub mod report;
pub mod settings;
pub mod stream;
pub mod task;
pub mod time;
pub mod users;
