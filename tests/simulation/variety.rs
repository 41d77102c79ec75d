//! The settings of a schedule's processes. In half of the schedules each process, and each that takes
//! its place, has one of a few: what one of them leaves undone another one continues.

use engine::archive::{CustomFields, Ecs, Filter, Format, KeyLayout, Output};
use engine::settings::Settings;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;

const LAYOUTS: [&str; 5] = [
    KeyLayout::DEFAULT,
    "{service}/{year}/{month}/{day}/{hour}/",
    "{org}/date={date}/",
    "{org}/{service}/{date}/",
    "",
];

/// By service alone: rows of one identity are of one service, so that a filter keeps all or none of
/// them.
const FILTERS: [&str; 3] = [
    r#"{"drop":[{"service":["ldap","Odd/Service"]}]}"#,
    r#"{"keep":[{"service":["sso","directory","pam"]}]}"#,
    r#"{"keep":[{"service":"sso"},{"service":""}],"drop":[{"service":"ldap"}]}"#,
];

/// An event's own members win: every event has some of these.
const FIELDS: [&str; 3] = ["{}", r#"{"env":"prod","n":0}"#, r#"{"service":"x","tags":["a"]}"#];

/// What the settings of a process may differ in, as it is configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Variant {
    start_lookback_ms: i64,
    settle_lag_ms: i64,
    overlap_ms: i64,
    late_horizon_ms: i64,
    sweep_every_ms: i64,
    page_limit: u32,
    pages_per_run: u32,
    compression_level: i32,
    archive_prefix: String,
    layout: String,
    custom_fields: String,
    /// Whether it keeps duplicates, and the original, where lines are of ECS.
    ecs: Option<(bool, bool)>,
    filter: Option<String>,
}

impl Variant {
    /// These settings with what differs from them.
    pub(crate) fn settings(&self, base: &Settings) -> Settings {
        let custom = CustomFields::parse(&self.custom_fields).unwrap();
        let format = self.ecs.map_or(Format::Raw, |(keep_duplicates, keep_original)| {
            Format::Ecs(Ecs { keep_duplicates, keep_original })
        });
        Settings {
            start_lookback_ms: self.start_lookback_ms,
            settle_lag_ms: self.settle_lag_ms,
            overlap_ms: self.overlap_ms,
            late_horizon_ms: self.late_horizon_ms,
            sweep_every_ms: self.sweep_every_ms,
            page_limit: self.page_limit,
            pages_per_run: self.pages_per_run,
            compression_level: self.compression_level,
            archive_prefix: self.archive_prefix.clone(),
            layout: KeyLayout::parse(&self.layout).unwrap(),
            output: Output::new(format, custom),
            filter: self.filter.as_ref().map(|filter| Filter::parse(filter).unwrap()),
            ..base.clone()
        }
    }
}

/// What the settings of a process may be; nothing but `base` in half of the schedules.
///
/// No late horizon is shorter than that of `base`, which says what is promised, and no look-back is
/// longer.
pub(crate) fn draw(seed: u64, base: &Settings, interval_ms: i64) -> Vec<Variant> {
    let mut chance = Chance::new(seed ^ 0x005e_7712);
    if chance.percent(50) {
        return Vec::new();
    }
    let count = 2 + chance.below(3);
    let formatted = |_| formatted(&mut chance, base);
    let mut variants: Vec<_> = (0..count).map(formatted).collect();
    for variant in &mut variants[1..] {
        let horizon_ms = base.late_horizon_ms;
        variant.start_lookback_ms = *chance.pick(&[0, base.start_lookback_ms]);
        variant.settle_lag_ms = *chance.pick(&[0, 10_000]);
        variant.overlap_ms = *chance.pick(&[0, interval_ms, 3 * interval_ms]);
        variant.late_horizon_ms = *chance.pick(&[horizon_ms, 9 * interval_ms, 12 * interval_ms]);
        variant.sweep_every_ms = *chance.pick(&[1, 2, 3]) * interval_ms;
        variant.page_limit = *chance.pick(&[5, 8, 20, 100]);
        variant.pages_per_run = *chance.pick(&[3, 6, 100]);
        variant.compression_level = *chance.pick(&[0, 0, 1]);
    }
    variants
}

/// With keys, filter and format of its own.
fn formatted(chance: &mut Chance, base: &Settings) -> Variant {
    let custom_fields = (*chance.pick(&FIELDS)).to_owned();
    let ecs = (chance.percent(50), chance.percent(50));
    let ecs = chance.percent(30).then_some(ecs);
    let filter = chance.percent(30).then(|| (*chance.pick(&FILTERS)).to_owned());
    Variant {
        start_lookback_ms: base.start_lookback_ms,
        settle_lag_ms: base.settle_lag_ms,
        overlap_ms: base.overlap_ms,
        late_horizon_ms: base.late_horizon_ms,
        sweep_every_ms: base.sweep_every_ms,
        page_limit: base.page_limit,
        pages_per_run: base.pages_per_run,
        compression_level: base.compression_level,
        archive_prefix: (*chance.pick(&["events/", "siem/jumpcloud/"])).to_owned(),
        layout: (*chance.pick(&LAYOUTS)).to_owned(),
        custom_fields,
        ecs,
        filter,
    }
}
