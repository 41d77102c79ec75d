//! Every JumpCloud Directory Insights event, once, as the bytes JumpCloud sent.
//!
//! A run claims a stream, recovers what was decided before it, reads a window, and decides,
//! publishes and advances it batch by batch. Data flows one way:
//!
//! ```text
//! bin -> handler -> dispatch -> collect -> {plan, walk, batch, entry, cursor} and ports
//! ```
//!
//! # Layout
//!
//! | files | concern |
//! |---|---|
//! | [`task`], [`handler`] | an event in, an answer out |
//! | [`custom_resource`] | CloudFormation asks at deployment, and is always answered |
//! | [`dispatch`], [`fanout`], [`queue`] | which streams are due, and the work queue |
//! | [`backfill`], [`preflight`], [`status`], [`audit`], [`hours`], [`verify`] | what tasks and commands do |
//! | [`discover`], [`list`] | which streams there are |
//! | [`snapshot`], [`fields`] | daily snapshots of users, and what is kept of each |
//! | [`collect`] | one run of one stream: the one place with the protocol's order |
//! | [`plan`], [`sweep`], [`walk`], [`place`] | what to read: windows, late events, paging, places of rows |
//! | [`page`], [`event`], [`token`] | one answer of JumpCloud and the rows in it |
//! | [`identity`], [`index`] | what was decided already |
//! | [`filter`], [`partition`], [`batch`], [`lines`], [`gzip`], [`output`] | which events and bytes go where |
//! | [`entry`], [`cursor`], [`lease`], [`update`] | what is stored |
//! | [`stream`], [`time`], [`limits`], [`error`], [`report`], [`lateness`] | words used everywhere |
//! | [`ports`] | what the engine needs of the world |
//! | [`jumpcloud`], [`aws`], [`local`], [`clock`] | the world |
//! | [`config`], [`telemetry`], [`metrics`] | what comes from outside, and what is logged and measured |
//! | [`standin`] | a stand-in for JumpCloud, for demonstrations and tests |
//!
//! # Invariants
//!
//! - Journal entry `n + 1` is created once, by a writer that had loaded the index of `1..=n`.
//! - Archive objects and slot objects are pure functions of entries, and never overwritten.
//! - A part is written before the slot that says it was; a slot before the cursor moves.
//! - The pure files (`plan` to `update` above) know no clock, no network, no environment.

pub mod audit;
pub mod aws;
pub mod backfill;
pub mod batch;
pub mod clock;
pub mod collect;
pub mod config;
pub mod cursor;
pub mod custom_resource;
pub mod discover;
pub mod dispatch;
pub mod entry;
pub mod error;
pub mod event;
pub mod fanout;
pub mod fields;
pub mod filter;
pub mod gzip;
pub mod handler;
pub mod hours;
pub mod identity;
pub mod index;
pub mod jumpcloud;
pub mod lateness;
pub mod lease;
pub mod limits;
pub mod lines;
pub mod list;
pub mod local;
pub mod metrics;
pub mod output;
pub mod page;
pub mod partition;
pub mod place;
pub mod plan;
pub mod ports;
pub mod preflight;
pub mod queue;
pub mod report;
pub mod snapshot;
pub mod standin;
pub mod status;
pub mod stream;
pub mod sweep;
pub mod task;
pub mod telemetry;
pub mod time;
pub mod token;
pub mod update;
pub mod verify;
pub mod walk;
