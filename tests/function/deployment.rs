//! CloudFormation asks whether the stack works, and is always answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mock::{Fault, Rule, When};
use serde_json::{Value, json};

use crate::process::{Function, Outcome};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::{API_KEY, Environment, INVOCATION_LIMIT};
use fixtures::http::{Server, answer};

/// Where CloudFormation waits: takes answers down, and gives these statuses, the last for ever.
pub(super) struct Waiting {
    server: Server,
    answers: Arc<Mutex<Vec<Value>>>,
}

impl Waiting {
    pub(super) async fn start(statuses: &'static [u16]) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&answers);
        let server = Server::start(move |request| {
            let taken = Arc::clone(&taken);
            async move {
                assert_eq!(request.method(), "PUT");
                assert!(request.headers().get("content-type").is_none(), "S3 signed none");
                let mut taken = taken.lock().unwrap();
                let status = statuses[taken.len().min(statuses.len() - 1)];
                taken.push(serde_json::from_slice(request.body()).unwrap());
                let mut answer = answer(status, "text/plain", "");
                answer.headers_mut().insert("location", "http://127.0.0.1:9/".parse().unwrap());
                Some(answer)
            }
        })
        .await;
        Self { server, answers }
    }

    pub(super) fn event(&self, kind: &str) -> String {
        let url = format!("{}/stack%7CPreflight?Signature=s3cr3tsignature", self.server.url());
        json!({"RequestType": kind, "ResponseURL": url, "StackId": "s", "RequestId": "r",
               "LogicalResourceId": "Preflight", "ResourceProperties": {}})
        .to_string()
    }

    pub(super) fn answers(&self) -> Vec<Value> {
        self.answers.lock().unwrap().clone()
    }
}

/// Runs the function once in this environment; it must answer in time, and only once.
async fn deploy(environment: &Environment, overrides: &[(&str, &str)], kind: &str) -> Value {
    let waiting = Waiting::start(&[200]).await;
    let function = Function::spawn(environment, overrides).await;
    let answered = function.run(&waiting.event(kind)).await;
    let answers = waiting.answers();
    assert_eq!(answers, std::slice::from_ref(&answered));
    for secret in [API_KEY, "s3cr3tsignature"] {
        assert!(!function.output().contains(secret) && !answered.to_string().contains(secret));
    }
    assert_eq!(answered["PhysicalResourceId"], "jumpcloud-collector-preflight");
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_works_is_confirmed() {
    let environment = Environment::start().await;
    for kind in ["Create", "Update", "Delete"] {
        assert_eq!(deploy(&environment, &[], kind).await["Status"], "SUCCESS", "{kind}");
    }
    assert_eq!(environment.event_requests(), 0, "nothing is pulled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_cannot_work_hears_why_and_can_be_taken_back() {
    let environment = Environment::start().await;
    environment.jumpcloud.world().remove_key(API_KEY);
    let answered = deploy(&environment, &[], "Create").await;
    assert_eq!(answered["Status"], "FAILED");
    let reason = answered["Reason"].as_str().unwrap();
    assert!(reason.contains("JumpCloud refuses the credential (401"), "{reason}");
    for bucket in [ARCHIVE, STATE] {
        assert!(environment.aws.buckets.keys(bucket).is_empty(), "{bucket} could not be deleted");
    }
    assert_eq!(deploy(&environment, &[], "Delete").await["Status"], "SUCCESS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_cannot_even_start_answers_too() {
    let environment = Environment::start().await;
    let wrong = [("OVERLAP", "a while"), ("JUMPCLOUD_REGION", "mars")];
    let answered = deploy(&environment, &wrong, "Create").await;
    assert_eq!(answered["Status"], "FAILED");
    let reason = answered["Reason"].as_str().unwrap();
    assert!(reason.contains("OVERLAP") && reason.contains("JUMPCLOUD_REGION"), "{reason}");
    assert_eq!(deploy(&environment, &wrong, "Delete").await["Status"], "SUCCESS");
    let answered = deploy(&environment, &[], "Restart").await;
    assert_eq!(answered["Status"], "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_before_the_deadline_whatever_hangs() {
    let environment = Environment::start().await;
    let slow = Rule::new(Fault::Stall(Duration::from_secs(600)), When::Always);
    environment.jumpcloud.world().add_fault(slow);
    let waiting = Waiting::start(&[200]).await;
    let function = Function::spawn(&environment, &[]).await;
    match function.invoke(&waiting.event("Create"), Duration::from_secs(4)).await {
        Outcome::Response(answered) => assert_eq!(answered["Status"], "FAILED"),
        other => panic!("{other:?}\n{}", function.output()),
    }
    assert_eq!(waiting.answers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_sent_again_where_that_helps_and_follows_no_redirect() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    for (statuses, sent, is_taken) in
        [(&[503, 200][..], 2, true), (&[307], 1, false), (&[403], 1, false), (&[500], 3, false)]
    {
        let waiting = Waiting::start(statuses).await;
        let outcome = function.invoke(&waiting.event("Delete"), INVOCATION_LIMIT).await;
        assert_eq!(matches!(outcome, Outcome::Response(_)), is_taken, "{statuses:?}: {outcome:?}");
        assert_eq!(waiting.answers().len(), sent, "{statuses:?}");
    }
}

/// With the reason that the system gives, and without the URL.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_reaches_nobody_says_why() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    let waiting = Waiting::start(&[200]).await;
    let event = waiting.event("Delete");
    drop(waiting);
    let message = function.fail(&event).await;
    assert!(message.contains("could not answer CloudFormation: "), "{message}");
    assert!(message.contains("Connection refused"), "{message}");
    assert!(!message.contains("s3cr3tsignature"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_address_of_s3_is_answered() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    let event =
        json!({"RequestType": "Delete", "ResponseURL": "https://example.com/x?Signature=s"});
    let message = function.fail(&event.to_string()).await;
    assert!(message.contains("`example.com` is not S3's"), "{message}");
}
