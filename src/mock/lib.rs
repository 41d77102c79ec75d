//! A stand-in for JumpCloud, for demonstrations and tests.
//!
//! It plays the three hosts a collector talks to: Directory Insights (`/insights/directory/v1`),
//! the console (`/api`) and the token endpoint (`/oauth2/token`). It follows JumpCloud's API
//! description; where that is silent, or observation contradicts it, [`Behaviours`] has a switch.
//!
//! # Layout
//!
//! The core is pure: [`respond`] takes a [`World`], a virtual time and a [`Request`], and gives
//! an [`Answer`] with an instruction for its [`Delivery`]. It knows no clock and no connection, so a
//! simulation can call it directly. [`StandIn`] puts a real HTTP server in front of it.
//!
//! | file | concern |
//! |---|---|
//! | `world` | what is known |
//! | `answer` | routes a request to its endpoint |
//! | `wire` | request, answer, delivery |
//! | `behaviour` | the switches |
//! | `credentials`, `access` | who asks and what they may see |
//! | `organization` | tenants and their users |
//! | `store` | events in the order they are served |
//! | `query`, `search`, `time` | the body of a request |
//! | `events`, `counts`, `oauth`, `console` | the endpoints |
//! | `fault` | what goes wrong, and when |
//! | `request_log`, `discipline` | what was asked, and what should not have been |
//! | `server`, `body` | HTTP on the loopback interface |
//! | `generate`, `made_up` | made-up events and identifiers |

mod access;
mod answer;
mod behaviour;
mod body;
mod console;
mod counts;
mod credentials;
mod discipline;
mod events;
mod fault;
#[cfg(test)]
mod fixture;
mod generate;
mod made_up;
mod oauth;
mod organization;
mod query;
mod request_log;
mod search;
mod server;
mod store;
mod time;
mod wire;
mod world;

pub use answer::respond;
pub use behaviour::{
    Behaviours, DistinctForm, EmptyPageToken, EqualBounds, HeaderSpelling, NotEnabled, OverMaximum,
    SERVICES,
};
pub use credentials::{ClientSecret, CredentialKind, Key, Region, Role};
pub use discipline::{Violation, ViolationKind};
pub use fault::{Fault, RetryAfter, Rule, When};
pub use generate::{Generator, MadeUpEvent, Service, Settings};
pub use organization::Organization;
pub use request_log::{Host, Record};
pub use server::{Clock, StandIn};
pub use store::{DocId, LoadError, RowKey, StoredEvent};
pub use wire::{Answer, Delivery, Request};
pub use world::{NewEvent, World};
