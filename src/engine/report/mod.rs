//! Reports of invocations and runs, the status of streams, and metrics. Pure.

pub mod lateness;
pub mod metrics;
pub mod queries;
pub mod snapshot;
pub mod status;
pub mod stream;

pub use self::lateness::{BOUNDS_SECONDS, Histogram, Lateness, Summary};
pub use self::metrics::{Detail, Metrics, STANDARD, View};
pub use self::queries::{Lost, RefusedQuery};
pub use self::snapshot::SnapshotReport;
pub use self::status::{NotAPlace, StatusPlace, StreamStatus};
pub use self::stream::{Discovery, Outcome, Queued, Report, StreamReport, Tally};
