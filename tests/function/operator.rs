//! What needs a person is said where a person looks: in errors, in `status`, in audits and in metrics.
//!
//! Holds P13.

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use engine::time::rfc3339;
use mock::Key;
use serde_json::{Value, json};

use crate::process::Function;
use fixtures::aws::STATE;
use fixtures::environment::{API_KEY, Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{ORGANIZATION, event, now_ms, series, spread};
use fixtures::sqs::QUEUE_URL;

/// The metric whose alarm tells of streams that need an operator.
const NEEDING_OPERATOR: &str = "StreamsNeedingOperator";

fn audit(start_ms: i64, end_ms: i64) -> String {
    json!({"task": "audit", "start": rfc3339(start_ms), "end": rfc3339(end_ms)}).to_string()
}

/// The reason, and not every event that the function knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_cannot_be_used_is_refused_with_the_reason() {
    let environment = Environment::start().await;
    let function = Function::spawn(&environment, &[]).await;
    let reversed = audit(now_ms(), now_ms() - DAY_MS);
    for event in [reversed.clone(), reversed.replace("audit", "backfill")] {
        let message = function.fail(&event).await;
        assert!(message.contains("start") && message.contains("end"), "{message}");
        assert!(!message.contains("accepted are"), "{message}");
    }
    assert_eq!(environment.event_requests(), 0);
}

/// 150 events at JumpCloud, 110 in the archive: the counts of two queries are added up.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_of_two_queries_lacks_is_found_by_an_audit() {
    let environment = Environment::start().await;
    environment.jumpcloud.world().behaviours.all_excludes_pam = true;
    let of = |service, number: usize, count: usize| -> Vec<_> {
        let ms = |nth: usize| now_ms() - 20 * HOUR_MS + i64::try_from(nth).unwrap() * 6 * MINUTE_MS;
        (0..count).map(|nth| event(number + nth, service, ms(nth))).collect()
    };
    let mut events = [of("sso", 1, 100), of("pam", 1_000, 10)].concat();
    environment.load(&events);
    let settings = [("JUMPCLOUD_SERVICES", "all,pam"), ("SWEEP_EVERY", "12h")];
    let function = Function::spawn(&environment, &settings).await;
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
    let late = of("pam", 2_000, 40);
    environment.load(&late);
    let window = audit(now_ms() - 23 * HOUR_MS, now_ms());
    let found = function.run(&window).await;
    let line = only_stream(&found);
    let totals = (&line["counted"], &line["archived"], &line["not_comparable"]);
    assert_eq!(totals, (&json!(150), &json!(110), &Value::Null), "{found}");
    assert_ne!(line["differing"], json!([]), "{found}");
    let repaired = function.run(&window.replace('}', ",\"repair\":true}")).await;
    assert_eq!(only_stream(&repaired)["repair"]["written"], 40, "{repaired}");
    events.extend(late);
    environment.archive().await.assert_holds(&events);
    let clean = function.run(&window).await;
    assert_eq!(only_stream(&clean)["differing"], json!([]), "{clean}");
}

