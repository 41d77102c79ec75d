//! What a command asks: the engine on a folder, or the function of a deployed stack.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use engine::fleet::discover::OrganizationSource;
use engine::fleet::dispatch::Fleet;
use engine::task::backfill::Backfill;
use engine::task::status::Status;
use engine::task::{Task, audit, backfill, status, validate};
use jumpcloud_collector::config::Terminal;
use jumpcloud_collector::local::KeySource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::Stack;
use crate::folder::{self, budget};
use crate::show;

/// Where the archive is.
#[derive(Args)]
#[command(group(ArgGroup::new("target").required(true).args(["to", "stack"])))]
pub(crate) struct TargetArgs {
    /// Folder that `collector collect --to` writes to
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Deployed stack, whose function is asked; credentials are found as by the AWS CLI
    #[arg(long, value_name = "NAME", conflicts_with = "key_file")]
    stack: Option<String>,
    /// Profile of the AWS configuration files, with --stack [default: AWS_PROFILE, or `default`]
    #[arg(long, value_name = "NAME", requires = "stack", conflicts_with = "to")]
    profile: Option<String>,
    /// AWS Region, with --stack [default: AWS_REGION, or the profile's]
    #[arg(long, value_name = "REGION", requires = "stack", conflicts_with = "to")]
    region: Option<String>,
    #[command(flatten)]
    key: folder::KeyFile,
    /// Print the answer as JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a command needs of a folder before it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// That it is there; and an API key only to find out which organizations there are.
    Archive,
    /// An API key.
    Key,
    /// Both.
    ArchiveAndKey,
}

/// What is asked.
pub(crate) enum Target {
    /// The engine in this process.
    Folder(Box<Fleet>),
    /// The function of a stack.
    Stack(Stack),
}

/// An answer, as it came, page by page, and all of it in its type.
pub(crate) struct Answer<T> {
    raw: Vec<Value>,
    pub(crate) of: T,
}

/// An answer that may have more pages.
pub(crate) trait Paged {
    /// What to give as `after` for the next page; `None` if this is the last one.
    fn next(&self) -> Option<String>;

    /// Adds what the next page has.
    fn add(&mut self, page: Self);
}

impl Paged for Status {
    fn next(&self) -> Option<String> {
        self.next.clone().map(String::from)
    }

    fn add(&mut self, page: Self) {
        self.streams.extend(page.streams);
        self.next = page.next;
    }
}

impl Paged for Backfill {
    fn next(&self) -> Option<String> {
        self.next.as_ref().map(ToString::to_string)
    }

    fn add(&mut self, page: Self) {
        self.lanes.extend(page.lanes);
        for refused in page.refused {
            if !self.refused.contains(&refused) {
                self.refused.push(refused);
            }
        }
        self.next = page.next;
    }
}

impl<T> Answer<T> {
    /// What to give as `after` for each page of the same event: nothing for the first one.
    pub(crate) fn pages(&self) -> impl Iterator<Item = Option<&str>> {
        let next = self.raw.iter().filter_map(|page| page["next"].as_str()).map(Some);
        std::iter::once(None).chain(next)
    }

    /// Adds what another page has.
    pub(crate) fn add(&mut self, page: Self)
    where
        T: Paged,
    {
        self.raw.extend(page.raw);
        self.of.add(page.of);
    }

    /// Prints the answer as it came, for programs, or `plain` for people.
    pub(crate) fn show(&self, is_json: bool, plain: impl FnOnce(&T)) {
        if is_json {
            self.raw.iter().for_each(show::json);
        } else {
            plain(&self.of);
        }
    }
}

impl TargetArgs {
    /// Finds what to ask.
    pub(crate) async fn target(&self, terminal: &Terminal, needs: Needs) -> anyhow::Result<Target> {
        match (&self.stack, &self.to) {
            (Some(name), _) => {
                let (profile, region) = (self.profile.as_ref(), self.region.as_ref());
                let proxy = terminal.source.proxy.as_ref();
                Ok(Target::Stack(Stack::find(name, profile, region, proxy).await?))
            }
            (None, Some(folder)) => self.folder(folder, terminal, needs),
            (None, None) => anyhow::bail!("neither --to nor --stack was given"),
        }
    }

    fn folder(&self, folder: &Path, terminal: &Terminal, needs: Needs) -> anyhow::Result<Target> {
        if needs != Needs::Key {
            folder::must_exist(folder)?;
        }
        let asks_jumpcloud = needs != Needs::Archive
            || !matches!(terminal.source.organizations, OrganizationSource::Named(_));
        let key = if asks_jumpcloud {
            self.key.source(terminal)?
        } else {
            self.key.source_if_any(terminal)?.unwrap_or(KeySource::None)
        };
        Ok(Target::Folder(Box::new(folder::fleet(folder, key, terminal)?)))
    }
}

impl Target {
    /// The answer to an event.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        event: &Value,
    ) -> anyhow::Result<Answer<T>> {
        let raw = self.answer(event).await?;
        let of = T::deserialize(&raw).context("read the answer")?;
        Ok(Answer { raw: vec![raw], of })
    }

    /// All pages of the answer to an event.
    pub(crate) async fn ask_all<T: DeserializeOwned + Paged>(
        &self,
        mut event: Value,
    ) -> anyhow::Result<Answer<T>> {
        let mut answer = self.ask::<T>(&event).await?;
        while let Some(next) = answer.of.next() {
            event["after"] = next.into();
            answer.add(self.ask::<T>(&event).await?);
        }
        Ok(answer)
    }

    /// The answer to an event, as the function gives it. A folder's lanes are opened and not run.
    async fn answer(&self, event: &Value) -> anyhow::Result<Value> {
        let fleet = match self {
            Self::Folder(fleet) => fleet,
            Self::Stack(stack) => return stack.ask(event).await,
        };
        let Fleet { engine, organizations, .. } = &**fleet;
        let value = match Task::of(event)? {
            Task::Status(request) => {
                let status = status::status(engine, organizations, request, budget());
                serde_json::to_value(status.await?)
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
            task => anyhow::bail!("{task:?} cannot be asked of a folder"),
        };
        Ok(value?)
    }
}
