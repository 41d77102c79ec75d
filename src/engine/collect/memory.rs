//! What a process has learned of organizations, and does not ask again.

use std::collections::BTreeMap;

use crate::stream::StreamId;

/// Assignments never change; whose the key is may.
#[derive(Debug, Default)]
pub(super) struct Organizations {
    /// Streams, by the organization that is assigned to them.
    pub(super) assigned: BTreeMap<String, StreamId>,
    /// The organization of `self`.
    pub(super) own: Option<String>,
    /// The credential with which it was asked, and the organization of the key.
    pub(super) key: Option<(u64, Option<String>)>,
    /// Whether no organization's stream was found beside `self`.
    pub(super) is_alone: bool,
}
