//! Killed, cut off, or paused at any request to AWS; two at once; cursors lost and restored.
//!
//! Holds P1, P2, P4 and P5.

use std::cell::Cell;
use std::time::Duration;

use engine::limits::MINUTE_MS;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::process::{Function, Outcome};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::{Environment, INVOCATION_LIMIT, STREAM, only_stream};
use fixtures::event::{now_ms, series};
use fixtures::fault_proxy::{Fault, Way};

/// Few retries of the SDK's own, so that a lasting fault soon ends the run.
const SETTINGS: [(&str, &str); 2] = [("PAGE_LIMIT", "10"), ("AWS_MAX_ATTEMPTS", "2")];

/// Scenarios at a time: they mostly wait.
const AT_ONCE: usize = 6;

/// One fault for one request, or for every request until the run ends.
const WAYS: [(Way, bool); 8] = [
    (Way::Kill, false),
    (Way::KillAfter, false),
    (Way::Cut, false),
    (Way::CutAfter, false),
    (Way::Answer500, false),
    (Way::Cut, true),
    (Way::CutAfter, true),
    (Way::Answer500, true),
];

/// Events of three services in two hours.
fn early() -> Vec<Vec<u8>> {
    series(1, 14, now_ms() - 90 * MINUTE_MS, 6 * MINUTE_MS)
}

/// Events that appear after the first run: some within the overlap, some at its edge.
fn later() -> Vec<Vec<u8>> {
    series(100, 11, now_ms() - 12 * MINUTE_MS, MINUTE_MS)
}

/// Two runs with news between them while `fault` is armed, then one without it.
///
/// Says how many requests the two runs made and how many the fault met.
async fn survive(fault: Option<Fault>) -> (usize, usize) {
    let environment = Environment::start().await;
    let proxy = &environment.aws.proxy;
    if let Some(fault) = fault {
        proxy.arm(fault);
    }
    let mut events = early();
    environment.load(&events);
    let mut met = interrupted_run(&environment).await;
    events.extend(later());
    environment.load(&events[14..]);
    met += interrupted_run(&environment).await;
    let requests = proxy.count();

    proxy.heal();
    if let Some(seen) = fault.and_then(|fault| proxy.seen().into_iter().nth(fault.at)) {
        println!("{fault:?} meets {met} requests, the first is {seen:?}");
    }
    let report = Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok", "{fault:?}: {report}");
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
    (requests, met)
}

/// One run in a process of its own, which may end in any way; what it met is healed after it.
async fn interrupted_run(environment: &Environment) -> usize {
    let function = Function::spawn(environment, &SETTINGS).await;
    let outcome = function.invoke("{}", INVOCATION_LIMIT).await;
    assert!(!matches!(outcome, Outcome::TimedOut), "{}", function.output());
    drop(function);
    environment.aws.table.expire_leases();
    match environment.aws.proxy.met() {
        0 => 0,
        _ => environment.aws.proxy.heal(),
    }
}

/// Each request fails in another way than the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn every_request_may_fail() {
    let (requests, _) = survive(None).await;
    let fault = |at: usize| {
        let (way, lasting) = WAYS[at % WAYS.len()];
        Some(Fault { at, way, lasting })
    };
    let outcomes = stream::iter(0..).map(|at| survive(fault(at))).buffered(AT_ONCE);
    let points = outcomes.take_while(|(_, met)| std::future::ready(*met > 0)).count().await;
    assert!(points >= requests, "only {points} of {requests} requests were met");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: infra/test crash-points"]
async fn every_request_may_fail_in_every_way() {
    let (requests, _) = survive(None).await;
    for (way, lasting) in WAYS {
        let outcomes =
            stream::iter(0..).map(|at| survive(Some(Fault { at, way, lasting }))).buffered(AT_ONCE);
        let points = outcomes.take_while(|(_, met)| std::future::ready(*met > 0)).count().await;
        println!(
            "{points} points x {way:?} (lasting: {lasting}); {requests} requests of a clean run"
        );
        assert!(points >= requests, "{way:?}: only {points} of {requests} requests were met");
    }
    println!("{} ways", WAYS.len());
}

