//! Whose the key is: asked whenever a process meets a secret that it did not know, so that one of
//! another organization never reads for a stream.

use std::borrow::Cow;
use std::sync::Arc;

use super::engine::Engine;
use super::reader::Reader;
use crate::error::RunError;
use crate::limits::DAY_MS;
use crate::page::{Ask, Page, listed_organization};
use crate::ports::{InsightsError, List, ListRequest, Meter, PageRequest};
use crate::stream::{Scope, StreamId, is_object_id};
use crate::time::Window;

/// How JumpCloud is asked whose the key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inquiry {
    /// By a row of events, and else by the list of organizations.
    Events,
    /// By the list alone: no event is pulled.
    List,
    /// Not at all: what the process knows is enough.
    Nobody,
}

impl Engine {
    /// Asks for one row, because every answer of JumpCloud has the time, also a refusal, and the row
    /// tells whose the key is where the request names no organization. If there is no answer at all,
    /// the next query is asked.
    pub(super) async fn ask_one_row(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        deadline_ms: i64,
    ) -> Result<(), RunError> {
        let mut failed = None;
        for query in &self.settings.queries {
            let now_ms = self.clock.now_ms();
            let ask = Ask { window: Window::new(now_ms - DAY_MS, now_ms), limit: 1, token: None };
            let (scope, meter) = (self.scope(stream), Arc::clone(meter));
            let is_own = scope == Scope::Own;
            let request = PageRequest { meter, ..PageRequest::new(scope, query, ask, deadline_ms) };
            let before = self.insights.credential();
            let answer = self.insights.page(request).await.map_err(RunError::from);
            let has_answered = self.insights.clock_skew_ms().is_some();
            match answer {
                Ok(page) if is_own => {
                    self.keep_key(before, &page);
                    return Ok(());
                }
                Ok(_) => return Ok(()),
                Err(RunError::Query(_)) if has_answered => return Ok(()),
                Err(error @ RunError::Query(_)) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Remembers whose the key is, if a row of its own organization names that.
    fn keep_key(&self, before: u64, page: &Page) {
        let credential = self.insights.credential();
        // Before the first request there was none.
        let is_same = before == credential || before == 0;
        if let Some(organization) = named(page).next().filter(|_| is_same) {
            self.organizations().key = Some((credential, Some(organization.into_owned())));
        }
    }

    /// The organization of the key, and the credential it was asked with; `None` where nothing
    /// tells.
    ///
    /// # Errors
    /// [`RunError`] if JumpCloud gives no row of events.
    pub(crate) async fn key_organization(
        &self,
        inquiry: Inquiry,
        meter: &Arc<Meter>,
        deadline_ms: i64,
    ) -> Result<(u64, Option<String>), RunError> {
        let known = || {
            let credential = self.insights.credential();
            self.organizations().key.clone().filter(|(asked_with, _)| *asked_with == credential)
        };
        if let Some(known) = known() {
            return Ok(known);
        }
        if inquiry == Inquiry::Nobody {
            return Ok((self.insights.credential(), None));
        }
        if inquiry == Inquiry::Events {
            self.ask_one_row(&StreamId::own(), meter, deadline_ms).await?;
            if let Some(known) = known() {
                return Ok(known);
            }
        }
        let before = self.insights.credential();
        let listed = self.only_organization(meter, deadline_ms).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the API key's organization cannot be listed");
            None
        });
        let credential = self.insights.credential();
        let is_same = before == credential || before == 0;
        let told = (credential, listed.filter(|_| is_same));
        // Without an answer it is not asked again: each page is looked at.
        if inquiry == Inquiry::Events || told.1.is_some() {
            self.organizations().key = Some(told.clone());
        }
        Ok(told)
    }

    /// The one organization of the console's list, if it has exactly one.
    async fn only_organization(
        &self,
        meter: &Arc<Meter>,
        deadline_ms: i64,
    ) -> Result<Option<String>, InsightsError> {
        let now_ms = self.clock.now_ms();
        // A list that takes ever longer leaves the events their time.
        let deadline_ms = now_ms + (deadline_ms - now_ms).max(0) / 4;
        let (list, meter) = (List::Organizations, Arc::clone(meter));
        let page = self.console.list(ListRequest { list, skip: 0, deadline_ms, meter }).await?;
        let row = page.rows.rows().first().filter(|_| page.total == 1);
        Ok(row.and_then(|row| listed_organization(page.rows.bytes(row)).ok()))
    }

    /// Makes sure that the key reads for `stream` what is the stream's. Returns the credential for
    /// which that holds.
    ///
    /// # Errors
    /// [`RunError::Refused`] if the key is another organization's.
    pub(crate) async fn confirm_organization(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        deadline_ms: i64,
    ) -> Result<u64, RunError> {
        let is_named = self.settings.names_organizations;
        if is_named || matches!(stream.scope(), Scope::Provider(_)) {
            if is_named
                && stream.scope() == Scope::Own
                && self.organization(stream).await?.is_none()
            {
                let text = format!("no organization that is configured is known to be {stream}'s");
                return Err(RunError::transient(text));
            }
            return Ok(self.insights.credential());
        }
        let (credential, key) = self.key_organization(Inquiry::Events, meter, deadline_ms).await?;
        let Some(key) = key else { return Ok(credential) };
        match self.organization(stream).await? {
            Some(organization) if organization != key => {
                return Err(self.refuse_key(stream, &organization, &key));
            }
            Some(_) => {}
            None => self.assign_to_own(&key).await?,
        }
        Ok(credential)
    }

    /// The key was replaced by one of another organization. It is asked again by the next run, which
    /// may find that it was put back.
    pub(crate) fn refuse_key(&self, stream: &StreamId, organization: &str, key: &str) -> RunError {
        self.organizations().key = None;
        RunError::refused(format!(
            "the API key is of organization {key}, and {stream} collects organization \
             {organization}: put back a key of that one, or set JUMPCLOUD_ORG_IDS to {key}"
        ))
    }
}

impl Reader<'_> {
    /// Makes sure that the key is of the stream's organization, once a run and for each secret that
    /// comes in its course.
    pub(super) async fn confirm_organization(&mut self) -> Result<(), RunError> {
        if self.confirmed == Some(self.engine.insights.credential()) {
            return Ok(());
        }
        let deadline_ms = self.budget.read_until_ms(self.batch.bytes());
        let confirmed =
            self.engine.confirm_organization(self.stream, &self.meter, deadline_ms).await?;
        self.confirmed = Some(confirmed);
        Ok(())
    }

