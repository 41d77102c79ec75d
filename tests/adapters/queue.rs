//! The work queue's adapter against its emulator, which keeps SQS's own limits.

use engine::ports::{StoreError, WorkQueue as _};

use super::environment::{arm, endpoint, sqs};
use fixtures::aws::Aws;
use fixtures::fault_proxy::Way;
use fixtures::sqs::QUEUE_URL;

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number} \u{1f600}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_taken_as_they_are() {
    let aws = Aws::start("key").await;
    let queue = sqs(&endpoint(&aws, "SQS"), QUEUE_URL).await;
    assert_eq!(queue.send(&bodies(10)).await.unwrap(), Vec::<usize>::new());
    let delivered = aws.queue.deliver(10).unwrap();
    for body in bodies(10) {
        let body = serde_json::to_string(&body).unwrap();
        assert!(delivered.contains(&body), "{body} in {delivered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_queue_refused_are_returned() {
    let aws = Aws::start("key").await;
    let queue = sqs(&endpoint(&aws, "SQS"), QUEUE_URL).await;
    aws.queue.leave([1, 3].into());
    assert_eq!(queue.send(&bodies(5)).await.unwrap(), [1, 3]);
    assert_eq!(aws.queue.message_count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_needs_operator_and_one_that_is_cut_off_may_work_next_time() {
    let aws = Aws::start("key").await;
    let url = endpoint(&aws, "SQS");
    let elsewhere = sqs(&url, "https://sqs.us-east-1.amazonaws.com/111122223333/other").await;
    let error = elsewhere.send(&bodies(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Rejected(_)), "{error}");
    let queue = sqs(&url, QUEUE_URL).await;
    for way in [Way::Cut, Way::Answer500] {
        arm(&aws, way, true);
        let error = queue.send(&bodies(1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Indeterminate(_)), "{way:?}: {error}");
    }
    aws.proxy.heal();
    assert_eq!(aws.queue.message_count(), 0);
}
