//! `--stack`: the function of a deployed stack, found through CloudFormation and invoked through
//! Lambda, both in this process.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::Request;
use serde_json::{Value, json};

use crate::{collector, text};
use fixtures::http::{Answer, Server, answer};

const FUNCTION: &str = "jumpcloud-collector-Collector-a1b2c3";

/// An account with one stack, whose function gives these answers, the last one again and again.
struct Account {
    server: Server,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Account {
    async fn start(answers: Vec<Result<Value, &'static str>>) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&events), Arc::new(answers));
        let server = Server::start(move |request| {
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            async move { Some(serve(&request, &seen, &answers)) }
        })
        .await;
        Self { server, events }
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let url = self.server.url();
        let variables = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s3cr3tKEY"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let output = collector(arguments, &variables);
        let text = text(&output);
        assert!(!text.contains("s3cr3tKEY"), "{text}");
        (output.status.code(), text)
    }
}

fn serve(
    request: &Request<Bytes>,
    seen: &Mutex<Vec<Value>>,
    answers: &[Result<Value, &'static str>],
) -> Answer {
    let body = String::from_utf8_lossy(request.body());
    if body.contains("Action=DescribeStackResource") {
        if !body.contains("StackName=audit-trail") {
            let error = "<ErrorResponse><Error><Code>ValidationError</Code>\
                <Message>Stack 'other' does not exist</Message></Error></ErrorResponse>";
            return answer(400, "text/xml", error);
        }
        let found = format!(
            "<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail>\
             <PhysicalResourceId>{FUNCTION}</PhysicalResourceId></StackResourceDetail>\
             </DescribeStackResourceResult></DescribeStackResourceResponse>"
        );
        return answer(200, "text/xml", found);
    }
    assert_eq!(request.uri().path(), format!("/2015-03-31/functions/{FUNCTION}/invocations"));
    let mut seen = seen.lock().unwrap();
    seen.push(serde_json::from_slice(request.body()).unwrap());
    match &answers[(seen.len() - 1).min(answers.len() - 1)] {
        Ok(value) => answer(200, "application/json", value.to_string()),
        Err(message) => {
            let failed = json!({"errorType": "StreamsFailed", "errorMessage": message});
            let mut answer = answer(200, "application/json", failed.to_string());
            let header = hyper::header::HeaderValue::from_static("Unhandled");
            answer.headers_mut().insert("x-amz-function-error", header);
            answer
        }
    }
}

fn line(stream: &str, more: &Value) -> Value {
    let mut line = json!({
        "stream": stream, "configured": true, "frontier": "2026-10-01T12:00:00.000Z",
        "lag_seconds": null, "origin": "2026-10-01T00:00:00.000Z",
        "end": "2026-10-02T00:00:00.000Z", "read_whole": false, "finished": null,
        "last_success": null, "last_error": null, "failures": 0, "needs_operator": false, "suspended": false,
        "queued": false, "gaps": 0, "days_until_loss": 36, "lateness": {}, "entries": 1,
    });
    for (name, value) in more.as_object().unwrap() {
        line[name] = value.clone();
    }
    line
}

const LANE: &str = "self.backfill-2026-10-01";

fn lanes(state: &str, events: &Value) -> Value {
    let lane = json!({
        "stream": LANE, "start": "2026-10-01T00:00:00.000Z",
        "end": "2026-10-02T00:00:00.000Z", "state": state, "events": events,
    });
    json!({"lanes": [lane], "refused": [], "streams": [], "duration_ms": 5})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_stack_is_a_table_or_json() {
    let lateness =
        json!({"sso": {"count": 55, "p50_seconds": 300, "p99_seconds": 600, "max_seconds": 2712}});
    let live = json!({"lag_seconds": 42, "end": null, "read_whole": null, "lateness": lateness});
    let status = json!({"streams": [line("self", &live), line(LANE, &json!({}))]});
    let account = Account::start(vec![Ok(status)]).await;
    let (code, text) = account.run(&["status", "--stack", "audit-trail"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("42 s") && text.contains(LANE), "{text}");
    assert!(text.contains("sso") && text.contains("99 % within"), "how late events were: {text}");
    let (_, text) = account.run(&["status", "--stack", "audit-trail", "--json"]);
    let parsed: Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!(parsed["streams"][0]["lag_seconds"], 42);
    assert_eq!(*account.events.lock().unwrap(), vec![json!({"task": "status"}); 2]);
}

/// All pages, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_many_streams_is_asked_for_page_by_page() {
    let live = json!({"end": null, "read_whole": null});
    let (first, next) = ("5c1c30d6a2f1b3e4d5c6b7a8", "3:1790812800000:5c1c30d6a2f1b3e4d5c6b7a8");
    let pages = [
        json!({"streams": [line(first, &live)], "next": next}),
        json!({"streams": [line("self", &live)]}),
    ];
    let account = Account::start(pages.into_iter().map(Ok).collect()).await;
    let (code, text) = account.run(&["status", "--stack", "audit-trail"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(first) && text.contains("self"), "{text}");
    let asked = account.events.lock().unwrap();
    assert_eq!(*asked, [json!({"task": "status"}), json!({"task": "status", "after": next})]);
}

/// As other AWS tools do: a profile names the Region and a program that knows the credentials.
#[tokio::test(flavor = "multi_thread")]
async fn a_profile_leads_to_the_stack() {
    let account = Account::start(vec![Ok(json!({"streams": []}))]).await;
    let folder = tempfile::tempdir().unwrap();
    let (config, credentials) = (folder.path().join("config"), folder.path().join("credentials"));
    let known = json!({"Version": 1, "AccessKeyId": "AKIDPROFILE", "SecretAccessKey": "s3cr3t"});
    std::fs::write(&credentials, known.to_string()).unwrap();
    let profile = format!(
        "[profile audit]\nregion = eu-central-1\ncredential_process = cat {}\n",
        credentials.display()
    );
    std::fs::write(&config, profile).unwrap();
    let variables = [
        ("AWS_ENDPOINT_URL", account.server.url()),
        ("AWS_CONFIG_FILE", config.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let status = ["status", "--stack", "audit-trail"];
    let output = collector(&[&status[..], &["--profile", "audit"]].concat(), &variables);
    assert!(output.status.success(), "{}", text(&output));
    let output = collector(&status, &variables);
    assert_eq!(output.status.code(), Some(1), "without it the Region is unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_function_or_aws_says_is_shown() {
    let account = Account::start(vec![Err("validation failed: JumpCloud, self: 401")]).await;
    let (code, text) = account.run(&["validate", "--stack", "audit-trail"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("validation failed: JumpCloud, self: 401"), "{text}");
    let (code, text) = account.run(&["status", "--stack", "other"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("does not exist"), "{text}");
    assert_eq!(account.events.lock().unwrap().len(), 1, "asked once, and never twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_a_stack_is_planned_first() {
    let status = |more: &Value| json!({"streams": [line(LANE, more)]});
    let answers = vec![
        Ok(lanes("new", &json!(1200))),
        Ok(lanes("new", &json!(1200))),
        Ok(lanes("opened", &Value::Null)),
        Ok(status(&json!({"read_whole": true}))),
    ];
    let account = Account::start(answers).await;
    let range = ["--start", "2026-10-01", "--end", "2026-10-02"];
    let plan = [&["backfill", "--stack", "audit-trail"], &range[..]].concat();
    let (code, text) = account.run(&plan);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1200") && text.contains("Add --yes"), "{text}");
    let (code, text) = account.run(&[&plan[..], &["--yes"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 of 1 day, 1200 of 1200 events"), "{text}");
    let asked = account.events.lock().unwrap();
    let plans: Vec<_> = asked.iter().map(|event| event["plan"].as_bool()).collect();
    assert_eq!(plans, [Some(true), Some(true), Some(false), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_leaves_a_day_out_says_so() {
    let none = json!({"streams": []});
    // The function fails, and a second plan tells what it has opened.
    let failed = Err("1 of 1 lanes were left out, ask for them again");
    let plan = || Ok(lanes("new", &json!(7)));
    let answers = vec![plan(), failed, plan(), Ok(none)];
    let account = Account::start(answers).await;
    let range = ["--start", "2026-10-01", "--end", "2026-10-02", "--yes"];
    let (code, text) = account.run(&[&["backfill", "--stack", "audit-trail"], &range[..]].concat());
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("1 day was left out; run the same command again: self.backfill-2026-10-01"),
        "{text}"
    );
}
