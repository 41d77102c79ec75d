//! What happens when time passes, as S3 and JumpCloud make it pass: journal and index expire after
//! 120 days, JumpCloud forgets events, clocks are set, counts differ for as long as they like, and pages
//! do not come in time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod audits;
mod counts;
mod deleted;
mod expiry;
mod lanes;
mod names;
mod pages;
mod ports;
mod repairs;
#[path = "../fixtures/settings.rs"]
#[expect(unreachable_pub, reason = "public among the fixtures")]
mod settings;
mod store;
mod world;
