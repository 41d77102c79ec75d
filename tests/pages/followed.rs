//! Which test follows each procedure of the pages, and what it does where only a person or AWS can act.
//!
//! A procedure is a section that has commands or numbered steps, a section of the runbook, which every
//! alarm names, or a section of the page on operation.

use std::collections::BTreeMap;
use std::fs;

use regex_lite::Regex;

use crate::commands::{commands_of, pages, root};

const PAGES: &str = "tests/pages/procedures.rs";
const OPERATION: &str = "tests/pages/operation.rs";
const EMULATOR: &str = "infra/deployment/procedures.py";
const CHANGES: &str = "infra/deployment/changes.py";
const FAILURES: &str = "infra/deployment/failures.py";
const CALLS: &str = "infra/deployment/pages.py";
const READERS: &str = "infra/readers/pages.py";
const RELEASES: &str = "infra/check_upgrade.py";
const SITUATIONS: &str = "tests/pages/situations.rs";

const RUNBOOK: &str = "docs/runbook.md";
const OPERATE: &str = "docs/operate.md";

/// The file and the name of a test.
type Test = (&'static str, &'static str);

const STACK_IS_CHANGED: Test = (PAGES, "a_stack_is_deployed_and_changed_as_the_pages_say");
const AT_A_TERMINAL: Test =
    (PAGES, "the_demonstration_and_the_commands_at_a_terminal_do_what_the_pages_say");
const STACK_IS_ASKED: Test = (PAGES, "a_stack_answers_what_the_pages_have_people_ask");
const PARAMETERS: Test = (OPERATION, "parameters_are_changed_as_the_runbook_says");
const CALLS_OF_AWS: Test = (CALLS, "follow");
const ROTATED: Test = (PAGES, "the_key_is_rotated_as_the_page_says");

