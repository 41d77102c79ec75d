//! An AWS account with one stack: its emulated services, the built function, and what the tools of
//! AWS and the command line find there.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fixtures::environment::{API_KEY, Environment, INVOCATION_LIMIT};
use fixtures::http::{Answer, Server, answer};
use fixtures::process::{Function, Outcome};
use fixtures::sqs::QUEUE_URL;
use hyper::Request;
use serde_json::{Value, json};

use crate::deployment::Deployed;

/// The stack's function, as AWS would name it.
const FUNCTION: &str = "jumpcloud-collector-Collector-a1b2c3";
/// The stack's name in `samconfig.toml`.
pub const STACK: &str = "jumpcloud-collector";

/// See the module.
pub struct Account {
    pub environment: Environment,
    deployed: Mutex<Deployed>,
    versions: Mutex<Versions>,
    log: Mutex<String>,
}

/// The content of the file `version` in the folders that were built: of the last one, and of each that
/// was deployed.
#[derive(Default)]
struct Versions {
    built: String,
    deployed: Vec<String>,
}

/// An account that is reached through its address.
pub struct Served {
    pub account: Arc<Account>,
    server: Server,
    /// S3 as a person sees it, whom the policies of the function do not concern.
    s3: Server,
}

impl Served {
    /// An account without a stack.
    pub async fn start() -> Self {
        let environment = Environment::start().await;
        let account = Arc::new(Account {
            environment,
            deployed: Mutex::default(),
            versions: Mutex::default(),
            log: Mutex::default(),
        });
        let asked = Arc::clone(&account);
        let server = Server::start(move |request| {
            let account = Arc::clone(&asked);
            async move { Some(account.serve(&request).await) }
        })
        .await;
        let buckets = Arc::clone(&account.environment.aws.buckets);
        let s3 = Server::start(move |request| {
            let buckets = Arc::clone(&buckets);
            async move { Some(buckets.serve(request).await) }
        })
        .await;
        Self { account, server, s3 }
    }

    /// The variables by which a person's programs reach the account.
    pub fn variables(&self) -> Vec<(String, String)> {
        let own = [
            ("ACCOUNT", self.server.address().to_owned()),
            ("AWS_ENDPOINT_URL_LAMBDA", self.server.url()),
            ("AWS_ENDPOINT_URL_CLOUDFORMATION", self.server.url()),
        ];
        let s3 = ("AWS_ENDPOINT_URL_S3".to_owned(), self.s3.url());
        let mut variables = self.account.environment.aws.variables();
        variables.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        // Of two, the later one counts.
        variables.push(s3);
        variables
    }
}

impl Account {
    async fn serve(&self, request: &Request<Bytes>) -> Answer {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let path = request.uri().path();
        if path == "/tool" {
            let words: Vec<_> = body.trim_end_matches('\u{1f}').split('\u{1f}').collect();
            let (code, text) = match self.call(&words).await {
                Ok(text) => (0, text),
                Err(text) => (1, text),
            };
            return answer(200, "text/plain", format!("{code}\n{text}"));
        }
        if path == format!("/2015-03-31/functions/{FUNCTION}/invocations") {
            let invoked = self.invoke(&body).await;
            // The schedule does not wait for anybody to look.
            self.run_once().await;
            return match invoked {
                Ok(value) => answer(200, "application/json", value.to_string()),
                Err(error) => {
                    let mut answer = answer(200, "application/json", error.to_string());
                    let unhandled = "Unhandled".parse().unwrap();
                    answer.headers_mut().insert("x-amz-function-error", unhandled);
                    answer
                }
            };
        }
        assert!(body.contains("Action=DescribeStackResource"), "{path}: {body}");
        assert!(body.contains(&format!("StackName={STACK}&")), "{body}");
        let found = format!(
            "<DescribeStackResourceResponse><DescribeStackResourceResult><StackResourceDetail>\
             <PhysicalResourceId>{FUNCTION}</PhysicalResourceId></StackResourceDetail>\
             </DescribeStackResourceResult></DescribeStackResourceResponse>"
        );
        answer(200, "text/xml", found)
    }

