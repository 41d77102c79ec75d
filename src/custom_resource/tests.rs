#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use engine::ports::NoRandomness;

use super::*;

/// Takes answers down.
#[derive(Default)]
struct RecordedCallback(Mutex<Vec<Value>>);

#[async_trait]
impl Callback for RecordedCallback {
    async fn put(&self, _: &ReplyTo, body: String, time: Duration) -> Result<(), CallbackError> {
        assert!(time >= millis(CALLBACK_MS_MIN));
        assert!(body.len() <= 4_096, "CloudFormation takes no more: {}", body.len());
        self.0.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        Ok(())
    }
}

/// A clock that moves only by waiting.
#[derive(Default)]
struct FakeClock(AtomicI64);

#[async_trait]
impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep(&self, ms: u64) {
        self.0.fetch_add(i64::try_from(ms).unwrap(), Ordering::Relaxed);
    }

    fn random(&self) -> [u8; 16] {
        [0; 16]
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}

fn request(kind: &str) -> Request {
    request_with(kind, "2", "1")
}

/// A request of an update from one number of the check to another.
fn request_with(kind: &str, new: &str, old: &str) -> Request {
    let event = json!({
        "ResourceProperties": {"Check": new},
        "OldResourceProperties": {"Check": old},
        "RequestType": kind,
        "ResponseURL": "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/x?Signature=s",
        "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/s/1",
        "RequestId": "r",
        "LogicalResourceId": "Preflight",
    });
    Request::of(&event).unwrap().unwrap()
}

/// The answer, and how often was checked.
async fn serve(kind: &str, verdicts: &[Result<(), &str>]) -> (Value, usize) {
    serve_request(&request(kind), verdicts).await
}

async fn serve_request(request: &Request, verdicts: &[Result<(), &str>]) -> (Value, usize) {
    let (recorded, clock, checks) =
        (RecordedCallback::default(), FakeClock::default(), AtomicI64::new(0));
    let check = |deadline_ms: i64| {
        assert!(deadline_ms < 300_000, "time is left for the answer");
        let nth = usize::try_from(checks.fetch_add(1, Ordering::Relaxed)).unwrap();
        let failure =
            |text: &str| Failure { is_denied: text.contains("403"), ..text.to_owned().into() };
        let verdict = verdicts[nth.min(verdicts.len() - 1)].map_err(failure);
        async move { verdict }
    };
    let answer = request.serve(check, &recorded, &clock, 300_000).await.unwrap();
    let recorded = recorded.0.into_inner().unwrap();
    assert_eq!(recorded, std::slice::from_ref(&answer));
    (answer, usize::try_from(checks.into_inner()).unwrap())
}

