//! The demo: whole, in numbers, and for its owner only.

use crate::{argument, collector, read_by_others, text};

/// How many events the services of an audit's page have in all hours, of those that `what` names.
fn sum_of(page: &str, what: &str) -> i64 {
    let data = page.split_once("type=\"application/json\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let services = data["streams"][0]["hours"]["services"].as_array().unwrap().iter();
    let hours = services.flat_map(|service| service[what].as_array().unwrap());
    hours.map(|count| count.as_i64().unwrap()).sum()
}

/// How many late events the demo says there are.
fn late_events(shown: &str) -> i64 {
    let line = shown.lines().find_map(|line| line.strip_prefix("Now ")).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_demo_shows_every_event_archived_once() {
    let folder = tempfile::tempdir().unwrap();
    let output = collector(&["demo", "--events", "600", "--to", argument(folder.path())], &[]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("Served 600 events: 600 archived once, 0 not."),
        "{}",
        text(&output)
    );
    assert!(text(&output).contains("self.users: 600 of 600 users"), "{}", text(&output));
    assert!(text(&output).contains(", complete"), "{}", text(&output));
    let page = std::fs::read_to_string(folder.path().join("audit.html")).unwrap();
    assert_eq!(sum_of(&page, "archived"), 600, "{}", text(&output));
    let late = late_events(&text(&output));
    assert!(late > 0 && sum_of(&page, "late") == late, "{late} late: {}", text(&output));
    let open = read_by_others(folder.path());
    assert!(open.is_empty(), "{open:?}");
    let verdict = collector(&["verify", "--to", argument(folder.path())], &[]);
    assert!(verdict.status.success(), "with snapshots of users: {}", text(&verdict));
    // Of a day that is always to come: what is older than the first snapshot may have expired.
    let records = folder.path().join("archive/snapshots");
    std::fs::write(records.join("self.users-2999-12-31.complete.json"), "{}").unwrap();
    let verdict = collector(&["verify", "--to", argument(folder.path())], &[]);
    assert!(text(&verdict).contains("it is in no entry"), "{}", text(&verdict));
    let again = collector(&["demo", "--to", argument(folder.path())], &[]);
    assert_eq!(again.status.code(), Some(2), "a folder in use is left alone: {}", text(&again));
}

/// Also where others may write beside it.
#[test]
fn a_demo_for_a_look_is_read_by_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let output = collector(&["demo", "--events", "100"], &[("TMPDIR", argument(folder.path()))]);
    assert!(output.status.success(), "{}", text(&output));
    let items: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap()).collect();
    let [demo] = items.as_slice() else { panic!("{items:?}") };
    assert!(demo.path().join("audit.html").is_file());
    let open = read_by_others(folder.path());
    assert!(open.is_empty(), "{open:?}");
}
