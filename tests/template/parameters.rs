//! What a person may choose: few things, in an order that can be followed, and no choice that does not fit another.

use std::collections::BTreeSet;
use std::fs;

use regex_lite::Regex;
use serde_json::Value;

use crate::iam::stack::Stack;
use crate::reading::{path, strings, template, text};

/// More would be asked by `sam deploy --guided`, one after the other.
const PARAMETERS_MAX: usize = 40;

/// Parameters that change nothing which the check at deployment looks at.
const NOT_CHECKED: [&str; 15] = [
    "AlarmEmail",
    "Architecture",
    "ArchiveRetentionDays",
    "ArchiveTransitionDays",
    "Dashboard",
    "InvocationsAnHourMax",
    "LogLevel",
    "LogRetentionDays",
    "MaxConcurrency",
    "MemorySize",
    "Metrics",
    "ScheduleState",
    "SiemExternalId",
    "SiemQueues",
    "SubscriberAccountIds",
];

fn groups(template: &Value) -> Vec<String> {
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    groups.as_array().unwrap().iter().flat_map(|group| strings(&group["Parameters"])).collect()
}

#[test]
fn parameters_are_described_grouped_and_checked() {
    let template = template();
    let mut grouped = groups(&template);
    grouped.sort();
    let parameters = template["Parameters"].as_object().unwrap();
    assert_eq!(grouped, parameters.keys().cloned().collect::<Vec<_>>(), "left: groups");
    assert!(parameters.len() <= PARAMETERS_MAX, "{}", parameters.len());
    for (name, parameter) in parameters {
        assert!(parameter["Description"].is_string(), "{name} has no description");
        assert!(parameter.get("Default").is_some(), "{name} has no default");
        let has = |key| parameter.get(key).is_some();
        let checked =
            has("AllowedValues") || has("AllowedPattern") || has("MinValue") && has("MaxValue");
        assert!(checked, "{name} takes any value");
    }
    assert_eq!(parameters["JumpCloudApiKey"]["NoEcho"], true);
}

