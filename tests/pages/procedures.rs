//! The procedures of the pages, followed step by step; after those that change a stack, the schedule
//! runs three times, and every event must be in the archive once.

use std::fs;
use std::sync::Arc;

use engine::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::API_KEY;
use fixtures::event::{ORGANIZATION, now_ms, series};
use fixtures::iam::stack::{FORMER_KEY, KEY, SECRET};
use mock::{Generator, Key, MockServer, World};

use crate::account::{STACK, Served};
use crate::commands::Command;
use crate::shell::{CommandResult, Shell};
use crate::table::{Procedure, steps};

/// Runs a step, which must succeed.
#[track_caller]
pub fn follow(
    shell: &Shell,
    step: &Command,
    filled: &[(&str, &str)],
    input: &str,
) -> CommandResult {
    let ended = shell.run(&step.text, filled, input);
    assert_eq!(ended.code, 0, "{}:{}: {}\n{}", step.page, step.line, step.text, ended.text);
    ended
}

/// The demonstration of the README, and the commands at a terminal, in their order.
#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_and_the_commands_at_a_terminal_do_what_the_pages_say() {
    let mut world = World::new(1);
    world.add_key(API_KEY, Key::single("terminal", ORGANIZATION));
    let now_ms = now_ms();
    let range = now_ms - 20 * HOUR_MS..now_ms - HOUR_MS;
    for event in Generator::new(1, ORGANIZATION).events(range, 60).collect::<Vec<_>>() {
        world.load(event.raw, 0).unwrap();
    }
    let mock = MockServer::start(world, Arc::new(fixtures::event::now_ms)).await.unwrap();
    // An audit from yesterday on is of hours that were all collected.
    let shell = Shell::new(vec![
        ("JUMPCLOUD_INSIGHTS_URL".to_owned(), mock.insights_url()),
        ("START_LOOKBACK".to_owned(), "2d".to_owned()),
    ]);
    for step in steps("README.md", Procedure::Terminal) {
        let shown = follow(&shell, &step, &[], "").text;
        assert!(shown.contains("Served 5000 events: 5000 archived once, 0 not."), "{shown}");
        let page = shown.lines().last().unwrap().trim();
        assert!(page.ends_with("audit.html") && fs::metadata(page).unwrap().len() > 0, "{shown}");
    }
    let script: Vec<_> =
        steps("docs/tasks.md", Procedure::Terminal).into_iter().map(|step| step.text).collect();
    // The days of the page, as they lie from today.
    let day = |days: i64| engine::time::date(now_ms - days * DAY_MS).to_string();
    let days = [day(3), day(2), day(1), day(-1)];
    let filled = [
        ("JUMPCLOUD_API_KEY=…", &*format!("JUMPCLOUD_API_KEY={API_KEY}")),
        ("2026-10-01", &*days[0]),
        ("--end 2026-11-01", &*format!("--end {}", days[1])),
        ("2026-11-01", &*days[2]),
        ("2026-11-21", &*days[3]),
    ];
    let ended = shell.run(&script.join("\n"), &filled, "");
    assert_eq!(ended.code, 0, "{script:#?}\n{}", ended.text);
    for told in ["60 new events in ", "Nothing was done. Add --yes", "0 hours differ", "verified: "]
    {
        assert!(ended.text.contains(told), "{told}: {}", ended.text);
    }
}

/// The account after the README's first deployment, with a shell that knows the tools.
pub async fn deployed() -> (Served, Shell) {
    deployed_with("").await
}

/// The same, with further overrides.
pub async fn deployed_with(overrides: &str) -> (Served, Shell) {
    let served = Served::start().await;
    let mut shell = Shell::new(served.variables());
    shell.has_tools();
    let script: Vec<_> =
        steps("README.md", Procedure::Deployment).into_iter().map(|step| step.text).collect();
    let secret = r#"JumpCloudSecretArn="$SECRET""#;
    let filled = [(secret, &*format!("{secret} {overrides}"))];
    let ended = shell.run(&script.join("\n"), &filled, &format!("{API_KEY}\n"));
    assert_eq!(ended.code, 0, "{script:#?}\n{}", ended.text);
    assert!(ended.text.contains("Successfully created"), "{}", ended.text);
    assert!(!ended.text.contains(API_KEY), "the key is shown: {}", ended.text);
    assert!(!shell.folder().join("key.txt").exists(), "the key is left in a file");
    (served, shell)
}

