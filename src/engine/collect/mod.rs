//! One run of one stream: claim, recover, read, decide, publish, advance, release. This is the one
//! place with that order.
//!
//! Safety depends on one primitive: journal entry `n + 1` is created once, by a writer that had
//! loaded the index of entries `1..=n`. Leases and clocks only avoid duplicate work.
//!
//! ```text
//! turn    one turn of an organization: its events, then its users
//! run     one run: its order, and its report
//! claim   the first and the last update; birth: creation of streams, rebuilding of cursors
//! lanes   which lanes are open
//! organization   which stream collects an organization, and whose events a stream asks for
//! credential     whose the API key is
//! Reader  read, repair, pages, admit, border, users: what JumpCloud sends becomes a batch
//! Writer  recover, decide, publish, parts: a batch becomes part of the archive
//! ```

mod admit;
mod behind;
mod birth;
mod border;
mod claim;
mod counts;
mod credential;
mod decide;
mod digests;
mod engine;
mod heads;
mod index_check;
mod lanes;
mod memory;
mod organization;
mod pages;
mod parts;
mod publish;
mod read;
mod reader;
mod recover;
mod repair;
mod request;
mod run;
mod slots;
mod stop;
mod turn;
mod turns;
mod users;
mod writer;

pub(crate) use counts::{CountRequest, Counts};
pub use credential::Inquiry;
pub use engine::Engine;
pub use request::RunPurpose;
