//! A mock of JumpCloud, for demonstrations and tests.
//!
//! It represents the three hosts that a collector uses: Directory Insights
//! (`/insights/directory/v1`), the console (`/api`) and the token endpoint (`/oauth2/token`). It
//! follows JumpCloud's API description; where that is silent, or observation contradicts it,
//! [`Behaviours`] has a switch.
//!
//! # Layout
//!
//! The core is pure: [`respond`] takes a [`World`], a virtual time and a [`Request`], and returns
//! an [`Answer`] with an instruction for its [`Delivery`]. It uses no clock and no connection, so a
//! simulation can call it directly. [`MockServer`] puts a real HTTP server in front of it.
//!
//! | folder or file | concern |
//! |---|---|
//! | `server` | HTTP on the loopback interface |
//! | `answer` | routes a request to its endpoint, and the endpoints |
//! | `generate` | made-up events and users |
//! | `world` | what is known, what goes wrong and when, what was asked; no clock, no connection |
//! | `wire` | request, answer, delivery |
//! | `time`, `made_up` | times as JumpCloud reads and writes them, made-up identifiers |
//!
//! A file imports from its own folder and from those below it in the table, never from above.

mod answer;
#[cfg(test)]
mod fixture;
mod generate;
mod made_up;
mod server;
mod time;
mod wire;
mod world;

pub use answer::respond;
pub use generate::{Generator, MadeUpEvent, Service, Settings};
pub use server::{Clock, MockServer};
pub use wire::{Answer, Delivery, Request};
pub use world::World;
pub use world::behaviour::{Behaviours, DistinctForm, EmptyPageToken, HeaderSpelling};
pub use world::credentials::{CredentialKind, Key};
pub use world::discipline::{Violation, ViolationKind};
pub use world::fault::{Fault, RetryAfter, Rule, When};
pub use world::organization::Organization;
pub use world::request_log::{Host, Record};
pub use world::store::{DocId, LoadError, RowKey, StoredEvent};
