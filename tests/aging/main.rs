//! What happens when time passes, as S3 and JumpCloud make it pass: journal and index expire after
//! 120 days, JumpCloud forgets events, clocks are set, counts differ for as long as they like, and pages
//! do not come in time.

#![expect(clippy::unwrap_used, reason = "tests")]

mod counts;
mod expiry;
mod deleted;
mod lanes;
mod names;
mod pages;
mod ports;
#[path = "../fixtures/settings.rs"]
mod repairs;
#[expect(unreachable_pub, reason = "public among the fixtures")]
mod settings;
mod world;
