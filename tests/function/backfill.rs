//! Past days in lanes, beside live collection.

use engine::limits::{DAY_MS, HOUR_MS};
use serde_json::{Value, json};

use crate::process::{Function, Outcome};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM};
use fixtures::event::{event, now_ms, series};
use fixtures::fault_proxy::{Fault, Way};
use fixtures::sqs::QUEUE_URL;

fn day(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS) * DAY_MS
}

fn date(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).expect("a time").to_string()[..10].to_owned()
}

/// Events of the seven days before today and of today, and those of the range.
struct Past {
    /// First millisecond of the range.
    start_ms: i64,
    all: Vec<Vec<u8>>,
}

impl Past {
    fn load(environment: &Environment) -> Self {
        let start_ms = day(now_ms()) - 7 * DAY_MS;
        let before = series(1, 20, start_ms - DAY_MS, HOUR_MS);
        let count = usize::try_from((now_ms() - start_ms) / (HOUR_MS / 2)).expect("a few hundred");
        let all = series(1_000, count, start_ms, HOUR_MS / 2);
        environment.load(&before);
        environment.load(&all);
        Self { start_ms, all }
    }

    fn event(&self) -> String {
        let (start, end) = (date(self.start_ms), date(now_ms()));
        json!({"task": "backfill", "start": start, "end": end}).to_string()
    }
}