/// By page and heading (empty: what comes before the first one), the tests that follow it.
const FOLLOWED: &[(&str, &str, &[Test])] = &[
    ("README.md", "Try it", &[AT_A_TERMINAL]),
    ("README.md", "Deploy", &[STACK_IS_CHANGED, (RELEASES, "check")]),
    ("docs/auditor.md", "Check it", &[STACK_IS_ASKED]),
    (OPERATE, "", &[STACK_IS_ASKED]),
    (
        OPERATE,
        "Upgrade",
        &[
            (OPERATION, "versions_are_changed_as_the_page_says"),
            (CHANGES, "upgraded"),
            (CHANGES, "rollback_failed"),
            (RELEASES, "check"),
        ],
    ),
    (
        OPERATE,
        "Roll back",
        &[
            (OPERATION, "versions_are_changed_as_the_page_says"),
            (CHANGES, "rolled_back"),
            (RELEASES, "check"),
        ],
    ),
    (OPERATE, "Rotate the key", &[ROTATED]),
    (OPERATE, "Pause", &[(EMULATOR, "restored")]),
    (
        OPERATE,
        "Restore",
        &[(EMULATOR, "restored"), (FAILURES, "table_deleted"), (CHANGES, "removed")],
    ),
    (
        OPERATE,
        "Object Lock, key and prefix",
        &[STACK_IS_CHANGED, (FAILURES, "keys"), (FAILURES, "another_prefix")],
    ),
    (
        OPERATE,
        "Remove",
        &[(CHANGES, "removed"), (FAILURES, "nothing_is_left"), (RELEASES, "removed")],
    ),
    (
        OPERATE,
        "From JumpCloud's own serverless app",
        &[(OPERATION, "jumpclouds_own_application_is_replaced_as_the_page_says")],
    ),
    ("docs/organizations.md", "", &[(PAGES, "organizations_are_discovered_as_the_page_says")]),
    (
        "docs/past-days.md",
        "",
        &[(OPERATION, "past_days_of_a_stack_are_archived_as_the_page_says"), AT_A_TERMINAL],
    ),
    (RUNBOOK, "", &[STACK_IS_ASKED, CALLS_OF_AWS]),
    (
        RUNBOOK,
        "Streams stale",
        &[(OPERATION, "a_permission_that_is_missing_is_named_and_put_back_by_a_deployment")],
    ),
    (
        RUNBOOK,
        "Needs an operator",
        &[
            (OPERATION, "no_organization_selected_is_solved_as_the_runbook_says"),
            (SITUATIONS, "a_stream_that_needs_an_operator_is_solved_as_the_runbook_says"),
            (SITUATIONS, "a_lane_that_is_closed_ends_its_alarm_as_the_runbook_says"),
        ],
    ),
    (
        RUNBOOK,
        "Discovery",
        &[(SITUATIONS, "organizations_that_could_not_be_listed_are_found_as_the_runbook_says")],
    ),
    (RUNBOOK, "No run", &[CALLS_OF_AWS]),
    (
        RUNBOOK,
        "Freshness lag",
        &[PARAMETERS, (SITUATIONS, "a_stream_that_is_behind_says_why_as_the_runbook_has_it")],
    ),
    (RUNBOOK, "Errors", &[PARAMETERS]),
    (RUNBOOK, "Throttles", &[PARAMETERS]),
    (RUNBOOK, "Failure queue", &[CALLS_OF_AWS]),
    (RUNBOOK, "Schedule dead letters", &[CALLS_OF_AWS]),
    (RUNBOOK, "Work dead letters", &[CALLS_OF_AWS, PARAMETERS]),
    (RUNBOOK, "SIEM dead letters", &[CALLS_OF_AWS]),
    (RUNBOOK, "Work queue age", &[PARAMETERS]),
    (RUNBOOK, "Reconcile gap", &[(OPERATION, "a_gap_is_repaired_as_the_runbook_says")]),
    (RUNBOOK, "Queries refused", &[(OPERATION, "a_refused_query_is_solved_as_the_runbook_says")]),
    (
        RUNBOOK,
        "Ranges lost",
        &[(SITUATIONS, "ranges_that_are_lost_are_named_where_the_runbook_says")],
    ),
    (RUNBOOK, "Snapshot age", &[PARAMETERS]),
    (RUNBOOK, "Events of others", &[(SITUATIONS, "events_of_others_are_where_the_runbook_says")]),
    (RUNBOOK, "Duration", &[PARAMETERS]),
    (
        RUNBOOK,
        "Upstream auth",
        &[(OPERATION, "no_organization_selected_is_solved_as_the_runbook_says"), ROTATED],
    ),
    (RUNBOOK, "Data loss", &[PARAMETERS]),
    (RUNBOOK, "Invocations", &[PARAMETERS, (EMULATOR, "restored")]),
    (
        RUNBOOK,
        "A policy or a key",
        &[(FAILURES, "policy_loosened"), (FAILURES, "keys"), (FAILURES, "another_prefix")],
    ),
    (RUNBOOK, "Damaged state", &[(EMULATOR, "damaged"), (EMULATOR, "restored")]),
    (RUNBOOK, "A second stack", &[(EMULATOR, "second_stack")]),
    ("docs/siem/README.md", "The first object", &[CALLS_OF_AWS]),
    ("docs/siem/sql.md", "", &[(READERS, "for_duckdb"), (READERS, "for_polars")]),
    ("docs/tasks.md", "At a terminal", &[AT_A_TERMINAL]),
    ("docs/tried.md", "A simulated world", &[("tests/simulation/main.rs", "replay")]),
    ("infra/README.md", "Deploy", &[STACK_IS_CHANGED, (RELEASES, "without_sam")]),
    ("infra/README.md", "Parameters", &[STACK_IS_CHANGED]),
    ("docs/athena.md", "", &[(READERS, "for_athena")]),
];

/// Sections with commands or numbers that nobody follows, and why.
const NOT_FOLLOWED: [(&str, &str, &str); 7] = [
    ("README.md", "What is promised", "says what a run does"),
    ("docs/design.md", "The protocol: decide, publish, advance", "says what a run does"),
    ("docs/detections.md", "Convert", "needs tools of others"),
    ("docs/release.md", "Check a release", "asks services of others; the workflow builds twice"),
    ("docs/release.md", "Make a release", "changes the repository, which is what is tested"),
    ("docs/siem/elastic.md", "", "needs a cluster"),
    ("docs/siem/opensearch.md", "", "needs a cluster"),
];

