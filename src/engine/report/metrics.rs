//! The metrics of an invocation: one line of CloudWatch's embedded metric format, from which
//! CloudWatch takes the values when it receives the log. No request to AWS is needed.
//!
//! There is one dimension, the function, so each metric is charged once, whatever the number of
//! organizations. A test compares the names with those that alarms and dashboard of the template
//! use.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::limits::{DAY_MS, FAILURES_TOLERATED};
use crate::report::{Lateness, Outcome, Report, StreamReport, StreamStatus};
use crate::stream::StreamId;

/// The metrics that alarms use. CloudWatch charges for each metric, so only these are written
/// unless all are configured.
pub const STANDARD: [&str; 10] = [
    "RangesLost",
    "EventsOfOthers",
    "StreamsStale",
    "QueriesRefused",
    "ReconcileGap",
    "SnapshotAgeSeconds",
    "FreshnessLagSeconds",
    "DaysToDataLoss",
    "StreamsNeedingOperator",
    "DiscoveryFailed",
];

/// Which metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Those of [`STANDARD`].
    Standard,
    /// All.
    Detailed,
}

/// The namespace, the dimension and the thresholds of metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Which metrics are written.
    pub detail: Detail,
    /// CloudWatch's namespace.
    pub namespace: String,
    /// The value of the one dimension, `service`: the function's name.
    pub function: String,
    /// A stream without a successful run for longer than this is stale, in milliseconds.
    pub stale_after_ms: i64,
    /// How long an event can be read, in milliseconds.
    pub retention_ms: i64,
}

/// Which streams an invocation knows.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// All streams, with their status before the invocation: the metrics report the worst of them.
    Fleet(&'a [StreamStatus]),
    /// Only the streams of its own runs.
    Streams,
}

/// The health of a stream, as far as metrics need it.
#[derive(Clone, Copy, Debug, Default)]
struct StreamHealth {
    lag_seconds: Option<i64>,
    /// Its birth before the first; none before that.
    last_success_ms: Option<i64>,
    is_failing: bool,
    gaps: usize,
    /// Whether it is a stream of users, whose lag is the age of the last complete snapshot.
    is_users: bool,
}

/// The metrics of one invocation, in the order they are declared in.
#[derive(Default)]
struct Values(Vec<(&'static str, &'static str, i64)>);

impl Metrics {
    /// The line of an invocation that began at `at_ms`, without a line feed.
    #[must_use]
    pub fn line(&self, report: &Report, view: View<'_>, at_ms: i64, is_cold: bool) -> String {
        let mut values = Values::default();
        values.of_runs(&report.streams);
        values.count("ColdStart", u64::from(is_cold));
        if let View::Fleet(before) = view {
            values.of_fleet(&fleet(before, report, at_ms), at_ms, self);
            values.count("QueriesRefused", queries_refused(before, report));
            values.count("StreamsNeedingOperator", needing_operator(before, report));
            if let Some(discovery) = &report.discovery {
                values.count("DiscoveryFailed", u64::from(discovery.error.is_some()));
            }
        }
        if self.detail == Detail::Standard {
            values.0.retain(|(name, _, _)| STANDARD.contains(name));
        }
        let declared: Vec<_> =
            values.0.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({"Timestamp": at_ms, "CloudWatchMetrics": [{
                "Namespace": self.namespace, "Dimensions": [["service"]], "Metrics": declared,
            }]}),
        );
        line.insert("level".to_owned(), json!("INFO"));
        line.insert("message".to_owned(), json!("metrics"));
        line.insert("service".to_owned(), json!(self.function));
        line.extend(values.0.into_iter().map(|(name, _, value)| (name.to_owned(), json!(value))));
        Value::Object(line).to_string()
    }
}

