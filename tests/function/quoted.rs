//! JumpCloud quotes the credential that it was sent, wherever it is asked something: no part of it
//! is in an error, the log, a cursor, a message of the queue or what CloudFormation is told.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::limits::{DAY_MS, HOUR_MS};
use engine::time::{date, rfc3339};
use futures_util::future::join_all;
use mock::{Fault, Key, Organization, Rule, When};
use serde_json::json;

use super::deployment::Waiting;
use super::secret::{CLIENT_ID, CLIENT_SECRET, assert_hidden, events, service_account, stored};
use crate::process::{Function, Outcome};
use fixtures::environment::{API_KEY, Environment, INVOCATION_LIMIT};
use fixtures::event::{ORGANIZATION, now_ms};
use fixtures::sqs::QUEUE_URL;

const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";
const OTHER: &str = "000000000000000000000001";

/// What is written where a secret was.
const REMOVED: &str = "«secret»";

/// How many characters of JumpCloud's text are shown.
const SHOWN: usize = 128;

/// Somewhere that the function asks JumpCloud something.
#[derive(Clone, Copy)]
struct Place {
    /// The end of its path.
    path: &'static str,
    /// With these it is asked.
    settings: &'static [(&'static str, &'static str)],
    /// Whether a check of the deployment asks it, whose answer CloudFormation is told.
    is_checked: bool,
}

const fn place(path: &'static str, is_checked: bool) -> Place {
    Place { path, settings: &[], is_checked }
}

/// Where a key is sent.
const PLACES: [Place; 7] = [
    place("/events", false),
    place("/events/count", true),
    place("/events/interval", false),
    Place { settings: &[("JUMPCLOUD_SERVICES", "all,pam")], ..place("/events/distinct", false) },
    Place { settings: &[("JUMPCLOUD_ORG_IDS", "discover")], ..place("/api/organizations", true) },
    Place {
        settings: &[("JUMPCLOUD_ORG_IDS", ""), ("JUMPCLOUD_PROVIDER_ID", PROVIDER)],
        ..place("/v2/providers/5c86b6cf9fdce00001d3800c/organizations", true)
    },
    Place { settings: &[("SYSTEM_USERS", "daily")], ..place("/systemusers", true) },
];

/// Where a service account's pair is sent.
const TOKEN: Place = place("/oauth2/token", true);

/// Answers that quote a credential: whole, cut off on either side, at both ends of what is shown,
/// and escaped.
fn quoting(credential: &str) -> Vec<Fault> {
    let escaped = credential.replace('+', "%2B").replace('/', "\\/").replace('=', "\\u003d");
    let length = credential.len();
    let behind = |before: usize, part: &str| format!("{}{part}", "x".repeat(before));
    vec![
        Fault::error(401, &behind(SHOWN - 18, credential)),
        Fault::error(400, &behind(SHOWN - 9, credential)),
        Fault::error(400, &format!("{}… is bad", &credential[..length - 4])),
        Fault::error(403, &format!("…{} was sent", &escaped[4..])),
        Fault::error(404, &behind(SHOWN - 30, &credential[length / 2 - 5..length / 2 + 5])),
        Fault::redirect(307, &format!("http://127.0.0.1:9/{credential}")),
    ]
}

/// Errors of these statuses that quote the credential they were sent, whatever it is.
fn echoing(statuses: [u16; 4]) -> Vec<Fault> {
    statuses.map(Fault::QuotedCredential).to_vec()
}

/// Whether the text of the answer is always told.
fn is_told(fault: &Fault) -> bool {
    match fault {
        Fault::Answer(answer) => answer.status >= 400,
        Fault::QuotedCredential(_) => true,
        _ => false,
    }
}

/// A function in an account of its own, and everything it has said so far.
struct Told {
    environment: Environment,
    function: Function,
    waiting: Waiting,
    said: Vec<String>,
    tokens: BTreeSet<String>,
}

impl Told {
    async fn start(secret: &str, settings: &[(&str, &str)]) -> Self {
        let environment = Environment::start().await;
        {
            let mut world = environment.jumpcloud.world();
            world.add_key(API_KEY, Key::provider("the key", PROVIDER));
            let grants = Key::provider("the account", PROVIDER);
            world.add_service_account(CLIENT_ID, CLIENT_SECRET, grants);
            // Two, or nothing goes through the queue.
            for id in [ORGANIZATION, OTHER] {
                world.add_organization(Organization::new(id, "made up").managed_by(PROVIDER));
            }
        }
        environment.aws.secrets.set(secret);
        environment.load(&events(1));
        let ids = format!("{ORGANIZATION},{OTHER}");
        let own = [("JUMPCLOUD_ORG_IDS", &*ids), ("LOG_LEVEL", "trace")];
        let function = Function::spawn(&environment, &[&own, settings].concat()).await;
        let waiting = Waiting::start(&[200]).await;
        Self { environment, function, waiting, said: Vec::new(), tokens: BTreeSet::new() }
    }

