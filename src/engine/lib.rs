//! The collector without the world it works in: no AWS, no HTTP, no clock, no configuration. What
//! it needs of the world are its [`ports`].
//!
//! A run claims a stream, recovers what was decided before it, reads a window, and decides,
//! publishes and advances it batch by batch. Data flows one way:
//!
//! ```text
//! dispatch -> collect -> {plan, walk, batch, entry, cursor} and ports
//! ```
//!
//! It is a crate of its own so that nothing in it can reach for the world, and so that it is
//! optimized for speed while the world's adapters, which are large, are optimized for size.
//!
//! # Layout
//!
//! | files | concern |
//! |---|---|
//! | [`task`] | what an event asks for |
//! | [`dispatch`], [`fanout`], [`queue`] | which streams are due, and the work queue |
//! | [`backfill`], [`preflight`], [`status`], [`audit`], [`hours`], [`verify`] | what tasks and commands do |
//! | [`discover`], [`list`] | which streams there are |
//! | [`snapshot`], [`fields`] | daily snapshots of users, and what is kept of each |
//! | [`collect`] | one run of one stream: the one place with the protocol's order |
//! | [`plan`], [`sweep`], [`walk`], [`place`] | what to read: windows, late events, paging, places of rows |
//! | [`incoming`], [`page`], [`event`], [`token`] | one answer of JumpCloud and the rows in it |
//! | [`identity`], [`index`] | what was decided already |
//! | [`filter`], [`partition`], [`batch`], [`lines`], [`gzip`], [`output`] | which events and bytes go where |
//! | [`entry`], [`cursor`], [`lease`], [`update`] | what is stored |
//! | [`stream`], [`time`], [`limits`], [`error`], [`report`], [`lateness`], [`metrics`] | words used everywhere |
//! | [`ports`] | what the engine needs of the world |
//!
//! # Invariants
//!
//! - Journal entry `n + 1` is created once, by a writer that had loaded the index of `1..=n`.
//! - Archive objects and slot objects are pure functions of entries, and never overwritten.
//! - A part is written before the slot that says it was; a slot before the cursor moves.
//! - The pure files (`plan` to `update` above) know no clock, no network, no environment.

pub mod audit;
pub mod backfill;
pub mod batch;
pub mod budget;
pub mod certificate;
pub mod collect;
pub mod cursor;
pub mod discover;
pub mod dispatch;
pub mod entry;
pub mod error;
pub mod event;
pub mod fanout;
pub mod fields;
pub mod filter;
pub mod gzip;
pub mod hours;
pub mod identity;
pub mod incoming;
pub mod index;
pub mod json;
pub mod lateness;
pub mod lease;
pub mod limits;
pub mod lines;
pub mod list;
pub mod metrics;
pub mod ndjson;
pub mod output;
pub mod page;
pub mod partition;
pub mod place;
pub mod plan;
pub mod port_error;
pub mod ports;
pub mod preflight;
pub mod queue;
pub mod reading_state;
pub mod report;
pub mod request;
pub mod service;
pub mod settings;
pub mod snapshot;
pub mod snapshot_report;
pub mod status;
pub mod stream;
pub mod stream_status;
pub mod sweep;
pub mod task;
pub mod time;
pub mod token;
pub mod update;
pub mod verify;
pub mod walk;
