//! SQS: one queue, whose messages the test delivers.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::Request;
use serde_json::{Value, json};

use super::http::{Answer, answer};

/// The URL that the function is given.
pub const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/111122223333/work";

/// The only queue there is.
#[derive(Default)]
pub struct Queue {
    bodies: Mutex<Vec<String>>,
    /// Places in a batch of messages that are not taken.
    left: Mutex<Vec<usize>>,
}

impl Queue {
    /// Takes up to `most` messages out, as the event that Lambda delivers them in; `None` if
    /// there are none.
    pub fn deliver(&self, most: usize) -> Option<String> {
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let count = most.min(bodies.len());
        let taken: Vec<_> = bodies.drain(..count).collect();
        (!taken.is_empty()).then(|| event(&taken))
    }

    /// Takes every message of a batch but these.
    pub fn leave(&self, left: Vec<usize>) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Serves one `SendMessageBatch`, within SQS's own limits.
    pub fn serve(&self, request: &Request<Bytes>) -> Answer {
        let json =
            |status, body: Value| answer(status, "application/x-amz-json-1.0", body.to_string());
        let target =
            request.headers().get("x-amz-target").map(hyper::header::HeaderValue::as_bytes);
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        let is_fine = target == Some(b"AmazonSQS.SendMessageBatch")
            && body["QueueUrl"] == QUEUE_URL
            && (1..=10).contains(&entries.len());
        if !is_fine {
            return json(400, json!({"__type": "com.amazonaws.sqs#InvalidAddress"}));
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut bodies = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        for (number, entry) in entries.iter().enumerate() {
            if left.contains(&number) {
                let code = "InternalError";
                failed.push(json!({"Id": entry["Id"], "SenderFault": false, "Code": code}));
            } else {
                bodies.push(entry["MessageBody"].as_str().expect("a body").to_owned());
                let md5 = "00000000000000000000000000000000";
                taken.push(json!({"Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": md5}));
            }
        }
        json(200, json!({"Successful": taken, "Failed": failed}))
    }
}

/// Messages as Lambda delivers them.
pub fn event(bodies: &[String]) -> String {
    let record = |(number, body): (usize, &String)| {
        json!({
            "messageId": format!("message-{number}"),
            "receiptHandle": "AQEB",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:work",
            "awsRegion": "us-east-1",
        })
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()}).to_string()
}
