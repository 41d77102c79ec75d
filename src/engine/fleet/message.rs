//! The messages of the work queue: one per stream.

use serde::{Deserialize, Serialize};

use crate::collect::RunPurpose;
use crate::json;
use crate::stream::StreamId;

/// The version of messages that this program writes.
const VERSION: u32 = 1;

/// A message of the work queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    version: u32,
    /// The stream to run over.
    pub stream: StreamId,
    /// What the run must do.
    pub task: MessageTask,
}

/// What a message requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageTask {
    /// Read what is due.
    Collect,
    /// Finish only what was decided: the stream is no longer collected.
    Recover,
}

/// One message that SQS delivers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `aws:sqs`.
    pub event_source: String,
    /// SQS's id of the message.
    pub message_id: String,
    /// Its text.
    pub body: String,
}

/// Why a text is not a message that this program can handle.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// It is not what any version wrote.
    #[error("it is not a message of the work queue: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A later version of this program wrote it.
    #[error("it is of version {0}, this program knows {VERSION}")]
    Newer(u32),
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Message {
    /// Creates a message for `stream`.
    #[must_use]
    pub fn new(stream: StreamId, task: MessageTask) -> Self {
        Self { version: VERSION, stream, task }
    }

    /// The purpose of the run that handles the message.
    #[must_use]
    pub fn purpose(&self) -> RunPurpose<'static> {
        match self.task {
            MessageTask::Collect => RunPurpose::Collect,
            MessageTask::Recover => RunPurpose::Recover,
        }
    }

    /// The message's text.
    #[must_use]
    pub fn write(&self) -> String {
        json::encode(self)
    }

    /// Reads a message's text.
    ///
    /// # Errors
    /// [`NoMessage`] if it is not what [`Message::write`] returns, or a later version wrote it.
    pub fn read(text: &str) -> Result<Self, NoMessage> {
        let Versioned { version } = serde_json::from_str(text)?;
        if version > VERSION {
            return Err(NoMessage::Newer(version));
        }
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message = Message::new(StreamId::own(), MessageTask::Collect);
        assert_eq!(message.write(), r#"{"version":1,"stream":"self","task":"collect"}"#);
        assert_eq!(Message::read(&message.write()).unwrap(), message);
        let recovery = Message::new(StreamId::own(), MessageTask::Recover);
        assert_eq!(Message::read(&recovery.write()).unwrap(), recovery);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "{}",
            "self",
            r#"{"version":1,"stream":"../x","task":"collect"}"#,
            r#"{"version":1,"stream":"self","task":"delete"}"#,
        ] {
            assert!(matches!(Message::read(text), Err(NoMessage::Unreadable(_))), "{text}");
        }
        let newer = r#"{"version":2,"queue":"other"}"#;
        assert!(matches!(Message::read(newer), Err(NoMessage::Newer(2))));
    }
}
