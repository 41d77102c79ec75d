//! A client, the mock it asks, and the clock and the secret that both are given.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::page::{Ask, Page};
use engine::ports::{
    Clock, Insights as _, InsightsError, Meter, NoRandomness, PageRequest, Secrets, StoreError,
};
use engine::stream::Scope;
use engine::time::{Window, rfc3339};
use jumpcloud_collector::http::Http;
use jumpcloud_collector::jumpcloud::{Auth, Client};
use jumpcloud_collector::proxy::Proxy;
use mock::{Fault, Host, Key, MockServer, Rule, When, World};
use secrecy::SecretString;

/// Where virtual time begins: 2027-01-15T08:00:00Z.
pub const NOW_MS: i64 = 1_800_000_000_000;
/// Requests end this long after they are made, unless a test says otherwise.
pub const PATIENCE_MS: i64 = 10 * 60_000;
/// The organization of every credential.
pub const ORGANIZATION: &str = "64a1b2c3d4e5f60718293a4b";
/// The API key. Like every secret here it can be searched for by `canary`.
pub const KEY: &str = "jca_canary_key";
/// The service account's name.
pub const CLIENT_ID: &str = "service-account";
/// Its secret.
pub const CLIENT_SECRET: &str = "canary_client_secret";

/// Virtual time: sleeping takes none of ours.
pub struct FakeClock {
    now_ms: AtomicI64,
    slept_ms: Mutex<Vec<u64>>,
}

impl FakeClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(NOW_MS), slept_ms: Mutex::default() })
    }

    pub fn advance(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Every wait so far.
    pub fn slept_ms(&self) -> Vec<u64> {
        lock(&self.slept_ms).clone()
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    async fn sleep(&self, ms: u64) {
        lock(&self.slept_ms).push(ms);
        self.advance(i64::try_from(ms).expect("a wait that ends"));
    }

    /// The highest chance, so that every backoff is as long as it may be.
    fn random(&self) -> [u8; 16] {
        [u8::MAX; 16]
    }

    fn nonce(&self) -> Result<[u8; 16], NoRandomness> {
        Ok(self.random())
    }
}

/// How a secret cannot be read.
type Failure = fn(String) -> StoreError;

/// A secret that counts how often it is read.
pub struct FakeSecrets {
    value: Mutex<Result<String, Failure>>,
    reads: AtomicUsize,
}

impl FakeSecrets {
    pub fn new(value: &str) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new(Ok(value.to_owned())), reads: AtomicUsize::new(0) })
    }

    pub fn rotate(&self, value: &str) {
        *lock(&self.value) = Ok(value.to_owned());
    }

    /// From now on it cannot be read.
    pub fn fail(&self, error: Failure) {
        *lock(&self.value) = Err(error);
    }

    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn read(&self) -> Result<SecretString, StoreError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let value = lock(&self.value).clone();
        value.map(SecretString::from).map_err(|error| error("the secret is not to be had".into()))
    }
}

