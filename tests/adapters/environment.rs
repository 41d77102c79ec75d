//! Each adapter with what it needs to work, empty.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::config::Credentials;
use engine::ports::{Cursors, Objects};
use jumpcloud_collector::aws::dynamodb::DynamoDb;
use jumpcloud_collector::aws::s3::S3;
use jumpcloud_collector::aws::secrets::SecretsManager;
use jumpcloud_collector::aws::sqs::Sqs;
use jumpcloud_collector::local::{FolderCursors, FolderObjects};
use tempfile::TempDir;

use fixtures::aws::{ACCESS_KEY, Aws, SECRET_ID, SECRET_KEY, TABLE};
use fixtures::fault_proxy::{Fault, Way};
use fixtures::memory::{MemoryCursors, MemoryObjects};

/// A port, and what lives as long as it.
pub struct Environment<P: ?Sized> {
    pub port: Arc<P>,
    _peer: Box<dyn Any + Send>,
}

fn environment<P: ?Sized>(port: Arc<P>, peer: impl Any + Send) -> Environment<P> {
    Environment { port, _peer: Box::new(peer) }
}

pub async fn memory_objects() -> Environment<dyn Objects> {
    environment(Arc::new(MemoryObjects::default()), ())
}

pub async fn folder_objects() -> Environment<dyn Objects> {
    let folder = TempDir::new().unwrap();
    environment(Arc::new(FolderObjects::new(folder.path().join("not yet there"))), folder)
}

pub async fn s3_objects() -> Environment<dyn Objects> {
    let aws = Aws::start("unused").await;
    environment(Arc::new(s3(&endpoint(&aws, "S3")).await), aws)
}

pub async fn memory_cursors() -> Environment<dyn Cursors> {
    environment(Arc::new(MemoryCursors::default()), ())
}

pub async fn folder_cursors() -> Environment<dyn Cursors> {
    let folder = TempDir::new().unwrap();
    environment(Arc::new(FolderCursors::new(folder.path().join("not yet there"))), folder)
}

pub async fn dynamodb_cursors() -> Environment<dyn Cursors> {
    let aws = Aws::start("unused").await;
    environment(Arc::new(dynamodb(&endpoint(&aws, "DYNAMODB"), TABLE).await), aws)
}

/// S3 at a URL.
pub async fn s3(url: &str) -> S3 {
    S3::new(&config(url).await, true)
}

/// A table at a URL.
pub async fn dynamodb(url: &str, table: &str) -> DynamoDb {
    DynamoDb::new(&config(url).await, table.to_owned())
}

/// The environment's secret at a URL.
pub async fn secrets_manager(url: &str) -> SecretsManager {
    SecretsManager::new(&config(url).await, SECRET_ID.to_owned())
}

/// The environment's work queue, or another one, at a URL.
pub async fn sqs(url: &str, queue: &str) -> Sqs {
    Sqs::new(&config(url).await, queue.to_owned())
}

/// Where a service of the account is.
pub fn endpoint(aws: &Aws, service: &str) -> String {
    let variable = format!("AWS_ENDPOINT_URL_{service}");
    aws.variables().into_iter().find(|(name, _)| *name == variable).expect("an endpoint").1
}

/// Does something to the next request, or to all from the next one on.
pub fn arm(aws: &Aws, way: Way, lasting: bool) {
    aws.proxy.arm(Fault { at: aws.proxy.count(), way, lasting });
}

/// As the function's own configuration, but for the waits between the SDK's retries.
async fn config(url: &str) -> SdkConfig {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    aws_config::defaults(BehaviorVersion::latest())
        .region("us-east-1")
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .retry_config(retries)
        .endpoint_url(url)
        .load()
        .await
}
