//! What serves as AWS here: where a scenario leans on it, the emulator must do as AWS does.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;

use fixtures::aws::{ARCHIVE, Aws, SECRET_ID, TABLE};
use fixtures::fault_proxy::{Fault, Way};

async fn config(aws: &Aws) -> aws_config::SdkConfig {
    let environment: HashMap<_, _> = aws.variables().into_iter().collect();
    let credentials = aws_sdk_s3::config::Credentials::new(
        &environment["AWS_ACCESS_KEY_ID"],
        &environment["AWS_SECRET_ACCESS_KEY"],
        None,
        None,
        "test",
    );
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region("us-east-1")
        .credentials_provider(credentials)
        .load()
        .await
}

async fn s3(aws: &Aws) -> aws_sdk_s3::Client {
    let url = endpoint(aws, "AWS_ENDPOINT_URL_S3");
    let config = aws_sdk_s3::config::Builder::from(&config(aws).await)
        .endpoint_url(url)
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

async fn dynamodb(aws: &Aws) -> aws_sdk_dynamodb::Client {
    let url = endpoint(aws, "AWS_ENDPOINT_URL_DYNAMODB");
    let config = aws_sdk_dynamodb::config::Builder::from(&config(aws).await).endpoint_url(url);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

fn endpoint(aws: &Aws, variable: &str) -> String {
    let found = aws.variables().into_iter().find(|(name, _)| name == variable);
    found.expect("an endpoint").1
}

async fn create(client: &aws_sdk_s3::Client, key: &str, body: &str) -> Result<(), u16> {
    let put = client.put_object().bucket(ARCHIVE).key(key).if_none_match("*");
    let put = put.metadata("stream", "self").checksum_algorithm(ChecksumAlgorithm::Sha256);
    let sent = put.body(ByteStream::from(body.as_bytes().to_vec())).send().await;
    sent.map(drop)
        .map_err(|error| error.raw_response().map_or(0, |answer| answer.status().as_u16()))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_racing_creates_wins() {
    let aws = Aws::start("secret").await;
    let client = s3(&aws).await;
    let racing = (0..32).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { create(&client, "events/a", &n.to_string()).await })
    });
    let mut won = 0;
    for outcome in racing.collect::<Vec<_>>() {
        match outcome.await.unwrap() {
            Ok(()) => won += 1,
            Err(status) => assert_eq!(status, 412),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(aws.proxy.created(), ["archive/events/a"]);
    let object = aws.buckets.get(ARCHIVE, "events/a").await;
    assert_eq!(object.headers["x-amz-meta-stream"], "self");
    assert!(object.headers.contains_key("x-amz-checksum-sha256"));
}

#[tokio::test]
async fn a_write_that_could_overwrite_is_refused() {
    let aws = Aws::start("secret").await;
    let put = s3(&aws).await.put_object().bucket(ARCHIVE).key("events/a").send().await;
    let refused = put.expect_err("the bucket policy asks for If-None-Match");
    assert_eq!(refused.raw_response().expect("an answer").status().as_u16(), 403);
}

#[tokio::test]
async fn a_missing_object_is_404_and_listings_continue_where_they_stopped() {
    let aws = Aws::start("secret").await;
    let client = s3(&aws).await;
    let missing = client.get_object().bucket(ARCHIVE).key("journal/none").send().await;
    assert!(missing.expect_err("nothing there").into_service_error().is_no_such_key());
    for n in 0..5 {
        create(&client, &format!("journal/v1/{n}"), "x").await.expect("a new object");
    }
    let listing = client
        .list_objects_v2()
        .bucket(ARCHIVE)
        .prefix("journal/")
        .max_keys(2)
        .into_paginator()
        .send();
    let pages = listing.try_collect().await.expect("a listing");
    let keys: Vec<_> =
        pages.iter().flat_map(|page| page.contents()).filter_map(|object| object.key()).collect();
    assert_eq!(
        keys,
        ["journal/v1/0", "journal/v1/1", "journal/v1/2", "journal/v1/3", "journal/v1/4"]
    );
}

#[tokio::test]
async fn conditional_updates_are_checked_and_a_test_can_edit_the_table() {
    let aws = Aws::start("secret").await;
    let client = dynamodb(&aws).await;
    let update = || {
        let update =
            client.update_item().table_name(TABLE).key("stream", AttributeValue::S("self".into()));
        let update = update
            .update_expression("SET seq = :n")
            .condition_expression("attribute_not_exists(seq)");
        update.expression_attribute_values(":n", AttributeValue::N("7".into())).send()
    };
    update().await.expect("a new item");
    let refused = update().await.expect_err("the item has a seq").into_service_error();
    assert!(refused.is_conditional_check_failed_exception());
    assert_eq!(aws.table.number("self", "seq"), Some(7));
    aws.table.set_number("self", "lease_until_ms", 1);
    aws.table.expire_leases();
    assert_eq!(aws.table.number("self", "lease_until_ms"), Some(0));
    aws.table.empty();
    assert_eq!(aws.table.get("self"), None);
}

#[tokio::test]
async fn the_secret_is_the_one_that_was_set() {
    let aws = Aws::start("first").await;
    let url = endpoint(&aws, "AWS_ENDPOINT_URL_SECRETS_MANAGER");
    let config =
        aws_sdk_secretsmanager::config::Builder::from(&config(&aws).await).endpoint_url(url);
    let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
    for value in ["first", "second"] {
        aws.secrets.set(value);
        let secret =
            client.get_secret_value().secret_id(SECRET_ID).send().await.expect("the secret");
        assert_eq!(secret.secret_string(), Some(value));
    }
}

#[tokio::test]
async fn a_cut_after_the_write_leaves_the_write() {
    let aws = Aws::start("secret").await;
    let client = s3(&aws).await;
    aws.proxy.arm(Fault { at: 0, way: Way::CutAfter, lasting: false });
    // The SDK retries, and finds the object that its first try has written.
    assert_eq!(create(&client, "events/a", "x").await, Err(412));
    assert_eq!(aws.proxy.heal(), 1);
    aws.proxy.arm(Fault { at: aws.proxy.count(), way: Way::Cut, lasting: true });
    assert_eq!(create(&client, "events/b", "x").await, Err(0));
    assert!(aws.proxy.heal() > 1, "the SDK tried more than once");
    assert_eq!(aws.buckets.keys(ARCHIVE), ["events/a"]);
}
