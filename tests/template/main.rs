//! Reads `template.yaml` as CloudFormation would and pins what the collector's promises rest on: who may do what, what
//! is never overwritten or deleted, and that the function is given exactly the variables it reads.
//!
//! Each policy is compared whole, as text, so that taking a statement away, widening one or adding one fails the test
//! named after that policy.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a template that cannot be read is a failed test"
)]

mod cases;
mod changes;
mod cost;
mod hostile;
mod mutants;
mod pages;
mod parameters;
mod permissions;
mod tables;
mod watching;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use fixtures::iam::{self, reading};
use reading::{json, logical_ids, path, properties, strings, template, text};

/// Variables that `src/config` reads and the template does not set, and why.
const NOT_IN_TEMPLATE: [(&str, &str); 17] = [
    ("SETTLE_LAG", "nobody changes its default"),
    ("OVERLAP", "nobody changes its default; the late horizon is what is chosen"),
    ("SWEEP_EVERY", "nobody changes its default"),
    ("PAGE_LIMIT", "nobody changes its default"),
    ("MAX_PAGES_PER_RUN", "nobody changes its default; the time of a run bounds it, too"),
    ("COMPRESSION_LEVEL", "nobody changes its default"),
    ("SYSTEM_USERS_EXCLUDE", "nobody changes its default; fields that are wanted can be named"),
    ("METRICS_NAMESPACE", "nobody changes its default; the dimension tells stacks apart"),
    ("AWS_LAMBDA_FUNCTION_NAME", "Lambda's own"),
    ("AWS_ENDPOINT_URL", "the SDK's own, read to choose S3's path style"),
    ("AWS_ENDPOINT_URL_S3", "the SDK's own, read to choose S3's path style"),
    ("HTTPS_PROXY", "Lambda outside a VPC has no proxy"),
    ("NO_PROXY", "Lambda outside a VPC has no proxy"),
    ("JUMPCLOUD_API_KEY", "for the terminal program; the function reads a secret"),
    ("JUMPCLOUD_INSIGHTS_URL", "loopback only, for local runs"),
    ("JUMPCLOUD_CONSOLE_URL", "loopback only, for local runs"),
    ("JUMPCLOUD_TOKEN_URL", "loopback only, for local runs"),
];

// ---- buckets and table ----