/// JumpCloud's answer does not name every service that `all` returns: nobody claims that the archive is
/// whole.
#[tokio::test(flavor = "multi_thread")]
async fn counts_that_cannot_be_added_up_are_told() {
    let environment = Environment::start().await;
    {
        let behaviours = &mut environment.jumpcloud.world().behaviours;
        (behaviours.all_excludes_pam, behaviours.distinct_max) = (true, 1);
    }
    environment.load(&spread(60));
    environment.load(&[event(1_000, "pam", now_ms() - 5 * HOUR_MS)]);
    let function = Function::spawn(&environment, &[("JUMPCLOUD_SERVICES", "all,pam")]).await;
    let report = function.run("{}").await;
    assert!(only_stream(&report)["not_comparable"].is_string(), "{report}");
    let status = function.run(r#"{"task":"status"}"#).await;
    assert!(only_stream(&status)["not_comparable"].is_string(), "{status}");
    let audit = audit(now_ms() - 23 * HOUR_MS, now_ms());
    let found = function.run(&audit).await;
    let why = only_stream(&found)["not_comparable"].as_str().unwrap_or_default();
    assert!(why.contains("does not list all services"), "{found}");
    // From then on they are compared.
    environment.jumpcloud.world().behaviours.distinct_max = usize::MAX;
    environment.aws.table.set_number(STREAM, "compared_at_ms", now_ms() - 2 * HOUR_MS);
    let report = function.run("{}").await;
    assert_eq!(only_stream(&report)["not_comparable"], Value::Null, "{report}");
    let found = function.run(&audit).await;
    let line = only_stream(&found);
    assert_eq!(
        (&line["not_comparable"], &line["differing"]),
        (&Value::Null, &json!([])),
        "{found}"
    );
}

/// They follow what the plan keeps, and what a stream may read back at most.
#[tokio::test(flavor = "multi_thread")]
async fn days_until_loss_follow_the_plan() {
    let environment = Environment::start().await;
    for (retention, days) in [("15d", 14), ("90d", 89), ("730d", 99)] {
        let function = Function::spawn(&environment, &[("JUMPCLOUD_RETENTION", retention)]).await;
        function.run("{}").await;
        let status = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(only_stream(&status)["days_until_loss"], days, "{retention}: {status}");
        let metric = function.metric("DaysToDataLoss");
        // A lag of less than a second counts in `status` only.
        assert!(metric == Some(days) || metric == Some(days + 1), "{retention}: {metric:?}");
    }
}

/// State that is gone, or that nobody could have written: the stream stops, in every run of a process
/// that lives on, and archives nothing again. Put right, it continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_state_is_not_whole_stops_in_every_run_until_it_is_restored() {
    let beyond = format!("journal/v1/self/{:020}", 3);
    for (prefix, said) in [
        ("index/", "index/v1/self/: it is empty"),
        ("streams/", "streams/v1/self.json"),
        ("", &*beyond),
    ] {
        let environment = Environment::start().await;
        let mut events = series(1, 20, now_ms() - 10 * MINUTE_MS, 1_000);
        environment.load(&events);
        Function::spawn(&environment, &[]).await.run("{}").await;
        let buckets = &environment.aws.buckets;
        let mut kept = Vec::new();
        for key in buckets.keys(STATE) {
            if prefix.is_empty() || !key.starts_with(prefix) {
                continue;
            }
            kept.push((key.clone(), buckets.get(STATE, &key).await));
            buckets.remove(STATE, &key);
        }
        if prefix.is_empty() {
            buckets.put(STATE, &beyond, &[], b"an entry without the one before it").await;
        }
        let new = [event(500, "sso", now_ms() - MINUTE_MS)];
        environment.load(&new);
        let function = Function::spawn(&environment, &[]).await;
        for _ in 0..3 {
            let message = function.fail("{}").await;
            assert!(message.contains(said), "{said}: {message}");
            environment.archive().await.assert_holds(&events);
        }
        let status = function.run(r#"{"task":"status"}"#).await;
        assert_eq!(only_stream(&status)["needs_operator"], true, "{status}");
        for (key, object) in &kept {
            let headers = object.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-"));
            let headers: Vec<_> =
                headers.map(|(name, value)| (name.as_str(), value.as_str())).collect();
            buckets.put(STATE, key, &headers, &object.body).await;
        }
        if prefix.is_empty() {
            buckets.remove(STATE, &beyond);
        }
        events.extend(new);
        for _ in 0..3 {
            assert_eq!(only_stream(&function.run("{}").await)["outcome"], "ok");
            environment.archive().await.assert_holds(&events);
        }
    }
}

/// With the queue no invocation fails; the metric with the alarm tells, and `status`.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stopped_is_counted_whoever_runs_it() {
    let environment = Environment::start().await;
    environment.load(&series(1, 10, now_ms() - 10 * MINUTE_MS, 1_000));
    let other = format!("{:024x}", 7);
    let both = format!("{ORGANIZATION},{other}");
    let organizations = vec![ORGANIZATION.to_owned(), other.clone()];
    let several = Key { organizations, ..Key::single("several", ORGANIZATION) };
    environment.jumpcloud.world().add_key(API_KEY, several);
    let settings = [("JUMPCLOUD_ORG_IDS", &*both), ("WORK_QUEUE_URL", QUEUE_URL)];
    let function = Function::spawn(&environment, &settings).await;
    scheduled(&environment, &function).await;
    assert_eq!(function.metric(NEEDING_OPERATOR), Some(0));
    // Somebody writes where its next entry belongs.
    let seq = environment.aws.table.number(ORGANIZATION, "seq").unwrap();
    let next = format!("journal/v1/{ORGANIZATION}/{:020}", seq + 1);
    environment.aws.buckets.put(STATE, &next, &[], b"not an entry").await;
    for configured in [&both, &other] {
        let settings = [("JUMPCLOUD_ORG_IDS", configured.as_str()), ("WORK_QUEUE_URL", QUEUE_URL)];
        let function = Function::spawn(&environment, &settings).await;
        // What is not configured is looked for once an hour.
        let hour_ago_ms = now_ms() - HOUR_MS;
        environment.aws.table.set_number(".streams", "pass_started_ms", hour_ago_ms);
        for _ in 0..2 {
            scheduled(&environment, &function).await;
        }
        assert_eq!(function.metric(NEEDING_OPERATOR), Some(1), "{configured} collected");
        let status = function.run(r#"{"task":"status"}"#).await;
        let lines = status["streams"].as_array().unwrap();
        let line = lines.iter().find(|line| line["stream"] == ORGANIZATION).unwrap();
        assert_eq!(line["needs_operator"], true, "{status}");
        assert!(line["last_error"].as_str().unwrap().contains(&next), "{status}");
    }
}

/// The same for a past day, which no schedule names.
#[tokio::test(flavor = "multi_thread")]
async fn a_past_day_that_stopped_is_counted() {
    let environment = Environment::start().await;
    environment.load(&series(1, 10, now_ms() - 10 * MINUTE_MS, 1_000));
    let settings = [("JUMPCLOUD_ORG_IDS", ORGANIZATION), ("WORK_QUEUE_URL", QUEUE_URL)];
    let function = Function::spawn(&environment, &settings).await;
    let day_ms = (now_ms() - 3 * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
    let [start, end] = [day_ms, day_ms + DAY_MS].map(rfc3339);
    let backfill = json!({"task": "backfill", "start": start, "end": end}).to_string();
    let lane = function.run(&backfill).await["lanes"][0]["stream"].as_str().unwrap().to_owned();
    // Somebody writes where its first entry belongs.
    let first = format!("journal/v1/{lane}/{:020}", 1);
    environment.aws.buckets.put(STATE, &first, &[], b"not an entry").await;
    for _ in 0..2 {
        scheduled(&environment, &function).await;
    }
    assert_eq!(function.metric(NEEDING_OPERATOR), Some(1), "{}", function.output());
    let status = function.run(r#"{"task":"status"}"#).await;
    let lines = status["streams"].as_array().unwrap();
    let line = lines.iter().find(|line| line["stream"] == lane).unwrap();
    assert_eq!(line["needs_operator"], true, "{status}");
    assert!(line["last_error"].as_str().unwrap().contains(&first), "{status}");
}

/// One scheduled run, and the messages that it sends.
async fn scheduled(environment: &Environment, function: &Function) {
    function.invoke("{}", INVOCATION_LIMIT).await;
    while let Some(messages) = environment.aws.queue.deliver(10) {
        assert_eq!(function.run(&messages).await, json!({"batchItemFailures": []}));
    }
}
