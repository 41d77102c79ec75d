//! The secret: every shape of it, its rotation, and that it shows up nowhere.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mock::{Fault, Key, Rule, When};
use serde_json::json;

use crate::process::{Function, Outcome};
use fixtures::aws::SECRET_KEY;
use fixtures::environment::{API_KEY, Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{ORGANIZATION, now_ms, series};

const NEW_KEY: &str = "jca_c4n4ryKEYc4n4ryKEYc4n4ryKEY00002";
pub(super) const CLIENT_ID: &str = "collector-client";
pub(super) const CLIENT_SECRET: &str = "c4n4ryCLIENTc4n4ryCLIENTc4n4ry00003";
/// What every token of the mock begins with.
const TOKEN_HEAD: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";

/// A service account must name its organization.
const NAMED: [(&str, &str); 2] = [("JUMPCLOUD_ORG_IDS", ORGANIZATION), ("PAGE_LIMIT", "10")];

pub(super) fn events(number: usize) -> Vec<Vec<u8>> {
    series(number, 25, now_ms() - 600_000, 1_000)
}

fn add_service_account(environment: &Environment) {
    let grants = Key::single("the account", ORGANIZATION);
    environment.jumpcloud.world().add_service_account(CLIENT_ID, CLIENT_SECRET, grants);
}

pub(super) fn service_account() -> String {
    json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}).to_string()
}

/// The process keeps the old secret in memory; the first 401 makes it read the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_of_any_shape_is_read_again() {
    let shapes = [
        format!("\"{NEW_KEY}\"\n"),
        json!({"api_key": NEW_KEY}).to_string(),
        service_account(),
        format!("{CLIENT_ID}:{CLIENT_SECRET}"),
    ];
    for shape in shapes {
        let environment = Environment::start().await;
        add_service_account(&environment);
        let mut all = events(1);
        environment.load(&all);
        let function = Function::spawn(&environment, &NAMED).await;
        function.run("{}").await;

        environment.jumpcloud.world().rotate_key(API_KEY, NEW_KEY);
        environment.aws.secrets.set(&shape);
        let news = events(100);
        environment.load(&news);
        all.extend(news);
        let report = function.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{shape}: {report}");
        environment.archive().await.assert_holds(&all);
        environment.assert_disciplined();
    }
}

