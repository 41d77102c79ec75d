//! Secrets Manager: one secret, whose value the test sets.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use hyper::Request;
use serde_json::{Value, json};

use super::http::{Answer, answer};

/// The only secret there is.
pub struct Secrets {
    id: String,
    value: Mutex<String>,
}

impl Secrets {
    /// A secret `id` of this value.
    pub fn new(id: &str, value: &str) -> Self {
        Self { id: id.to_owned(), value: Mutex::new(value.to_owned()) }
    }

    /// Rotates the secret.
    pub fn set(&self, value: &str) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value.to_owned();
    }

    /// Serves one `GetSecretValue`.
    pub fn serve(&self, request: &Request<Bytes>) -> Answer {
        let json =
            |status, body: Value| answer(status, "application/x-amz-json-1.1", body.to_string());
        let refused = |kind| json(400, json!({"__type": kind, "Message": "not here"}));
        if request
            .headers()
            .get("x-amz-target")
            .is_none_or(|target| target != "secretsmanager.GetSecretValue")
        {
            return refused("InvalidRequestException");
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if body["SecretId"] != self.id.as_str() {
            return refused("ResourceNotFoundException");
        }
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let arn =
            format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{}-AbCdEf", self.id);
        let version = "11111111-2222-3333-4444-555555555555";
        json(200, json!({"ARN": arn, "Name": self.id, "VersionId": version, "SecretString": value}))
    }
}
