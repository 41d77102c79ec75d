//! Errors of AWS, and whether each is transient or needs an operator.

use std::fmt::Debug;

use bytes::Bytes;
use engine::cursor::{Update, Value};
use engine::ports::{Cursors, Objects, Secrets as _, StoreError};
use jumpcloud_collector::local::{FolderCursors, FolderObjects};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::cursors::stream;
use super::environment::{dynamodb, endpoint, s3, secrets_manager};
use super::objects::meta;
use fixtures::aws::{ARCHIVE, Aws, TABLE};
use fixtures::http::{Server, answer};

/// How a request ended, without what it would have given.
type Outcome = Result<(), StoreError>;

/// Every request of a store.
async fn objects_requests(objects: &dyn Objects, bucket: &str) -> Vec<(&'static str, Outcome)> {
    let body = Bytes::from_static(b"x");
    let create = objects.create(bucket, "a/key", body.clone(), &meta(&body)).await.map(drop);
    vec![
        ("create", create),
        ("get", objects.get(bucket, "a/key").await.map(drop)),
        ("sha256", objects.sha256(bucket, "a/key").await.map(drop)),
        ("list", objects.list(bucket, "a/", "", 10).await.map(drop)),
    ]
}

async fn cursors_requests(cursors: &dyn Cursors) -> Vec<(&'static str, Outcome)> {
    let update = Update { set: vec![("seq", Value::N(0))], ..Update::default() };
    vec![
        ("get", cursors.get(&stream(1)).await.map(drop)),
        ("update", cursors.update(&stream(1), &update).await.map(drop)),
    ]
}

/// Every request to AWS at a URL.
async fn all_requests(url: &str) -> Vec<(&'static str, Outcome)> {
    let mut all = objects_requests(&s3(url).await, ARCHIVE).await;
    all.extend(cursors_requests(&dynamodb(url, TABLE).await).await);
    all.push(("read", secrets_manager(url).await.read().await.map(drop)));
    all
}

