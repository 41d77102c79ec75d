//! Which events and bytes go where: batches, lines, keys. Pure.

pub mod batch;
pub mod filter;
mod gzip;
pub mod key;
mod lines;
pub mod output;
pub mod quarantine;

pub use self::batch::{Batch, BatchLimits, NewEvent, Sealed, SealedPart};
pub use self::filter::Filter;
pub use self::key::{
    KeyLayout, LayoutError, Partition, event_key, is_archive_key, quarantine_key, record_key,
    users_key,
};
pub use self::lines::NewLine;
pub use self::output::{CustomFields, Ecs, Format, Output};
pub use self::quarantine::Quarantined;
