//! The settings of a schedule's processes. In half of the schedules each process, and each that takes
//! its place, has one of a few: what one of them leaves undone another one continues.

use engine::archive::{CustomFields, Ecs, Filter, Format, KeyLayout, Output};
use engine::settings::Settings;

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

/// The settings that a process may have; `base` alone in half of the schedules.
///
/// No late horizon is shorter than that of `base`, which says what is promised, and no look-back is
/// longer.
pub(crate) fn draw(seed: u64, base: &Settings, interval_ms: i64) -> Vec<Settings> {
    let mut chance = Chance::new(seed ^ 0x005e_7712);
    if chance.percent(50) {
        return vec![base.clone()];
    }
    let count = 2 + chance.below(3);
    let formatted = |_| formatted(&mut chance, base);
    let mut variants: Vec<_> = (0..count).map(formatted).collect();
    for settings in &mut variants[1..] {
        let horizon_ms = base.late_horizon_ms;
        settings.start_lookback_ms = *chance.pick(&[0, base.start_lookback_ms]);
        settings.settle_lag_ms = *chance.pick(&[0, 10_000]);
        settings.overlap_ms = *chance.pick(&[0, interval_ms, 3 * interval_ms]);
        settings.late_horizon_ms = *chance.pick(&[horizon_ms, 9 * interval_ms, 12 * interval_ms]);
        settings.sweep_every_ms = *chance.pick(&[1, 2, 3]) * interval_ms;
        settings.page_limit = *chance.pick(&[5, 8, 20, 100]);
        settings.pages_per_run = *chance.pick(&[3, 6, 100]);
        settings.compression_level = *chance.pick(&[0, 0, 1]);
    }
    variants
}

/// With keys, filter and format of its own.
fn formatted(chance: &mut Chance, base: &Settings) -> Settings {
    let custom = CustomFields::parse(chance.pick::<&str>(&FIELDS)).unwrap();
    let ecs = Ecs { keep_duplicates: chance.percent(50), keep_original: chance.percent(50) };
    let format = if chance.percent(30) { Format::Ecs(ecs) } else { Format::Raw };
    let filter = chance.percent(30).then(|| Filter::parse(chance.pick::<&str>(&FILTERS)).unwrap());
    Settings {
        archive_prefix: (*chance.pick(&["events/", "siem/jumpcloud/"])).to_owned(),
        layout: KeyLayout::parse(chance.pick::<&str>(&LAYOUTS)).unwrap(),
        output: Output::new(format, custom),
        filter,
        ..base.clone()
    }
}