#[test]
fn buckets_are_closed_encrypted_and_kept() {
    let template = template();
    assert_eq!(logical_ids(&template, "AWS::S3::Bucket"), ["ArchiveBucket", "StateBucket"]);
    for id in ["ArchiveBucket", "StateBucket"] {
        let bucket = properties(&template, id);
        assert_eq!(
            bucket["PublicAccessBlockConfiguration"],
            json!({"BlockPublicAcls": true, "BlockPublicPolicy": true,
                   "IgnorePublicAcls": true, "RestrictPublicBuckets": true}),
            "{id}"
        );
        assert_eq!(
            bucket["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced",
            "{id}"
        );
        assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled", "{id}");
        let encryption =
            &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["Fn::If"];
        assert_eq!(
            encryption[1]["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "aws:kms",
            "{id}"
        );
        assert_eq!(encryption[1]["BucketKeyEnabled"], true, "{id}");
        assert_eq!(
            encryption[2]["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256",
            "{id}"
        );
        for kept in [id.to_owned(), format!("{id}Policy")] {
            let resource = &template["Resources"][&kept];
            assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{kept}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{kept}");
        }
    }
}

#[test]
fn journal_and_index_live_120_days_and_births_for_ever() {
    let template = template();
    let rules = &properties(&template, "StateBucket")["LifecycleConfiguration"]["Rules"];
    let mut expiring = BTreeMap::new();
    for rule in rules.as_array().unwrap() {
        assert!(rule.get("Fn::If").is_none(), "a rule that depends on a parameter: {rule}");
        assert!(
            rule.get("ExpirationDate").is_none(),
            "a rule that deletes whatever is there: {rule}"
        );
        if let Some(days) = rule.get("ExpirationInDays") {
            let prefix = rule["Prefix"].as_str().unwrap_or_default().to_owned();
            expiring.insert(prefix, days.as_u64().unwrap());
        }
    }
    assert_eq!(expiring.keys().collect::<Vec<_>>(), ["index/", "journal/"]);
    assert!(expiring.values().all(|days| *days == 120), "{expiring:?}");
    assert_cleaned_up(rules);
}

#[test]
fn archive_is_deleted_by_parameter_only() {
    let template = template();
    let rules = &properties(&template, "ArchiveBucket")["LifecycleConfiguration"]["Rules"];
    for rule in rules.as_array().unwrap() {
        assert!(rule.get("ExpirationInDays").is_none(), "deletes by default: {rule}");
    }
    assert_cleaned_up(rules);
    assert_eq!(template["Parameters"]["ArchiveRetentionDays"]["Default"], "0");
    let days = |parameter: &str| {
        let allowed = strings(&template["Parameters"][parameter]["AllowedValues"]);
        allowed.iter().map(|days| days.parse::<u32>().unwrap()).filter(|days| *days > 0).collect()
    };
    let (retention, transition): (Vec<_>, Vec<_>) =
        (days("ArchiveRetentionDays"), days("ArchiveTransitionDays"));
    assert!(retention.iter().all(|days| *days > 120), "the journal outlives what it proves");
    assert!(transition.iter().max() < retention.iter().min(), "deleted before it is moved");
}

/// What was overwritten, deleted or left half uploaded by hand does not stay for ever.
fn assert_cleaned_up(rules: &Value) {
    let rule = &rules[0];
    assert_eq!(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], 1);
    assert_eq!(rule["NoncurrentVersionExpiration"]["NoncurrentDays"], 30);
    assert_eq!(rule["ExpiredObjectDeleteMarker"], true);
    assert!(rule.get("Prefix").is_none(), "only part of the bucket: {rule}");
}

#[test]
fn one_table_keyed_by_stream_protected_and_kept() {
    let template = template();
    assert_eq!(logical_ids(&template, "AWS::DynamoDB::Table"), ["CursorTable"]);
    assert!(logical_ids(&template, "AWS::DynamoDB::GlobalTable").is_empty());
    assert!(logical_ids(&template, "AWS::Serverless::SimpleTable").is_empty());
    let table = properties(&template, "CursorTable");
    assert_eq!(table["KeySchema"], json!([{"AttributeName": "stream", "KeyType": "HASH"}]));
    assert_eq!(
        table["AttributeDefinitions"],
        json!([{"AttributeName": "stream", "AttributeType": "S"}])
    );
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert!(table.get("TimeToLiveSpecification").is_none(), "a cursor would vanish");
    let resource = &template["Resources"]["CursorTable"];
    assert_eq!(resource["DeletionPolicy"], "Retain");
    assert_eq!(resource["UpdateReplacePolicy"], "Retain");
}

// ---- the function and its schedule ----

#[test]
fn function_is_given_exactly_the_variables_it_reads() {
    let template = template();
    let given: BTreeSet<String> = properties(&template, "Collector")["Environment"]["Variables"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let read = variables_read();
    for (name, reason) in NOT_IN_TEMPLATE {
        assert!(read.contains(name), "{name} ({reason}) is no longer read");
        assert!(!given.contains(name), "{name} ({reason}) is set by the template");
    }
    let expected: BTreeSet<String> = read
        .into_iter()
        .filter(|name| NOT_IN_TEMPLATE.iter().all(|(other, _)| other != name))
        .collect();
    assert_eq!(given, expected, "left: template.yaml, right: src/config");
}

#[test]
fn failed_runs_are_kept_and_not_repeated() {
    let template = template();
    let invoke = &properties(&template, "Collector")["EventInvokeConfig"];
    assert_eq!(invoke["MaximumRetryAttempts"], 0);
    assert_eq!(invoke["MaximumEventAgeInSeconds"], 300);
    assert_eq!(
        text(&invoke["DestinationConfig"]["OnFailure"]["Destination"]),
        "${FailureQueue.Arn}"
    );
    for queue in ["FailureQueue", "ScheduleDeadLetterQueue", "WorkDeadLetterQueue"] {
        let settings = properties(&template, queue);
        assert_eq!(settings["MessageRetentionPeriod"], 14 * 24 * 3600, "{queue}");
        assert_eq!(settings["SqsManagedSseEnabled"], true, "{queue}");
    }
    let group = text(&properties(&template, "Collector")["LoggingConfig"]["LogGroup"]);
    assert_eq!(group, "${CollectorLogGroup}");
}

#[test]
fn schedule_gives_up_early_and_sends_the_example_event() {
    let template = template();
    assert_eq!(template["Parameters"]["ScheduleMinutes"]["Default"], 5);
    assert_eq!(template["Mappings"]["Schedules"]["5"]["Expression"], "rate(5 minutes)");
    let target = &properties(&template, "Schedule")["Target"];
    assert_eq!(
        target["RetryPolicy"],
        json!({"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 300})
    );
    assert_eq!(text(&target["DeadLetterConfig"]["Arn"]), "${ScheduleDeadLetterQueue.Arn}");
    let example = json(&path("events/scheduler.json"));
    let input = target["Input"].as_str().unwrap();
    let sent = input
        .replace("<aws.scheduler.scheduled-time>", example["scheduled_time"].as_str().unwrap());
    assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), example);
}

#[test]
fn work_is_shared_through_a_queue_that_gives_up_after_five_tries() {
    let template = template();
    let queue = properties(&template, "WorkQueue");
    assert!(queue.get("FifoQueue").is_none(), "one stream that fails would block the others");
    assert_eq!(queue["SqsManagedSseEnabled"], true);
    assert_eq!(
        queue["RedrivePolicy"],
        json!({"deadLetterTargetArn": {"Fn::GetAtt": "WorkDeadLetterQueue.Arn"}, "maxReceiveCount": 5})
    );
    assert_eq!(
        queue["VisibilityTimeout"],
        json!({"Fn::FindInMap": ["Timeouts", {"Ref": "Timeout"}, "VisibilitySeconds"]})
    );
    let mapping = properties(&template, "WorkMapping");
    assert_eq!(text(&mapping["EventSourceArn"]), "${WorkQueue.Arn}");
    assert_eq!(text(&mapping["FunctionName"]), "${Collector}");
    assert_eq!(strings(&mapping["FunctionResponseTypes"]), ["ReportBatchItemFailures"]);
    assert_eq!(
        mapping["ScalingConfig"]["MaximumConcurrency"],
        json!({"Fn::FindInMap": ["Concurrency", {"Ref": "MaxConcurrency"}, "Streams"]})
    );
}

/// CloudFormation cannot calculate: what follows from a parameter is a table, and must be right for every value.
#[test]
fn every_time_out_and_schedule_has_what_follows_from_it() {
    let template = template();
    let rows = |parameter: &str, table: &str| {
        let table = template["Mappings"][table].as_object().unwrap().clone();
        let allowed = template["Parameters"][parameter]["AllowedValues"].as_array().unwrap();
        assert_eq!(allowed.len(), table.len(), "{parameter}");
        let row = |value: &Value| {
            let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.trim_end_matches('d').parse::<i64>().unwrap(), table[&name].clone())
        };
        allowed.iter().map(row).collect::<Vec<_>>()
    };
    for (seconds, row) in rows("Timeout", "Timeouts") {
        assert_eq!(row["VisibilitySeconds"], 6 * seconds, "{seconds}");
        assert_eq!(row["PreflightSeconds"], seconds + 60, "{seconds}");
    }
    for (streams, row) in rows("MaxConcurrency", "Concurrency") {
        assert_eq!(row["Streams"], streams);
    }
    for (days, row) in rows("JumpCloudRetention", "Retentions") {
        // A stream reads back 100 days and no further.
        let days = days.min(100);
        assert_eq!(row["DaysLeft"], (days + 2) / 3, "{days}");
        assert_eq!(row["FewDaysLeft"], (days + 9) / 10, "{days}");
    }
    for (minutes, row) in rows("ScheduleMinutes", "Schedules") {
        let expression = match minutes {
            1 => "rate(1 minute)".to_owned(),
            60 => "rate(1 hour)".to_owned(),
            _ => format!("rate({minutes} minutes)"),
        };
        assert_eq!(row["Expression"], expression.as_str(), "{minutes}");
        let seconds = 60 * minutes;
        assert_eq!(row["PeriodSeconds"], seconds.max(300), "{minutes}");
        assert_eq!(row["LateSeconds"], (3 * seconds).max(1_800), "{minutes}");
        assert_eq!(row["LateAfter"], format!("{}m", (3 * minutes).max(30)), "{minutes}");
        assert_eq!(row["WaitSeconds"], (2 * seconds).max(600), "{minutes}");
        assert_eq!(row["RunsAnHourMax"], 3 * 60 / minutes, "{minutes}");
    }
}

#[test]
fn every_column_of_every_table_is_used() {
    fn found<'a>(node: &'a Value, into: &mut BTreeSet<(&'a str, &'a str)>) {
        if let Some([table, _, column]) = node["Fn::FindInMap"].as_array().map(Vec::as_slice) {
            into.extend(table.as_str().zip(column.as_str()));
        }
        let (list, members) = (node.as_array(), node.as_object());
        list.into_iter().flatten().for_each(|node| found(node, into));
        members.into_iter().flatten().for_each(|(_, node)| found(node, into));
    }
    let template = template();
    let mut used = BTreeSet::new();
    found(&template, &mut used);
    let tables = template["Mappings"].as_object().unwrap().iter();
    let written: BTreeSet<_> = tables
        .flat_map(|(table, rows)| {
            let columns =
                rows.as_object().unwrap().values().flat_map(|row| row.as_object().unwrap());
            columns.map(|(column, _)| (table.as_str(), column.as_str()))
        })
        .collect();
    assert_eq!(used, written);
}

#[test]
fn examples_of_events_are_json_objects() {
    let mut count = 0;
    for entry in fs::read_dir(path("events")).unwrap() {
        let file = entry.unwrap().path();
        assert!(json(&file).is_object(), "{}", file.display());
        count += 1;
    }
    assert!(count > 0, "no example in events/");
}

#[test]
fn every_suppressed_finding_has_a_reason() {
    for (id, resource) in template()["Resources"].as_object().unwrap() {
        let Some(skipped) = resource.pointer("/Metadata/checkov/skip") else {
            continue;
        };
        for skip in skipped.as_array().unwrap() {
            let reason = skip["comment"].as_str().unwrap_or_default();
            assert!(reason.len() > 20, "{id}: {skip}");
        }
    }
}

/// Names of variables in the files of `src/config`: their string literals in capitals, tests left out.
fn variables_read() -> BTreeSet<String> {
    let files = fs::read_dir(path("src/config")).unwrap().map(|file| file.unwrap().path());
    let code: String = files
        .filter(|file| !file.ends_with("tests.rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let is_name = |word: &&str| {
        word.len() > 3
            && word.starts_with(|first: char| first.is_ascii_uppercase())
            && word
                .chars()
                .all(|each| each.is_ascii_uppercase() || each.is_ascii_digit() || each == '_')
    };
    code.split('"').filter(is_name).map(str::to_owned).collect()
}