/// Each may pass, and says so without a line break.
fn assert_unclear(requests: &[(&'static str, Outcome)], why: impl Debug) {
    for (name, ended) in requests {
        let Err(StoreError::Indeterminate(cause)) = ended else {
            panic!("{why:?}: {name}: {ended:?}")
        };
        assert!(!cause.text().contains('\n'), "{cause}");
    }
}

/// Each needs somebody, and says so without a line break.
fn assert_refused(requests: &[(&'static str, Outcome)], why: impl Debug) {
    for (name, ended) in requests {
        let Err(StoreError::Denied(cause) | StoreError::Rejected(cause)) = ended else {
            panic!("{why:?}: {name}: {ended:?}")
        };
        assert!(!cause.text().contains('\n'), "{cause}");
    }
}

/// A service that always answers the same, in XML as S3 or in JSON as the others.
async fn always(status: u16, code: &'static str) -> Server {
    Server::start(move |request| async move {
        let is_json = request.headers().contains_key("x-amz-target");
        let json = format!(r#"{{"__type":"{code}","message":"so it is"}}"#);
        let xml = format!("<Error><Code>{code}</Code><Message>so it is</Message></Error>");
        Some(if is_json {
            answer(status, "application/x-amz-json-1.0", json)
        } else {
            answer(status, "application/xml", xml)
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_listener_is_a_transient_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_unclear(&all_requests(&url).await, "unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_at_aws_may_pass() {
    for (status, code) in [
        (500, "InternalError"),
        (500, "InternalServerError"),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (409, "ConditionalRequestConflict"),
        (429, "TooManyRequestsException"),
        (400, "RequestTimeout"),
        (400, "ThrottlingException"),
        (400, "ProvisionedThroughputExceededException"),
        (400, "RequestLimitExceeded"),
    ] {
        let server = always(status, code).await;
        let mut requests = all_requests(&server.url()).await;
        // The answer to a HEAD has no body: it says 400 and no more.
        requests.retain(|(name, _)| !(*name == "sha256" && status == 400));
        assert_unclear(&requests, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_needs_somebody() {
    for (status, code) in [
        (403, "AccessDenied"),
        (400, "AccessDeniedException"),
        (403, "InvalidAccessKeyId"),
        (400, "UnrecognizedClientException"),
        (400, "ValidationException"),
    ] {
        let server = always(status, code).await;
        assert_refused(&all_requests(&server.url()).await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_needs_somebody() {
    let server = always(404, "NoSuchBucket").await;
    let mut requests = objects_requests(&s3(&server.url()).await, ARCHIVE).await;
    // The answer to a HEAD has no body: it says 404 and no more.
    requests.retain(|(name, _)| *name != "sha256");
    assert_refused(&requests, "no bucket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_needs_somebody() {
    let aws = Aws::start("unused").await;
    let cursors = dynamodb(&endpoint(&aws, "DYNAMODB"), "no-such-table").await;
    assert_refused(&cursors_requests(&cursors).await, "no table");
}

/// The checksum tells that the policy let the request through; anything else tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_refusal_refuses_an_overwrite() {
    for (status, code, refuses) in [
        (403, "AccessDenied", Some(true)),
        (400, "BadDigest", Some(false)),
        (400, "XAmzContentChecksumMismatch", Some(false)),
        (403, "InvalidAccessKeyId", None),
        (403, "SignatureDoesNotMatch", None),
        (400, "ExpiredToken", None),
        (400, "InvalidRequest", None),
        (404, "NoSuchBucket", None),
        (503, "SlowDown", None),
    ] {
        let server = always(status, code).await;
        let found = s3(&server.url()).await.refuses_overwrite(ARCHIVE, "a/key").await;
        assert_eq!(found.as_ref().ok(), refuses.as_ref(), "{code}: {found:?}");
        if let Err(error) = found {
            assert!(error.to_string().contains(code), "{error}");
        }
    }
}

/// What no cursor has is an error: a cursor without it would look like another one, or like none.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_item_is_not_absent() {
    let aws = Aws::start("unused").await;
    let cursors = dynamodb(&endpoint(&aws, "DYNAMODB"), TABLE).await;
    let streams = [stream(1)];
    for (attribute, shown) in [
        (json!({"BOOL": true}), "Bool(true)"),
        (json!({"N": "1.5"}), "N(\"1.5\")"),
        (json!({"L": []}), "L([])"),
    ] {
        aws.table.put(&json!({"stream": {"S": stream(1)}, "seq": attribute}));
        let update = Update { set: vec![("fence", Value::N(0))], ..Update::default() };
        for ended in [
            cursors.get(&stream(1)).await.map(drop),
            cursors.get_many(&streams).await.map(drop),
            cursors.update(&stream(1), &update).await.map(drop),
        ] {
            let Err(StoreError::Rejected(cause)) = ended else { panic!("{shown}: {ended:?}") };
            let text = cause.text();
            assert!(text.contains(streams[0].as_str()) && text.contains("`seq`"), "{text}");
            assert!(text.contains(shown), "{text}");
        }
    }
}

/// DynamoDB answers with the items that were asked for: another one is no item to leave out.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_without_a_stream_is_an_error() {
    for answer_of_table in [
        json!({"Responses": {TABLE: [{"stream": {"S": "No Stream"}, "seq": {"N": "1"}}]}}),
        json!({"Responses": {TABLE: [{"seq": {"N": "1"}}]}}),
        json!({"UnprocessedKeys": {TABLE: {"Keys": [{"stream": {"N": "7"}}]}}}),
    ] {
        let text = answer_of_table.to_string();
        let server = Server::start(move |_| {
            let text = text.clone();
            async move { Some(answer(200, "application/x-amz-json-1.0", text)) }
        })
        .await;
        let cursors = dynamodb(&server.url(), TABLE).await;
        let found = cursors.get_many(&[stream(1)]).await;
        assert!(matches!(found, Err(StoreError::Rejected(_))), "{answer_of_table}: {found:?}");
    }
}

/// A body that ends too early is no object.
#[tokio::test(flavor = "multi_thread")]
async fn half_an_object_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let objects = s3(&format!("http://{}", listener.local_addr().unwrap())).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 64];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    });
    let answer = objects.get(ARCHIVE, "a/key").await;
    server.await.unwrap();
    let Err(StoreError::Indeterminate(cause)) = answer else { panic!("{answer:?}") };
    assert!(cause.text().ends_with("the answer was incomplete"), "{cause}");
}

/// A file where a folder should be is not going to become one.
#[tokio::test]
async fn a_folder_that_cannot_be_one_needs_somebody() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_refused(
        &objects_requests(&FolderObjects::new(file.path().to_owned()), ARCHIVE).await,
        "a file",
    );
    let cursors = FolderCursors::new(file.path().to_owned());
    assert_refused(&cursors_requests(&cursors).await, "a file");
}

/// No key leads out of the folder.
#[tokio::test]
async fn a_key_stays_below_the_folder() {
    let folder = tempfile::TempDir::new().unwrap();
    let objects = FolderObjects::new(folder.path().join("root"));
    for key in ["../outside", "a/../../outside", "/etc/outside", "a/../b"] {
        let body = Bytes::from_static(b"x");
        let created = objects.create(ARCHIVE, key, body.clone(), &meta(&body)).await;
        assert!(matches!(created, Err(StoreError::Rejected(_))), "{key}: {created:?}");
        assert!(matches!(objects.get(ARCHIVE, key).await, Err(StoreError::Rejected(_))), "{key}");
    }
    assert!(!folder.path().join("outside").exists());
}

/// A cursor somebody has edited badly is said to be so, not taken for a new one.
#[tokio::test]
async fn a_damaged_cursor_is_not_absent() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join(format!("{}.json", stream(1))), "{\"seq\":").unwrap();
    let cursors = FolderCursors::new(folder.path().to_owned());
    let requests = cursors_requests(&cursors).await;
    for (name, ended) in requests {
        let Err(StoreError::Rejected(cause)) = ended else { panic!("{name}: {ended:?}") };
        assert!(cause.text().contains(&format!("{}.json: ", stream(1))), "{name}: {cause}");
    }
}
