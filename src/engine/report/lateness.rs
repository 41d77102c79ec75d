//! How late events appear: the time at which an event was first received minus its timestamp, as a
//! small histogram per service. It shows which `LATE_HORIZON` is needed.
//!
//! Only events that are received while the stream is live are measured. An event before the end of
//! the last complete head reading is certainly late. One after it is measured, too, but only if the
//! head was read a short time ago: events of a first look-back or after an outage were not late,
//! they were waiting for the collector. An event appeared at some time between two readings; the
//! later one is used, so a measured value is never too small.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::cursor::{Item, QueryProgress, Update, Value, attribute, text};
use crate::limits::{LATENESS_LIVE_WINDOW_MS, LATENESS_SERVICES_MAX};
use crate::page::service::OTHER;

/// Upper bounds of the buckets in seconds, inclusive. One more bucket counts all later events.
pub const BOUNDS_SECONDS: [i64; 20] = [
    10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 172_800,
    345_600, 604_800, 1_296_000, 2_592_000, 7_776_000,
];
const BUCKETS: usize = BOUNDS_SECONDS.len() + 1;

/// Histograms of how late events were, by service label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    services: BTreeMap<String, Histogram>,
}

/// A histogram of how late the events of one service were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Events by bucket.
    pub counts: [u64; BUCKETS],
    /// The largest value, in seconds.
    pub max_seconds: i64,
}

/// A summary of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The number of events that were measured.
    pub count: u64,
    /// Upper bound of the 50th percentile in seconds: the bound of its bucket, or the largest
    /// value.
    pub p50_seconds: i64,
    /// Upper bound of the 99th percentile in seconds: the bound of its bucket, or the largest
    /// value.
    pub p99_seconds: i64,
    /// The largest value, in seconds.
    pub max_seconds: i64,
}

/// How late an event with this timestamp is, in milliseconds; `None` if it is not measured, see the
/// module.
///
/// `query` is the progress of its query before the reading that found it, `now_ms` the time of the
/// page. What lies before names were added was not late either.
#[must_use]
pub fn measured_ms(query: &QueryProgress, timestamp_ms: i64, now_ms: i64) -> Option<i64> {
    let is_live =
        now_ms - query.read_at_ms <= LATENESS_LIVE_WINDOW_MS && timestamp_ms >= query.read_to_ms;
    (query.is_late(timestamp_ms) || is_live).then(|| (now_ms - timestamp_ms).max(0))
}

/// The histograms in the cursor; empty if there are none or they cannot be read.
///
/// They are not part of the reading state: a run that is killed adds nothing.
#[must_use]
pub fn stored(item: &Item) -> Lateness {
    text(item, attribute::LATENESS).map(Lateness::parse).unwrap_or_default()
}

/// Adds the histograms of a run to its release, so that storing them needs no further update.
#[must_use]
pub fn add_to(mut update: Update, before: &Lateness, more: &Lateness) -> Update {
    if !more.is_empty() {
        let mut all = before.clone();
        all.merge(more);
        update.set.push((attribute::LATENESS, Value::S(all.to_text())));
    }
    update
}

impl Lateness {
    /// Counts one event. Services beyond the first [`LATENESS_SERVICES_MAX`] share one histogram.
    pub fn add(&mut self, service: &str, ms: i64) {
        match self.services.get_mut(service) {
            Some(histogram) => histogram.add(ms),
            None => self.of(service).add(ms),
        }
    }

    /// Adds all counts of `more`.
    pub fn merge(&mut self, more: &Self) {
        for (service, histogram) in &more.services {
            self.of(service).merge(histogram);
        }
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// The services, by name.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Histogram)> {
        self.services.iter().map(|(service, histogram)| (service.as_str(), histogram))
    }

    /// Each service's histogram in four numbers.
    #[must_use]
    pub fn summaries(&self) -> BTreeMap<String, Summary> {
        self.services().map(|(name, histogram)| (name.to_owned(), histogram.summary())).collect()
    }