/// Numbered steps without a command, which only a person or AWS can do: the page, words of the step,
/// and what the tests do in their place. `infra/deployment/steps.py` has those that it follows.
const BY_HAND: [(&str, &str, &str); 13] = [
    (
        RUNBOOK,
        "look at the streams with an old `last_success`",
        "the test causes one of the errors",
    ),
    (RUNBOOK, "If `status` fails, its error says why", "the error is read"),
    (RUNBOOK, "If the function is not invoked, see", "leads to other sections"),
    (RUNBOOK, "look for `\"needs_operator\":true`", "the answer is read"),
    (RUNBOOK, "nothing can be done about it", "days pass in the lane's item"),
    (RUNBOOK, "The alarm ends with the stream's next run that succeeds", "the schedule runs"),
    (RUNBOOK, "If no good version is left", "leads to the section about a second stack"),
    (
        OPERATE,
        "Deploy this stack with a `StartLookback`",
        "deployed as in the README, with this override",
    ),
    (OPERATE, "Wait until `events/status.json` shows", "the schedule runs twice"),
    (OPERATE, "Compare one day", "by `audit`; there is no other application's bucket"),
    (OPERATE, "Connect the SIEM to `SiemQueue1`", "the archive is read object by object"),
    (OPERATE, "Delete the other stack's schedule", "nothing: there is no other stack"),
    (OPERATE, "Make a new API key", "the mock of JumpCloud gets the key, and forgets the old one"),
];

/// One section of a page.
struct Section {
    page: String,
    /// Empty before the first heading.
    heading: String,
    /// Of the text's first line, from 1.
    line: usize,
    text: String,
}

fn sections() -> Vec<Section> {
    let mut sections = Vec::new();
    for (page, text) in pages() {
        let mut section =
            Section { page: page.clone(), heading: String::new(), line: 1, text: String::new() };
        let mut is_code = false;
        for (number, line) in (1..).zip(text.lines()) {
            is_code ^= line.trim_start().starts_with("```");
            if let Some(heading) = line.strip_prefix("## ").filter(|_| !is_code) {
                let next = Section {
                    page: page.clone(),
                    heading: heading.to_owned(),
                    line: number + 1,
                    text: String::new(),
                };
                sections.push(std::mem::replace(&mut section, next));
            } else {
                section.text += &format!("{line}\n");
            }
        }
        sections.push(section);
    }
    sections
}

/// The text below a heading, with single spaces for any white space.
pub fn section(page: &str, heading: &str) -> String {
    let found = sections().into_iter().find(|it| it.page == page && it.heading == heading);
    joined(&found.unwrap_or_else(|| panic!("{page} has no section {heading}")).text)
}

fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Section {
    fn is_procedure(&self) -> bool {
        let is_followed_whole = [RUNBOOK, OPERATE, "docs/past-days.md"].contains(&&*self.page);
        is_followed_whole
            || !commands_of(&self.page, &self.text).is_empty()
            || !self.numbered().is_empty()
    }

    /// The numbered steps, each with its line in the page.
    fn numbered(&self) -> Vec<(usize, String)> {
        let number = Regex::new(r"^\d+\. ").unwrap();
        let mut steps: Vec<(usize, String)> = Vec::new();
        let mut is_step = false;
        for (line, text) in (self.line..).zip(self.text.lines()) {
            if number.is_match(text) {
                is_step = true;
                steps.push((line, String::new()));
            }
            is_step &= text.starts_with(' ') || number.is_match(text);
            if let Some((_, step)) = steps.last_mut().filter(|_| is_step) {
                *step += &format!("{text}\n");
            }
        }
        steps
    }

    fn name(&self) -> String {
        format!("{}: {}", self.page, self.heading)
    }
}

