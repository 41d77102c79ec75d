//! The engine without the world it runs in, as a crate of its own: see `Cargo.toml`.

#![allow(clippy::all, missing_docs, unused, reason = "linted where they belong")]

include!(concat!(env!("OUT_DIR"), "/modules.rs"));
