//! One organization, one stream: which stream collects an organization, and whose events a stream
//! asks for.
//!
//! An organization is assigned to a stream once and for ever, by a create-only object. It is
//! created before the birth of the organization's own stream, and by `self` before its first entry
//! that holds events of a named organization; whoever loses the race reads the winner's. `self`
//! collects one organization: a create-only object, which comes first, names it, and the item of
//! `self` repeats it.

use super::engine::Engine;
use crate::cause::Cause;
use crate::cursor::{Condition, Update, Value, attribute, text};
use crate::error::RunError;
use crate::journal::assignment::{Assignment, OWN_KEY, assignment_key};
use crate::journal::index_prefix;
use crate::ports::StoreError;
use crate::stream::{Scope, StreamId};

impl Engine {
    /// Whose events are asked for. Whether the organization is named comes from the configuration,
    /// which one it is from the stream.
    pub(crate) fn scope(&self, stream: &StreamId) -> Scope {
        match stream.scope() {
            Scope::Own | Scope::Organization(_) if !self.settings.names_organizations => Scope::Own,
            Scope::Own => self.organizations().own.clone().map_or(Scope::Own, Scope::Organization),
            scope => scope,
        }
    }

    /// The organization that a stream collects; `None` for a provider's own trail, and for `self`
    /// before an event has named one.
    ///
    /// # Errors
    /// [`StoreError`] if the item of `self` cannot be read.
    pub(crate) async fn organization(
        &self,
        stream: &StreamId,
    ) -> Result<Option<String>, StoreError> {
        match stream.scope() {
            Scope::Organization(id) => return Ok(Some(id)),
            Scope::Provider(_) => return Ok(None),
            Scope::Own => {}
        }
        let known = self.organizations().own.clone();
        if known.is_some() {
            return Ok(known);
        }
        let item = self.cursors.get(&stream.live()).await?.unwrap_or_default();
        let own = text(&item, attribute::ORGANIZATION).ok().map(str::to_owned);
        self.organizations().own.clone_from(&own);
        Ok(own)
    }

    /// Whether this process knows the stream that collects what is configured as `stream`.
    pub(crate) fn is_assigned(&self, stream: &StreamId) -> bool {
        match stream.scope() {
            Scope::Organization(id) => self.organizations().assigned.contains_key(&id),
            Scope::Own | Scope::Provider(_) => true,
        }
    }

    /// The stream that collects `organization`; `None` if none was ever assigned. `has_cursor`: the
    /// organization's own stream has one, so it is that.
    ///
    /// # Errors
    /// [`RunError`] if that cannot be read.
    pub(crate) async fn assigned(
        &self,
        organization: &str,
        has_cursor: bool,
    ) -> Result<Option<StreamId>, RunError> {
        if let Some(stream) = self.organizations().assigned.get(organization) {
            return Ok(Some(stream.clone()));
        }
        let found = match StreamId::of_organization(organization).filter(|_| has_cursor) {
            Some(stream) => Some(stream),
            None => self.read_assignment(organization).await?,
        };
        if let Some(stream) = &found {
            self.keep_assigned(organization, stream).await?;
        }
        Ok(found)
    }

    /// Assigns `organization` to `stream` unless it is assigned already. Returns the stream that it
    /// is assigned to.
    ///
    /// # Errors
    /// [`RunError`] if it cannot be told.
    pub(super) async fn assign(
        &self,
        organization: &str,
        stream: &StreamId,
    ) -> Result<StreamId, RunError> {
        let (key, assignment) =
            (assignment_key(organization), Assignment::new(organization, stream));
        let bytes = self.create_or_get(&key, assignment.encode()).await?;
        let winner = Assignment::of(organization, &bytes)
            .map_err(|error| RunError::of_assignment(&key, error))?
            .stream;
        self.keep_assigned(organization, &winner).await?;
        Ok(winner)
    }