/// The console shows groups, `sam deploy --guided` asks in the order of the file.
#[test]
fn parameters_are_asked_for_in_the_order_of_their_groups() {
    let file = fs::read_to_string(path("template.yaml")).unwrap();
    let place = |name: &String| file.find(&format!("\n  {name}:\n    Type: ")).unwrap();
    let places: Vec<_> = groups(&template()).iter().map(place).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_lock_ends_with_the_retention_at_the_latest() {
    let template = template();
    let days = |name: &str| strings(&template["Parameters"][name]["AllowedValues"]);
    for mode in ["NONE", "GOVERNANCE"] {
        for lock in days("ObjectLockDays") {
            for kept in days("ArchiveRetentionDays") {
                let set = [
                    ("ObjectLockMode", mode),
                    ("ObjectLockDays", &*lock),
                    ("ArchiveRetentionDays", &*kept),
                ];
                let [lock, kept] = [&lock, &kept].map(|days| days.parse::<u32>().unwrap());
                let fits = mode == "NONE" || kept == 0 || lock <= kept;
                assert_eq!(Stack::of(&set).passes_its_rules(), fits, "{set:?}");
            }
        }
    }
}

#[test]
fn a_role_for_a_siem_needs_an_external_id_and_a_stack_a_credential() {
    let siem = ("SiemPrincipalArn", "arn:aws:iam::444455556666:root");
    assert!(!Stack::of(&[siem]).passes_its_rules());
    assert!(Stack::of(&[siem, ("SiemExternalId", "given")]).passes_its_rules());
    assert!(!Stack::of(&[("JumpCloudApiKey", "")]).passes_its_rules());
}

#[test]
fn only_whole_arns_are_taken() {
    let template = template();
    let takes = |parameter: &str, value: &str| {
        let pattern = template["Parameters"][parameter]["AllowedPattern"].as_str().unwrap();
        Regex::new(pattern).unwrap().is_match(value)
    };
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:";
    for (name, is_whole) in [
        ("jumpcloud/api-key-a1B2c3", true),
        ("jumpcloud/api-key", false),
        ("jumpcloud", false),
        ("jumpcloud-a1B2c", false),
    ] {
        assert_eq!(takes("JumpCloudSecretArn", &format!("{secret}{name}")), is_whole, "{name}");
    }
    let key = "arn:aws:kms:us-east-1:111122223333:";
    for parameter in ["KmsKeyArn", "FormerKmsKeyArns"] {
        assert!(takes(parameter, &format!("{key}key/mrk-1")) && takes(parameter, ""));
        assert!(!takes(parameter, &format!("{key}alias/mine")), "{parameter}");
    }
    assert!(takes("SubscriberAccountIds", "111122223333") && !takes("SubscriberAccountIds", "1"));
}

/// CloudFormation asks the function again only where something that it is given has changed.
#[test]
fn a_change_that_may_break_something_has_it_checked_again() {
    let template = template();
    let asked = &template["Resources"]["Preflight"]["Properties"];
    let named = |text: String| -> BTreeSet<String> {
        let parts = text.split("\"Ref\":\"").skip(1);
        parts.filter_map(|part| part.split('"').next()).map(str::to_owned).collect()
    };
    let asked = named(asked.to_string());
    let left_out: BTreeSet<_> = NOT_CHECKED.map(str::to_owned).into();
    for name in template["Parameters"].as_object().unwrap().keys() {
        // The secret made of it replaces the key, and the queue and the role are not the
        // function's.
        let is_otherwise = ["JumpCloudApiKey", "SiemPrincipalArn"].contains(&&**name);
        assert_eq!(asked.contains(name), !is_otherwise && !left_out.contains(name), "{name}");
    }
    assert!(asked.contains("JumpCloudSecret") && asked.contains("ValidateOnDeploy"));
}

/// A condition on a number compares its text.
#[test]
fn numbers_are_compared_as_the_texts_that_they_are() {
    let none = Stack::of(&[("SiemQueues", "0")]);
    let two = Stack::of(&[("SiemQueues", "2")]);
    assert!(!none.has("SiemQueue1") && none.has("InvocationsAlarm"));
    assert!(two.has("SiemQueue2") && !two.has("SiemQueue3"));
    let many = [("JumpCloudOrgIds", "discover"), ("InvocationsAnHourMax", "0")];
    assert!(!Stack::of(&many).has("InvocationsAlarm"));
}

/// S3 publishes a test when the bucket is made; a queue that was subscribed by then would have it for its reader.
#[test]
fn no_queue_or_topic_gets_the_test_event_of_s3() {
    let template = template();
    for n in 1..=3 {
        let subscription = &template["Resources"][format!("SiemSubscription{n}")];
        assert_eq!(text(&subscription["DependsOn"]), "ArchiveBucket");
    }
}

#[test]
fn the_metadata_of_the_repository_is_that_of_the_package() {
    let template = template();
    let metadata = &template["Metadata"]["AWS::ServerlessRepo::Application"];
    assert_eq!(metadata["SemanticVersion"], env!("CARGO_PKG_VERSION"));
    // What the Serverless Application Repository asks of each.
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    for (field, bytes_max) in [("Name", 140), ("Author", 127)] {
        let name = text(&metadata[field]);
        assert!(is_name(&name) && (1..=bytes_max).contains(&name.len()), "{field}: {name}");
    }
    assert!((1..=256).contains(&text(&metadata["Description"]).len()));
    assert_eq!(metadata["SpdxLicenseId"], "Apache-2.0");
    let labels = metadata["Labels"].as_array().unwrap();
    assert!(labels.len() <= 10 && labels.iter().all(|label| is_name(&text(label))));
    for file in ["LicenseUrl", "ReadmeUrl"] {
        let name = metadata[file].as_str().unwrap();
        assert!(path(name).is_file(), "{name} is missing, and `sam deploy` uploads it");
    }
}