/// A paused process comes back after another has done its work: it must notice, and lose nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_may_pause_at_every_request_while_another_runs() {
    let outcomes = stream::iter(0..).map(paused_at).buffered(AT_ONCE);
    let points = outcomes.take_while(|held| std::future::ready(*held)).count().await;
    println!("{points} points");
    assert!(points > 10);
}

/// Says whether there was a request to pause at.
async fn paused_at(at: usize) -> bool {
    let environment = Environment::start().await;
    let proxy = &environment.aws.proxy;
    let mut events = early();
    environment.load(&events);
    proxy.arm(Fault { at, way: Way::Hold, lasting: false });
    let paused = Function::spawn(&environment, &SETTINGS).await;
    let mut pausing = Box::pin(paused.invoke("{}", INVOCATION_LIMIT));
    tokio::select! {
        _ = &mut pausing => return false,
        () = proxy.until_held() => {}
    }
    environment.aws.table.expire_leases();
    events.extend(later());
    environment.load(&events[14..]);
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    proxy.release();
    let outcome = pausing.await;
    assert!(
        matches!(outcome, Outcome::Response(_)),
        "paused at {at}: {outcome:?}\n{}",
        paused.output()
    );

    environment.aws.table.expire_leases();
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_is_busy_or_both_finish() {
    for _ in 0..5 {
        let environment = Environment::start().await;
        let mut events = early();
        environment.load(&events);
        let (a, b) = (
            Function::spawn(&environment, &SETTINGS).await,
            Function::spawn(&environment, &SETTINGS).await,
        );
        for news in [Vec::new(), later()] {
            environment.load(&news);
            events.extend(news);
            let (first, second) = tokio::join!(a.run("{}"), b.run("{}"));
            for report in [first, second] {
                let outcome = &only_stream(&report)["outcome"];
                assert!(outcome == "ok" || outcome == "busy", "{report}");
            }
        }
        environment.archive().await.assert_holds(&events);
        environment.assert_disciplined();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_table_is_rebuilt_from_the_journal() {
    let environment = Environment::start().await;
    let mut events = early();
    environment.load(&events);
    let function = Function::spawn(&environment, &SETTINGS).await;
    for _ in 0..3 {
        function.run("{}").await;
        let before = environment.archive().await;
        environment.aws.table.empty();
        let news = series(1_000 * (events.len() + 1), 5, now_ms() - 10 * MINUTE_MS, MINUTE_MS);
        environment.load(&news);
        events.extend(news);
        let report = function.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{report}");
        let after = environment.archive().await;
        after.assert_holds(&events);
        let newest = |archive: &fixtures::archive::Archive| {
            archive.parts.iter().map(|part| (part.name.epoch.clone(), part.name.seq)).max()
        };
        assert!(newest(&after) > newest(&before), "the epoch is the same and the numbers continue");
    }
    environment.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_restored_to_an_older_state_catches_up() {
    let environment = Environment::start().await;
    let mut events = early();
    environment.load(&events);
    let function = Function::spawn(&environment, &SETTINGS).await;
    function.run("{}").await;
    let backup = environment.aws.table.get(STREAM).expect("a cursor");
    for number in [100, 200, 300] {
        let news = series(number, 5, now_ms() - 10 * MINUTE_MS, MINUTE_MS);
        environment.load(&news);
        events.extend(news);
        function.run("{}").await;
    }
    let seq = environment.aws.table.number(STREAM, "seq");
    environment.aws.table.put(&backup);
    environment.aws.table.expire_leases();
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    assert!(environment.aws.table.number(STREAM, "seq") >= seq);
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}

/// Kills a first run at the first request that `picks` says yes to.
async fn killed_at(environment: &Environment, way: Way, picks: impl Fn(&str, &str) -> bool) {
    let rehearsal = Environment::start().await;
    rehearsal.load(&early());
    Function::spawn(&rehearsal, &SETTINGS).await.run("{}").await;
    let seen = rehearsal.aws.proxy.seen();
    let at =
        seen.iter().position(|seen| picks(&seen.operation, &seen.target)).expect("such a request");
    environment.aws.proxy.arm(Fault { at, way, lasting: false });
    let outcome =
        Function::spawn(environment, &SETTINGS).await.invoke("{}", INVOCATION_LIMIT).await;
    assert!(matches!(outcome, Outcome::Died), "{outcome:?}");
    assert_eq!(environment.aws.proxy.heal(), 1);
    environment.aws.table.expire_leases();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decided_batch_survives_the_loss_of_the_table() {
    let environment = Environment::start().await;
    let events = early();
    environment.load(&events);
    let decides = |operation: &str, target: &str| {
        operation == "PutObject" && target.starts_with("state/journal/")
    };
    killed_at(&environment, Way::KillAfter, decides).await;
    assert_eq!(
        environment.archive().await.event_count(),
        0,
        "decided, and nothing of it published"
    );
    environment.aws.table.empty();
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    environment.archive().await.assert_holds(&events);
}

/// Once every slot is written the parts were too: a reader may have taken them away since.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_a_reader_removed_is_not_written_again() {
    let environment = Environment::start().await;
    let events = early();
    environment.load(&events);
    let slots_written = Cell::new(false);
    let advances = |operation: &str, target: &str| {
        slots_written.set(
            slots_written.get() || target.starts_with("state/index/") && operation == "PutObject",
        );
        slots_written.get() && operation == "UpdateItem"
    };
    killed_at(&environment, Way::Kill, advances).await;
    for key in environment.aws.buckets.keys(ARCHIVE) {
        environment.aws.buckets.remove(ARCHIVE, &key);
    }
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    assert_eq!(environment.archive().await.event_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_other_bytes_is_an_alarm() {
    let environment = Environment::start().await;
    environment.load(&early());
    let publishes =
        |operation: &str, target: &str| operation == "PutObject" && target.starts_with("archive/");
    killed_at(&environment, Way::KillAfter, publishes).await;
    let keys = environment.aws.buckets.keys(ARCHIVE);
    let foreign = [("x-amz-meta-sha256", "00")];
    environment.aws.buckets.put(ARCHIVE, &keys[0], &foreign, b"not ours").await;
    let message = Function::spawn(&environment, &SETTINGS).await.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    assert_eq!(environment.aws.buckets.get(ARCHIVE, &keys[0]).await.body, "not ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_stops_the_stream_and_nothing_is_written() {
    let environment = Environment::start().await;
    environment.load(&early());
    Function::spawn(&environment, &SETTINGS).await.run("{}").await;
    let journal =
        environment.aws.buckets.keys(STATE).into_iter().filter(|key| key.starts_with("journal/"));
    let newest = journal.max().expect("a journal entry");
    let entry = environment.aws.buckets.get(STATE, &newest).await.body;
    let mut damaged = entry.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    environment.aws.buckets.put(STATE, &newest, &[], &damaged).await;
    environment.aws.table.empty();
    let created = environment.aws.proxy.created().len();
    let message = Function::spawn(&environment, &SETTINGS).await.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    assert_eq!(environment.aws.proxy.created().len(), created, "{message}");
}

/// SIGKILL at no particular request, many times over one stream.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_again_and_again() {
    let environment = Environment::start().await;
    let events = series(1, 150, now_ms() - 20 * 60 * MINUTE_MS, 7 * MINUTE_MS);
    environment.load(&events);
    for round in 0..25_u64 {
        let function = Function::spawn(&environment, &SETTINGS).await;
        let life = Duration::from_millis(60 + 37 * round);
        let _ = timeout(life, function.invoke("{}", INVOCATION_LIMIT)).await;
        function.kill();
        environment.aws.table.expire_leases();
    }
    let mut outcome = serde_json::Value::Null;
    let function = Function::spawn(&environment, &SETTINGS).await;
    while outcome != "ok" {
        outcome = only_stream(&function.run("{}").await)["outcome"].clone();
        assert!(outcome == "ok" || outcome == "behind", "{outcome}");
    }
    environment.archive().await.assert_holds(&events);
    environment.assert_disciplined();
}
