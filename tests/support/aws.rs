//! AWS as the function sees it: four services behind one front.

use std::sync::Arc;

use super::bucket::Buckets;
use super::front::{Front, Service};
use super::http::Server;
use super::secrets::Secrets;
use super::sqs::Queue;
use super::table::Table;

pub const ARCHIVE: &str = "archive";
pub const STATE: &str = "state";
pub const TABLE: &str = "cursors";
pub const SECRET_ID: &str = "jumpcloud/api-key";
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";

/// An account with two empty buckets, an empty table, one secret and one empty queue.
pub struct Aws {
    pub front: Arc<Front>,
    pub buckets: Arc<Buckets>,
    pub table: Arc<Table>,
    pub secrets: Arc<Secrets>,
    pub queue: Arc<Queue>,
    s3: Server,
    dynamodb: Server,
    secrets_manager: Server,
    sqs: Server,
}

impl Aws {
    /// Starts the account; its secret has this value.
    pub async fn start(secret: &str) -> Self {
        let front = Arc::new(Front::default());
        let buckets = Buckets::create(&[ARCHIVE, STATE], ACCESS_KEY, SECRET_KEY);
        let table = Table::create(TABLE).await;
        let secrets = Arc::new(Secrets::new(SECRET_ID, secret));
        let s3 =
            serve(&front, &buckets, Service::S3, |buckets, request| buckets.serve(request)).await;
        let dynamodb =
            serve(&front, &table, Service::DynamoDb, |table, request| table.serve(request)).await;
        let secrets_manager =
            serve(&front, &secrets, Service::SecretsManager, |secrets, request| async move {
                secrets.serve(&request)
            })
            .await;
        let queue = Arc::new(Queue::default());
        let sqs =
            serve(
                &front,
                &queue,
                Service::Sqs,
                |queue, request| async move { queue.serve(&request) },
            )
            .await;
        Self { front, buckets, table, secrets, queue, s3, dynamodb, secrets_manager, sqs }
    }

    /// The variables by which the AWS SDK finds this account.
    pub fn environment(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL_S3", self.s3.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", self.secrets_manager.url()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Puts the front before one service.
async fn serve<T, H, F>(front: &Arc<Front>, backend: &Arc<T>, service: Service, handle: H) -> Server
where
    T: Send + Sync + 'static,
    H: Fn(Arc<T>, hyper::Request<bytes::Bytes>) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = super::http::Answer> + Send + 'static,
{
    let (front, backend) = (Arc::clone(front), Arc::clone(backend));
    Server::start(move |request| {
        let (front, backend) = (Arc::clone(&front), Arc::clone(&backend));
        async move { front.pass(service, &request.clone(), handle(backend, request)).await }
    })
    .await
}
