//! Why a run ended badly, named by what happens next.

use crate::cursor::CursorError;
use crate::cursor::item::Unreadable;
use crate::journal::certificate::CertificateError;
use crate::journal::entry::EntryError;
use crate::ports::{InsightsError, StoreError};
use crate::read::paging::WalkError;

/// Why a run of one stream failed. Messages are lowercase fragments in plain words.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A person must mend it: the invocation fails, so that the alarm goes off.
    #[error("{0}")]
    Mend(String),
    /// It may pass: the next run tries again.
    #[error("{0}")]
    Pass(String),
}

impl RunError {
    /// Something stored is not what any version of this program wrote there.
    pub fn damaged(key: &str, what: impl std::fmt::Display) -> Self {
        Self::Mend(format!("damaged: {key}: {what}; nothing was overwritten, see the runbook"))
    }

    /// Whether a person must mend it.
    #[must_use]
    pub fn needs_mending(&self) -> bool {
        matches!(self, Self::Mend(_))
    }
}

/// A birth certificate that cannot be used, with its key.
pub fn unusable_certificate(key: &str, error: &CertificateError) -> RunError {
    match error {
        CertificateError::Newer(_) => {
            RunError::Mend(format!("{key} is of a later version: {error}; nothing was touched"))
        }
        CertificateError::Unreadable(_) | CertificateError::OtherStream(_) => {
            RunError::damaged(key, error)
        }
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(message) => Self::Mend(message),
            StoreError::Unclear(message) => Self::Pass(message),
        }
    }
}

impl From<InsightsError> for RunError {
    fn from(error: InsightsError) -> Self {
        match error {
            InsightsError::Refused(message) => Self::Mend(message),
            other => Self::Pass(other.to_string()),
        }
    }
}

impl From<WalkError> for RunError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Dense(_) | WalkError::Stuck(_) => Self::Mend(error.to_string()),
            WalkError::Short { .. } => Self::Pass(error.to_string()),
        }
    }
}

impl From<CursorError> for RunError {
    fn from(error: CursorError) -> Self {
        match error {
            CursorError::Newer(_) => Self::Mend(format!(
                "the cursor is of a later version: {error}; nothing was touched"
            )),
            CursorError::Unreadable(_) => Self::damaged("the cursor", error),
        }
    }
}

impl From<Unreadable> for RunError {
    fn from(error: Unreadable) -> Self {
        CursorError::from(error).into()
    }
}

/// An entry that cannot be used, with its key.
pub fn unusable_entry(key: &str, error: &EntryError) -> RunError {
    match error {
        EntryError::Newer(_) => {
            RunError::Mend(format!("{key} is of a later version: {error}; nothing was touched"))
        }
        EntryError::Damaged(_) => RunError::damaged(key, error),
    }
}
