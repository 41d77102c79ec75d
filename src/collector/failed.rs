//! How a deployed stack fails that did what it could.

/// The function did what it could, and failed because some streams or lanes did.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
#[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only a deployed stack fails so"))]
pub(crate) struct StreamsFailed(pub(crate) String);