#[tokio::test]
async fn the_answer_is_the_verdict_of_validate() {
    let (answer, _) = serve("Create", &[Ok(())]).await;
    insta::assert_snapshot!(answer, @r#"{"LogicalResourceId":"Preflight","PhysicalResourceId":"jumpcloud-collector-preflight","Reason":"all checks passed: JumpCloud, table and buckets","RequestId":"r","StackId":"arn:aws:cloudformation:us-east-1:111122223333:stack/s/1","Status":"SUCCESS"}"#);
    let (answer, checks) = serve("Update", &[Err("JumpCloud refuses the credential (401)")]).await;
    assert_eq!(
        (&answer["Status"], &answer["Reason"], checks),
        (&json!("FAILED"), &json!("JumpCloud refuses the credential (401)"), 1)
    );
}

#[tokio::test]
async fn a_stack_may_always_go_away_and_an_unknown_request_is_answered() {
    let (answer, checks) = serve("Delete", &[Err("broken")]).await;
    assert_eq!((&answer["Status"], checks), (&json!("SUCCESS"), 0));
    let (answer, checks) = serve("Restart", &[Ok(())]).await;
    assert_eq!((&answer["Status"], checks), (&json!("FAILED"), 0));
    assert_eq!(answer["Reason"], "RequestType `Restart` is unknown");
}

#[tokio::test]
async fn a_role_that_is_seconds_old_is_given_time_and_no_more_than_that() {
    let denied = Err("bucket: put: 403 AccessDenied: Access Denied");
    let (answer, checks) = serve("Create", &[denied, Ok(())]).await;
    assert_eq!((&answer["Status"], checks), (&json!("SUCCESS"), 2));
    let (answer, checks) = serve("Create", &[denied]).await;
    assert_eq!((&answer["Status"], checks), (&json!("FAILED"), IAM_PROPAGATION_TRIES as usize));
}

/// A stack that could not go back either would hang until somebody repairs what is wrong.
#[tokio::test]
async fn an_update_that_is_taken_back_hears_what_is_wrong_and_succeeds() {
    for (new, old, status) in [
        ("1", "2", "SUCCESS"),
        ("true", "1795262400", "SUCCESS"),
        ("2", "1", "FAILED"),
        ("1", "1", "FAILED"),
        ("1", "true", "FAILED"),
    ] {
        let request = request_with("Update", new, old);
        let (answer, checks) = serve_request(&request, &[Err("broken")]).await;
        assert_eq!((&answer["Status"], checks), (&json!(status), 1), "{new} after {old}");
        assert_eq!(answer["Reason"], "broken");
    }
    let (answer, _) = serve_request(&request_with("Create", "1", "2"), &[Err("broken")]).await;
    assert_eq!(answer["Status"], "FAILED", "nothing is there to go back to");
}

#[tokio::test]
async fn a_check_that_hangs_is_answered_in_time() {
    let (recorded, clock) = (RecordedCallback::default(), FakeClock::default());
    let check = |_| std::future::pending::<Result<(), Failure>>();
    for deadline_ms in [40, 0, -5] {
        let answer = request("Create").serve(check, &recorded, &clock, deadline_ms).await.unwrap();
        assert_eq!(answer["Status"], "FAILED", "{deadline_ms}");
        assert!(answer["Reason"].as_str().unwrap().contains("did not end"), "{answer}");
    }
}

#[test]
fn a_reason_is_one_bounded_line() {
    let long = Err(format!("first\nsecond\u{1b}[31m {}", "é\"".repeat(5_000)).into());
    let shown = reason(&long);
    assert!(shown.len() < REASON_BYTES_MAX + 60 && !shown.contains(char::is_control), "{shown}");
    assert!(shown.starts_with("first second"));
}

#[test]
fn the_same_resource_stays_the_same() {
    let mut event = json!({"RequestType": "Update", "ResponseURL": "http://127.0.0.1:9/x", "PhysicalResourceId": "as before"});
    assert_eq!(Request::of(&event).unwrap().unwrap().physical_id, "as before");
    event["PhysicalResourceId"] = json!("");
    assert_eq!(Request::of(&event).unwrap().unwrap().physical_id, "jumpcloud-collector-preflight");
    assert_eq!(Request::of(&json!({"RequestType": "Create"})), None);
}

#[test]
fn an_answer_goes_to_s3_or_nowhere() {
    let read = |url| [true, false].map(|answers_loopback| ReplyTo::read(url, answers_loopback));
    for url in [
        "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/a?b=c",
        "https://cloudformation-custom-resource-response-euwest1.s3-eu-west-1.amazonaws.com/a",
        "https://cloudformation-custom-resource-response-useast2.s3.us-east-2.amazonaws.com/a",
        "https://x.s3.dualstack.eu-west-1.amazonaws.com/a",
        "https://s3.amazonaws.com/bucket/a",
        "https://x.s3.cn-north-1.amazonaws.com.cn/a",
        "https://x.s3.us-gov-west-1.amazonaws.com/a",
    ] {
        assert!(read(url).iter().all(Result::is_ok), "{url}");
    }
    for url in
        ["http://127.0.0.1:4566/bucket/a?X=1", "http://localhost:1/a", "https://[::1]:4566/a"]
    {
        let [in_tests, deployed] = read(url);
        assert!(in_tests.is_ok(), "{url}");
        assert!(matches!(deployed, Err(CallbackError::Refused(_))), "{url}");
    }
    for url in [
        "",
        "s3",
        "http://x.s3.amazonaws.com/a",
        "https://x.s3.amazonaws.com:8443/a",
        "https://key@x.s3.amazonaws.com/a",
        "https://s3.amazonaws.com.example.com/a",
        "https://example.com/s3.amazonaws.com",
        "https://xs3.amazonaws.com/a",
        "https://s3.evil.amazonaws.com/a",
        "https://ec2.us-east-1.amazonaws.com/a",
        "https://lambda-url.s3x.amazonaws.com/a",
        "https://amazonaws.com/a",
        "https://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/a",
        "file:///etc/passwd",
    ] {
        assert!(
            read(url).iter().all(|read| matches!(read, Err(CallbackError::Refused(_)))),
            "{url}"
        );
    }
    let shown = format!("{:?}", request("Create"));
    assert!(!shown.contains("Signature"), "{shown}");
}

/// These are answered before anything is ready, also where nothing will ever be.
#[test]
fn every_example_of_a_deployment_is_accepted() {
    for kind in ["create", "update", "delete"] {
        let path = format!("{}/events/deployment-{kind}.json", env!("CARGO_MANIFEST_DIR"));
        let event = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert!(Request::of(&event).unwrap().is_ok(), "{kind}");
    }
}
