//! The account's policies, as the template makes them: what AWS would refuse the function, it is refused here.
//!
//! Every call that is let through must be one of those that the tests of the template know, and hold
//! against every set of parameters.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::{Method, Request};
use reqwest::Url;
use serde_json::Value;

use super::front::Service;
use super::http::{Answer, answer};
use super::iam::calls::{collector, of_key, recorded};
use super::iam::policy::{Call, Decision};
use super::iam::stack::{KEY, Policies, Stack};

/// See the module.
pub struct Account(Mutex<State>);

struct State {
    stack: Stack,
    policies: Policies,
    /// The key that each object was written with, where there was one.
    under: HashMap<String, String>,
}

impl Account {
    /// An account with the stack of these parameters.
    pub fn of(set: &[(&str, &str)]) -> Self {
        let stack = Stack::of(set);
        let policies = stack.policies();
        Self(Mutex::new(State { stack, policies, under: HashMap::new() }))
    }

    /// Deploys the stack with other parameters; what was written stays as it is.
    pub fn deploy(&self, set: &[(&str, &str)]) {
        let mut state = self.state();
        state.stack = Stack::of(set);
        state.policies = state.stack.policies();
    }

    /// Takes a statement away by hand, of the bucket or role with this id.
    pub fn lose(&self, holder: &str, sid: &str) {
        let mut state = self.state();
        let arn = state.stack.arn(holder);
        let Policies { identity, resource } = &mut state.policies;
        let own = identity.get_mut(&arn).or(resource.get_mut(&arn)).expect("it has a policy");
        let before = own.len();
        own.retain(|statement| statement.sid != sid);
        assert!(own.len() < before, "{holder} has no statement {sid}");
    }

    /// The answer that AWS would give before it looks at what is asked for; none if it is allowed.
    pub fn refuses(&self, service: Service, request: &Request<Bytes>) -> Option<Answer> {
        let state = self.state();
        let call = state.call(service, request);
        let key = match (service, request.method()) {
            (Service::S3, &Method::GET | &Method::HEAD) => state.under.get(&call.resource).cloned(),
            _ => state.stack.is_given("KmsKeyArn").then(|| KEY.to_owned()),
        };
        let of_key = key.and_then(|key| of_key(&call, &key));
        let denied = [Some(&call), of_key.as_ref()]
            .into_iter()
            .flatten()
            .find(|call| state.policies.decide(call) != Decision::Allowed);
        if let Some(denied) = denied {
            return Some(access_denied(service, denied));
        }
        must_be_known(&call);
        None
    }

    /// What becomes of the service's answer: an absent key is 404 only for those who may list.
    pub fn answers(&self, service: Service, request: &Request<Bytes>, answer: Answer) -> Answer {
        if service != Service::S3 {
            return answer;
        }
        let mut state = self.state();
        let call = state.call(service, request);
        if answer.status() == 404 {
            let bucket = call.resource.split('/').next().expect("a bucket").to_owned();
            let listing = collector(&state.stack, "s3:ListBucket", &bucket, [].into());
            if state.policies.decide(&listing) != Decision::Allowed {
                return access_denied(service, &listing);
            }
            must_be_known(&listing);
        }
        if answer.status() == 200
            && *request.method() == Method::PUT
            && state.stack.is_given("KmsKeyArn")
        {
            state.under.insert(call.resource, KEY.to_owned());
        }
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What a request asks permission for.
    fn call(&self, service: Service, request: &Request<Bytes>) -> Call {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.split('.').next_back()).unwrap_or_default();
        let mut context = std::collections::BTreeMap::new();
        let (action, resource) = match service {
            Service::S3 => {
                let url = Url::parse(&format!("http://s3{}", request.uri())).expect("an address");
                let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
                for (name, value) in request.headers() {
                    let is_key =
                        name == "if-none-match" || name.as_str().starts_with("x-amz-server-side");
                    if is_key {
                        let value = value.to_str().expect("header text").to_owned();
                        context.insert(format!("s3:{name}"), vec![value]);
                    }
                }
                let action = match *request.method() {
                    Method::PUT => "s3:PutObject",
                    Method::GET if query.contains_key("list-type") => "s3:ListBucket",
                    Method::GET | Method::HEAD => "s3:GetObject",
                    ref other => panic!("a call that no policy was written for: {other} {url}"),
                };
                if let Some(prefix) = query.get("prefix").filter(|_| action == "s3:ListBucket") {
                    context.insert("s3:prefix".to_owned(), vec![prefix.clone()]);
                }
                (action.to_owned(), format!("arn:aws:s3:::{}", url.path().trim_matches('/')))
            }
            Service::DynamoDb => (format!("dynamodb:{operation}"), self.stack.arn("CursorTable")),
            Service::SecretsManager => {
                for name in ["VersionStage", "VersionId"] {
                    let value = body[name].as_str().map(|value| vec![value.to_owned()]);
                    context.extend(value.map(|value| (format!("secretsmanager:{name}"), value)));
                }
                (format!("secretsmanager:{operation}"), self.stack.arn("JumpCloudSecret"))
            }
            Service::Sqs => {
                let action = operation.trim_end_matches("Batch");
                (format!("sqs:{action}"), self.stack.arn("WorkQueue"))
            }
        };
        collector(&self.stack, &action, &resource, context)
    }
}

