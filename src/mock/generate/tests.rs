//! What made-up events must be like.

use super::*;

const ORGANIZATION: &str = "64a1b2c3d4e5f60718293a4b";
const START_MS: i64 = 1_800_000_000_123;

fn sample(seed: u64, count: usize, change: impl FnOnce(&mut Settings)) -> Vec<MadeUpEvent> {
    let mut generator = Generator::new(seed, ORGANIZATION);
    change(&mut generator.settings);
    generator.events(START_MS..START_MS + 24 * HOUR_MS, count).collect()
}

/// Prices and durations are worked out from these figures, so the events must have them.
/// Huge events are left out: 2 in 1,000 would otherwise decide the mean alone.
#[test]
fn size_and_compressibility_are_as_promised() {
    let events = sample(7, 20_000, |settings| settings.huge = 0.0);
    let mut lines = Vec::new();
    for event in &events {
        lines.extend_from_slice(&event.raw);
        lines.push(b'\n');
    }
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut compressed = vec![0; compressor.gzip_compress_bound(lines.len())];
    let length = compressor.gzip_compress(&lines, &mut compressed).unwrap();
    let mean = lines.len() as f64 / events.len() as f64 - 1.0;
    let ratio = lines.len() as f64 / length as f64;
    assert!((990.0..=1_070.0).contains(&mean), "mean size is {mean:.1}");
    assert!((6.0..=7.0).contains(&ratio), "ratio is {ratio:.2}");
}

/// A failed test must be repeatable from its seed.
#[test]
fn the_same_seed_gives_the_same_events() {
    let all = |seed| -> Vec<_> {
        let events = sample(seed, 500, |_| {});
        events.into_iter().map(|event| (event.raw, event.visible_at_ms)).collect()
    };
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
}

/// What the generator says about an event must be what a collector reads from its bytes.
#[test]
fn events_tell_their_own_place() {
    let events = sample(3, 5_000, |settings| {
        for (_, weight) in &mut settings.mix {
            *weight = 1;
        }
    });
    let mut services = std::collections::BTreeSet::new();
    for event in &events {
        let envelope = crate::world::store::Envelope::read(&event.raw).unwrap();
        assert_eq!(envelope.sort_ms(), event.timestamp_ms);
        assert_eq!(envelope.organization, ORGANIZATION);
        assert_eq!(serde_json::json!(envelope.service), serde_json::json!(event.service));
        services.insert(envelope.service);
    }
    assert_eq!(services.len(), 17, "{services:?}");
}

/// The knobs are shares of all events; a wrong one would make a test prove nothing.
#[test]
fn oddities_have_their_shares() {
    let events = sample(5, 20_000, |_| {});
    let share = |test: &dyn Fn(&MadeUpEvent) -> bool| {
        events.iter().filter(|event| test(event)).count() as f64 / events.len() as f64
    };
    let huge = share(&|event| event.raw.len() > 60_000);
    let future = share(&|event| event.visible_at_ms < event.timestamp_ms);
    let late = share(&|event| event.visible_at_ms - event.timestamp_ms > HOUR_MS);
    let bursts = share(&|event| event.service == Service::Radius);
    assert!((0.001..0.004).contains(&huge), "huge {huge}");
    assert!((0.005..0.015).contains(&future), "future {future}");
    assert!((0.001..0.005).contains(&late), "late {late}");
    assert!((0.08..0.16).contains(&bursts), "radius {bursts}");
}

/// With few events a burst takes long to write down, yet it happens at once.
#[test]
fn a_burst_is_not_late() {
    let events = sample(11, 200, |settings| {
        settings.mix = vec![(Service::Radius, 1)];
        (settings.huge, settings.late_by_minutes) = (0.0, 0.0);
    });
    assert!(events.iter().all(|event| event.visible_at_ms - event.timestamp_ms <= 3_000));
}

/// RADIUS stamps whole seconds, so one page may hold a block of equal timestamps.
#[test]
fn radius_comes_in_bursts_on_whole_seconds() {
    let events = sample(9, 300, |settings| {
        settings.mix = vec![(Service::Radius, 1)];
        settings.huge = 0.0;
    });
    assert!(events.iter().all(|event| event.timestamp_ms % SECOND_MS == 0));
    let seconds: std::collections::BTreeSet<_> =
        events.iter().map(|event| event.timestamp_ms).collect();
    assert!(seconds.len() <= 60, "{} seconds", seconds.len());
}
