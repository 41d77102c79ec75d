//! Metrics of the function's own output: every one that an alarm or the dashboard names is there,
//! and says what happened.

use std::collections::BTreeSet;

use engine::report::STANDARD;
use mock::{Fault, RetryAfter, When};
use serde_json::{Value, json};

use crate::process::Function;
use crate::template_reading::{logical_ids, properties, template, text};
use fixtures::environment::{API_KEY, Environment};
use fixtures::event::{event, now_ms, series};

/// The lines of the embedded metric format in the output of this many invocations, checked for
/// what CloudWatch asks of them.
fn emitted(function: &Function, invocations: usize) -> Vec<Value> {
    let output = function.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> = lines.filter(|line| line.get("_aws").is_some()).collect();
    assert_eq!(lines.len(), invocations);
    for line in &lines {
        assert!(line["_aws"]["Timestamp"].is_i64(), "{line}");
        let about = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(about["Namespace"], "JumpCloudCollector");
        assert_eq!(about["Dimensions"], json!([["service"]]));
        assert_eq!(line["service"], "jumpcloud-collector", "the function's name");
        for metric in about["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_i64(), "{metric} has no value");
        }
    }
    lines
}

/// The metrics of ours that alarms of the template name, each with its dimension.
fn named_by_alarms(template: &Value) -> BTreeSet<String> {
    let alarms = logical_ids(template, "AWS::CloudWatch::Alarm");
    let named = alarms.iter().filter_map(|id| {
        let alarm = properties(template, id);
        let dimension = &alarm["Dimensions"][0];
        let dimension = (text(&dimension["Name"]), text(&dimension["Value"]));
        own(&text(&alarm["Namespace"]), &alarm["MetricName"], &dimension)
    });
    named.collect()
}

/// The metrics of ours that widgets of a dashboard name, each with its dimension.
fn named_by(dashboard: &str) -> BTreeSet<String> {
    let body: Value = serde_json::from_str(dashboard).unwrap();
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics =
        widgets.flat_map(|it| it["properties"]["metrics"].as_array().into_iter().flatten());
    // An expression names others of its widget.
    let named = metrics.filter(|metric| metric[0].is_string()).filter_map(|metric| {
        own(&text(&metric[0]), &metric[1], &(text(&metric[2]), text(&metric[3])))
    });
    named.collect()
}

fn own(namespace: &str, name: &Value, dimension: &(String, String)) -> Option<String> {
    (namespace == "JumpCloudCollector").then(|| {
        assert_eq!(*dimension, ("service".to_owned(), "${Collector}".to_owned()), "{name}");
        name.as_str().unwrap().to_owned()
    })
}

/// The alarms use the standard metrics and no other, and the dashboard shows what is written.
#[test]
fn alarms_and_dashboard_name_the_metrics_that_are_written_for_them() {
    let template = template();
    let standard = BTreeSet::from(STANDARD.map(str::to_owned));
    assert_eq!(named_by_alarms(&template), standard, "left: alarms");
    let body = &properties(&template, "OperationsDashboard")["DashboardBody"]["Fn::Sub"];
    let shown = named_by(&text(&body[0]).replace("${Detailed}", ""));
    assert!(shown.is_subset(&standard), "{shown:?}");
    assert_eq!(text(&body[1]["Detailed"]["Fn::If"][0]), "HasDetailedMetrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_an_alarm_or_the_dashboard_names_is_emitted() {
    let environment = Environment::start().await;
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    let settings =
        [("SYSTEM_USERS", "daily"), ("METRICS", "detailed"), ("JUMPCLOUD_ORG_IDS", "discover")];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    environment.load(&[event(99, "sso", now_ms() - 300_000)]);
    let report = function.run("{}").await;
    assert_eq!(report["streams"][0]["late"], 1, "{report}");
    let emitted = emitted(&function, 2);
    let last = emitted[1]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
    let last: BTreeSet<_> =
        last.iter().map(|metric| metric["Name"].as_str().unwrap().to_owned()).collect();
    assert!(function.output().contains(r#""message":"part written""#), "the dashboard counts them");
    let template = template();
    let mut named = named_by_alarms(&template);
    let dashboard = properties(&template, "OperationsDashboard");
    named.append(&mut named_by(&text(&dashboard["DashboardBody"])));
    assert_eq!(named, last, "left: named by the template, right: emitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_say_what_happened_on_a_bad_day() {
    let environment = Environment::start().await;
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    environment.fault(Fault::too_many_requests(RetryAfter::Seconds(1)), When::Nth(1));
    environment.fault(Fault::error(503, "service unavailable"), When::Nth(2));
    let settings = [("PAGE_LIMIT", "10"), ("METRICS", "detailed")];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    environment.jumpcloud.world().remove_key(API_KEY);
    function.fail("{}").await;
    let lines = emitted(&function, 2);
    let [good, bad] = &lines[..] else { panic!("{lines:?}") };
    for (name, in_good, in_bad) in [
        ("EventsDelivered", 25, 0),
        ("UpstreamThrottled", 1, 0),
        ("UpstreamErrors", 1, 0),
        ("UpstreamRetries", 2, 0),
        // Once more after the secret was read again.
        ("UpstreamAuthFailed", 0, 2),
        ("Streams", 1, 1),
        ("StreamsNeedingOperator", 0, 1),
        // Its last good run was seconds ago.
        ("StreamsStale", 0, 0),
        ("ColdStart", 1, 0),
    ] {
        assert_eq!((&good[name], &bad[name]), (&json!(in_good), &json!(in_bad)), "{name}");
    }
    assert!(good["BytesRead"].as_i64() > Some(0) && good["BytesWritten"].as_i64() > Some(0));
}