    /// Assigns `organization`, which an event or the key names, to `self`, whose organization is
    /// not known yet.
    ///
    /// # Errors
    /// [`RunError::Transient`] if another stream collects it, which the next run does;
    /// [`RunError::Refused`] if `self` has decided events by then, or collects another organization
    /// and its item, which said so, was lost.
    pub(super) async fn assign_to_own(&self, organization: &str) -> Result<(), RunError> {
        let own = StreamId::own();
        let bytes =
            self.create_or_get(OWN_KEY, Assignment::new(organization, &own).encode()).await?;
        let collected = own_collected(&bytes)?;
        if collected != organization {
            return Err(self.refuse_key(&own, &collected, organization));
        }
        let winner = self.assign(organization, &own).await?;
        match winner == own {
            true => Ok(()),
            false if self.has_decided(&own).await? => Err(RunError::refused(format!(
                "organization {organization} is collected by the stream {winner}, and {own} has \
                 archived events before any named their organization: set JUMPCLOUD_ORG_IDS to \
                 {organization}"
            ))),
            false => Err(RunError::transient(format!(
                "organization {organization} is collected by the stream {winner}: nothing was \
                 taken, and the next run reads there"
            ))),
        }
    }

    /// Whether any event of the stream was decided, and not before the index expires.
    async fn has_decided(&self, stream: &StreamId) -> Result<bool, StoreError> {
        let bucket = &self.settings.state_bucket;
        Ok(!self.objects.list(bucket, &index_prefix(stream), "", 1).await?.is_empty())
    }

    /// Whether `self`, whose item names no organization, gives way to the stream of `organization`,
    /// the key's own: it has decided nothing, or nothing that the index still has, and it is not known
    /// to collect another one, which its item may have said before it was lost.
    ///
    /// # Errors
    /// [`RunError`] if the state bucket cannot be read.
    pub(crate) async fn own_gives_way(&self, organization: &str) -> Result<bool, RunError> {
        if self.has_decided(&StreamId::own()).await? {
            return Ok(false);
        }
        let bytes = self.objects.get(&self.settings.state_bucket, OWN_KEY).await?;
        let collected = bytes.map(|bytes| own_collected(&bytes)).transpose()?;
        Ok(collected.is_none_or(|collected| collected == organization))
    }

    /// Whether no organization's stream was ever created beside `self`. A process that has found so
    /// does not ask again: who collects an organization is decided when a stream is born, and before
    /// `self` archives the first event that names one.
    ///
    /// # Errors
    /// [`StoreError`] if the state bucket cannot be listed.
    pub(crate) async fn is_own_alone(&self) -> Result<bool, StoreError> {
        if !self.organizations().is_alone {
            let is_alone = self.other_organization().await?.is_none();
            self.organizations().is_alone = is_alone;
        }
        Ok(self.organizations().is_alone)
    }

    async fn read_assignment(&self, organization: &str) -> Result<Option<StreamId>, RunError> {
        let key = assignment_key(organization);
        let bytes = self.objects.get(&self.settings.state_bucket, &key).await?;
        let found = bytes.map(|bytes| Assignment::of(organization, &bytes)).transpose();
        let found = found.map_err(|error| RunError::of_assignment(&key, error))?;
        Ok(found.map(|assignment| assignment.stream))
    }

    /// Remembers an assignment; one to `self` also in its item, where a run finds it.
    async fn keep_assigned(&self, organization: &str, stream: &StreamId) -> Result<(), RunError> {
        if *stream == StreamId::own() {
            let name = attribute::ORGANIZATION;
            let update = Update {
                conditions: vec![Condition::Absent(name)],
                set: vec![(name, Value::S(organization.to_owned()))],
                ..Update::default()
            };
            if self.organization(stream).await?.is_none() {
                self.cursors.update(stream, &update).await?;
            }
            let Some(own) = self.organization(stream).await? else {
                let lost = format!("the cursor of {stream} was lost a moment ago");
                return Err(RunError::transient(lost));
            };
            if own != organization {
                let key = assignment_key(organization);
                let what = format!("it names {stream}, which collects organization {own}");
                return Err(RunError::damaged(&key, Cause::from(what)));
            }
        }
        self.organizations().assigned.insert(organization.to_owned(), stream.clone());
        Ok(())
    }
}

/// The organization that [`OWN_KEY`] names.
fn own_collected(bytes: &[u8]) -> Result<String, RunError> {
    let own = Assignment::of_own(bytes).map_err(|error| RunError::of_assignment(OWN_KEY, error))?;
    Ok(own.organization)
}