/// The secret of the service account, in its shape.
pub fn account(client_secret: &str) -> String {
    format!(r#"{{"client_id":"{CLIENT_ID}","client_secret":"{client_secret}"}}"#)
}

/// The whole environment.
pub struct Environment {
    pub mock: MockServer,
    pub clock: Arc<FakeClock>,
    /// How far JumpCloud's clock is ahead of the local one.
    pub skew_ms: Arc<AtomicI64>,
    pub secrets: Arc<FakeSecrets>,
    pub auth: Arc<Auth>,
    pub client: Client,
    pub meter: Arc<Meter>,
}

impl Environment {
    /// A client with the API key.
    pub async fn start() -> Self {
        Self::with_secret(KEY).await
    }

    /// A client with this secret; the mock knows [`KEY`] and the service account.
    pub async fn with_secret(secret: &str) -> Self {
        let mut world = World::new(1);
        let grants = || Key::single("key", ORGANIZATION);
        world.add_key(KEY, grants());
        world.add_service_account(CLIENT_ID, CLIENT_SECRET, grants());
        let (clock, skew_ms) = (FakeClock::new(), Arc::new(AtomicI64::new(0)));
        let its_clock = {
            let (clock, skew_ms) = (Arc::clone(&clock), Arc::clone(&skew_ms));
            Arc::new(move || clock.now_ms() + skew_ms.load(Ordering::SeqCst))
        };
        let mock = MockServer::start(world, its_clock).await.expect("a loopback port");
        let secrets = FakeSecrets::new(secret);
        let (auth, client) = client(&clock, &secrets, None, mock.insights_url(), mock.token_url());
        Self { mock, clock, skew_ms, secrets, auth, client, meter: Arc::default() }
    }

    /// The same with a client that waits so long for the bytes of an answer.
    pub async fn with_read_timeout(read_timeout: Duration) -> Self {
        let environment = Self::start().await;
        let http = Http::with_read_timeout(None, read_timeout).expect("a client");
        let urls = (environment.mock.insights_url(), environment.mock.token_url());
        let (auth, client) = client_over(http, &environment.clock, &environment.secrets, urls);
        Self { auth, client, ..environment }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.mock.world()
    }

    /// Loads `count` events, one a second, up to the second before [`NOW_MS`]; returns their
    /// bytes in order.
    pub fn load(&self, count: usize) -> Vec<Vec<u8>> {
        let back = |number| i64::try_from(count - number).expect("a small number") * 1_000;
        let events: Vec<_> =
            (0..count).map(|number| event(number, NOW_MS - back(number))).collect();
        let mut world = self.world();
        for raw in &events {
            world.load(raw.clone(), 0).expect("a plain event");
        }
        events
    }

    /// Sets a fault for questions about events.
    pub fn fail(&self, fault: Fault, when: When) {
        self.world().add_fault(Rule::new(fault, when).on("/events"));
    }

    /// The question for the hour before [`NOW_MS`].
    pub fn request(&self) -> PageRequest {
        request(&self.clock, &self.meter)
    }

    /// The same about an organization by its name, as a service account has to ask.
    pub fn organization_request(&self) -> PageRequest {
        let scope = Scope::Organization(ORGANIZATION.to_owned());
        PageRequest { scope, ..self.request() }
    }

    pub async fn page(&self) -> Result<Page, InsightsError> {
        self.client.page(self.request()).await
    }

    /// The page as [`Environment::organization_request`] asks for it.
    pub async fn organization_page(&self) -> Result<Page, InsightsError> {
        self.client.page(self.organization_request()).await
    }

    /// What was answered by one of JumpCloud's hosts, in order.
    pub fn answered(&self, host: Host) -> Vec<u16> {
        let world = self.world();
        world
            .log()
            .iter()
            .filter(|record| record.host == host)
            .map(|record| record.status)
            .collect()
    }

    /// Nothing was asked that a client should not ask.
    pub fn assert_disciplined(&self) {
        assert_eq!(self.world().violations(), []);
    }
}

/// A client of any address.
pub fn client(
    clock: &Arc<FakeClock>,
    secrets: &Arc<FakeSecrets>,
    proxy: Option<&Proxy>,
    insights_url: String,
    token_url: String,
) -> (Arc<Auth>, Client) {
    let http = Http::new(proxy).expect("a client");
    client_over(http, clock, secrets, (insights_url, token_url))
}

fn client_over(
    http: Http,
    clock: &Arc<FakeClock>,
    secrets: &Arc<FakeSecrets>,
    (insights_url, token_url): (String, String),
) -> (Arc<Auth>, Client) {
    let clock = || Arc::clone(clock) as Arc<dyn Clock>;
    let auth = Auth::new(Arc::clone(secrets) as _, clock(), http.clone(), token_url);
    let auth = Arc::new(auth);
    (Arc::clone(&auth), Client::new(http, auth, clock(), insights_url))
}

/// The question for the hour before [`NOW_MS`].
pub fn request(clock: &FakeClock, meter: &Arc<Meter>) -> PageRequest {
    let window = Window::new(NOW_MS - 3_600_000, NOW_MS);
    let ask = Ask { window, limit: 1_000, token: None };
    PageRequest {
        scope: Scope::Own,
        query: vec!["all".to_owned()],
        ask,
        tries: None,
        deadline_ms: clock.now_ms() + PATIENCE_MS,
        meter: Arc::clone(meter),
    }
}

/// One event; events of different numbers are different events.
pub fn event(number: usize, at_ms: i64) -> Vec<u8> {
    let timestamp = rfc3339(at_ms);
    format!(
        r#"{{"id":"{number:024x}","service":"sso","organization":"{ORGANIZATION}","timestamp":"{timestamp}"}}"#
    )
    .into_bytes()
}

/// The bytes of a page's rows.
pub fn rows(page: &Page) -> Vec<Vec<u8>> {
    page.rows().iter().map(|row| page.bytes(row).to_vec()).collect()
}

/// The text of a refusal.
pub fn refused<T>(answer: Result<T, InsightsError>) -> String {
    match answer {
        Err(
            InsightsError::Refused { cause, .. }
            | InsightsError::Redirected(cause)
            | InsightsError::Credential(cause),
        ) => cause.to_string(),
        Err(other) => panic!("expected a refusal: {other}"),
        Ok(_) => panic!("expected a refusal, not an answer"),
    }
}

/// The text of a failure that may pass.
pub fn unavailable<T>(answer: Result<T, InsightsError>) -> String {
    match answer {
        Err(InsightsError::Unavailable(cause) | InsightsError::Throttled(cause)) => {
            cause.to_string()
        }
        Err(other) => panic!("expected a passing failure: {other}"),
        Ok(_) => panic!("expected a passing failure, not an answer"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
