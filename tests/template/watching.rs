//! Who is told what: alarms, dashboard, readers' queues, the check at deployment.
//!
//! Holds P13.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::pages::headings;
use crate::reading::{logical_ids, path, properties, template, text};

fn alarms(template: &Value) -> Vec<(String, Value)> {
    let ids = logical_ids(template, "AWS::CloudWatch::Alarm");
    ids.into_iter().map(|id| (id.clone(), properties(template, &id).clone())).collect()
}

#[test]
fn every_alarm_reaches_somebody_and_names_its_section_of_the_runbook() {
    let template = template();
    let sections = headings(&path("docs/runbook.md"));
    for (id, alarm) in alarms(&template) {
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[actions], json!([{"Ref": "AlarmTopic"}]), "{id}");
        }
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.len() <= 1_024, "{id}: CloudWatch takes no more");
        let section = description.split_once("Runbook: docs/runbook.md#");
        let section = section.unwrap_or_else(|| panic!("{id} names no section")).1;
        assert!(sections.contains(section), "{id}: no section `{section}` in the runbook");
        let missing = &alarm["TreatMissingData"];
        let tells_of_silence = id == "StreamsStaleAlarm";
        assert_eq!(missing.as_str(), (!tells_of_silence).then_some("notBreaching"), "{id}");
    }
    let silence = properties(&template, "StreamsStaleAlarm");
    assert_eq!(text(&silence["TreatMissingData"]), "(IsScheduled ? breaching : notBreaching)");
}

/// A situation without an alarm of its own says which one is raised.
#[test]
fn every_section_of_the_runbook_has_an_alarm() {
    let page = fs::read_to_string(path("docs/runbook.md")).unwrap();
    let template = template();
    let named: BTreeSet<_> = alarms(&template)
        .iter()
        .map(|(_, alarm)| {
            let description = alarm["AlarmDescription"].as_str().unwrap();
            description.split_once("Runbook: docs/runbook.md#").unwrap().1.to_owned()
        })
        .collect();
    let link = regex_lite::Regex::new(r"\]\(#([a-z-]+)\)").unwrap();
    for section in page.split("\n## ").skip(1) {
        let (heading, about) = section.split_once('\n').unwrap();
        let anchor = heading.to_lowercase().replace(' ', "-");
        let raised = about.split("\n\n").find(|paragraph| paragraph.trim().starts_with("Raises "));
        let raised: Vec<_> =
            link.captures_iter(raised.unwrap_or("")).map(|found| found[1].to_owned()).collect();
        let has_own = named.contains(&anchor);
        assert_ne!(has_own, !raised.is_empty(), "{heading}: {raised:?}");
        assert!(raised.iter().all(|alarm| named.contains(alarm)), "{heading}: {raised:?}");
    }
}

#[test]
fn every_queue_of_what_went_wrong_has_an_alarm_or_is_named_by_one() {
    let template = template();
    let watched: Vec<_> = alarms(&template)
        .into_iter()
        .filter(|(_, alarm)| alarm["MetricName"] == "ApproximateNumberOfMessagesVisible")
        .map(|(_, alarm)| text(&alarm["Dimensions"][0]["Value"]))
        .collect();
    for queue in logical_ids(&template, "AWS::SQS::Queue") {
        let is_last = !["WorkQueue", "SiemQueue1", "SiemQueue2", "SiemQueue3"].contains(&&*queue);
        let is_watched = watched.contains(&format!("${{{queue}.QueueName}}"));
        // What lies in these was not invoked, or failed: a metric of Lambda's or ours tells of that.
        let told_by = match &*queue {
            "FailureQueue" => "ErrorsAlarm",
            "ScheduleDeadLetterQueue" => "StreamsStaleAlarm",
            _ => {
                assert_eq!(is_watched, is_last, "{queue}");
                continue;
            }
        };
        assert!(!is_watched, "{queue} is told of twice");
        let description = &properties(&template, told_by)["AlarmDescription"];
        assert!(description.as_str().unwrap().contains(&*queue), "{queue}");
    }
}

