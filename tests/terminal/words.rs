//! What is printed where something is wrong: one message for each fault, and an exit code that says
//! whose it is.

use std::process::Output;

use engine::limits::HOUR_MS;
use engine::ports::Clock as _;
use jumpcloud_collector::clock::SystemClock;

use crate::{API_KEY, argument, collector, load, mock, text, with};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command line cannot be used: two lines say what is wrong and how to do it right.
#[track_caller]
fn assert_unusable(arguments: &[&str], variables: &[(&str, &str)], wrong: &str, right: &str) {
    let output = collector(arguments, variables);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output));
    let lines: Vec<_> = told.lines().collect();
    let [first, second] = lines[..] else { panic!("{arguments:?}: not two lines: {told}") };
    assert!(first.starts_with("collector: ") && first.contains(wrong), "{arguments:?}: {told}");
    assert!(second.starts_with("  ") && second.contains(right), "{arguments:?}: {told}");
}

#[test]
fn a_command_line_that_cannot_be_used_is_told_in_two_lines() {
    let here = tempfile::tempdir().unwrap();
    let here = argument(here.path());
    let day = ["--start", "2026-11-20", "--end", "2026-11-21"];
    let reversed = ["--start", "2026-11-21", "--end", "2026-11-20"];
    let for_long = ["--start", "2026-01-01", "--end", "2026-11-20"];
    let no_time = ["--start", "yesterday", "--end", "2026-11-20"];
    let cases: [(&[&str], &[&str], &str, &str); 23] = [
        (&["fly"], &[], "'fly'", "collector --help"),
        (&["status", "--to", here, "--jsn"], &[], "'--jsn'", "'--json'"),
        (&["status"], &[], "--to <DIR>|--stack <NAME>", "collector status --help"),
        (&["status", "--to", here, "--stack", "s"], &[], "cannot be used with", "status --help"),
        (
            &["status", "--to", here, "--region", "eu-west-1"],
            &[],
            "cannot be used with",
            "status --help",
        ),
        (&["status", "--to", "nowhere"], &[], "--to nowhere: the folder does not exist", "collect"),
        (&["verify", "--to", "nowhere"], &[], "--to nowhere: the folder does not exist", "collect"),
        (&["verify", "--archive-bucket", "a"], &[], "--state-bucket", "verify --help"),
        (&["verify"], &[], "--archive-bucket", "verify --help"),
        (&["collect", "--to", here], &[], "no API key", "--key-file"),
        (&["collect", "--to", here, "--key-file", "nowhere"], &[], "--key-file nowhere", "key"),
        (&["validate", "--to", here], &[], "no API key", "JUMPCLOUD_API_KEY"),
        (&["audit", "--to", "nowhere"], &day, "--to nowhere: the folder does not exist", "collect"),
        (&["audit", "--to", here], &day, "no API key", "JUMPCLOUD_API_KEY"),
        (&["audit", "--to", here], &reversed, "is not before --end", "not part of the range"),
        (&["audit", "--stack", "s"], &reversed, "is not before --end", "not part of the range"),
        (&["audit", "--to", here], &no_time, "'yesterday'", "--help of the command"),
        (&["audit", "--to", here], &day[..2], "--end <TIME>", "audit --help"),
        (&["backfill", "--to", here], &reversed, "is not before --end", "not part of the range"),
        (&["backfill", "--stack", "s"], &for_long, "323 days", "--end 2026-04-11"),
        (&["backfill", "--to", here, "--org", "acme"], &day, "'acme'", "--help of the command"),
        (&["demo", "--events", "5"], &[], "'5'", "--help of the command"),
        (&["mock", "--with", "nowhere"], &[], "--with nowhere", "JSON"),
    ];
    for (command, more, wrong, right) in cases {
        assert_unusable(&[command, more].concat(), &[], wrong, right);
    }
    let settings = [("OVERLAP", "soon"), ("PAGE_LIMIT", "0")];
    assert_unusable(&["status", "--to", here], &settings, "OVERLAP", "docs/settings.md");
    assert_unusable(&["status", "--to", here], &settings, "PAGE_LIMIT", "docs/settings.md");
}

/// A folder that was never collected into proves nothing.
#[test]
fn where_nothing_was_collected_nothing_is_verified() {
    let empty = tempfile::tempdir().unwrap();
    let output = collector(&["verify", "--to", argument(empty.path())], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    assert!(told.contains("there is nothing to verify"), "{told}");
    assert!(told.ends_with("not verified: 1 problem\n"), "{told}");
}

/// What it leads to may be anything of the user's.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_a_link_stops_the_run_and_is_not_followed() {
    let (_mock, variables) = mock(1).await;
    let variables = with(&variables, &[("JUMPCLOUD_API_KEY", API_KEY)]);
    for place in ["cursors", ".aside"] {
        let folder = tempfile::tempdir().unwrap();
        let (notes, within) = (folder.path().join("notes"), folder.path().join("to").join(place));
        std::fs::write(&notes, "kept").unwrap();
        std::fs::create_dir_all(&within).unwrap();
        std::os::unix::fs::symlink(&notes, within.join(".lock")).unwrap();
        let to = folder.path().join("to");
        let output = collector(&["collect", "--to", argument(&to)], &variables);
        assert_eq!(output.status.code(), Some(1), "{place}: {}", text(&output));
        assert!(text(&output).contains("is a symbolic link"), "{place}: {}", text(&output));
        assert_eq!(std::fs::read(&notes).unwrap(), b"kept", "{place}");
    }
}