/// The key changes between two pages of one reading.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_rotate_in_the_middle_of_a_reading() {
    let environment = Environment::start().await;
    let all = events(1);
    environment.load(&all);
    let rotated = Fault::KeyRotated { old: API_KEY.to_owned(), new: NEW_KEY.to_owned() };
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "10")]).await;
    function.run("{}").await;
    environment.fault(rotated, When::Nth(1));
    environment.aws.secrets.set(NEW_KEY);
    function.run("{}").await;
    environment.archive().await.assert_holds(&all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_replaced() {
    let environment = Environment::start().await;
    add_service_account(&environment);
    environment.aws.secrets.set(&service_account());
    let all = events(1);
    environment.load(&all);
    environment.fault(Fault::TokensRevoked, When::Nth(2));
    let report = Function::spawn(&environment, &NAMED).await.run("{}").await;
    assert_eq!(only_stream(&report)["stream"], ORGANIZATION);
    environment.archive().await.assert_holds(&all);
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stays_refused_fails_and_recovers_once_it_is_replaced() {
    let environment = Environment::start().await;
    let all = events(1);
    environment.load(&all);
    let function = Function::spawn(&environment, &[("PAGE_LIMIT", "10")]).await;
    environment.jumpcloud.world().rotate_key(API_KEY, NEW_KEY);
    let message = function.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    environment.aws.secrets.set(NEW_KEY);
    function.run("{}").await;
    environment.archive().await.assert_holds(&all);
}

/// What JumpCloud may say of a request, harmless itself.
fn answers() -> Vec<Option<Fault>> {
    vec![
        None,
        Some(Fault::error(401, "no")),
        Some(Fault::error(400, "no")),
        Some(Fault::redirect(307, "http://127.0.0.1:9/")),
        Some(Fault::body("no")),
        Some(Fault::CutAfter(10)),
    ]
}

/// Runs under each answer at the most talkative log level, and searches everything that was said and
/// stored.
async fn assert_never_shown(secret: &str) {
    let environment = Environment::start().await;
    add_service_account(&environment);
    environment.aws.secrets.set(secret);
    environment.load(&events(1));
    let settings = [NAMED[0], NAMED[1], ("LOG_LEVEL", "trace")];
    let function = Function::spawn(&environment, &settings).await;
    let (mut said, mut tokens) = (Vec::new(), BTreeSet::new());
    function.run("{}").await;
    for fault in answers() {
        environment.jumpcloud.world().clear_faults();
        tokens.extend(environment.jumpcloud.world().tokens().map(str::to_owned));
        if let Some(fault) = fault {
            environment.fault(fault, When::Always);
        }
        for task in ["{}", r#"{"task":"validate"}"#, r#"{"task":"status"}"#] {
            said.push(match function.invoke(task, INVOCATION_LIMIT).await {
                Outcome::Response(body) | Outcome::Error(body) => body.to_string(),
                other => panic!("{other:?}\n{}", function.output()),
            });
        }
        said.extend(environment.aws.table.items().iter().map(ToString::to_string));
    }
    said.push(function.output());
    assert_hidden(&said, &stored(&environment).await, &tokens);
}

/// What is in the buckets, as it is and as a reader of the archive sees it.
pub(super) async fn stored(environment: &Environment) -> Vec<Vec<u8>> {
    let parts = environment.archive().await.parts;
    assert!(!parts.is_empty(), "nothing was archived");
    let archived = parts.into_iter().flat_map(|part| part.lines);
    environment.aws.buckets.everything().into_iter().chain(archived).collect()
}

/// No part of any credential was said or stored.
#[track_caller]
pub(super) fn assert_hidden(said: &[String], stored: &[Vec<u8>], tokens: &BTreeSet<String>) {
    let basic = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    let known = [API_KEY, CLIENT_SECRET, TOKEN_HEAD, &basic, SECRET_KEY];
    for secret in known.into_iter().chain(tokens.iter().map(String::as_str)) {
        for forbidden in (0..=secret.len() - 8).map(|at| &secret[at..at + 8]) {
            let mut lines = said.iter().flat_map(|text| text.lines());
            let line = lines.find(|line| line.contains(forbidden));
            assert_eq!(line, None, "{forbidden} was said");
            let found = memchr::memmem::Finder::new(forbidden);
            let holds = |bytes: &Vec<u8>| found.find(bytes).is_some();
            assert!(!stored.iter().any(holds), "{forbidden} was stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_shows_up_nowhere() {
    for secret in [json!({"api_key": API_KEY}).to_string(), service_account()] {
        assert_never_shown(&secret).await;
    }
}

/// A text that has only seven characters in common with a secret says what JumpCloud said.
#[tokio::test(flavor = "multi_thread")]
async fn what_shares_seven_characters_with_the_secret_is_told_as_it_is() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    for at in (0..=API_KEY.len() - 7).step_by(4) {
        let text = format!("no key like {}* is known", &API_KEY[at..at + 7]);
        environment.jumpcloud.world().clear_faults();
        let fault = Rule::new(Fault::error(403, &text), When::Always);
        environment.jumpcloud.world().add_fault(fault);
        let message = function.fail(r#"{"task":"validate"}"#).await;
        assert!(message.contains(&text), "{message}");
    }
    environment.jumpcloud.world().clear_faults();
    function.run("{}").await;
    environment.fault(Fault::error(403, &API_KEY[8..15]), When::Always);
    let message = function.fail("{}").await;
    assert!(message.contains(&API_KEY[8..15]), "{message}");
    let item = environment.aws.table.get(STREAM).expect("a cursor").to_string();
    assert!(item.contains(&API_KEY[8..15]), "{item}");
}
