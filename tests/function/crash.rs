//! Killed, cut off, or paused at any request to AWS; two at once; cursors lost and restored.

use std::cell::Cell;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use crate::support::aws::{ARCHIVE, STATE};
use crate::support::event::{now_ms, series};
use crate::support::front::{Fault, Way};
use crate::support::function::{Function, Outcome};
use crate::support::stage::{INVOCATION_LIMIT, STREAM, Stage, only_stream};

const MINUTE_MS: i64 = 60_000;

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
    let stage = Stage::start().await;
    let front = &stage.aws.front;
    if let Some(fault) = fault {
        front.arm(fault);
    }
    let mut events = early();
    stage.load(&events);
    let mut met = interrupted_run(&stage).await;
    events.extend(later());
    stage.load(&events[14..]);
    met += interrupted_run(&stage).await;
    let requests = front.count();

    front.heal();
    if let Some(seen) = fault.and_then(|fault| front.seen().into_iter().nth(fault.at)) {
        println!("{fault:?} meets {met} requests, the first is {seen:?}");
    }
    let report = Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    assert_eq!(only_stream(&report)["outcome"], "ok", "{fault:?}: {report}");
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
    (requests, met)
}

/// One run in a process of its own, which may end in any way; what it met is healed after it.
async fn interrupted_run(stage: &Stage) -> usize {
    let function = Function::spawn(stage, &SETTINGS).await;
    let outcome = function.invoke("{}", INVOCATION_LIMIT).await;
    assert!(!matches!(outcome, Outcome::TimedOut), "{}", function.output());
    drop(function);
    stage.aws.table.expire_leases();
    match stage.aws.front.met() {
        0 => 0,
        _ => stage.aws.front.heal(),
    }
}

