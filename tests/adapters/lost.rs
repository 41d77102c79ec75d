//! Answers that are lost after the effect: what AWS did, and what the adapter says of it.

use bytes::Bytes;
use engine::cursor::{Update, Value};
use engine::ports::{Cursors as _, Objects as _, PutResult, StoreError};

use super::cursors::{claim, stream};
use super::environment::{arm, dynamodb, endpoint, s3};
use super::objects::{create, meta};
use fixtures::aws::{ARCHIVE, Aws, TABLE};
use fixtures::fault_proxy::Way;

const KEY: &str = "journal/v1/self/00000000000000000001";

/// The SDK tries again and meets its own first try.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answer_is_lost_finds_its_own_object() {
    let aws = Aws::start("unused").await;
    let objects = s3(&endpoint(&aws, "S3")).await;
    let body = Bytes::from_static(b"mine");
    arm(&aws, Way::CutAfter, false);
    assert_eq!(create(&objects, ARCHIVE, KEY, &body).await, PutResult::AlreadyExists);
    assert_eq!(aws.proxy.heal(), 1);
    assert_eq!(objects.get(ARCHIVE, KEY).await.unwrap(), Some(body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_whose_answers_are_all_lost_is_unclear() {
    let aws = Aws::start("unused").await;
    let objects = s3(&endpoint(&aws, "S3")).await;
    let body = Bytes::from_static(b"mine");
    for (way, there) in [(Way::Cut, None), (Way::CutAfter, Some(body.clone()))] {
        arm(&aws, way, true);
        let answer = objects.create(ARCHIVE, KEY, body.clone(), &meta(&body)).await;
        assert!(matches!(answer, Err(StoreError::Indeterminate(_))), "{answer:?}");
        assert!(aws.proxy.heal() > 1, "the SDK tries again");
        assert_eq!(objects.get(ARCHIVE, KEY).await.unwrap(), there, "{way:?}");
    }
}

/// The condition is false for the second try because the first one was made; the caller looks.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_answer_is_lost_finds_its_condition_false() {
    let aws = Aws::start("unused").await;
    let cursors = dynamodb(&endpoint(&aws, "DYNAMODB"), TABLE).await;
    let born = Update { set: vec![("seq", Value::N(0))], ..Update::default() };
    cursors.update(&stream(1), &born).await.unwrap();
    arm(&aws, Way::CutAfter, false);
    assert_eq!(cursors.update(&stream(1), &claim("me")).await.unwrap(), None);
    assert_eq!(aws.proxy.heal(), 1);
    let item = cursors.get(&stream(1)).await.unwrap().unwrap();
    assert_eq!(item["lease_owner"], Value::S("me".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_whose_answers_are_all_lost_is_unclear() {
    let aws = Aws::start("unused").await;
    let cursors = dynamodb(&endpoint(&aws, "DYNAMODB"), TABLE).await;
    let born = Update { set: vec![("seq", Value::N(0))], ..Update::default() };
    for (way, there) in [(Way::Cut, false), (Way::CutAfter, true)] {
        arm(&aws, way, true);
        let answer = cursors.update(&stream(1), &born).await;
        assert!(matches!(answer, Err(StoreError::Indeterminate(_))), "{answer:?}");
        aws.proxy.heal();
        assert_eq!(cursors.get(&stream(1)).await.unwrap().is_some(), there, "{way:?}");
    }
}

/// A passing failure is tried again inside.
#[tokio::test(flavor = "multi_thread")]
async fn one_failure_is_not_seen_outside() {
    let aws = Aws::start("unused").await;
    let objects = s3(&endpoint(&aws, "S3")).await;
    let body = Bytes::from_static(b"mine");
    for way in [Way::Answer500, Way::Cut] {
        let key = format!("{KEY}-{way:?}");
        arm(&aws, way, false);
        assert_eq!(create(&objects, ARCHIVE, &key, &body).await, PutResult::Created, "{way:?}");
        assert_eq!(aws.proxy.heal(), 1);
    }
}
