//! What was decided: journal entries, the index of identities, birth certificates, and which stream
//! collects an organization. Pure.

pub mod assignment;
pub mod certificate;
pub mod entry;
pub mod index;

pub use self::entry::{
    Entry, EntryError, Header, PartRecord, SlotRecord, entry_key, journal_prefix, seq_of,
};
pub use self::index::{
    NotRecords, SlotIds, entries_of, hourly_counts, index_prefix, object_at, seq_of_slot, slot_key,
    slot_prefix,
};
