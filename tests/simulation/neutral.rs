//! The neutral schedule, in which nothing is special: what a written schedule says nothing of is as
//! here. So a field that `Schedule` gets has a value here, and what is written keeps its meaning.

use engine::archive::BatchLimits;
use engine::settings::Settings;
use engine::stream::StreamId;

use crate::defaults::defaults;
use crate::schedule::{MINUTE, NOON, Schedule};
use crate::truth::Ways;
use crate::unusual::Unusual;

const INTERVAL_MS: i64 = 5 * MINUTE;

/// No batch is closed before its page ends.
pub(crate) const WIDE: BatchLimits = BatchLimits { bytes: 1 << 20, events: 1_000, partitions: 64 };

impl Default for Schedule {
    fn default() -> Self {
        Self {
            seed: 0,
            events: 0,
            streams: vec![StreamId::own()],
            stack: None,
            alternates: false,
            is_listed: true,
            settings: settings(),
            variants: Vec::new(),
            of_processes: vec![settings()],
            reconfigured: None,
            refusals: Vec::new(),
            batch_limits: WIDE,
            slot_bytes_max: usize::MAX,
            page_bytes: None,
            ways: Ways::default(),
            has_odd_rows: false,
            slow_pages: None,
            start_ms: NOON,
            other_key: None,
            jumps: Vec::new(),
            kept_ms: i64::MAX,
            has_odd_counts: false,
            unusual: Unusual::default(),
            schedule_interval_ms: INTERVAL_MS,
            scheduled_runs: 1,
            run_ms: MINUTE,
            skewed: false,
            faults: 0,
            kinds: Vec::new(),
            surroundings: 0,
        }
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        start_lookback_ms: 0,
        settle_lag_ms: 0,
        overlap_ms: INTERVAL_MS,
        late_horizon_ms: 6 * INTERVAL_MS,
        sweep_every_ms: 2 * INTERVAL_MS,
        page_limit: 100,
        // Stored, not compressed: the same bytes each time is all that matters here.
        compression_level: 0,
        ..defaults()
    }
}

/// A foreign type in a written schedule: those of its fields that schedules differ in.
macro_rules! fields {
    ($module:ident, $foreign:ident, $neutral:expr, { $($field:ident: $kind:ty),+ $(,)? }) => {
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::$foreign;

            #[derive(Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            struct Fields { $($field: $kind),+ }

            impl Default for Fields {
                fn default() -> Self {
                    let neutral = $neutral;
                    Self { $($field: neutral.$field),+ }
                }
            }

            pub(crate) fn serialize<S: Serializer>(
                all: &$foreign,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                let fields = Fields { $($field: all.$field.clone()),+ };
                fields.serialize(serializer)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$foreign, D::Error> {
                let fields = Fields::deserialize(deserializer)?;
                let mut all = $neutral;
                $(all.$field = fields.$field;)+
                Ok(all)
            }
        }
    };
}

fields!(settings, Settings, super::settings(), {
    names_organizations: bool,
    queries: Vec<engine::page::Query>,
    start_lookback_ms: i64,
    settle_lag_ms: i64,
    overlap_ms: i64,
    late_horizon_ms: i64,
    sweep_every_ms: i64,
    page_limit: u32,
    pages_per_run: u32,
});

fields!(batch_limits, BatchLimits, super::WIDE, {
    bytes: usize,
    events: usize,
    partitions: usize,
});
