//! What was decided: journal entries, the index of identities, birth certificates. Pure.

pub mod certificate;
pub mod entry;
pub mod index;
