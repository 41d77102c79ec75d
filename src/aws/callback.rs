//! [`Callback`] by HTTP: one `PUT` to a presigned URL of S3.

use std::time::Duration;

use async_trait::async_trait;

use crate::custom_resource::{Callback, CallbackError, ReplyTo};
use crate::http::{Http, with_causes};
use crate::limits::{CALLBACK_TRIES_MAX, CALLBACK_TRY_MS};

#[async_trait]
impl Callback for Http {
    async fn put(&self, to: &ReplyTo, body: String, time: Duration) -> Result<(), CallbackError> {
        let sending = async {
            let mut tried = 1;
            loop {
                // The signature does not include a content type, so none may be sent.
                let request = self.put(to.expose().as_str()).body(body.clone());
                let sent = request.timeout(Duration::from_millis(CALLBACK_TRY_MS)).send().await;
                let what = match sent {
                    Ok(answer) if answer.status().is_success() => return Ok(()),
                    Ok(answer) if answer.status().is_server_error() => answer.status().to_string(),
                    Ok(answer) => return Err(CallbackError::Unsent(answer.status().to_string())),
                    Err(error) => with_causes(error),
                };
                if tried >= CALLBACK_TRIES_MAX {
                    return Err(CallbackError::Unsent(what));
                }
                tried += 1;
            }
        };
        let out_of_time = |_| Err(CallbackError::Unsent("out of time".to_owned()));
        tokio::time::timeout(time, sending).await.unwrap_or_else(out_of_time)
    }
}
