//! The built function and the built `collector` at any age, and after long pauses.
//!
//! Holds P6 and P12.

use engine::limits::DAY_MS;
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::event::{now_ms, series};
use fixtures::process::Function;
use serde_json::{Value, json};

use crate::months::{Months, verified};
use crate::text;

/// With a past day that was archived in the beginning, and snapshots of users that were stopped after a
/// few days.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_healthy_at_any_age_and_wherever_the_clock_is_set() {
    let mut months = Months::start(136).await;
    let daily = [("SYSTEM_USERS", "daily")];
    for _ in 0..2 {
        assert_eq!(months.run_with(&daily).await["outcome"], "ok");
        months.pass(1);
    }
    months.archive_past_day().await;
    let stopped = months.parts(".users-") + months.parts(".backfill-");
    assert!(stopped >= 3, "{:?}", months.environment.aws.buckets.keys(ARCHIVE));
    let mut passed = 0;
    while months.days_ago > 0 {
        months.pass(4);
        assert_eq!(months.run().await["outcome"], "ok", "{} days ago", months.days_ago);
        passed += 1;
        // Around the day on which the first entries expire at each, before it now and then.
        if passed % 8 == 0 || months.days_ago < 24 {
            months.assert_healthy().await;
        }
    }
    let kept = months.environment.aws.buckets.keys(STATE);
    assert!(!kept.iter().any(|key| key.ends_with(&format!("{:020}", 1))), "entry 1 has expired");
    let told = months.assert_healthy().await;
    assert!(verified(&told, "older ") > stopped, "{stopped} of streams that stopped: {told}");
    months.environment.archive().await.assert_holds(&months.events);

    // JumpCloud's clock is set forth, back and right again.
    for (days_ago, outcome) in [(-40, "ok"), (0, "ok"), (3, "waiting"), (0, "ok")] {
        months.set_days_ago(days_ago);
        let line = months.run().await;
        assert_eq!(line["outcome"], outcome, "{days_ago}: {line}");
        months.set_days_ago(0);
        months.assert_healthy().await;
    }
    months.environment.archive().await.assert_holds(&months.events);
}

/// Longer than a stream may read back: what was not read is told once, and everything else goes well.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_months_says_what_was_not_read() {
    let mut months = Months::start(130).await;
    for _ in 0..3 {
        months.run().await;
        months.pass(1);
    }
    let before = months.events.clone();
    months.run().await;
    months.environment.archive().await.assert_holds(&before);
    months.set_days_ago(0);
    assert!(months.expire() > 0, "journal and index have expired meanwhile");
    let kept = series(500_000, 8, now_ms() - 80 * DAY_MS, DAY_MS);
    months.environment.load(&kept);
    let function = Function::spawn(&months.environment, &[]).await;
    let report = function.run("{}").await;
    let line = &report["streams"][0];
    assert_eq!(line["outcome"], "ok", "{report}");
    let lost = line["lost"].as_array().unwrap();
    assert_eq!((lost.len(), &lost[0]["query"]), (1, &json!("all")), "{report}");
    let output = function.output();
    for told in ["skipped unread", "\"RangesLost\":1"] {
        assert!(output.contains(told), "{told}: {output}");
    }
    let again = months.run().await;
    assert_eq!((&again["outcome"], &again["lost"]), (&json!("ok"), &Value::Null), "{again}");
    months.assert_healthy().await;
    let all: Vec<_> = before.iter().chain(&kept).collect();
    months.environment.archive().await.assert_holds(all);
}

/// Buckets into which nothing was ever collected, and a name that none has, prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn empty_and_misspelt_buckets_are_not_verified() {
    let months = Months::start(0).await;
    for (state, told) in [(STATE, "there is nothing to verify"), ("stat", "stat")] {
        let output = months.run_verify(ARCHIVE, state);
        assert_eq!(output.status.code(), Some(1), "{state}: {}", text(&output));
        assert!(text(&output).contains(told), "{state}: {}", text(&output));
        assert!(!text(&output).contains("\nverified"), "{state}: {}", text(&output));
    }
}
