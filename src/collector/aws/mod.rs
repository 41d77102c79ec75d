//! AWS, for a person at a terminal: a deployed stack, and the buckets of one.

#[cfg(not(feature = "aws"))]
mod absent;
#[cfg(feature = "aws")]
mod account;
#[cfg(feature = "aws")]
mod stack;

#[cfg(not(feature = "aws"))]
pub(crate) use absent::{Stack, buckets};
#[cfg(feature = "aws")]
pub(crate) use {account::buckets, stack::Stack};