/// A call that is let through is one that the tests of the template hold against every set of
/// parameters; but for a write that a test has loosened the policy for.
fn must_be_known(call: &Call) {
    let line = line(call);
    let may_overwrite =
        call.action == "s3:PutObject" && !call.context.contains_key("s3:if-none-match");
    let is_known = may_overwrite || recorded().contains(&&*line);
    assert!(is_known, "tests/template/iam/calls.txt lacks `{line}`");
}

/// A call as `calls.txt` has it: of an object its folder, one for all of its kind.
fn line(call: &Call) -> String {
    let resource = match call.action.split(':').next() {
        Some("s3") => folder(call.resource.trim_start_matches("arn:aws:s3:::")),
        Some("secretsmanager") => "secret".to_owned(),
        Some("dynamodb") => "cursors".to_owned(),
        _ => "work".to_owned(),
    };
    let mut parts = vec![call.action.clone(), resource];
    for (key, values) in &call.context {
        let value = if key == "s3:prefix" { prefix(&values[0]) } else { values[0].clone() };
        parts.push(format!("{key}={value}"));
    }
    parts.join(" ")
}

fn folder(name: &str) -> String {
    let Some((bucket, key)) = name.split_once('/') else { return name.to_owned() };
    match (bucket, key.split('/').next()) {
        ("archive", Some(beside @ ("quarantine" | "snapshots" | "preflight"))) => {
            format!("archive/{beside}/")
        }
        // Whatever the prefix is.
        ("archive", _) => "archive/events/".to_owned(),
        _ => format!("{bucket}/{}", prefix(key)),
    }
}

/// `journal/v1/` of anything below it.
fn prefix(key: &str) -> String {
    let folders: Vec<_> = key.split('/').take(2).collect();
    format!("{}/", folders.join("/"))
}

fn access_denied(service: Service, call: &Call) -> Answer {
    let text = format!("not authorized to perform: {} on {}", call.action, call.resource);
    let json = |status, kind: &str, media| {
        answer(status, media, serde_json::json!({"__type": kind, "message": text}).to_string())
    };
    match service {
        Service::S3 => answer(
            403,
            "application/xml",
            format!("<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"),
        ),
        Service::DynamoDb => {
            let kind = "com.amazon.coral.service#AccessDeniedException";
            json(400, kind, "application/x-amz-json-1.0")
        }
        Service::SecretsManager => json(400, "AccessDeniedException", "application/x-amz-json-1.1"),
        Service::Sqs => {
            json(403, "com.amazon.coral.service#AccessDenied", "application/x-amz-json-1.0")
        }
    }
}