/// Events that the tenant has, each of which must be in the archive once.
#[derive(Default)]
pub struct Events(pub Vec<Vec<u8>>);

impl Events {
    /// Gives the tenant some more, of the last minutes.
    pub fn load(&mut self, served: &Served) {
        let more = series(self.0.len() + 1, 30, now_ms() - 12 * MINUTE_MS, MINUTE_MS / 3);
        self.add(served, more);
    }

    /// Gives the tenant these.
    pub fn add(&mut self, served: &Served, more: Vec<Vec<u8>>) {
        served.account.environment.load(&more);
        self.0.extend(more);
    }

    /// Runs the schedule three times, with new events before each.
    pub async fn collect(&mut self, served: &Served) {
        for _ in 0..3 {
            self.load(served);
            served.account.run_schedule(1).await;
        }
        served.account.environment.archive().await.assert_holds(&self.0);
    }
}

/// The deployment, and every change of it that the pages name, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_deployed_and_changed_as_the_pages_say() {
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    fs::write(
        shell.folder().join("filter.json"),
        "{\"drop\":[{\"event_type\":\n\"ldap_search\"}]}",
    )
    .unwrap();
    for page in ["infra/README.md", "docs/operate.md"] {
        for step in steps(page, Procedure::Deployment) {
            // The key that is taken away is the one given a step before.
            let is_taken_away = step.text.contains("KmsKeyArn=\"\"");
            let old = if is_taken_away { KEY } else { FORMER_KEY };
            let filled = [("<new key>", KEY), ("<old key>", old)];
            follow(&shell, &step, &filled, "");
            events.collect(&served).await;
        }
    }
}

/// The key is rotated: the old one is refused from then on.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_rotated_as_the_page_says() {
    const NEW_KEY: &str = "jca_r0t4tedKEYr0t4tedKEYr0t4tedKEY0002";
    let (served, shell) = deployed().await;
    let mut events = Events::default();
    events.collect(&served).await;
    served.account.environment.jumpcloud.world().rotate_key(API_KEY, NEW_KEY);
    for step in steps("docs/operate.md", Procedure::Rotation) {
        let typed = format!("{NEW_KEY}\n");
        follow(&shell, &step, &[("<SecretArn>", SECRET), ("<stack>", STACK)], &typed);
    }
    assert!(!shell.folder().join("key.txt").exists(), "the key is left in a file");
    events.collect(&served).await;
}

/// The key's administrator may see two organizations, which are discovered.
#[tokio::test(flavor = "multi_thread")]
async fn organizations_are_discovered_as_the_page_says() {
    let (served, shell) = deployed().await;
    for step in steps("docs/organizations.md", Procedure::Deployment) {
        follow(&shell, &step, &[], "");
    }
    Events::default().collect(&served).await;
}

/// What an operator and an auditor ask of a stack that collects.
#[tokio::test(flavor = "multi_thread")]
async fn a_stack_answers_what_the_pages_have_people_ask() {
    // An audit from yesterday on is of hours that were all collected.
    let (served, shell) = deployed_with("StartLookback=2d").await;
    Events::default().collect(&served).await;
    let day = |days: i64| engine::time::date(now_ms() + days * DAY_MS).to_string();
    let days = [day(-1), day(1)];
    let filled = [
        ("<stack>", STACK),
        ("NAME", STACK),
        ("<ArchiveBucketName>", ARCHIVE),
        ("<StateBucketName>", STATE),
        ("--archive-bucket A", "--archive-bucket archive"),
        ("--state-bucket S", "--state-bucket state"),
        ("2026-11-01", &*days[0]),
        ("2026-12-01", &*days[1]),
    ];
    for page in ["docs/runbook.md", "docs/operate.md", "docs/auditor.md"] {
        for step in steps(page, Procedure::Operation) {
            follow(&shell, &step, &filled, "");
        }
    }
    assert!(fs::read_to_string(shell.folder().join("audit.html")).unwrap().contains("self"));
}