    /// All services together.
    #[must_use]
    pub fn overall(&self) -> Histogram {
        let mut all = Histogram::default();
        self.services.values().for_each(|histogram| all.merge(histogram));
        all
    }

    fn of(&mut self, service: &str) -> &mut Histogram {
        let is_known = self.services.contains_key(service);
        let has_room = self.services.len() < LATENESS_SERVICES_MAX;
        let label = if is_known || has_room { service } else { OTHER };
        self.services.entry(label.to_owned()).or_default()
    }

    /// The form in the cursor: `sso=45:3,,1 ssh=9:2`, per service the largest value and the counts
    /// by bucket, where zeros are left empty.
    #[must_use]
    pub fn to_text(&self) -> String {
        let texts: Vec<_> = self
            .services
            .iter()
            .map(|(service, histogram)| format!("{service}={}", histogram.to_text()))
            .collect();
        texts.join(" ")
    }

    /// Parses what [`Lateness::to_text`] returns; parts that cannot be parsed are ignored.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut lateness = Self::default();
        for (service, histogram) in text.split(' ').filter_map(|text| text.split_once('=')) {
            if let Some(histogram) = Histogram::parse(histogram) {
                lateness.of(service).merge(&histogram);
            }
        }
        lateness
    }
}

impl Histogram {
    fn add(&mut self, ms: i64) {
        // Rounded up, so that the value is never too small.
        let seconds = ms.saturating_add(999) / 1_000;
        let bucket = BOUNDS_SECONDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.max_seconds = self.max_seconds.max(seconds);
    }

    fn merge(&mut self, more: &Self) {
        for (count, more) in self.counts.iter_mut().zip(more.counts) {
            *count = count.saturating_add(more);
        }
        self.max_seconds = self.max_seconds.max(more.max_seconds);
    }

    /// Summarises the histogram.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            count: self.counts.iter().sum(),
            p50_seconds: self.percentile(50),
            p99_seconds: self.percentile(99),
            max_seconds: self.max_seconds,
        }
    }

    /// The bound of the first bucket that has, with all before it, `percent` of the events.
    fn percentile(&self, percent: u64) -> i64 {
        let all = u128::from(self.counts.iter().sum::<u64>());
        let needed = (all * u128::from(percent)).div_ceil(100);
        let mut cumulative = 0;
        let reached = self.counts.iter().position(|count| {
            cumulative += u128::from(*count);
            cumulative >= needed
        });
        let bound = reached.and_then(|bucket| BOUNDS_SECONDS.get(bucket)).copied();
        bound.unwrap_or(i64::MAX).min(self.max_seconds)
    }

    fn to_text(&self) -> String {
        let counts = self.counts.map(|n| if n == 0 { String::new() } else { n.to_string() });
        format!("{}:{}", self.max_seconds, counts.join(",").trim_end_matches(','))
    }

    fn parse(text: &str) -> Option<Self> {
        let (max_seconds, counts) = text.split_once(':')?;
        let mut histogram = Self { max_seconds: max_seconds.parse().ok()?, ..Self::default() };
        for (bucket, text) in counts.split(',').enumerate().filter(|(_, text)| !text.is_empty()) {
            *histogram.counts.get_mut(bucket)? = text.parse().ok()?;
        }
        Some(histogram)
    }
}