    /// Makes sure that a page may be taken: where the request named no organization, no row of it
    /// may name another one than the stream's, or its query is refused.
    pub(super) async fn confirm_page(&mut self, page: &Page) -> Result<(), RunError> {
        let engine = self.engine;
        self.confirm_organization().await?;
        if engine.scope(self.stream) != Scope::Own {
            return Ok(());
        }
        let mut organization = engine.organization(self.stream).await?;
        for name in named(page) {
            match &organization {
                None => {
                    let told = Some(name.into_owned());
                    engine.organizations().key =
                        self.confirmed.map(|credential| (credential, told.clone()));
                    engine.assign_to_own(told.as_deref().unwrap_or_default()).await?;
                    organization = told;
                }
                Some(own) if *own == name => {}
                Some(own) => {
                    engine.organizations().key = None;
                    return Err(RunError::refused_query(format!(
                        "JumpCloud sends an event of organization {name}, and {} collects \
                         organization {own}: nothing of this page was taken",
                        self.stream
                    )));
                }
            }
        }
        Ok(())
    }
}

/// The organizations that rows name. What has not the form of an id names none.
fn named(page: &Page) -> impl Iterator<Item = Cow<'_, str>> {
    let names = page.rows().iter().filter_map(|row| page.names(row).organization);
    let ids = names.filter_map(|name| match name {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    });
    ids.filter(|id| is_object_id(id))
}
