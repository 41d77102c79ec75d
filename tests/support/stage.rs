//! A stage for one scenario: an AWS account and a JumpCloud tenant, both empty.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jumpcloud_collector::standin::{Fault, Key, Rule, StandIn, When, World};
use serde_json::Value;

use super::account::Account;
use super::archive::Archive;
use super::aws::{ARCHIVE, Aws, SECRET_ID, STATE, TABLE};
use super::event::{ORGANIZATION, now_ms};

/// The tenant's API key. No text of the function's may hold it.
pub const API_KEY: &str = "jca_c4n4ryKEYc4n4ryKEYc4n4ryKEY00001";

/// What an invocation may take in a scenario that is not about time.
pub const INVOCATION_LIMIT: Duration = Duration::from_secs(60);

/// The stream of a key's own organization.
pub const STREAM: &str = "self";

/// See the module.
pub struct Stage {
    pub aws: Aws,
    pub jumpcloud: StandIn,
    /// How far JumpCloud's clock is ahead of the local one, in milliseconds.
    ahead_ms: Arc<AtomicI64>,
}

impl Stage {
    /// A stage whose secret is the API key of the tenant's one organization.
    pub async fn start() -> Self {
        let mut world = World::new(1);
        world.add_key(API_KEY, Key::single("the key", ORGANIZATION));
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let offset_ms = Arc::clone(&ahead_ms);
        let clock = Arc::new(move || now_ms() + offset_ms.load(Ordering::Relaxed));
        let jumpcloud = StandIn::start(world, clock).await.expect("a loopback port is free");
        let aws = Aws::start(API_KEY).await;
        assert!(aws.front.account.set(Account::of(&[])).is_ok(), "the first account of this front");
        Self { aws, jumpcloud, ahead_ms }
    }

    /// The account that the function runs in.
    pub fn account(&self) -> &Account {
        self.aws.front.account.get().expect("set at the start")
    }

    /// Sets JumpCloud's clock ahead of the local one, or behind it.
    pub fn set_ahead_ms(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// Everything the function's environment holds but its Runtime API.
    pub fn environment(&self) -> Vec<(String, String)> {
        let pairs = [
            ("ARCHIVE_BUCKET", ARCHIVE.to_owned()),
            ("STATE_BUCKET", STATE.to_owned()),
            ("CURSOR_TABLE", TABLE.to_owned()),
            ("JUMPCLOUD_SECRET_ID", SECRET_ID.to_owned()),
            ("JUMPCLOUD_INSIGHTS_URL", self.jumpcloud.insights_url()),
            ("JUMPCLOUD_CONSOLE_URL", self.jumpcloud.console_url()),
            ("JUMPCLOUD_TOKEN_URL", self.jumpcloud.token_url()),
            ("PAGE_LIMIT", "100".to_owned()),
            ("SETTLE_LAG", "0s".to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", "jumpcloud-collector".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/jumpcloud-collector".to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/21/[$LATEST]0".to_owned()),
        ];
        let own = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
        own.chain(self.aws.environment()).collect()
    }

    /// Gives the tenant these events, visible at once.
    pub fn load(&self, events: &[Vec<u8>]) {
        let mut world = self.jumpcloud.world();
        for event in events {
            world.load(event.clone(), i64::MIN).expect("an event that tells its place");
        }
    }

    /// Makes requests for events go wrong.
    pub fn fault(&self, fault: Fault, when: When) {
        self.jumpcloud.world().add_fault(Rule::new(fault, when).on("/events"));
    }

    /// Reads and checks the whole archive, and that nothing was ever written twice.
    pub async fn archive(&self) -> Archive {
        let created = self.aws.front.created();
        let mut distinct = HashSet::new();
        for key in &created {
            assert!(distinct.insert(key), "{key} was written twice");
        }
        Archive::read(&self.aws.buckets).await
    }

    /// Checks that no request to JumpCloud was one that no client should send.
    #[track_caller]
    pub fn assert_disciplined(&self) {
        assert_eq!(self.jumpcloud.world().violations(), []);
    }

    /// How often events were asked for.
    pub fn event_requests(&self) -> usize {
        self.jumpcloud
            .world()
            .log()
            .iter()
            .filter(|record| record.path.ends_with("/events"))
            .count()
    }
}

/// What a report says about its only stream.
#[track_caller]
pub fn only_stream(report: &Value) -> &Value {
    match report["streams"].as_array().map(Vec::as_slice) {
        Some([stream]) => stream,
        _ => panic!("not one stream in {report}"),
    }
}