fn states(answer: &Value) -> Vec<&str> {
    let lanes = answer["lanes"].as_array().expect("lanes").iter();
    lanes.map(|lane| lane["state"].as_str().expect("a state")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_week_is_archived_once_beside_what_is_live() {
    let environment = Environment::start().await;
    let past = Past::load(&environment);
    let function = Function::spawn(&environment, &[]).await;
    let plan = past.event().replace("}", r#","plan":true}"#);
    let plan = function.run(&plan).await;
    let counted = |lane: &Value| lane["events"].as_u64().expect("a count");
    assert_eq!(states(&plan), ["new"; 7], "the last day is the live stream's in part");
    assert_eq!(plan["lanes"].as_array().unwrap().iter().map(counted).take(6).sum::<u64>(), 6 * 48);
    assert_eq!(environment.aws.buckets.keys("state").len(), 0, "a plan writes nothing");

    let answer = function.run(&past.event()).await;
    assert_eq!(states(&answer), ["opened"; 7], "{answer}");
    function.run("{}").await;
    environment.archive().await.assert_holds(&past.all);
    let status = function.run(r#"{"task":"status"}"#).await;
    let lanes = status["streams"].as_array().unwrap().iter();
    let finished = lanes.filter(|line| line["finished"].is_string()).count();
    assert!(finished >= 6, "read a late horizon after their end: {status}");

    let (start, end) = (date(past.start_ms), date(now_ms() + DAY_MS));
    let audit = json!({"task": "audit", "start": start, "end": end}).to_string();
    let audit = function.run(&audit).await;
    let lines = audit["streams"].as_array().unwrap().iter();
    let compared = lines.map(|line| (line["counted"].as_i64(), line["archived"].as_i64()));
    let compared: Vec<_> = compared.collect();
    assert_eq!(compared.len(), 8, "{audit}");
    assert!(compared[1..7].iter().all(|line| *line == (Some(48), Some(48))), "{audit}");

    let requests = environment.event_requests();
    function.run("{}").await;
    assert!(environment.event_requests() <= requests + 2, "a finished lane is asked for no more");
    let late = event(9_000, "sso", past.start_ms + HOUR_MS);
    environment.load(std::slice::from_ref(&late));
    let again = function.run(&past.event()).await;
    assert_eq!(states(&again)[0], "reopened");
    let all: Vec<_> = past.all.iter().cloned().chain([late]).collect();
    environment.archive().await.assert_holds(&all);
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_live_stream_archives_is_refused() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    function.run("{}").await;
    let (today, tomorrow) = (date(now_ms()), date(now_ms() + DAY_MS));
    let event = json!({"task": "backfill", "start": today, "end": tomorrow}).to_string();
    // Unless the day has only begun, the look-back of 24 hours covers it whole.
    let message = function.fail(&event).await;
    assert!(message.contains(STREAM) && message.contains("live stream"), "{message}");
    let unknown = json!({
        "task": "backfill", "start": "2026-01-01", "end": "2026-01-02",
        "organizations": ["0123456789abcdef01234567"],
    });
    let message = function.fail(&unknown.to_string()).await;
    assert!(message.contains("0123456789abcdef01234567"), "{message}");
}

/// An answer that leaves days out is no success: it fails, and names each with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_leaves_days_out_fails_and_names_them() {
    let environment = Environment::start().await;
    let past = Past::load(&environment);
    let function = Function::spawn(&environment, &[]).await;
    function.run(&past.event()).await;
    let lanes: Vec<_> = (0..7).map(|day| past.start_ms + day * DAY_MS).collect();
    let lanes: Vec<_> = lanes.into_iter().map(|ms| format!("self.backfill-{}", date(ms))).collect();
    let table = &environment.aws.table;
    // Archived so long ago that it is not read again.
    let born_ms = table.number(&lanes[1], "born_ms").expect("when it was created");
    table.set_number(&lanes[1], "born_ms", now_ms() - 102 * DAY_MS);
    let message = function.fail(&past.event()).await;
    assert!(message.contains("1 of 7 lanes were refused"), "{message}");
    let why = format!("{}: its lane was created 101 days ago", lanes[1]);
    assert!(message.contains(&why), "{message}");
    let mut event: Value = serde_json::from_str(&past.event()).expect("an event");
    event["plan"] = true.into();
    let plan = function.run(&event.to_string()).await;
    assert_eq!(plan["lanes"][1]["state"], "refused", "a plan tells it, and does not fail: {plan}");
    table.set_number(&lanes[1], "born_ms", born_ms);
    // Written by a later version.
    table.set_number(&lanes[2], "schema", 9);
    let message = function.fail(&past.event()).await;
    assert!(message.contains("7 of 7 lanes were left out, ask for them again"), "{message}");
    assert!(lanes.iter().all(|lane| message.contains(lane)), "{message}");
    table.set_number(&lanes[2], "schema", 1);
    let answer = function.run(&past.event()).await;
    assert_eq!(states(&answer).len(), 7, "{answer}");
    function.run("{}").await;
    environment.archive().await.assert_holds(&past.all);
}

/// Killed again and again, at whatever request comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_killed_at_random_is_exact_with_what_is_live() {
    let environment = Environment::start().await;
    let past = Past::load(&environment);
    let settings = [("PAGE_LIMIT", "40"), ("WORK_QUEUE_URL", QUEUE_URL)];
    let mut random = fastrand::Rng::with_seed(7);
    let mut events: Vec<String> = vec![past.event()];
    let mut kills = 0;
    while kills < 20 {
        let function = Function::spawn(&environment, &settings).await;
        let at = environment.aws.proxy.count() + random.usize(..60);
        let way = if random.bool() { Way::Kill } else { Way::KillAfter };
        environment.aws.proxy.arm(Fault { at, way, lasting: false });
        loop {
            let event = events.pop().or_else(|| environment.aws.queue.deliver(1));
            let event = event.unwrap_or_else(|| "{}".to_owned());
            match function.invoke(&event, INVOCATION_LIMIT).await {
                Outcome::Died => break,
                Outcome::Response(_) | Outcome::Error(_) => {}
                Outcome::TimedOut => panic!("timed out"),
            }
        }
        kills += 1;
        environment.aws.table.expire_leases();
        free_queue(&environment);
        if kills == 3 {
            events.push(past.event());
        }
    }
    environment.aws.proxy.heal();
    let function = Function::spawn(&environment, &settings).await;
    function.run(&past.event()).await;
    for _ in 0..2 {
        function.run("{}").await;
        while let Some(event) = environment.aws.queue.deliver(10) {
            function.run(&event).await;
        }
        free_queue(&environment);
    }
    environment.archive().await.assert_holds(&past.all);
    environment.assert_disciplined();
}

/// As if every message that was lost with its process were taken for lost.
fn free_queue(environment: &Environment) {
    for item in environment.aws.table.items() {
        let stream = item["stream"]["S"].as_str().expect("a key");
        environment.aws.table.set_number(stream, "queued_until_ms", 0);
    }
}