impl Values {
    fn of_runs(&mut self, runs: &[StreamReport]) {
        let sum = |part: fn(&StreamReport) -> u64| runs.iter().map(part).sum::<u64>();
        let events = runs.iter().filter(|run| !run.stream.is_users());
        let sum_events = |part: fn(&StreamReport) -> u64| events.clone().map(part).sum::<u64>();
        self.count("EventsDelivered", sum_events(|run| run.tally.written));
        self.count("EventsDeduplicated", sum_events(|run| run.tally.seen));
        self.count("LateEvents", sum_events(|run| run.tally.late));
        self.count("EventsFiltered", sum_events(|run| run.tally.filtered));
        self.count("EventsQuarantined", sum_events(|run| run.tally.quarantined));
        self.count("EventsWithLoneSurrogates", sum_events(|run| run.tally.lone_surrogates));
        self.count("EventsOfOthers", sum_events(|run| run.tally.foreign));
        if runs.iter().any(|run| run.stream.is_users()) {
            self.count(
                "UsersDelivered",
                sum(|run| run.tally.written) - sum_events(|run| run.tally.written),
            );
        }
        self.count("RangesLost", sum(|run| run.lost.len() as u64));
        self.count("PagesFetched", sum(|run| run.pages));
        self.count("CountsFailed", sum(|run| u64::from(run.has_no_counts)));
        self.count("UpstreamRequests", sum(|run| run.costs.requests));
        self.count("UpstreamThrottled", sum(|run| run.costs.throttled));
        self.count("UpstreamErrors", sum(|run| run.costs.broken));
        self.count("UpstreamAuthFailed", sum(|run| run.costs.denied));
        self.count("UpstreamRetries", sum(|run| run.costs.retries));
        self.add("BytesRead", "Bytes", of(sum(|run| run.costs.bytes_in)));
        self.add("BytesWritten", "Bytes", of(sum(|run| run.bytes_out)));
        let mut lateness = Lateness::default();
        runs.iter().for_each(|run| lateness.merge(&run.tally.lateness));
        if !lateness.is_empty() {
            let all = lateness.overall().summary();
            self.add("LatenessP50Seconds", "Seconds", all.p50_seconds);
            self.add("LatenessP99Seconds", "Seconds", all.p99_seconds);
        }
    }

    fn of_fleet(&mut self, fleet: &BTreeMap<&StreamId, StreamHealth>, at_ms: i64, by: &Metrics) {
        // Users are read once a day.
        let is_stale = |stream: &StreamHealth| match stream.last_success_ms {
            _ if stream.is_users => false,
            Some(success_ms) => at_ms - success_ms > by.stale_after_ms,
            None => stream.is_failing,
        };
        let number = |test: &dyn Fn(&StreamHealth) -> bool| {
            fleet.values().filter(|stream| test(stream)).count() as u64
        };
        self.count("Streams", fleet.len() as u64);
        self.count("StreamsStale", number(&is_stale));
        self.count("ReconcileGap", fleet.values().map(|stream| stream.gaps as u64).sum());
        let lag_seconds = |is_users| {
            let streams = fleet.values().filter(|stream| stream.is_users == is_users);
            streams.filter_map(|stream| stream.lag_seconds).max()
        };
        if let Some(age_seconds) = lag_seconds(true) {
            self.add("SnapshotAgeSeconds", "Seconds", age_seconds);
        }
        if let Some(lag_seconds) = lag_seconds(false) {
            self.add("FreshnessLagSeconds", "Seconds", lag_seconds);
            let days = (by.retention_ms - lag_seconds.saturating_mul(1_000)).div_euclid(DAY_MS);
            self.add("DaysToDataLoss", "None", days);
        }
    }

    fn count(&mut self, name: &'static str, value: u64) {
        self.add(name, "Count", of(value));
    }

    fn add(&mut self, name: &'static str, unit: &'static str, value: i64) {
        self.0.push((name, unit, value));
    }
}

fn of(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The health of the streams that are collected: from their cursors before this invocation, updated
/// by its own runs.
///
/// Lanes and streams that are no longer collected are left out, because they cannot be behind.
fn fleet<'a>(
    before: &'a [StreamStatus],
    report: &'a Report,
    now_ms: i64,
) -> BTreeMap<&'a StreamId, StreamHealth> {
    let collected = before.iter().filter(|line| line.configured && !line.stream.is_lane());
    let mut fleet: BTreeMap<_, _> =
        collected.map(|line| (&line.stream, StreamHealth::before(line))).collect();
    for run in report.streams.iter().filter(|run| !run.stream.is_lane() && !run.is_recovery) {
        fleet.entry(&run.stream).or_default().after(run, now_ms);
    }
    fleet
}

