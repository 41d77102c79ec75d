//! The whole of what the stand-in knows, and the one function that answers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::access::{self, Scope};
use super::behaviour::Behaviours;
use super::credentials::{ClientSecret, Credentials, Key};
use super::discipline::{self, Violation};
use super::events::{self, Selection};
use super::fault::{Fault, Rule, compress};
use super::made_up;
use super::organization::Organization;
use super::query::Query;
use super::request_log::{Host, Record, offers_gzip};
use super::store::{Envelope, EventStore, LoadError, RowKey, StoredEvent};
use super::wire::{Answer, Delivery, Refusal, Request};
use super::{console, counts, oauth};

/// Events, credentials, organizations, behaviours and faults. Deterministic: the same seed, calls
/// and times give the same answers.
#[derive(Debug)]
pub struct World {
    /// How it behaves where the real service is unknown or configurable.
    pub behaviours: Behaviours,
    pub(super) credentials: Credentials,
    pub(super) organizations: BTreeMap<String, Organization>,
    pub(super) random: fastrand::Rng,
    events: EventStore,
    rules: Vec<Rule>,
    log: Vec<Record>,
}

/// An event with its place given, for those whose bytes do not tell it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The bytes to serve, whatever they are.
    pub raw: Bytes,
    /// Its timestamp, UTC milliseconds.
    pub sort_ms: i64,
    /// The organization whose queries see it; empty for none.
    pub organization: String,
    /// The provider whose own queries see it.
    pub provider: Option<String>,
    /// The service whose queries see it; empty for those of `all` only.
    pub service: String,
    /// Virtual time from which queries see it (inclusive), UTC milliseconds.
    pub visible_at_ms: i64,
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

    /// Adds an API key, and those of its organizations that are not there yet.
    pub fn add_key(&mut self, key: &str, grants: Key) {
        self.add_missing_organizations(&grants);
        self.credentials.add_key(key, grants);
    }

    /// An API key, to be changed: let it expire, reach other organizations, lose its role.
    pub fn key_mut(&mut self, key: &str) -> Option<&mut Key> {
        self.credentials.key_mut(key)
    }

    /// Takes an API key away: 401 from now on.
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
        self.add_client_secret(
            client_id,
            ClientSecret { value: client_secret.to_owned(), expires_at_ms: None },
            grants,
        );
    }

    /// Adds a service account, or a further secret to one, with an expiry.
    pub fn add_client_secret(&mut self, client_id: &str, secret: ClientSecret, grants: Key) {
        self.add_missing_organizations(&grants);
        self.credentials.add_secret(client_id, secret, grants);
    }

    /// Takes one secret of a service account away; tokens already issued stay good.
    pub fn remove_client_secret(&mut self, client_id: &str, client_secret: &str) {
        self.credentials.remove_secret(client_id, client_secret);
    }

    /// Revokes every access token issued so far.
    pub fn revoke_tokens(&mut self) {
        self.credentials.revoke_tokens();
    }

    /// Adds or replaces an organization.
    pub fn add_organization(&mut self, organization: Organization) {
        self.organizations.insert(organization.id.clone(), organization);
    }

    /// An organization, to be changed.
    pub fn organization_mut(&mut self, id: &str) -> Option<&mut Organization> {
        self.organizations.get_mut(id)
    }

    /// Takes an organization away: 404 from now on. Its events stay, unseen.
    pub fn remove_organization(&mut self, id: &str) -> Option<Organization> {
        self.organizations.remove(id)
    }

    fn add_missing_organizations(&mut self, grants: &Key) {
        for id in &grants.organizations {
            let new = || Organization::new(id, &format!("Organization {id}"));
            self.organizations.entry(id.clone()).or_insert_with(new);
        }
    }

    /// Loads an event that tells its own place: timestamp (floored to the millisecond),
    /// organization, provider and service; the latter three may be missing.
    ///
    /// # Errors
    ///
    /// If it is no JSON object or has no readable timestamp: then use [`World::load_at`].
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

    /// Loads any bytes at a given place.
    pub fn load_at(
        &mut self,
        raw: impl Into<Bytes>,
        sort_ms: i64,
        organization: &str,
        service: &str,
        visible_at_ms: i64,
    ) -> RowKey {
        self.load_event(NewEvent {
            raw: raw.into(),
            sort_ms,
            organization: organization.to_owned(),
            provider: None,
            service: service.to_owned(),
            visible_at_ms,
        })
    }

    /// Loads any bytes at a given place, also into a provider's own trail.
    pub fn load_event(&mut self, event: NewEvent) -> RowKey {
        let stored = StoredEvent {
            raw: event.raw,
            organization: self.events.name(&event.organization),
            provider: event.provider.as_deref().map(|provider| self.events.name(provider)),
            service: self.events.name(&event.service),
            visible_at_ms: event.visible_at_ms,
            below_ms_ns: 0,
        };
        self.events.insert(event.sort_ms, stored, &mut self.random)
    }

    /// Takes an event away, as retention or a re-indexing would.
    pub fn remove_event(&mut self, key: &RowKey) -> Option<StoredEvent> {
        self.events.remove(key)
    }

    /// Every event, visible or not, ascending: the truth to compare an archive with.
    pub fn events(&self) -> impl Iterator<Item = (&RowKey, &StoredEvent)> {
        self.events.all()
    }

    /// How many events there are, visible or not.
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Adds a fault. Every rule counts the requests it is meant for; of several that are due, the
    /// one added first acts.
    pub fn add_fault(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Takes all faults away.
    pub fn clear_faults(&mut self) {
        self.rules.clear();
    }

    /// Every request so far with its answer.
    pub fn log(&self) -> &[Record] {
        &self.log
    }

    /// Forgets the requests so far.
    pub fn clear_log(&mut self) {
        self.log.clear();
    }

    /// Requests in the log that should not have been sent.
    pub fn violations(&self) -> Vec<Violation> {
        discipline::violations(&self.log)
    }

    /// Answers a request at a virtual time in UTC milliseconds.
    pub fn answer(&mut self, now_ms: i64, request: &Request) -> Answer {
        let record = Record::of(self.log.len(), now_ms, request, &self.credentials);
        let fault = self.due_fault(now_ms, request);
        if let Some(fault) = &fault {
            self.change(fault);
        }
        let replacement = fault.as_ref().and_then(Fault::replacement);
        let mut answer = replacement.unwrap_or_else(|| {
            let routed = self.route(now_ms, request, fault.as_ref());
            let mut answer = routed.unwrap_or_else(Answer::from);
            if self.behaviours.gzip && offers_gzip(request) {
                compress(&mut answer);
            }
            answer
        });
        if self.behaviours.chunked && answer.delivery == Delivery::Whole {
            answer.delivery = Delivery::Chunked;
        }
        if let Some(fault) = &fault {
            fault.damage(&mut answer);
        }
        self.dress(now_ms, &mut answer);
        self.log.push(record.answered(&answer));
        answer
    }

    /// Lets every rule count the request; the first that is due gives its fault.
    fn due_fault(&mut self, now_ms: i64, request: &Request) -> Option<Fault> {
        let mut due = None;
        for rule in &mut self.rules {
            let fault = rule.meets(now_ms, request);
            due = due.or_else(|| fault.cloned());
        }
        due
    }

    /// Does what a fault does to credentials and directories.
    fn change(&mut self, fault: &Fault) {
        match fault {
            Fault::TokensRevoked => self.revoke_tokens(),
            Fault::KeyRemoved(key) => {
                self.remove_key(key);
            }
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

    fn route(
        &mut self,
        now_ms: i64,
        request: &Request,
        fault: Option<&Fault>,
    ) -> Result<Answer, Refusal> {
        match Host::of(request.route()) {
            Host::Insights => self.insights(now_ms, request, fault),
            Host::Console => console::answer(self, now_ms, request),
            Host::OAuth => Ok(oauth::answer(self, now_ms, request)),
            Host::Elsewhere => Err(Refusal::new(404, "Not Found")),
        }
    }

    fn insights(
        &mut self,
        now_ms: i64,
        request: &Request,
        fault: Option<&Fault>,
    ) -> Result<Answer, Refusal> {
        let request_id = made_up::uuid(&mut self.random);
        let scope = access::scope(self, now_ms, request)?;
        let route = request.route().strip_prefix("/insights/directory/v1");
        let route = route.filter(|route| request.method == "POST" && route.starts_with("/events"));
        let route = route.ok_or_else(|| Refusal::new(404, "Not Found"))?;
        let query = Query::read(&request.body, now_ms, &self.ways(fault))?;
        let selection = self.selection(&scope, &query, now_ms);
        match route {
            "/events" => events::answer(&selection, fault, &request_id),
            "/events/count" => Ok(counts::count(&selection, fault)),
            "/events/interval" => counts::interval(&selection, &request.body, fault),
            "/events/distinct" => counts::distinct(&selection, &request.body),
            _ => Err(Refusal::new(404, "Not Found")),
        }
    }

    fn selection<'a>(&'a self, scope: &'a Scope, query: &'a Query, now_ms: i64) -> Selection<'a> {
        Selection { store: &self.events, ways: &self.behaviours, scope, query, now_ms }
    }

    /// The behaviours under a fault: a service may be unknown.
    fn ways(&self, fault: Option<&Fault>) -> Cow<'_, Behaviours> {
        match fault {
            Some(Fault::ServiceRejected(name)) => {
                let mut ways = self.behaviours.clone();
                ways.services.retain(|known| known != name);
                Cow::Owned(ways)
            }
            _ => Cow::Borrowed(&self.behaviours),
        }
    }

    /// Adds what every answer has: the date, and the spelling of names.
    fn dress(&self, now_ms: i64, answer: &mut Answer) {
        if self.behaviours.date_header && answer.header("date").is_none() {
            let since_1970 = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
            answer.set_header("Date", &httpdate::fmt_http_date(UNIX_EPOCH + since_1970));
        }
        for (name, _) in &mut answer.headers {
            *name = self.behaviours.header_spelling.spelled(std::mem::take(name));
        }
    }
}

#[cfg(test)]
mod tests;