/// What `infra/deployment/steps.py` does by hand: the page and words of it.
fn by_hand_in_the_emulator() -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(root().join("infra/deployment/steps.py")).unwrap();
    let row = Regex::new(r#"\n    \((RUNBOOK|OPERATE), "([^"]+)", "[^"]+"\),"#).unwrap();
    let rows: Vec<_> = row
        .captures_iter(&text)
        .map(|row| (if &row[1] == "RUNBOOK" { RUNBOOK } else { OPERATE }, row[2].to_owned()))
        .collect();
    assert!(rows.len() > 10, "{rows:?}");
    rows
}

/// Every step of a section is a command, or one that is done by hand.
fn steps_left(section: &Section, by_hand: &[(&str, String)]) -> Vec<String> {
    let left = section.numbered().into_iter().filter(|(_, step)| {
        let is_by_hand =
            |(page, words): &(&str, String)| section.page == *page && joined(step).contains(words);
        commands_of(&section.page, step).is_empty() && !by_hand.iter().any(is_by_hand)
    });
    left.map(|(line, step)| format!("{}:{line}: {}", section.page, joined(&step))).collect()
}

/// Prints what follows each procedure, and the steps that are done in place of a person or of AWS.
#[test]
fn every_procedure_is_followed_or_listed() {
    let mut wrong = Vec::new();
    let mut tests = BTreeMap::new();
    for (page, heading, by) in FOLLOWED {
        tests.insert(format!("{page}: {heading}"), *by);
        for (file, name) in *by {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            let begins = [format!("fn {name}("), format!("def {name}(")];
            if !begins.iter().any(|begin| text.contains(begin)) {
                wrong.push(format!("{page}: {heading}: {file} has no {name}"));
            }
        }
    }
    let mut by_hand = by_hand_in_the_emulator();
    by_hand.extend(BY_HAND.map(|(page, words, _)| (page, words.to_owned())));
    for section in sections() {
        let name = section.name();
        let is_listed = NOT_FOLLOWED
            .iter()
            .any(|(page, heading, _)| section.page == *page && section.heading == *heading);
        match (tests.remove(&name), section.is_procedure() && !is_listed) {
            (Some(by), true) => {
                wrong.extend(
                    steps_left(&section, &by_hand)
                        .into_iter()
                        .map(|step| format!("no one does {step}")),
                );
                for (file, test) in by {
                    println!(
                        "{}:{}: {}: {file}: {test}",
                        section.page, section.line, section.heading
                    );
                }
            }
            (Some(_), false) => wrong.push(format!("no procedure: {name}")),
            (None, true) => wrong.push(format!("neither followed nor listed: {name}")),
            (None, false) => {}
        }
    }
    wrong.extend(tests.into_keys().map(|name| format!("on no page any more: {name}")));
    for (page, heading, reason) in NOT_FOLLOWED {
        section(page, heading);
        println!("{page}: {heading}: followed by nobody: {reason}");
    }
    for (page, words, instead) in BY_HAND {
        match line_of(page, words) {
            Some(line) => println!("{page}:{line}: by hand: {words}: {instead}"),
            None => wrong.push(format!("{page} does not say any more: {words}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where a page has these words, over whatever white space.
fn line_of(page: &str, words: &str) -> Option<usize> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let words: Vec<_> = words.split(' ').map(regex_lite::escape).collect();
    let found = Regex::new(&words.join(r"\s+")).unwrap().find(&text)?;
    Some(1 + text[..found.start()].matches('\n').count())
}

/// What an alarm tells people to do is a procedure, and what it tells them to invoke is there.
#[test]
fn every_alarm_leads_to_a_procedure_that_is_followed() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let link = Regex::new(r"docs/runbook\.md#([a-z-]+)").unwrap();
    let anchor = |heading: &str| heading.to_lowercase().replace(' ', "-");
    let mut alarms = 0;
    for found in link.captures_iter(&template) {
        let is_followed =
            |(page, heading, _): &(&str, &str, _)| *page == RUNBOOK && anchor(heading) == found[1];
        assert!(FOLLOWED.iter().any(is_followed), "{}", &found[0]);
        alarms += 1;
    }
    assert!(alarms > 15, "{alarms} alarms");
    for event in Regex::new(r"events/[a-z-]+\.json").unwrap().find_iter(&template) {
        assert!(root().join(event.as_str()).exists(), "{}", event.as_str());
    }
}