    /// Asks for everything that the function can be asked for, and handles its messages.
    async fn ask_for_everything(&mut self) {
        let day_ms = (now_ms() - 4 * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
        let [first, last] = [day_ms, day_ms + DAY_MS].map(|ms| date(ms).to_string());
        let backfill = json!({"task": "backfill", "start": first, "end": last, "plan": true});
        let [start, end] = [now_ms() - 20 * HOUR_MS, now_ms()].map(rfc3339);
        let audit = json!({"task": "audit", "start": start, "end": end});
        let tasks = [r#"{"task":"validate"}"#, r#"{"task":"status"}"#].map(str::to_owned);
        let tasks = tasks.into_iter().chain([backfill.to_string(), audit.to_string()]);
        for task in tasks.chain([self.waiting.event("Create"), "{}".to_owned()]) {
            self.ask(&task).await;
        }
        while let Some(messages) = self.environment.aws.queue.deliver(10) {
            self.ask(&messages).await;
            self.said.push(messages);
        }
        let items = self.environment.aws.table.items();
        self.said.extend(items.iter().map(ToString::to_string));
        let mut world = self.environment.jumpcloud.world();
        self.tokens.extend(world.tokens().map(str::to_owned));
        world.revoke_tokens();
    }

    async fn ask(&mut self, event: &str) {
        self.said.push(match self.function.invoke(event, INVOCATION_LIMIT).await {
            Outcome::Response(body) | Outcome::Error(body) => body.to_string(),
            other => panic!("{other:?}\n{}", self.function.output()),
        });
    }

    /// Whatever was tried and failed is due again.
    fn make_all_due(&self) {
        let table = &self.environment.aws.table;
        for item in table.items() {
            let stream = item["stream"]["S"].as_str().expect("a stream");
            for attribute in ["retry_after_ms", "queued_until_ms", "compared_at_ms"] {
                table.set_number(stream, attribute, 0);
            }
        }
    }
}

/// Under each of these answers of a place; at last all is well, so that there is an archive.
async fn assert_hides(secret: &str, place: Place, more: &[(&str, &str)], answers: &[Fault]) {
    let path = place.path;
    let mut told = Told::start(secret, &[place.settings, more].concat()).await;
    for fault in answers {
        let before = (told.said.len(), told.function.output().len());
        let rule = Rule::new(fault.clone(), When::Always).on(path);
        told.environment.jumpcloud.world().add_fault(rule);
        told.ask_for_everything().await;
        told.make_all_due();
        told.environment.jumpcloud.world().clear_faults();
        let answered = told.said[before.0..].iter().any(|text| text.contains(REMOVED));
        let is_quoted = answered || told.function.output()[before.1..].contains(REMOVED);
        assert!(is_quoted || !is_told(fault), "{path} was not asked, or not told: {fault:?}");
    }
    told.ask_for_everything().await;
    let reasons: Vec<_> = told.waiting.answers().iter().map(ToString::to_string).collect();
    let is_in_reason = reasons.iter().any(|reason| reason.contains(REMOVED));
    assert_eq!(is_in_reason, place.is_checked, "{path}: {reasons:?}");
    let is_queued = told.said.iter().any(|text| text.contains("eventSourceARN"));
    assert_eq!(is_queued, more == QUEUED, "{path}");
    told.said.extend(reasons);
    told.said.push(told.function.output());
    assert_hidden(&told.said, &stored(&told.environment).await, &told.tokens);
}

/// At all of these places at once: most of the time is waiting before retries.
async fn assert_hides_at(
    places: &[Place],
    secret: &str,
    more: &[(&str, &str)],
    answers: Vec<Fault>,
) {
    join_all(places.iter().map(|place| assert_hides(secret, *place, more, &answers))).await;
}

const QUEUED: [(&str, &str); 1] = [("WORK_QUEUE_URL", QUEUE_URL)];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_answer_quotes_is_not_passed_on_wherever_it_was_asked() {
    assert_hides_at(&PLACES, API_KEY, &[], quoting(API_KEY)).await;
}

/// Through the work queue: the messages, what handles them says, and the cursors.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_an_answer_quotes_is_in_no_message_of_the_queue() {
    assert_hides_at(&PLACES, API_KEY, &QUEUED, echoing([401, 402, 404, 503])).await;
}

/// Its token everywhere, and where that is given, the pair.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_that_an_answer_quotes_is_not_passed_on_wherever_it_was_asked() {
    let places = [&PLACES[..], &[TOKEN]].concat();
    assert_hides_at(&places, &service_account(), &[], echoing([400, 401, 403, 404])).await;
}

/// The secret, and the pair in base64, in any text.
#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_an_answer_quotes_is_not_passed_on_wherever_it_was_asked() {
    let pair = format!("{CLIENT_ID}:{CLIENT_SECRET}");
    let answers = [quoting(CLIENT_SECRET), quoting(&STANDARD.encode(&pair))].concat();
    assert_hides_at(&[PLACES[1], PLACES[4], TOKEN], &pair, &QUEUED, answers).await;
}
