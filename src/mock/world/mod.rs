//! The state of the mock. Its answers are made in [`answer`](crate::answer).

pub(crate) mod behaviour;
pub(crate) mod credentials;
pub(crate) mod discipline;
pub(crate) mod fault;
pub(crate) mod organization;
pub(crate) mod request_log;
pub(crate) mod store;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::Request;
use behaviour::Behaviours;
use credentials::{Credentials, Key};
use discipline::Violation;
use fault::{Fault, Rule};
use organization::Organization;
use request_log::Record;
use store::{Envelope, EventStore, LoadError, RowKey, StoredEvent};

/// Events, credentials, organizations, behaviours and faults. Deterministic: the same seed, calls
/// and times give the same answers.
#[derive(Debug)]
pub struct World {
    /// How the mock behaves where the real service is unknown or configurable.
    pub behaviours: Behaviours,
    pub(crate) credentials: Credentials,
    pub(crate) organizations: BTreeMap<String, Organization>,
    pub(crate) random: fastrand::Rng,
    pub(crate) events: EventStore,
    rules: Vec<Rule>,
    pub(crate) log: Vec<Record>,
}

impl World {
    /// An empty world. The seed determines row identifiers, request ids and tokens.
    pub fn new(seed: u64) -> Self {
        Self {
            behaviours: Behaviours::default(),
            credentials: Credentials::default(),
            organizations: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
            events: EventStore::default(),
            rules: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Adds an API key, and those of its organizations that do not exist yet.
    pub fn add_key(&mut self, key: &str, grants: Key) {
        self.add_missing_organizations(&grants);
        self.credentials.add_key(key, grants);
    }

    /// Removes an API key: requests with it are answered with 401 from now on.
    pub fn remove_key(&mut self, key: &str) -> Option<Key> {
        self.credentials.remove_key(key)
    }

    /// Replaces an API key by another that may do the same. Does nothing if there is no such key.
    pub fn rotate_key(&mut self, old: &str, new: &str) {
        if let Some(grants) = self.credentials.remove_key(old) {
            self.credentials.add_key(new, grants);
        }
    }

    /// Adds a service account, or a further secret to one. What it may do is replaced.
    pub fn add_service_account(&mut self, client_id: &str, client_secret: &str, grants: Key) {
        self.add_missing_organizations(&grants);
        self.credentials.add_secret(client_id, client_secret, grants);
    }

    /// Removes one secret of a service account; tokens already issued remain valid.
    pub fn remove_client_secret(&mut self, client_id: &str, client_secret: &str) {
        self.credentials.remove_secret(client_id, client_secret);
    }

    /// Revokes every access token issued so far.
    pub fn revoke_tokens(&mut self) {
        self.credentials.revoke_tokens();
    }

    /// The access tokens issued so far, less those that were revoked.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.credentials.tokens()
    }

    /// Adds or replaces an organization.
    pub fn add_organization(&mut self, organization: Organization) {
        self.organizations.insert(organization.id.clone(), organization);
    }

    /// An organization, to be changed.
    pub fn organization_mut(&mut self, id: &str) -> Option<&mut Organization> {
        self.organizations.get_mut(id)
    }

    /// Removes an organization: requests for it are answered with 404 from now on. Its events
    /// remain, but are not served.
    pub fn remove_organization(&mut self, id: &str) -> Option<Organization> {
        self.organizations.remove(id)
    }

    fn add_missing_organizations(&mut self, grants: &Key) {
        for id in &grants.organizations {
            let new = || Organization::new(id, &format!("Organization {id}"));
            self.organizations.entry(id.clone()).or_insert_with(new);
        }
    }

    /// Loads an event whose bytes have a timestamp (rounded down to the millisecond) and perhaps an
    /// organization, a provider and a service, by which it is served.
    ///
    /// # Errors
    ///
    /// If it is not a JSON object or has no readable timestamp: then use [`World::load_at`].
    pub fn load(&mut self, raw: impl Into<Bytes>, visible_at_ms: i64) -> Result<RowKey, LoadError> {
        let raw = raw.into();
        let envelope = Envelope::read(&raw)?;
        let event = StoredEvent {
            raw,
            organization: self.events.name(&envelope.organization),
            provider: envelope.provider.as_deref().map(|provider| self.events.name(provider)),
            service: self.events.name(&envelope.service),
            visible_at_ms,
            below_ms_ns: envelope.below_ms_ns(),
        };
        Ok(self.events.insert(envelope.sort_ms(), event, &mut self.random))
    }

    /// Loads any bytes with a given time, organization and service, for events whose bytes do not
    /// have them. An empty organization is none; an empty service matches only queries of `all`.
    pub fn load_at(
        &mut self,
        raw: impl Into<Bytes>,
        sort_ms: i64,
        organization: &str,
        service: &str,
        visible_at_ms: i64,
    ) -> RowKey {
        let event = StoredEvent {
            raw: raw.into(),
            organization: self.events.name(organization),
            provider: None,
            service: self.events.name(service),
            visible_at_ms,
            below_ms_ns: 0,
        };
        self.events.insert(sort_ms, event, &mut self.random)
    }

    /// Every event, visible or not, ascending, to compare an archive with.
    pub fn events(&self) -> impl Iterator<Item = (&RowKey, &StoredEvent)> {
        self.events.all()
    }

    /// How many events there are, visible or not.
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Adds a fault. Every rule counts the requests that it matches; of several that are due, the
    /// one added first applies.
    pub fn add_fault(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Removes all faults.
    pub fn clear_faults(&mut self) {
        self.rules.clear();
    }

    /// Every request so far with its answer.
    pub fn log(&self) -> &[Record] {
        &self.log
    }

    /// Requests in the log that should not have been sent.
    pub fn violations(&self) -> Vec<Violation> {
        discipline::violations(&self.log)
    }

    /// Lets every rule count the request; the first that is due gives its fault.
    pub(crate) fn due_fault(&mut self, request: &Request) -> Option<Fault> {
        let mut due = None;
        for rule in &mut self.rules {
            let fault = rule.meets(request);
            due = due.or_else(|| fault.cloned());
        }
        due
    }

    /// Applies the changes that a fault makes to credentials and directories.
    pub(crate) fn change(&mut self, fault: &Fault) {
        match fault {
            Fault::TokensRevoked => self.revoke_tokens(),
            Fault::KeyRotated { old, new } => self.rotate_key(old, new),
            Fault::UserAdded { organization, user } => {
                if let Some(organization) = self.organization_mut(organization) {
                    organization.users.push(user.clone());
                }
            }
            Fault::UserRemoved { organization, id } => {
                if let Some(organization) = self.organization_mut(organization) {
                    organization.users.retain(|user| user["_id"] != id.as_str());
                }
            }
            _ => {}
        }
    }
}
