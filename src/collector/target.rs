//! Whom a command asks: the engine on a folder, or the function of a deployed stack.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use engine::fleet::dispatch::Fleet;
use engine::task::{Task, audit, backfill, status, validate};
use jumpcloud_collector::config::Terminal;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::folder::{self, budget};
use crate::stack::Stack;

/// Where the archive is.
#[derive(Args)]
pub(crate) struct TargetArgs {
    /// The folder that `collect` writes to
    #[arg(long, value_name = "DIR", required_unless_present = "stack")]
    to: Option<PathBuf>,
    /// A deployed stack: its function is asked, with credentials as in other AWS tools
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    stack: Option<String>,
    /// A profile of the AWS configuration files
    #[arg(long, value_name = "NAME", requires = "stack")]
    profile: Option<String>,
    /// The stack's AWS Region
    #[arg(long, value_name = "REGION", requires = "stack")]
    region: Option<String>,
    /// A file that holds the API key or `clientId:clientSecret`, as text, or JSON with `api_key`, or
    /// with `client_id` and `client_secret`
    #[arg(long, value_name = "FILE", conflicts_with = "stack")]
    key_file: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whoever is asked.
pub(crate) enum Target {
    /// The engine in this process.
    Folder(Box<Fleet>),
    /// The function of a stack.
    Stack(Stack),
}

impl TargetArgs {
    /// Finds whom to ask.
    pub(crate) async fn target(&self, terminal: &Terminal) -> anyhow::Result<Target> {
        match (&self.stack, &self.to) {
            (Some(name), _) => {
                let (profile, region) = (self.profile.as_ref(), self.region.as_ref());
                let proxy = terminal.source.proxy.as_ref();
                Ok(Target::Stack(Stack::find(name, profile, region, proxy).await?))
            }
            (None, Some(folder)) => {
                let fleet = folder::fleet(folder, self.key_file.as_ref(), terminal)?;
                Ok(Target::Folder(Box::new(fleet)))
            }
            (None, None) => anyhow::bail!("neither --to nor --stack was given"),
        }
    }
}

impl Target {
    /// The answer to an event, in its type.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, event: &Value) -> anyhow::Result<T> {
        serde_json::from_value(self.answer(event).await?).context("read the answer")
    }

    /// The answer to an event, as the function gives it. A folder's lanes are opened and not run.
    async fn answer(&self, event: &Value) -> anyhow::Result<Value> {
        let fleet = match self {
            Self::Folder(fleet) => fleet,
            Self::Stack(stack) => return stack.ask(event).await,
        };
        let Fleet { engine, organizations, .. } = &**fleet;
        let value = match Task::of(event)? {
            Task::Status => {
                serde_json::to_value(status::status(engine, organizations, budget()).await?)
            }
            Task::Backfill(request) => {
                serde_json::to_value(backfill::open(fleet, &request, budget()).await?)
            }
            Task::Validate => {
                serde_json::to_value(validate::validate(engine, organizations, budget()).await)
            }
            Task::Audit(request) => {
                serde_json::to_value(audit::audit(engine, organizations, request, budget()).await?)
            }
            task => anyhow::bail!("{task:?} has a way of its own"),
        };
        Ok(value?)
    }
}