/// How many queries are refused, of the streams that are collected and of their open lanes. A run
/// whose cursor was not read has learned nothing of them.
fn queries_refused(before: &[StreamStatus], report: &Report) -> u64 {
    let collected = before.iter().filter(|line| line.configured);
    let mut streams: BTreeMap<_, _> =
        collected.map(|line| (&line.stream, line.refused.len())).collect();
    let runs = report.streams.iter().filter(|run| run.frontier.is_some() && !run.is_recovery);
    streams.extend(runs.map(|run| (&run.stream, run.refused.len())));
    streams.values().map(|refused| *refused as u64).sum()
}

/// How many streams an operator must act on, lanes included, whatever had triggered their last runs;
/// those that are no longer collected as of the last pass through them, or of this invocation if it
/// has met more.
fn needing_operator(before: &[StreamStatus], report: &Report) -> u64 {
    let mut streams: BTreeMap<_, _> =
        before.iter().map(|line| (&line.stream, line.needs_operator)).collect();
    let mut others = 0;
    for run in &report.streams {
        let needs = match run.outcome {
            // Nothing new is known.
            Outcome::Busy => continue,
            Outcome::Waiting if run.error.is_some() => continue,
            // It was not run.
            Outcome::Failed if run.failures == 0 && !run.needs_operator => continue,
            Outcome::Failed => run.needs_operator || run.failures >= FAILURES_TOLERATED,
            Outcome::Ok | Outcome::Behind | Outcome::Waiting => false,
        };
        if run.is_recovery {
            others += u64::from(needs);
        } else {
            streams.insert(&run.stream, needs);
        }
    }
    let collected = streams.values().filter(|needs| **needs).count() as u64;
    collected + others.max(report.others_needing_operator)
}

impl StreamHealth {
    fn before(line: &StreamStatus) -> Self {
        Self {
            lag_seconds: line.lag_seconds,
            // A stream whose every run is killed never succeeds, and never fails.
            last_success_ms: line.last_success.or(line.born).map(|time| time.0),
            is_failing: line.failures > 0,
            gaps: line.gaps,
            is_users: line.stream.is_users(),
        }
    }

