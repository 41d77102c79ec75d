//! What becomes of every command of the pages: which test runs it, or why none can.

use crate::commands::{Command, commands};

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A test of this program runs it, as it is on the page.
    Here(Procedure),
    /// A script runs it, as it is on the page or as a part of what it is for.
    By(&'static str),
    /// It cannot be run where there is no AWS account, no SIEM, or nobody to decide.
    Cannot(&'static str),
}

/// Commands that are run together, in the order of their page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// The demonstration, and collecting into a folder.
    Terminal,
    /// The first deployment, and changes of parameters.
    Deployment,
    /// Another version of the program.
    Versions,
    /// The rotation of the key.
    Rotation,
    /// What an operator and an auditor ask a stack.
    Operation,
}

use Procedure::{Deployment, Operation, Rotation, Terminal, Versions};
use Way::{By, Cannot, Here};

const AWS: &str = "asks services that only an AWS account has";
const CLONE: &str = "changes the repository, which is what is tested";
const CLUSTER: &str = "needs a cluster; infra/check-readers runs the pipelines by an interpreter";
const LONG: &str = "takes many minutes; tests/simulation simulates for a minute in every test run";
const OTHERS_TOOLS: &str = "asks services of others about a release that is published";
const LONG_BUILD: &str = "builds a release twice; run by .github/workflows/release.yml";
const OTHERS: &str = "installs tools of others; infra/check-readers converts the same rules";
const SPARK: &str = "needs Spark";
const DEPLOYED: &str = "run by infra/check-deployment --all, of a stack in an emulator of AWS";
const RELEASED: &str = "run by infra/check-upgrade, of two releases in an emulator of AWS";
const REMOVED: &str =
    "run by infra/check-deployment --all and infra/check-upgrade, in an emulator of AWS";
const READERS: &str = "run by infra/check-readers";
const TESTS: &str = "run by infra/test";
const CHANGED: &str = "run by infra/test for the files that have changed";

/// By page, the beginning of a command and what becomes of it.
const TABLE: &[(&str, &str, Way)] = &[
    ("README.md", "cargo run -p collector --no-default-features -- demo", Here(Terminal)),
    ("README.md", "sha256sum --check", By(RELEASED)),
    ("README.md", "tar xf jumpcloud-collector-", By(RELEASED)),
    ("README.md", "(umask 077 && printf", Here(Deployment)),
    ("README.md", "SECRET=$(aws secretsmanager create-secret", Here(Deployment)),
    ("README.md", "rm key.txt", Here(Deployment)),
    ("README.md", "sam deploy", Here(Deployment)),
    ("README.md", "sam remote invoke", Here(Deployment)),
    ("docs/athena.md", "aws cloudformation deploy", Cannot(AWS)),
    ("docs/athena.md", "SELECT json_extract_scalar(person", By(READERS)),
    ("docs/auditor.md", "collector verify --archive-bucket", Here(Operation)),
    ("docs/auditor.md", "collector audit --stack", Here(Operation)),
    ("docs/auditor.md", "collector status --stack", Here(Operation)),
    ("docs/detections.md", "python3 -m venv sigma", Cannot(OTHERS)),
    ("docs/detections.md", "sigma/bin/sigma convert -t splunk", Cannot(OTHERS)),
    ("docs/detections.md", "sigma/bin/sigma convert -t lucene", Cannot(OTHERS)),
    ("docs/detections.md", "sigma/bin/sigma convert -t esql", Cannot(OTHERS)),
    ("docs/operate.md", "sam list stack-outputs", Here(Operation)),
    ("docs/operate.md", "sha256sum --check", By(RELEASED)),
    ("docs/operate.md", "tar xf jumpcloud-collector-", By(RELEASED)),
    ("docs/operate.md", "sam deploy --parameter-overrides ValidateOnDeploy", Here(Deployment)),
    ("docs/operate.md", "git pull", Here(Versions)),
    ("docs/operate.md", "sam build && sam deploy", Here(Versions)),
    ("docs/operate.md", "aws cloudformation continue-update-rollback", By(DEPLOYED)),
    ("docs/operate.md", "cd <folder of the previous release> && sam deploy", By(RELEASED)),
    ("docs/operate.md", "git checkout", Here(Versions)),
    ("docs/operate.md", "(umask 077 && printf", Here(Rotation)),
    ("docs/operate.md", "aws secretsmanager put-secret-value", Here(Rotation)),
    ("docs/operate.md", "rm key.txt", Here(Rotation)),
    ("docs/operate.md", "sam remote invoke", Here(Rotation)),
    ("docs/operate.md", "sam deploy --parameter-overrides KmsKeyArn=", Here(Deployment)),
    ("docs/operate.md", "sam deploy --parameter-overrides 'KmsKeyArn=", Here(Deployment)),
    ("docs/operate.md", "sam delete", By(REMOVED)),
    ("docs/operate.md", "aws secretsmanager delete-secret", By(RELEASED)),
    ("docs/organizations.md", "sam deploy", Here(Deployment)),
    ("docs/release.md", "cargo audit bin", Cannot(OTHERS_TOOLS)),
    ("docs/release.md", "gh attestation verify", Cannot(OTHERS_TOOLS)),
    ("docs/release.md", "infra/release --verify", Cannot(LONG_BUILD)),
    ("docs/release.md", "infra/set-version", By(RELEASED)),
    ("docs/release.md", "git ", Cannot(CLONE)),
    ("docs/runbook.md", "sam list stack-outputs", Here(Operation)),
    ("docs/runbook.md", "sam remote invoke", Here(Operation)),
    ("docs/runbook.md", "sam deploy --stack-name <second>", By(DEPLOYED)),
    ("docs/runbook.md", "aws s3 rm", By(DEPLOYED)),
    ("docs/runbook.md", "aws logs start-query", By(DEPLOYED)),
    ("docs/runbook.md", "aws scheduler get-schedule", By(DEPLOYED)),
    ("docs/runbook.md", "aws sqs receive-message", By(DEPLOYED)),
    ("docs/runbook.md", "aws sqs purge-queue", By(DEPLOYED)),
    ("docs/runbook.md", "aws sqs start-message-move-task", By(DEPLOYED)),
    ("docs/runbook.md", "aws lambda get-function", By(DEPLOYED)),
    ("docs/runbook.md", "aws s3api list-object-versions", By(DEPLOYED)),
    ("docs/runbook.md", "aws s3api delete-object", By(DEPLOYED)),
    ("docs/runbook.md", "collector verify", Here(Operation)),
    ("docs/siem/README.md", "aws s3api head-object", By(DEPLOYED)),
    ("docs/siem/elastic.md", "curl -X PUT", Cannot(CLUSTER)),
    ("docs/siem/opensearch.md", "curl -X PUT", Cannot(CLUSTER)),
    ("docs/siem/sql.md", "SET VARIABLE archive", By(READERS)),
    ("docs/siem/sql.md", "import polars", By(READERS)),
    ("docs/siem/sql.md", "spark.read", Cannot(SPARK)),
    ("docs/tasks.md", "export JUMPCLOUD_API_KEY", Here(Terminal)),
    ("docs/tasks.md", "collector ", Here(Terminal)),
    ("docs/tried.md", "infra/simulate", Cannot(LONG)),
    ("docs/tried.md", "SIM_SEED=42 cargo test", By(TESTS)),
    ("docs/tried.md", "SIM_FILE=seed-822.txt cargo test", By(TESTS)),
    ("docs/tried.md", "infra/mutants", By(CHANGED)),
    ("infra/README.md", "aws cloudformation ", By(RELEASED)),
    ("infra/README.md", "infra/install-tools", Here(Deployment)),
    ("infra/README.md", "export PATH", Here(Deployment)),
    ("infra/README.md", "sam build", Here(Deployment)),
    ("infra/README.md", "sam deploy --parameter-overrides", Here(Deployment)),
];

