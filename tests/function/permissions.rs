//! `validate` asks the account what its policies allow, and says which statement is missing.

use serde_json::Value;

use crate::process::Function;
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::Environment;
use fixtures::event::{now_ms, series};
use fixtures::iam::stack::{FORMER_KEY, KEY};

const VALIDATE: &str = r#"{"task":"validate"}"#;

/// What `validate` finds wrong, in one line.
async fn wrong(environment: &Environment, overrides: &[(&str, &str)]) -> String {
    Function::spawn(environment, overrides).await.fail(VALIDATE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_as_it_should_be_passes_every_check() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    for time in 1..=2 {
        let report = function.run(VALIDATE).await;
        let checks = report["checks"].as_array().unwrap();
        let lines = checks.iter().map(|check| {
            let [name, detail] = ["check", "detail"].map(|part| check[part].as_str().unwrap());
            format!("{name}: {detail}")
        });
        insta::allow_duplicates! {
            insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
            JumpCloud, organization of the API key: is 5d0a1b2c3d4e5f60718293a4, collected as self
            JumpCloud, self, all: JumpCloud answers: 0 events in the last hour
            cursor table: may be written
            archive bucket, an absent key: is a 404
            archive bucket, a put without If-None-Match: is refused
            state bucket, an absent key: is a 404
            state bucket, a put without If-None-Match: is refused
            state bucket, streams/v1/: may be listed
            archive bucket, what is written now: is read back
            archive bucket, what was written before: is read
            state bucket, what is written now: is read back
            state bucket, what was written before: is read
            ARCHIVE_PREFIX: is events/
            ");
        }
        // The first object of each bucket, the prefix, and one of each check.
        let written =
            environment.aws.buckets.keys(ARCHIVE).len() + environment.aws.buckets.keys(STATE).len();
        assert_eq!(written, 3 + 2 * time);
    }
    assert_eq!(environment.event_requests(), 0, "nothing is pulled");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_that_is_missing_is_named() {
    for (holder, sid, says) in [
        ("ArchiveBucket", "DenyOverwrite", "DenyOverwrite of ArchiveBucketPolicy is missing"),
        ("StateBucket", "DenyOverwrite", "DenyOverwrite of StateBucketPolicy is missing"),
        ("CollectorRole", "ListArchive", "archive bucket, an absent key: "),
        ("CollectorRole", "ListState", "state bucket, streams/v1/: "),
        ("CollectorRole", "WriteArchive", "archive bucket, what is written now: "),
        ("CollectorRole", "KeepState", "state bucket, what is written now: "),
        ("CollectorRole", "MoveCursors", "cursor table: "),
        ("CollectorRole", "ReadSecret", "not authorized to perform: secretsmanager:GetSecretValue"),
    ] {
        let environment = Environment::start().await;
        environment.account().lose(holder, sid);
        let wrong = wrong(&environment, &[]).await;
        assert!(wrong.contains(says), "{holder}, {sid}: {wrong}");
        if !["DenyOverwrite", "ReadSecret"].contains(&sid) {
            assert!(wrong.contains(&format!("the statement {sid} of")), "{holder}, {sid}: {wrong}");
        }
    }
}

/// The stack is refused before anything is written that would keep its buckets from being taken back.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_let_through_writes_nothing() {
    let environment = Environment::start().await;
    environment.account().lose("ArchiveBucket", "DenyOverwrite");
    let said = wrong(&environment, &[]).await;
    assert!(said.contains("S3 did not refuse it, where AccessDenied was expected"), "{said}");
    let puts =
        environment.aws.proxy.seen().into_iter().filter(|seen| seen.operation == "PutObject");
    let answers: Vec<_> = puts.take(2).map(|seen| seen.status).collect();
    assert_eq!(answers, [Some(400), Some(403)], "let through and of no effect; refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_changed_is_missed_until_it_is_named() {
    let environment = Environment::start().await;
    environment.account().deploy(&[("KmsKeyArn", KEY)]);
    environment.load(&series(1, 25, now_ms() - 600_000, 1_000));
    let function = Function::spawn(&environment, &[]).await;
    function.run(VALIDATE).await;
    function.run("{}").await;
    environment.account().lose("CollectorRole", "UseKeyForBuckets");
    let said = wrong(&environment, &[]).await;
    assert!(said.contains("not authorized to perform: kms:GenerateDataKey"), "{said}");

    environment.account().deploy(&[]);
    let said = wrong(&environment, &[]).await;
    for bucket in ["archive", "state"] {
        let name = format!("{bucket} bucket, what was written before: ");
        assert!(said.contains(&name) && said.contains("FormerKmsKeyArns"), "{said}");
        assert!(!said.contains(&format!("{bucket} bucket, what is written now")), "{said}");
    }
    environment.account().deploy(&[("FormerKmsKeyArns", FORMER_KEY)]);
    assert!(wrong(&environment, &[]).await.contains("FormerKmsKeyArns"), "another key");
    environment.account().deploy(&[("FormerKmsKeyArns", KEY)]);
    assert_eq!(function.run(VALIDATE).await["ok"], true);
    assert_eq!(function.run("{}").await["streams"][0]["outcome"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefix_is_fixed_by_the_first_check() {
    let environment = Environment::start().await;
    Function::spawn(&environment, &[]).await.run(VALIDATE).await;
    let said = wrong(&environment, &[("ARCHIVE_PREFIX", "logs/")]).await;
    assert!(said.contains("is logs/, but this archive began with events/: set it back"), "{said}");
    let report: Value = Function::spawn(&environment, &[]).await.run(VALIDATE).await;
    assert_eq!(report["ok"], true);
}