    /// What a tool does, by its name, its folder and its arguments: its output, or why it fails.
    async fn call(&self, words: &[&str]) -> Result<String, String> {
        let [tool, folder, arguments @ ..] = words else { return Err(format!("{words:?}")) };
        let key_is_shown = words.iter().any(|word| word.contains(API_KEY));
        assert!(!key_is_shown, "the key is an argument, which every process may read: {words:?}");
        let file = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        match (*tool, arguments) {
            ("sam", ["build", rest @ ..]) => {
                assert!(file("template.yaml").contains("AWS::Serverless") && rest.is_empty());
                let version = std::fs::read_to_string(format!("{folder}/version"));
                lock(&self.versions).built = version.unwrap_or_default().trim().to_owned();
                Ok("Build Succeeded".to_owned())
            }
            ("sam", ["deploy"]) => self.deploy("").await,
            ("sam", ["deploy", "--parameter-overrides", rest @ ..]) => {
                self.deploy(&rest.join(" ")).await
            }
            (
                "sam",
                ["remote", "invoke", "Collector", "--stack-name", STACK, "--event-file", name],
            ) => {
                let answered = self.invoke(&file(name)).await;
                answered.map(|it| it.to_string()).map_err(|error| error.to_string())
            }
            ("sam", ["list", "stack-outputs", "--stack-name", STACK]) => {
                Ok(self.deployed().outputs().to_string())
            }
            (
                "aws",
                [
                    "secretsmanager",
                    "create-secret",
                    "--name",
                    _,
                    "--secret-string",
                    value,
                    rest @ ..,
                ],
            ) => {
                assert_eq!(rest, ["--query", "ARN", "--output", "text"]);
                let name = value.strip_prefix("file://").unwrap();
                let mode = std::fs::metadata(format!("{folder}/{name}")).unwrap().mode();
                assert_eq!(mode & 0o077, 0, "others may read the key in {name}");
                self.environment.aws.secrets.set(&file(name));
                Ok(fixtures::iam::stack::SECRET.to_owned())
            }
            (
                "aws",
                [
                    "secretsmanager",
                    "put-secret-value",
                    "--secret-id",
                    arn,
                    "--secret-string",
                    value,
                ],
            ) => {
                assert_eq!(*arn, fixtures::iam::stack::SECRET);
                let value = value.strip_prefix("file://").map_or((*value).to_owned(), file);
                self.environment.aws.secrets.set(&value);
                Ok("{}".to_owned())
            }
            _ => Err(format!("nobody expects {words:?}")),
        }
    }

    /// `sam deploy` with these overrides: the stack is updated, and the function checks it.
    async fn deploy(&self, overrides: &str) -> Result<String, String> {
        let (parameters, secret) = self.deployed().update(overrides)?;
        if let Some(secret) = secret {
            self.environment.aws.secrets.set(&secret);
        }
        let set: Vec<_> =
            parameters.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        self.environment.account().deploy(&set);
        {
            let mut versions = lock(&self.versions);
            let built = versions.built.clone();
            versions.deployed.push(built);
        }
        let validated = self.invoke(r#"{"task":"validate"}"#).await;
        validated
            .map(|_| format!("Successfully created/updated stack - {STACK}"))
            .map_err(|error| error.to_string())
    }

    /// Invokes the function in a process of its own.
    pub async fn invoke(&self, event: &str) -> Result<Value, Value> {
        let variables = self.deployed().variables();
        let own = self.environment.variables();
        let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
        let overrides: BTreeMap<_, _> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            // Where the emulated account and JumpCloud are is not the template's.
            .filter(|(name, _)| !is_own(name) && *name != "WORK_QUEUE_URL")
            .chain([("WORK_QUEUE_URL", QUEUE_URL)])
            .collect();
        let overrides: Vec<_> = overrides.into_iter().collect();
        let function = Function::spawn(&self.environment, &overrides).await;
        let outcome = function.invoke(event, INVOCATION_LIMIT).await;
        lock(&self.log).push_str(&function.output());
        match outcome {
            Outcome::Response(value) => Ok(value),
            Outcome::Error(error) => Err(error),
            other => panic!("{event} ended as {other:?}\n{}", function.output()),
        }
    }

    /// Runs the schedule `times` times, each with new processes and until the work queue is empty. No
    /// stream may fail.
    pub async fn run_schedule(&self, times: usize) {
        for _ in 0..times {
            self.run_once().await;
        }
        let status = self.invoke(r#"{"task":"status"}"#).await.unwrap();
        for line in status["streams"].as_array().unwrap() {
            assert_eq!((&line["last_error"], &line["gaps"]), (&Value::Null, &json!(0)), "{status}");
        }
    }

    /// One run of the schedule, in which no stream may fail, and the work that it queues.
    async fn run_once(&self) {
        let report = self.schedule().await.unwrap_or_else(|error| panic!("{error}"));
        for line in report["streams"].as_array().unwrap() {
            assert_eq!(line["outcome"], "ok", "{report}");
        }
    }

    /// One run of the schedule, and the work that it queues, whatever becomes of the streams.
    pub async fn schedule(&self) -> Result<Value, Value> {
        let event = std::fs::read_to_string(crate::commands::root().join("events/scheduler.json"));
        let answered = self.invoke(&event.unwrap()).await;
        self.work().await;
        answered
    }

    /// Handles messages until the work queue is empty.
    pub async fn work(&self) {
        while let Some(messages) = self.environment.aws.queue.deliver(10) {
            let answered = self.invoke(&messages).await;
            assert_eq!(answered, Ok(json!({"batchItemFailures": []})));
        }
    }

    /// The lines of the log since this was last called.
    pub fn take_log(&self) -> Vec<Value> {
        let log = std::mem::take(&mut *lock(&self.log));
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The version of each deployment, the latest last; empty where the folder has none.
    pub fn versions(&self) -> Vec<String> {
        lock(&self.versions).deployed.clone()
    }

    fn deployed(&self) -> MutexGuard<'_, Deployed> {
        lock(&self.deployed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