#[test]
fn each_reader_has_a_queue_that_keeps_what_it_could_not_finish() {
    let template = template();
    assert_eq!(template["Parameters"]["SiemQueues"]["Default"], 1);
    for n in 1..=3 {
        let queue = properties(&template, &format!("SiemQueue{n}"));
        let dead_letters = format!("SiemDeadLetterQueue{n}.Arn");
        assert_eq!(
            queue["RedrivePolicy"],
            json!({"deadLetterTargetArn": {"Fn::GetAtt": dead_letters}, "maxReceiveCount": 5})
        );
        let dead_letters = properties(&template, &format!("SiemDeadLetterQueue{n}"));
        for queue in [queue, dead_letters] {
            assert_eq!(queue["MessageRetentionPeriod"], 14 * 24 * 3600);
            assert_eq!(queue["SqsManagedSseEnabled"], true);
        }
        let subscription = properties(&template, &format!("SiemSubscription{n}"));
        assert_eq!(text(&subscription["TopicArn"]), "${ArchiveTopic}");
        assert_eq!(text(&subscription["Endpoint"]), format!("${{SiemQueue{n}.Arn}}"));
    }
    // Quarantine and what `validate` writes lie beside the events, and no reader hears of them.
    let told = &properties(&template, "ArchiveBucket")["NotificationConfiguration"];
    assert_eq!(
        told["TopicConfigurations"],
        json!([{
            "Event": "s3:ObjectCreated:*",
            "Topic": {"Ref": "ArchiveTopic"},
            "Filter": {"S3Key": {"Rules": [{"Name": "prefix", "Value": {"Ref": "ArchivePrefix"}}]}},
        }])
    );
    assert!(properties(&template, "StateBucket").get("NotificationConfiguration").is_none());
}

#[test]
fn objects_are_locked_by_parameter_and_state_never() {
    let template = template();
    assert_eq!(template["Parameters"]["ObjectLockMode"]["Default"], "NONE");
    let lock = &properties(&template, "ArchiveBucket")["ObjectLockConfiguration"]["Fn::If"];
    assert_eq!(lock[0], "HasObjectLock");
    assert_eq!(text(&lock[1]["Rule"]["DefaultRetention"]["Mode"]), "${ObjectLockMode}");
    assert!(properties(&template, "StateBucket").get("ObjectLockEnabled").is_none());
}

#[test]
fn the_check_at_deployment_ends_and_comes_before_the_schedule() {
    let template = template();
    let check = &template["Resources"]["Preflight"];
    assert_eq!(check["Condition"], "ValidatesOnDeploy");
    assert_eq!(text(&check["Properties"]["ServiceToken"]), "${Collector.Arn}");
    assert_eq!(
        check["Properties"]["ServiceTimeout"],
        json!({"Fn::FindInMap": ["Timeouts", {"Ref": "Timeout"}, "PreflightSeconds"]})
    );
    let asked_again = check["Properties"].to_string();
    assert!(!asked_again.contains("JumpCloudApiKey"), "a secret would be shown in the event");
    assert!(properties(&template, "Schedule")["Description"].to_string().contains("Preflight"));
}

/// Somebody who looks for a thing of this stack finds it in the outputs.
#[test]
fn outputs_name_everything_that_people_use() {
    let template = template();
    let outputs = template["Outputs"].to_string();
    let kinds = ["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::DynamoDB::Table"];
    for id in kinds.iter().flat_map(|kind| logical_ids(&template, kind)) {
        assert!(outputs.contains(&format!("\"{id}\"")), "{id} is in no output");
    }
    for output in template["Outputs"].as_object().unwrap().values() {
        assert!(output["Description"].is_string(), "{output}");
    }
}

/// The messages by which the dashboard's queries find lines of the log are those of the source.
#[test]
fn the_dashboard_asks_for_messages_that_are_logged() {
    let template = template();
    let body = text(&properties(&template, "OperationsDashboard")["DashboardBody"]);
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut messages = BTreeSet::new();
    for widget in body["widgets"].as_array().unwrap() {
        let query = widget["properties"]["query"].as_str().unwrap_or("");
        let filter = query.split('|').find(|part| part.trim().starts_with("filter message"));
        messages.extend(filter.into_iter().flat_map(|part| part.split('\'').skip(1).step_by(2)));
    }
    let files = ["report/stream.rs", "collect/decide.rs", "collect/publish.rs"];
    let source: String =
        files.map(|file| fs::read_to_string(path(&format!("src/engine/{file}"))).unwrap()).concat();
    assert_eq!(messages.len(), 4, "{messages:?}");
    for message in messages {
        assert!(source.contains(&format!("\"{message}\"")), "no code logs `{message}`");
    }
}