/// What the table says of a command.
pub fn rows(command: &Command) -> Vec<&'static (&'static str, &'static str, Way)> {
    let is_of = |(page, quote, _): &&(&str, &str, Way)| {
        command.page == *page && command.text.starts_with(quote)
    };
    TABLE.iter().filter(is_of).collect()
}

/// The commands of a procedure that are on this page, in its order.
pub fn steps(page: &str, procedure: Procedure) -> Vec<Command> {
    let is_step = |command: &Command| {
        command.page == page && rows(command).iter().any(|(.., way)| *way == Here(procedure))
    };
    let steps: Vec<_> = commands().into_iter().filter(is_step).collect();
    assert!(!steps.is_empty(), "{page} has no step of {procedure:?}");
    steps
}

/// Every command of the pages is run by a test, or listed with the reason why none can run it.
#[test]
fn every_command_is_run_or_listed() {
    let commands = commands();
    let mut wrong = Vec::new();
    let mut listed: Vec<(&str, String)> = Vec::new();
    for command in &commands {
        let place = format!("{}:{}: {}", command.page, command.line, first_line(&command.text));
        match rows(command)[..] {
            [(.., Here(_))] => {}
            [(.., By(script))] => listed.push((*script, place)),
            [(.., Cannot(reason))] => listed.push((*reason, place)),
            [] => wrong.push(format!("neither run nor listed: {place}")),
            _ => wrong.push(format!("listed more than once: {place}")),
        }
    }
    for row in TABLE {
        let is_there = commands.iter().any(|command| rows(command).contains(&row));
        if !is_there {
            wrong.push(format!("on no page any more: {}: {}", row.0, row.1));
        }
    }
    listed.sort();
    let mut last = "";
    for (reason, place) in &listed {
        if *reason != last {
            println!("\n{reason}:");
        }
        println!("  {place}");
        last = reason;
    }
    let run = commands.len() - listed.len();
    println!("\n{} commands, {run} of them run by these tests", commands.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
