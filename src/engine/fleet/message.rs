//! The work queue's messages: one a stream, and what it asks for.

use serde::{Deserialize, Serialize};

use crate::collect::RunPurpose;
use crate::stream::StreamId;

/// The version of messages that this program writes.
const VERSION: u32 = 1;

/// A message of the work queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The stream to run over.
    pub stream: StreamId,
    /// Finish only what was decided: the stream is no longer collected.
    pub is_recovery: bool,
}

/// One message that SQS delivers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// `aws:sqs`.
    pub event_source: String,
    /// SQS's name of it.
    pub message_id: String,
    /// Its text.
    pub body: String,
}

/// The text is no message of this program's.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// It is not what any version has written.
    #[error("it is no message of the work queue: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A later version wrote it.
    #[error("it is of version {0}, this program knows {VERSION}")]
    Newer(u32),
}

/// A message as it is sent.
#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    stream: StreamId,
    task: WireTask,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireTask {
    Collect,
    Recover,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Message {
    /// What a run that answers the message is for.
    #[must_use]
    pub fn goal(&self) -> RunPurpose<'static> {
        if self.is_recovery { RunPurpose::Recover } else { RunPurpose::Collect }
    }

    /// The message's text.
    #[must_use]
    pub fn write(&self) -> String {
        let task = if self.is_recovery { WireTask::Recover } else { WireTask::Collect };
        let wire = Wire { version: VERSION, stream: self.stream.clone(), task };
        // Two texts and a number always serialise.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads a message's text.
    ///
    /// # Errors
    /// [`NoMessage`].
    pub fn read(text: &str) -> Result<Self, NoMessage> {
        let Versioned { version } = serde_json::from_str(text)?;
        if version > VERSION {
            return Err(NoMessage::Newer(version));
        }
        let Wire { stream, task, .. } = serde_json::from_str(text)?;
        Ok(Self { stream, is_recovery: matches!(task, WireTask::Recover) })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let message = Message { stream: StreamId::own(), is_recovery: false };
        assert_eq!(message.write(), r#"{"version":1,"stream":"self","task":"collect"}"#);
        assert_eq!(Message::read(&message.write()).unwrap(), message);
        let recovery = Message { is_recovery: true, ..message };
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