/// Serialized as an object with a [`Summary`] per service.
impl Serialize for Lateness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.summaries().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{HOUR_MS, MINUTE_MS};

    fn of(seconds: &[i64]) -> Lateness {
        let mut lateness = Lateness::default();
        seconds.iter().for_each(|seconds| lateness.add("sso", seconds * 1_000));
        lateness
    }

    fn summary(lateness: &Lateness) -> Option<Summary> {
        lateness.services().next().map(|(_, histogram)| histogram.summary())
    }

    #[test]
    fn only_what_arrives_while_the_stream_is_live_is_measured() {
        let born = QueryProgress::new(vec!["all".to_owned()], 0, 24 * HOUR_MS);
        assert_eq!(measured_ms(&born, HOUR_MS, 24 * HOUR_MS), None, "the first look-back");
        let read_ms = 24 * HOUR_MS;
        let live = QueryProgress { read_at_ms: read_ms, read_to_ms: read_ms - 10_000, ..born };
        let now_ms = read_ms + 5 * MINUTE_MS;
        assert_eq!(measured_ms(&live, now_ms - 20_000, now_ms), Some(20_000), "on time");
        assert_eq!(measured_ms(&live, 4 * HOUR_MS, now_ms), Some(20 * HOUR_MS + 5 * MINUTE_MS));
        assert_eq!(measured_ms(&live, now_ms + 3, now_ms), Some(0), "dated in the future");
        let after_ms = read_ms + 6 * HOUR_MS;
        assert_eq!(measured_ms(&live, read_ms + HOUR_MS, after_ms), None, "an outage of ours");
        assert_eq!(measured_ms(&live, read_ms - HOUR_MS, after_ms), Some(7 * HOUR_MS), "late");
        let added = QueryProgress { unread_before_ms: Some(read_ms - 10_000), ..live };
        assert_eq!(measured_ms(&added, 4 * HOUR_MS, now_ms), None, "read for the first time");
    }

    #[test]
    fn percentiles_are_bounds_and_never_beyond_the_largest() {
        assert_eq!(summary(&Lateness::default()), None);
        let one = Summary { count: 1, p50_seconds: 7, p99_seconds: 7, max_seconds: 7 };
        assert_eq!(summary(&of(&[7])), Some(one));
        let mut many = vec![20; 99];
        many.push(100_000_000);
        let all = Summary { count: 100, p50_seconds: 30, p99_seconds: 30, max_seconds: many[99] };
        assert_eq!(summary(&of(&many)), Some(all));
        many.push(4_000);
        assert_eq!(summary(&of(&many)).map(|s| s.p99_seconds), Some(7_200));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut lateness = of(&[0, 10, 11, 61, 90_000_000]);
        lateness.add("_other", 1);
        assert_eq!(lateness.to_text(), "_other=1:1 sso=90000000:2,1,,1,,,,,,,,,,,,,,,,,1");
        assert_eq!(Lateness::parse(&lateness.to_text()), lateness);
        for text in ["", "sso", "sso=1", "sso=x:1", "sso=1:x", "sso=1:,,,,,,,,,,,,,,,,,,,,,,,1"] {
            assert!(Lateness::parse(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_open_set_of_services_is_bounded() {
        let mut lateness = Lateness::default();
        for n in 0..1_000 {
            lateness.add(&format!("service_{n}"), 1_000);
        }
        assert_eq!(lateness.services().count(), LATENESS_SERVICES_MAX + 1);
        let mut twice = lateness.clone();
        twice.merge(&lateness);
        let counted = |lateness: &Lateness| {
            lateness.services().map(|(_, histogram)| histogram.summary().count).sum::<u64>()
        };
        assert_eq!(counted(&twice), 2_000);
        assert!(twice.to_text().len() < 2_048);
    }

    #[test]
    fn what_was_measured_is_added_to_what_the_item_keeps() {
        let mut item = Item::new();
        let mut more = Lateness::default();
        more.add("sso", 7_000);
        for count in 1..=2 {
            add_to(Update::default(), &stored(&item), &more).apply(&mut item);
            assert_eq!(text(&item, "lateness"), Ok(&*format!("sso=7:{count}")));
        }
        let nothing = add_to(Update::default(), &stored(&item), &Lateness::default());
        assert_eq!(nothing, Update::default());
        item.insert("lateness".to_owned(), Value::N(1));
        assert!(stored(&item).is_empty());
    }
}
