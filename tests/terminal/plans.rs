//! Plans that keep events for 15 and for 400 days: what `status` says is left, and what is archived
//! after a pause.
//!
//! Holds P12.

use engine::limits::{DAY_MS, HOUR_MS};
use engine::time::rfc3339;
use fixtures::event::{now_ms, series};
use serde_json::{Value, json};

use crate::months::Months;
use crate::{API_KEY, argument, collector, mock, text, with};

/// A stack that was collected every day until a pause of so many days, which ends today.
struct Paused {
    months: Months,
    /// What is archived then, and once the pause is over.
    expected: Vec<Vec<u8>>,
}

impl Paused {
    /// The plan keeps events for so many days, and `JUMPCLOUD_RETENTION` says so. Those of the first
    /// `lost` days of the pause are out of reach when it ends.
    async fn start((plan, retention): (i64, &'static str), pause: i64, lost: i64) -> Self {
        let mut months = Months::start(pause + 4).await;
        // An audit of the last weeks does not reach back before its beginning.
        months.settings = vec![("JUMPCLOUD_RETENTION", retention), ("START_LOOKBACK", "30d")];
        months.environment.jumpcloud.world().behaviours.retention_ms = plan * DAY_MS;
        for _ in 0..4 {
            assert_eq!(months.run().await["outcome"], "ok");
            months.pass(1);
        }
        assert_eq!(months.run().await["outcome"], "ok");
        let mut expected = months.events.clone();
        if lost > 0 {
            // On the day after nothing happens: it is out of reach in part.
            months.pass(lost);
            months.set_days_ago(pause - lost - 1);
        }
        let first = months.events.len();
        months.pass(months.days_ago);
        expected.extend_from_slice(&months.events[first..]);
        Self { months, expected }
    }

    async fn days_until_loss(&self) -> Value {
        self.months.status().await["days_until_loss"].clone()
    }

    /// The next scheduled runs: what is within reach is archived once, and all is well from then on.
    /// How many ranges the first of them has skipped.
    async fn collect(&mut self) -> usize {
        let mut lost = Vec::new();
        for _ in 0..3 {
            let line = self.months.run().await;
            assert_eq!(line["outcome"], "ok", "{line}");
            lost.push(line["lost"].as_array().map_or(0, Vec::len));
            self.months.environment.archive().await.assert_holds(&self.expected);
        }
        self.months.assert_healthy().await;
        assert_eq!(lost[1..], [0, 0], "told once");
        lost[0]
    }
}

/// What is forgotten is missed by nobody who has archived it.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_15_days_leaves_15_days_for_a_pause() {
    for (pause, lost, left) in [(10, 0, 4), (19, 4, -4), (40, 25, -25)] {
        let mut paused = Paused::start((15, "15d"), pause, lost).await;
        assert_eq!(paused.days_until_loss().await, left, "after {pause} days");
        // `days_until_loss` has said it; that JumpCloud has forgotten something, nobody can tell.
        assert_eq!(paused.collect().await, 0, "after {pause} days");
        assert_eq!(paused.days_until_loss().await, 14, "after {pause} days");
    }
}

/// A stream may read back 100 days, however long events are kept, and says what it skips.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_400_days_leaves_100_days_for_a_pause() {
    for (pause, lost, left) in [(95, 0, 4), (104, 4, -4)] {
        let mut paused = Paused::start((400, "400d"), pause, lost).await;
        assert_eq!(paused.days_until_loss().await, left, "after {pause} days");
        assert_eq!(paused.collect().await, usize::from(lost > 0), "after {pause} days");
        assert_eq!(paused.days_until_loss().await, 99, "after {pause} days");
    }
}

/// As far back as the plan keeps events, and no further.
#[tokio::test(flavor = "multi_thread")]
async fn a_past_day_may_be_as_far_back_as_the_plan_keeps_events() {
    let mut paused = Paused::start((400, "400d"), 1, 0).await;
    for (days_ago, written) in [(390, 8), (410, 0)] {
        let day_ms = (now_ms() - days_ago * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
        let number = 900_000 + usize::try_from(days_ago).unwrap() * 10;
        let events = series(number, 8, day_ms + HOUR_MS, HOUR_MS);
        paused.months.environment.load(&events);
        paused.expected.extend_from_slice(&events[..written]);
        let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
        let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
        let function = paused.months.function(&[]).await;
        let answer = function.run(&backfill).await;
        assert_eq!(answer["streams"][0]["written"], written, "{answer}");
        function.run(&backfill).await;
    }
    assert_eq!(paused.collect().await, 0);
}

/// Of a folder, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_folders_days_until_loss_follow_the_plan() {
    let (_mock, variables) = mock(20).await;
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let key = [("JUMPCLOUD_API_KEY", API_KEY)];
    let collected = collector(&["collect", "--to", to], &with(&variables, &key));
    assert!(collected.status.success(), "{}", text(&collected));
    for (retention, days) in [("15d", 14), ("90d", 89), ("400d", 99)] {
        let settings = with(&variables, &[("JUMPCLOUD_RETENTION", retention)]);
        let told = collector(&["status", "--to", to, "--json"], &settings);
        let status: Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(status["streams"][0]["days_until_loss"], days, "{retention}: {status}");
    }
}
