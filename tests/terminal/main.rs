//! The built `collector`, as a person at a terminal runs it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may stop at what should not be, and passes its own environment on"
)]

mod aging;
mod demo;
mod flushed;
mod gone;
mod months;
mod plans;
mod proxy;
mod queries;
mod stack;
mod words;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use engine::limits::HOUR_MS;
use engine::ports::Clock as _;
use jumpcloud_collector::clock::SystemClock;
use mock::{Fault, Generator, Key, MockServer, Rule, When, World};

const ORGANIZATION: &str = "0123456789abcdef01234567";
const API_KEY: &str = "jca_c4n4ry";

/// With a umask that takes no permission away: what others may not read is not left to it.
fn collector(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", r#"umask 0; exec "$0" "$@""#, env!("CARGO_BIN_EXE_collector")]);
    let inherited = ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"];
    command.args(arguments).env_clear();
    command.envs(std::env::vars().filter(|(name, _)| inherited.contains(&name.as_str())));
    command.envs(variables.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// A mock with events of the last hours, and the variables that lead to it.
async fn mock(events: usize) -> (MockServer, Vec<(&'static str, String)>) {
    let now_ms = SystemClock.now_ms();
    let mut world = World::new(1);
    world.add_key(API_KEY, Key::single("terminal", ORGANIZATION));
    let mut generator = Generator::new(1, ORGANIZATION);
    let made = generator.events(now_ms - 20 * HOUR_MS..now_ms - 2 * HOUR_MS, events);
    for event in made.collect::<Vec<_>>() {
        world.load(event.raw, 0).unwrap();
    }
    let mock = MockServer::start(world, Arc::new(|| SystemClock.now_ms())).await.unwrap();
    let variables =
        vec![("JUMPCLOUD_INSIGHTS_URL", mock.insights_url()), ("PAGE_LIMIT", "100".to_owned())];
    (mock, variables)
}

fn with<'a>(
    variables: &'a [(&'a str, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(more.iter().copied())
        .collect()
}

/// Gives the mock this many events more, visible at once.
fn load(mock: &MockServer, range: std::ops::Range<i64>, events: usize) {
    let mut generator = Generator::new(range.start.unsigned_abs(), ORGANIZATION);
    for event in generator.events(range, events).collect::<Vec<_>>() {
        mock.world().load(event.raw, 0).unwrap();
    }
}

fn argument(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_collected_once_and_verified() {
    let (_mock, variables) = mock(450).await;
    let folder = tempfile::tempdir().unwrap();
    let to = ["--to", argument(folder.path())];
    let run = |command: &str| {
        let key = [("JUMPCLOUD_API_KEY", API_KEY)];
        let output = collector(&[&[command], &to[..]].concat(), &with(&variables, &key));
        assert!(output.status.success(), "{command}: {}", text(&output));
        assert!(!text(&output).contains(API_KEY), "{command} shows the key");
        text(&output)
    };
    let validated = run("validate");
    let answers = "ok      JumpCloud, self, all: JumpCloud answers: 0 events in the last hour";
    assert!(validated.lines().any(|line| line == answers), "{validated}");
    // Up to the time to which was read.
    let line = |shown: String, mark: &str| {
        let line = shown.lines().find(|line| line.starts_with("self"));
        line.and_then(|line| Some(line.split_once(mark)?.0.to_owned())).ok_or(shown)
    };
    let first = line(run("collect"), ", 0 archived before, 6 pages; read up to ").unwrap();
    assert!(first.starts_with("self: 450 new events in "), "{first}");
    let second = line(run("collect"), "; read up to ").unwrap();
    assert_eq!(second, "self: 0 new events in 0 objects, 0 archived before, 1 page");
    let status = run("status");
    let lines: Vec<Vec<_>> = status.lines().map(|it| it.split_whitespace().collect()).collect();
    let own = lines.iter().find(|words| words.first() == Some(&"self")).unwrap();
    assert!(own.ends_with(&["0", "89", "collected", "-"]), "{status}");
    let verdict = run("verify");
    assert!(verdict.contains("verified: the archive is what the journal says"), "{verdict}");
    let open = read_by_others(folder.path());
    assert!(open.is_empty(), "{open:?}");
}

/// Files and folders below a folder that anybody but their owner may use.
fn read_by_others(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in std::fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(read_by_others(&path));
        }
        if std::fs::metadata(&path).unwrap().permissions().mode() & 0o077 != 0 {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn tampering_is_found_by_verify() {
    let (_mock, variables) = mock(50).await;
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let key = [("JUMPCLOUD_API_KEY", API_KEY)];
    assert!(collector(&["collect", "--to", to], &with(&variables, &key)).status.success());
    let part = first_file(&folder.path().join("archive"));
    let mut bytes = std::fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&part, bytes).unwrap();
    let output = collector(&["verify", "--to", to], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("its SHA-256 is not the one its entry names"),
        "{}",
        text(&output)
    );
    let fake = part.with_file_name("fake.ndjson.gz");
    std::fs::write(&fake, "not an event").unwrap();
    let told = text(&collector(&["verify", "--to", to], &[]));
    assert!(told.contains("/fake.ndjson.gz: it is in no entry"), "{told}");
}

/// Lets an event appear that lies where everything was read; returns its time.
fn load_late(mock: &MockServer) -> i64 {
    let late_ms = SystemClock.now_ms() - 5 * HOUR_MS;
    let late = Generator::new(2, ORGANIZATION).events(late_ms..late_ms + 1, 1).next().unwrap();
    mock.world().load(late.raw, 0).unwrap();
    late_ms
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_came_too_late_and_repairs_it() {
    let (mock, variables) = mock(60).await;
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let variables = with(&variables, &[("JUMPCLOUD_API_KEY", API_KEY), ("SWEEP_EVERY", "12h")]);
    assert!(collector(&["collect", "--to", to], &variables).status.success());
    let late_ms = load_late(&mock);

    let day = |ms| engine::time::rfc3339(ms);
    let (start, end) = (day(late_ms - 10 * HOUR_MS), day(late_ms + 10 * HOUR_MS));
    let audit = ["audit", "--to", to, "--start", &start, "--end", &end];
    let found = collector(&audit, &variables);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    assert!(text(&found).contains("1 hour differs"), "{}", text(&found));
    let repaired = collector(&[&audit[..], &["--repair"]].concat(), &variables);
    assert!(repaired.status.success(), "{}", text(&repaired));
    assert!(text(&repaired).contains("1 new event in"), "{}", text(&repaired));
    assert!(text(&repaired).contains("read again: 0 left"), "{}", text(&repaired));
    assert!(collector(&audit, &variables).status.success());

    // JumpCloud counts three events that it never sends.
    let lies = Rule::new(Fault::CountLies(3), When::Always).on("/interval");
    mock.world().add_fault(lies);
    let repaired = collector(&[&audit[..], &["--repair"]].concat(), &variables);
    assert_eq!(repaired.status.code(), Some(1), "{}", text(&repaired));
    assert!(text(&repaired).contains("read again: 3 left"), "{}", text(&repaired));
    mock.world().clear_faults();

    // Before the stream's beginning, nothing was compared.
    let start = day(late_ms - 40 * HOUR_MS);
    let before = ["audit", "--to", to, "--start", &start, "--end", &end];
    let before = collector(&before, &variables);
    assert_eq!(before.status.code(), Some(1), "{}", text(&before));
    assert!(text(&before).contains("no lane has them whole"), "{}", text(&before));
    assert!(collector(&["verify", "--to", to], &[]).status.success());
}

/// Two queries: what one of them lacks makes the audit fail, and so do counts that JumpCloud does not
/// tell how to add up.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_of_two_queries_is_clean_only_if_their_counts_can_be_added_up() {
    let (mock, mut variables) = mock(60).await;
    mock.world().behaviours.all_excludes_pam = true;
    let settings = [("JUMPCLOUD_API_KEY", API_KEY), ("SWEEP_EVERY", "12h")];
    variables.push(("JUMPCLOUD_SERVICES", "all,pam".to_owned()));
    let variables = with(&variables, &settings);
    let load = |ids: std::ops::Range<i64>| {
        for id in ids {
            let time = engine::time::rfc3339(SystemClock.now_ms() - 5 * HOUR_MS + id);
            let event = format!(
                r#"{{"id":"{id:024x}","service":"pam","organization":"{ORGANIZATION}","timestamp":"{time}"}}"#
            );
            mock.world().load(event, 0).unwrap();
        }
    };
    load(0..10);
    let folder = tempfile::tempdir().unwrap();
    let to = argument(folder.path());
    let collected = collector(&["collect", "--to", to], &variables);
    assert!(text(&collected).contains("70 new events"), "{}", text(&collected));

    let now_ms = SystemClock.now_ms();
    let [start, end] = [now_ms - 22 * HOUR_MS, now_ms].map(engine::time::rfc3339);
    let audit = ["audit", "--to", to, "--start", &start, "--end", &end];
    let run = |more: &[&str]| {
        let output = collector(&[&audit[..], more].concat(), &variables);
        (output.status.code(), text(&output))
    };
    let (code, told) = run(&[]);
    assert!(code == Some(0) && told.contains("JumpCloud counts 70, archived 70"), "{told}");
    load(10..50);
    let (code, told) = run(&[]);
    assert!(code == Some(1) && told.contains("JumpCloud counts 110, archived 70"), "{told}");
    let (code, told) = run(&["--repair"]);
    assert!(code == Some(0) && told.contains("40 new events in"), "{told}");
    assert_eq!(run(&[]).0, Some(0));
    mock.world().behaviours.distinct_max = 0;
    let (code, told) = run(&[]);
    assert!(code == Some(1) && told.contains("the counts are not comparable"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_writes_a_page_that_needs_nothing_else() {
    let (mock, variables) = mock(400).await;
    let folder = tempfile::tempdir().unwrap();
    let (to, file) = (argument(folder.path()), folder.path().join("audit.html"));
    let variables = with(&variables, &[("JUMPCLOUD_API_KEY", API_KEY), ("SWEEP_EVERY", "12h")]);
    assert!(collector(&["collect", "--to", to], &variables).status.success());
    let late_ms = load_late(&mock);
    let day = |ms| engine::time::rfc3339(ms);
    let (start, end) = (day(late_ms - 18 * HOUR_MS), day(late_ms + 10 * HOUR_MS));
    let audit = ["audit", "--to", to, "--start", &start, "--end", &end, "--html", argument(&file)];

    let found = collector(&audit, &variables);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    let (page, before) = page(&file);
    for elsewhere in ["http:", "https:", "src=", "@import", API_KEY] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
    let counted = sum(&before["counted"]);
    assert_eq!(sum(&before["archived"]), counted - 1, "one hour differs");
    assert_eq!(services(&before, "archived"), counted - 1, "every event has a service");
    assert_eq!(services(&before, "late"), 0);

    collector(&[&audit[..], &["--repair"]].concat(), &variables);
    assert!(collector(&audit, &variables).status.success());
    let (_, after) = self::page(&file);
    assert_eq!((services(&after, "archived"), services(&after, "late")), (counted, 1));
}

/// The page, and the hours of its one stream.
fn page(file: &Path) -> (String, serde_json::Value) {
    let page = std::fs::read_to_string(file).unwrap();
    let (_, data) = page.split_once("<script id=\"data\" type=\"application/json\">").unwrap();
    let data: serde_json::Value = serde_json::from_str(data.split_once('<').unwrap().0).unwrap();
    let hours = data["streams"][0]["hours"].clone();
    (page, hours)
}

fn sum(counts: &serde_json::Value) -> i64 {
    counts.as_array().unwrap().iter().map(|count| count.as_i64().unwrap()).sum()
}

fn services(hours: &serde_json::Value, name: &str) -> i64 {
    hours["services"].as_array().unwrap().iter().map(|service| sum(&service[name])).sum()
}

fn first_file(folder: &Path) -> PathBuf {
    let path = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if path.is_dir() { first_file(&path) } else { path }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_be_in_a_file_and_a_wrong_one_is_reported() {
    let (_mock, variables) = mock(10).await;
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, format!("{API_KEY}\n")).unwrap();
    let to = folder.path().join("archive-of-mine");
    let arguments = ["collect", "--to", argument(&to), "--key-file", argument(&key_file)];
    let output = collector(&arguments, &with(&variables, &[]));
    assert!(output.status.success(), "{}", text(&output));
    std::fs::write(&key_file, "jca_wrong").unwrap();
    let output = collector(&arguments, &with(&variables, &[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("refuses the credential"), "{}", text(&output));
}

/// A plan first, then day by day; no event of the live stream is archived twice.
#[tokio::test(flavor = "multi_thread")]
async fn past_days_are_planned_and_archived_into_a_folder() {
    let (mock, mut variables) = mock(60).await;
    variables.push(("JUMPCLOUD_API_KEY", API_KEY.to_owned()));
    let now_ms = SystemClock.now_ms();
    let day_ms = 24 * HOUR_MS;
    let first_ms = now_ms.div_euclid(day_ms) * day_ms - 3 * day_ms;
    load(&mock, first_ms..now_ms - 25 * HOUR_MS, 500);
    let date = |ms| engine::time::date(ms).to_string();
    let (start, end) = (date(first_ms), date(now_ms));
    let folder = tempfile::tempdir().unwrap();
    let to = ["--to", argument(folder.path())];
    let range = ["--start", &start, "--end", &end];
    let backfill = |more: &[&str]| {
        let output =
            collector(&[&["backfill"], &to[..], &range, more].concat(), &with(&variables, &[]));
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert!(backfill(&[]).contains("3 days"), "{}", backfill(&[]));
    assert!(!folder.path().join("archive").exists(), "a plan writes nothing");
    let done = backfill(&["--yes"]);
    assert!(done.contains("3 of 3 days"), "{done}");
    let run = |command: &str| {
        let output = collector(&[&[command], &to[..]].concat(), &with(&variables, &[]));
        assert!(output.status.success(), "{command}: {}", text(&output));
        text(&output)
    };
    run("collect");
    let events = mock.world().event_count();
    let verified = run("verify");
    let counted = verified.lines().find(|line| line.starts_with("events")).unwrap();
    assert!(counted.contains(&events.to_string()), "{events} served: {verified}");
    assert!(run("status").contains("finished"), "{}", run("status"));
}