    fn after(&mut self, run: &StreamReport, now_ms: i64) {
        self.is_users = run.stream.is_users();
        match run.outcome {
            // It was not tried: nothing new is known.
            Outcome::Waiting if run.error.is_some() => return,
            // Another run has it, and may have been killed: what its item says counts.
            Outcome::Busy => self.last_success_ms = run.last_success_ms.or(self.last_success_ms),
            Outcome::Failed => {
                self.is_failing = true;
                self.last_success_ms = run.last_success_ms.or(self.last_success_ms);
            }
            Outcome::Ok | Outcome::Behind | Outcome::Waiting => {
                self.is_failing = false;
                self.last_success_ms = Some(now_ms);
            }
        }
        self.lag_seconds = run.lag_seconds.or(self.lag_seconds);
        self.gaps = run.gaps.unwrap_or(self.gaps);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::limits::RETENTION_MS;
    use crate::report::{Discovery, RefusedQuery, Tally};
    use crate::time::UtcTime;

    const NOW_MS: i64 = 1_795_262_400_000;
    const MINUTE_MS: i64 = 60_000;

    fn stream(n: u8) -> StreamId {
        format!("{n:024x}").try_into().unwrap()
    }

    fn metrics() -> Metrics {
        Metrics {
            detail: Detail::Detailed,
            namespace: "Test".to_owned(),
            function: "collector".to_owned(),
            stale_after_ms: 30 * MINUTE_MS,
            retention_ms: RETENTION_MS,
        }
    }

    fn line(report: &Report, view: View<'_>) -> Value {
        serde_json::from_str(&metrics().line(report, view, NOW_MS, true)).unwrap()
    }

    fn status(n: u8, minutes: i64) -> StreamStatus {
        let mut line = StreamStatus::read(stream(n), true, &BTreeMap::new(), NOW_MS, RETENTION_MS);
        line.last_success = Some(UtcTime(NOW_MS - minutes * MINUTE_MS));
        line.lag_seconds = Some(minutes * 60);
        line
    }

    fn run(n: u8) -> StreamReport {
        let tally = Tally { written: 5, ..Tally::default() };
        StreamReport { lag_seconds: Some(10), tally, ..StreamReport::new(stream(n)) }
    }

    fn ended(outcome: Outcome, n: u8) -> StreamReport {
        StreamReport { outcome, ..StreamReport::new(stream(n)) }
    }

    fn report(streams: Vec<StreamReport>) -> Report {
        Report { streams, ..Report::default() }
    }

    #[test]
    fn only_what_is_declared_is_reported() {
        let line = line(&report(vec![run(1), run(2)]), View::Fleet(&[]));
        let about = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(about["Namespace"], "Test");
        assert_eq!(about["Dimensions"], json!([["service"]]));
        assert_eq!(line["service"], "collector");
        let mut declared: Vec<_> = about["Metrics"].as_array().unwrap().iter().collect();
        declared.retain(|metric| !line[metric["Name"].as_str().unwrap()].is_i64());
        assert_eq!(declared, Vec::<&Value>::new());
        let told = line.as_object().unwrap().values().filter(|value| value.is_i64()).count();
        assert_eq!(told, about["Metrics"].as_array().unwrap().len());
        assert_eq!(line["EventsDelivered"], 10);
    }

    /// Where organizations are discovered and users read, all of them.
    #[test]
    fn standard_metrics_are_those_of_the_list() {
        let standard = Metrics { detail: Detail::Standard, ..metrics() };
        let users = StreamReport {
            lag_seconds: Some(80_000),
            ..StreamReport::new(stream(1).users().unwrap())
        };
        let discovery = Some(Discovery {
            organizations: 1,
            error: None,
            needs_operator: false,
            is_denied: false,
        });
        let report = Report { discovery, ..report(vec![run(1), users]) };
        let line = standard.line(&report, View::Fleet(&[]), NOW_MS, true);
        let line: Value = serde_json::from_str(&line).unwrap();
        let written = line.as_object().unwrap().iter().filter(|(_, value)| value.is_i64());
        let written: BTreeSet<_> = written.map(|(name, _)| &**name).collect();
        assert_eq!(written, BTreeSet::from(STANDARD));
    }

    #[test]
    fn a_worker_reports_its_runs_and_not_the_fleet() {
        let line = line(&report(vec![run(1)]), View::Streams);
        assert_eq!(line["EventsDelivered"], 5);
        assert_eq!(line.get("StreamsStale"), None);
        assert_eq!(line.get("FreshnessLagSeconds"), None);
    }

    #[test]
    fn the_worst_stream_counts_as_its_last_run_left_it() {
        let mut gone = status(4, 9_000);
        gone.configured = false;
        let before = [status(1, 40), status(2, 50), status(3, 20), gone];
        let recovery = StreamReport { is_recovery: true, lag_seconds: Some(1 << 30), ..run(4) };
        let after = vec![run(1), ended(Outcome::Busy, 2), ended(Outcome::Failed, 3), recovery];
        let line = line(&report(after), View::Fleet(&before));
        assert_eq!((&line["Streams"], &line["StreamsStale"]), (&json!(3), &json!(1)));
        assert_eq!(line["FreshnessLagSeconds"], 50 * 60);
        assert_eq!(line["DaysToDataLoss"], 89);
    }

    /// It never succeeds, and no failure of it is recorded.
    #[test]
    fn a_stream_whose_runs_were_all_killed_is_stale() {
        let born = |minutes| StreamStatus {
            last_success: None,
            born: Some(UtcTime(NOW_MS - minutes * MINUTE_MS)),
            ..status(1, minutes)
        };
        for (minutes, stale) in [(29, 0), (31, 1)] {
            let killed = report(vec![ended(Outcome::Busy, 1)]);
            assert_eq!(line(&killed, View::Fleet(&[born(minutes)]))["StreamsStale"], stale);
        }
    }

    /// By their cursors, and by the runs of this invocation where there were any; those that are gone
    /// by the last pass through them.
    #[test]
    fn lanes_and_streams_that_are_gone_may_need_an_operator_too() {
        let needy = |n| StreamStatus { needs_operator: true, ..status(n, 1) };
        let lane = StreamStatus { stream: stream(1).lane(0).unwrap(), ..needy(1) };
        let before = [status(1, 1), lane, needy(3), needy(4), status(5, 1)];
        let permanent = |n| StreamReport { needs_operator: true, ..ended(Outcome::Failed, n) };
        let again = |failures, n| StreamReport { failures, ..ended(Outcome::Failed, n) };
        let told = |runs| {
            let report = Report { others_needing_operator: 1, ..report(runs) };
            line(&report, View::Fleet(&before))["StreamsNeedingOperator"].clone()
        };
        let recovery = |n| StreamReport { is_recovery: true, ..permanent(n) };
        assert_eq!(told(vec![]), 4);
        assert_eq!(told(vec![run(3), ended(Outcome::Busy, 4)]), 3, "one is repaired");
        assert_eq!(told(vec![permanent(5), again(2, 6), again(3, 7)]), 6);
        assert_eq!(told(vec![recovery(8)]), 4, "the pass has counted it");
        assert_eq!(told(vec![recovery(8), recovery(9)]), 5);
    }

    /// Whichever invocation has run them; what is no longer collected is not read at all.
    #[test]
    fn queries_of_lanes_may_be_refused_too() {
        let refused = |number| {
            let query = RefusedQuery {
                query: "sso".to_owned(),
                since: UtcTime(0),
                reason: "no".to_owned(),
            };
            vec![query; number]
        };
        let lane = |n| stream(n).lane(0).unwrap();
        let of_lane = |n| StreamStatus { stream: lane(n), refused: refused(1), ..status(n, 1) };
        let gone = StreamStatus { configured: false, ..of_lane(3) };
        let before = [of_lane(1), of_lane(2), gone, status(4, 1)];
        let told = |runs| line(&report(runs), View::Fleet(&before))["QueriesRefused"].clone();
        assert_eq!(told(vec![]), 2);
        let read = |stream, number| StreamReport {
            frontier: Some(UtcTime(0)),
            refused: refused(number),
            ..StreamReport::new(stream)
        };
        let recovery = StreamReport { is_recovery: true, ..read(lane(3), 1) };
        assert_eq!(told(vec![read(lane(1), 0), read(stream(4), 2), recovery]), 3);
        assert_eq!(told(vec![StreamReport::new(lane(1))]), 2, "its cursor was not read");
    }

    #[test]
    fn days_to_data_loss_follow_the_retention_of_the_plan() {
        let short = Metrics { retention_ms: 15 * DAY_MS, ..metrics() };
        let behind = |minutes| {
            let line =
                short.line(&Report::default(), View::Fleet(&[status(1, minutes)]), NOW_MS, true);
            serde_json::from_str::<Value>(&line).unwrap()["DaysToDataLoss"].as_i64()
        };
        assert_eq!(behind(10 * 24 * 60), Some(5));
        assert_eq!(behind(10 * 24 * 60 + 1), Some(4), "begun days do not count");
        assert_eq!(behind(16 * 24 * 60), Some(-1), "it is lost already");
    }

    #[test]
    fn users_have_an_age_and_are_no_events() {
        let users = || StreamReport {
            lag_seconds: Some(80_000),
            tally: Tally { written: 7, ..Tally::default() },
            ..StreamReport::new(stream(1).users().unwrap())
        };
        let before = [StreamStatus {
            last_success: Some(UtcTime(NOW_MS - 1_000 * MINUTE_MS)),
            ..StreamStatus::read(
                stream(2).users().unwrap(),
                true,
                &BTreeMap::new(),
                NOW_MS,
                RETENTION_MS,
            )
        }];
        let line = line(&report(vec![run(1), users()]), View::Fleet(&before));
        assert_eq!((&line["EventsDelivered"], &line["UsersDelivered"]), (&json!(5), &json!(7)));
        assert_eq!(
            (&line["SnapshotAgeSeconds"], &line["FreshnessLagSeconds"]),
            (&json!(80_000), &json!(10))
        );
        assert_eq!(line["StreamsStale"], 0);
    }

    #[test]
    fn a_stream_that_never_had_a_good_run_is_stale_as_soon_as_it_fails() {
        let line = line(&report(vec![ended(Outcome::Failed, 1)]), View::Fleet(&[]));
        assert_eq!(line["StreamsStale"], 1);
        assert_eq!(line.get("FreshnessLagSeconds"), None);
    }
}