#[tokio::test(flavor = "multi_thread")]
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
    let stage = Stage::start().await;
    let front = &stage.aws.front;
    let mut events = early();
    stage.load(&events);
    front.arm(Fault { at, way: Way::Hold, lasting: false });
    let paused = Function::spawn(&stage, &SETTINGS).await;
    let mut pausing = Box::pin(paused.invoke("{}", INVOCATION_LIMIT));
    tokio::select! {
        _ = &mut pausing => return false,
        () = front.until_held() => {}
    }
    stage.aws.table.expire_leases();
    events.extend(later());
    stage.load(&events[14..]);
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    front.release();
    let outcome = pausing.await;
    assert!(
        matches!(outcome, Outcome::Response(_)),
        "paused at {at}: {outcome:?}\n{}",
        paused.output()
    );

    stage.aws.table.expire_leases();
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_is_busy_or_both_finish() {
    for _ in 0..5 {
        let stage = Stage::start().await;
        let mut events = early();
        stage.load(&events);
        let (a, b) =
            (Function::spawn(&stage, &SETTINGS).await, Function::spawn(&stage, &SETTINGS).await);
        for news in [Vec::new(), later()] {
            stage.load(&news);
            events.extend(news);
            let (first, second) = tokio::join!(a.run("{}"), b.run("{}"));
            for report in [first, second] {
                let outcome = &only_stream(&report)["outcome"];
                assert!(outcome == "ok" || outcome == "busy", "{report}");
            }
        }
        stage.archive().await.assert_holds(&events);
        stage.assert_disciplined();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_table_is_rebuilt_from_the_journal() {
    let stage = Stage::start().await;
    let mut events = early();
    stage.load(&events);
    let function = Function::spawn(&stage, &SETTINGS).await;
    for _ in 0..3 {
        function.run("{}").await;
        let before = stage.archive().await;
        stage.aws.table.empty();
        let news = series(1_000 * (events.len() + 1), 5, now_ms() - 10 * MINUTE_MS, MINUTE_MS);
        stage.load(&news);
        events.extend(news);
        let report = function.run("{}").await;
        assert_eq!(only_stream(&report)["outcome"], "ok", "{report}");
        let after = stage.archive().await;
        after.assert_holds(&events);
        let newest = |archive: &crate::support::archive::Archive| {
            archive.parts.iter().map(|part| (part.name.epoch.clone(), part.name.seq)).max()
        };
        assert!(newest(&after) > newest(&before), "the epoch stays and the numbers go on");
    }
    stage.assert_disciplined();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_restored_to_an_older_state_catches_up() {
    let stage = Stage::start().await;
    let mut events = early();
    stage.load(&events);
    let function = Function::spawn(&stage, &SETTINGS).await;
    function.run("{}").await;
    let backup = stage.aws.table.get(STREAM).expect("a cursor");
    for number in [100, 200, 300] {
        let news = series(number, 5, now_ms() - 10 * MINUTE_MS, MINUTE_MS);
        stage.load(&news);
        events.extend(news);
        function.run("{}").await;
    }
    let seq = stage.aws.table.number(STREAM, "seq");
    stage.aws.table.put(&backup);
    stage.aws.table.expire_leases();
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    assert!(stage.aws.table.number(STREAM, "seq") >= seq);
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}

/// Kills a first run at the first request that `picks` says yes to.
async fn killed_at(stage: &Stage, way: Way, picks: impl Fn(&str, &str) -> bool) {
    let rehearsal = Stage::start().await;
    rehearsal.load(&early());
    Function::spawn(&rehearsal, &SETTINGS).await.run("{}").await;
    let seen = rehearsal.aws.front.seen();
    let at =
        seen.iter().position(|seen| picks(&seen.operation, &seen.target)).expect("such a request");
    stage.aws.front.arm(Fault { at, way, lasting: false });
    let outcome = Function::spawn(stage, &SETTINGS).await.invoke("{}", INVOCATION_LIMIT).await;
    assert!(matches!(outcome, Outcome::Died), "{outcome:?}");
    assert_eq!(stage.aws.front.heal(), 1);
    stage.aws.table.expire_leases();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decided_batch_survives_the_loss_of_the_table() {
    let stage = Stage::start().await;
    let events = early();
    stage.load(&events);
    let decides = |operation: &str, target: &str| {
        operation == "PutObject" && target.starts_with("state/journal/")
    };
    killed_at(&stage, Way::KillAfter, decides).await;
    assert_eq!(stage.archive().await.len(), 0, "decided, and nothing of it published");
    stage.aws.table.empty();
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    stage.archive().await.assert_holds(&events);
}

/// Once every slot is written the parts were too: a reader may have taken them away since.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_a_reader_removed_is_not_written_again() {
    let stage = Stage::start().await;
    let events = early();
    stage.load(&events);
    let slots_written = Cell::new(false);
    let advances = |operation: &str, target: &str| {
        slots_written.set(
            slots_written.get() || target.starts_with("state/index/") && operation == "PutObject",
        );
        slots_written.get() && operation == "UpdateItem"
    };
    killed_at(&stage, Way::Kill, advances).await;
    for key in stage.aws.buckets.keys(ARCHIVE) {
        stage.aws.buckets.remove(ARCHIVE, &key);
    }
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    assert_eq!(stage.archive().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_with_other_bytes_is_an_alarm() {
    let stage = Stage::start().await;
    stage.load(&early());
    let publishes =
        |operation: &str, target: &str| operation == "PutObject" && target.starts_with("archive/");
    killed_at(&stage, Way::KillAfter, publishes).await;
    let keys = stage.aws.buckets.keys(ARCHIVE);
    let foreign = [("x-amz-meta-sha256", "00")];
    stage.aws.buckets.put(ARCHIVE, &keys[0], &foreign, b"not ours").await;
    let message = Function::spawn(&stage, &SETTINGS).await.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    assert_eq!(stage.aws.buckets.get(ARCHIVE, &keys[0]).await.body, "not ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_stops_the_stream_and_nothing_is_written() {
    let stage = Stage::start().await;
    stage.load(&early());
    Function::spawn(&stage, &SETTINGS).await.run("{}").await;
    let journal =
        stage.aws.buckets.keys(STATE).into_iter().filter(|key| key.starts_with("journal/"));
    let newest = journal.max().expect("a journal entry");
    let entry = stage.aws.buckets.get(STATE, &newest).await.body;
    let mut damaged = entry.to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    stage.aws.buckets.put(STATE, &newest, &[], &damaged).await;
    stage.aws.table.empty();
    let created = stage.aws.front.created().len();
    let message = Function::spawn(&stage, &SETTINGS).await.fail("{}").await;
    assert!(message.contains(STREAM), "{message}");
    assert_eq!(stage.aws.front.created().len(), created, "{message}");
}

/// SIGKILL at no particular request, many times over one stream.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_instant_again_and_again() {
    let stage = Stage::start().await;
    let events = series(1, 150, now_ms() - 20 * 60 * MINUTE_MS, 7 * MINUTE_MS);
    stage.load(&events);
    for round in 0..25_u64 {
        let function = Function::spawn(&stage, &SETTINGS).await;
        let life = Duration::from_millis(60 + 37 * round);
        let _ = timeout(life, function.invoke("{}", INVOCATION_LIMIT)).await;
        function.kill();
        stage.aws.table.expire_leases();
    }
    let mut outcome = serde_json::Value::Null;
    let function = Function::spawn(&stage, &SETTINGS).await;
    while outcome != "ok" {
        outcome = only_stream(&function.run("{}").await)["outcome"].clone();
        assert!(outcome == "ok" || outcome == "behind", "{outcome}");
    }
    stage.archive().await.assert_holds(&events);
    stage.assert_disciplined();
}
