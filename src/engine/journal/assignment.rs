//! The create-only object that names the stream which collects an organization, and the one that
//! names the organization which `self` collects. They never expire.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::stream::StreamId;

/// The version this program writes.
pub const VERSION: u32 = 1;

/// The key of the object that names the organization of `self`, in the form of its assignment.
pub const OWN_KEY: &str = "organizations/v1/self.json";

/// Which stream collects an organization: one, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    version: u32,
    /// The organization's 24 hex digits.
    pub organization: String,
    /// The stream: the organization's own, or `self`.
    pub stream: StreamId,
}

/// The bytes assign no stream that this program can use.
#[derive(Debug, thiserror::Error)]
pub enum AssignmentError {
    /// Written by a later version of this program.
    #[error("its version is {0}, this program knows {VERSION}")]
    Newer(u32),
    /// Not what any version wrote.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// It is about this other organization.
    #[error("it is about organization {0}")]
    OtherOrganization(String),
    /// It names a stream that cannot collect the organization.
    #[error("it names {0}, which cannot collect the organization")]
    OtherStream(StreamId),
}

impl Assignment {
    /// Assigns `stream` to an organization.
    #[must_use]
    pub fn new(organization: &str, stream: &StreamId) -> Self {
        let (organization, stream) = (organization.to_owned(), stream.clone());
        Self { version: VERSION, organization, stream }
    }

    /// Reads the assignment of `organization`.
    ///
    /// # Errors
    /// [`AssignmentError`] if a later version wrote it, if it cannot be read, or if it is about
    /// another organization or names a stream of another one.
    pub fn of(organization: &str, bytes: &[u8]) -> Result<Self, AssignmentError> {
        let found = Self::parse(bytes)?;
        let can_collect = found.stream == StreamId::own() || found.stream.as_str() == organization;
        match found {
            Self { organization: other, .. } if other != organization => {
                Err(AssignmentError::OtherOrganization(other))
            }
            Self { stream, .. } if !can_collect => Err(AssignmentError::OtherStream(stream)),
            found => Ok(found),
        }
    }

    /// Reads what [`OWN_KEY`] holds.
    ///
    /// # Errors
    /// [`AssignmentError`] if a later version wrote it, if it cannot be read, or if it names
    /// another stream.
    pub fn of_own(bytes: &[u8]) -> Result<Self, AssignmentError> {
        match Self::parse(bytes)? {
            found if found.stream == StreamId::own() => Ok(found),
            Self { stream, .. } => Err(AssignmentError::OtherStream(stream)),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, AssignmentError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version > VERSION {
            return Err(AssignmentError::Newer(version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The object's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        json::encode(self).into()
    }
}

/// The key of an organization's assignment.
#[must_use]
pub fn assignment_key(organization: &str) -> String {
    format!("organizations/v1/{organization}.json")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ORGANIZATION: &str = "5c1c30d6a2f1b3e4d5c6b7a8";

    #[test]
    fn what_is_written_is_read() {
        let stream = StreamId::of_organization(ORGANIZATION).unwrap();
        for stream in [StreamId::own(), stream] {
            let assignment = Assignment::new(ORGANIZATION, &stream);
            let bytes = assignment.encode();
            assert_eq!(Assignment::of(ORGANIZATION, &bytes).unwrap(), assignment);
            let own = Assignment::of_own(&bytes);
            assert_eq!(own.is_ok(), assignment.stream == StreamId::own(), "{own:?}");
        }
        assert_eq!(
            Assignment::new(ORGANIZATION, &StreamId::own()).encode(),
            r#"{"version":1,"organization":"5c1c30d6a2f1b3e4d5c6b7a8","stream":"self"}"#
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let other = "6d2d41e7b3f2c4f5e6d7c8b9";
        let text = |version: u32, organization: &str, stream: &str| {
            format!(
                r#"{{"version":{version},"organization":"{organization}","stream":"{stream}"}}"#
            )
        };
        for (text, says) in [
            (text(2, ORGANIZATION, "self"), "its version is 2, this program knows 1"),
            (text(1, other, "self"), "it is about organization 6d2d41e7b3f2c4f5e6d7c8b9"),
            (text(1, ORGANIZATION, other), "it names 6d2d41e7b3f2c4f5e6d7c8b9"),
            (text(1, ORGANIZATION, "self.users"), "it names self.users"),
            (String::new(), "EOF"),
        ] {
            let error = Assignment::of(ORGANIZATION, text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(says), "{text}: {error}");
        }
    }
}