/// What the run itself says is enough: no log line repeats it, unless a log is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_told_once() {
    let (_mock, variables) = mock(1).await;
    let folder = tempfile::tempdir().unwrap();
    let collect = ["collect", "--to", argument(folder.path())];
    let refused = collector(&collect, &with(&variables, &[("JUMPCLOUD_API_KEY", "jca_wrong")]));
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    let lines: Vec<_> = text(&refused).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("self: failed: JumpCloud refuses"), "{lines:#?}");

    let logged = [("JUMPCLOUD_API_KEY", "jca_wrong"), ("LOG_LEVEL", "info")];
    let refused = collector(&collect, &with(&variables, &logged));
    assert!(stderr(&refused).contains("run failed"), "{}", text(&refused));
}

#[test]
fn an_account_without_credentials_is_told_in_a_line() {
    let nothing = [("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_REGION", "us-east-1")];
    let nowhere =
        [("HOME", "nowhere"), ("AWS_CONFIG_FILE", "no"), ("AWS_SHARED_CREDENTIALS_FILE", "no")];
    let variables = [&nothing[..], &nowhere[..]].concat();
    let stack = ["--stack", "audit-trail"];
    let day = ["--start", "2026-11-20", "--end", "2026-11-21"];
    let cases: [(&str, &[&str]); 7] = [
        ("status", &stack),
        ("validate", &stack),
        ("audit", &[&stack[..], &day].concat()),
        ("audit", &[&stack[..], &day, &["--repair"]].concat()),
        ("backfill", &[&stack[..], &day].concat()),
        ("backfill", &[&stack[..], &day, &["--yes"]].concat()),
        ("verify", &["--archive-bucket", "a", "--state-bucket", "s"]),
    ];
    for (command, more) in cases {
        let output = collector(&[&[command], more].concat(), &variables);
        assert_eq!(output.status.code(), Some(1), "{command}: {}", text(&output));
        assert!(output.stdout.is_empty(), "{command}: {}", text(&output));
        assert!(stderr(&output).contains("no AWS credentials"), "{command}: {}", text(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{command}: {}", text(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_is_not_told_as_many() {
    let (_mock, variables) = mock(1).await;
    let folder = tempfile::tempdir().unwrap();
    let key = [("JUMPCLOUD_API_KEY", API_KEY)];
    let collect = ["collect", "--to", argument(folder.path())];
    let one = text(&collector(&collect, &with(&variables, &key)));
    assert!(one.contains("1 new event in 1 object, "), "{one}");
    let none = text(&collector(&collect, &with(&variables, &key)));
    assert!(none.contains("0 new events in 0 objects, "), "{none}");
}

/// A day that was archived before is read again, and the command does not end before.
#[tokio::test(flavor = "multi_thread")]
async fn a_past_day_that_is_asked_for_again_is_read_again() {
    let (mock, mut variables) = mock(1).await;
    variables.extend([
        ("JUMPCLOUD_API_KEY", API_KEY.to_owned()),
        ("LATE_HORIZON", "1m".to_owned()),
        ("OVERLAP", "30s".to_owned()),
        ("SWEEP_EVERY", "30s".to_owned()),
    ]);
    let day_ms = 24 * HOUR_MS;
    let first_ms = SystemClock.now_ms().div_euclid(day_ms) * day_ms - 3 * day_ms;
    load(&mock, first_ms..first_ms + HOUR_MS, 3);
    let folder = tempfile::tempdir().unwrap();
    let date = |ms| engine::time::date(ms).to_string();
    let (start, end) = (date(first_ms), date(first_ms + day_ms));
    let to = argument(folder.path());
    let again = ["backfill", "--to", to, "--start", &start, "--end", &end, "--yes"];
    let run = |command: &[&str]| {
        let output = collector(command, &with(&variables, &[]));
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    let told = run(&again);
    assert!(told.contains("1 of 1 day, 3 of 3 events"), "{told}");
    assert!(run(&["status", "--to", to]).contains("finished"), "{}", run(&["status", "--to", to]));
    load(&mock, first_ms + 2 * HOUR_MS..first_ms + 3 * HOUR_MS, 2);
    run(&again);
    let verified = run(&["verify", "--to", to]);
    let events = verified.lines().find(|line| line.starts_with("events")).unwrap();
    assert!(events.ends_with(" 5"), "three events and two late ones: {verified}");
}
