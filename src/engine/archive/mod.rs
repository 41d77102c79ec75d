//! Which events and bytes go where: batches, lines, keys. Pure.

pub mod batch;
pub mod filter;
mod gzip;
pub mod key;
mod lines;
pub mod output;
