//! What a line of the archive holds.

pub mod raw;
