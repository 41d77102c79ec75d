//! An organization that is taken out of the configuration for months, and comes back.
//!
//! Holds P6 and P7.

use fixtures::environment::API_KEY;
use fixtures::event::{ORGANIZATION, event};
use mock::Key;
use serde_json::{Value, json};

use crate::months::Months;

const OTHER: &str = "000000000000000000000001";
const OF_OTHER: (&str, &str) = ("JUMPCLOUD_ORG_IDS", OTHER);
const OF_BOTH: (&str, &str) =
    ("JUMPCLOUD_ORG_IDS", "5d0a1b2c3d4e5f60718293a4,000000000000000000000001");

/// Two organizations; events of the other one come by [`Both::pass`].
struct Both {
    months: Months,
    of_other: Vec<Vec<u8>>,
}

impl Both {
    async fn start(days_ago: i64) -> Self {
        let mut months = Months::start(days_ago).await;
        let both = Key::several("both", &[ORGANIZATION, OTHER]);
        months.environment.jumpcloud.world().add_key(API_KEY, both);
        months.stream = ORGANIZATION;
        months.settings = vec![OF_BOTH];
        Self { months, of_other: Vec::new() }
    }

    /// Lets days pass, and then a scheduled run, which must be well; its report.
    async fn pass(&mut self, days: i64) -> Value {
        let raw = event(2_000_000 + self.of_other.len(), "sso", self.months.now_ms());
        let raw = String::from_utf8(raw).unwrap().replace(ORGANIZATION, OTHER).into_bytes();
        self.months.environment.jumpcloud.world().load(raw.clone(), i64::MIN).unwrap();
        self.of_other.push(raw);
        self.months.pass(days);
        self.run().await
    }

    async fn run(&mut self) -> Value {
        let report = self.months.function(&[]).await.run("{}").await;
        self.months.expire();
        let lines = report["streams"].as_array().unwrap();
        assert!(lines.iter().all(|line| line["outcome"] == "ok"), "{report}");
        report
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_that_was_gone_for_130_days_comes_back() {
    let mut both = Both::start(134).await;
    for _ in 0..4 {
        both.pass(1).await;
    }
    let mut expected = both.months.events.clone();

    both.months.settings = vec![OF_OTHER];
    for _ in 0..8 {
        both.pass(5).await;
    }
    let forgotten = both.months.events.len();
    both.months.set_days_ago(90 - 1);
    for day in 0..17 {
        both.pass(5).await;
        if day % 4 != 0 {
            continue;
        }
        both.months.verify();
        let line = both.months.status().await;
        let told = ["configured", "needs_operator", "last_error"].map(|name| &line[name]);
        assert_eq!(told, [&json!(false), &json!(false), &Value::Null], "{line}");
    }
    both.months.environment.archive().await.assert_holds(expected.iter().chain(&both.of_other));
    both.months.set_days_ago(0);
    let kept = both.months.environment.aws.buckets.keys(fixtures::aws::STATE);
    let journal = format!("journal/v1/{ORGANIZATION}/");
    assert!(!kept.iter().any(|key| key.starts_with(&journal)), "all of it has expired");

    both.months.settings = vec![OF_BOTH];
    let report = both.run().await;
    let lost = both.months.live(&report)["lost"].as_array().unwrap();
    assert_eq!((lost.len(), &lost[0]["query"]), (1, &json!("all")), "{report}");
    expected.extend_from_slice(&both.months.events[forgotten..]);
    for _ in 0..3 {
        let report = both.run().await;
        assert_eq!(both.months.live(&report)["lost"], Value::Null, "{report}");
    }
    both.months.assert_healthy().await;
    both.months.environment.archive().await.assert_holds(expected.iter().chain(&both.of_other));
    assert_eq!(both.months.status().await["configured"], true);
}
