//! Errors of a run, named by what has to happen next.

use crate::cause::Cause;
use crate::cursor::{CursorError, Unreadable};
use crate::journal::EntryError;
use crate::journal::assignment::AssignmentError;
use crate::journal::certificate::CertificateError;
use crate::ports::{InsightsError, NoRandomness, StoreError};
use crate::read::WalkError;

/// Why a run of one stream failed. Messages are lowercase fragments in plain words.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A stored object is not what any version of this program wrote there. The stream stops until
    /// an operator has restored it.
    #[error("damaged: {key}: {cause}; nothing was overwritten, see the runbook")]
    Damaged {
        /// What is damaged: an object's key, or the cursor.
        key: String,
        /// What is wrong with it.
        #[source]
        cause: Cause,
    },
    /// A later version of this program wrote it. The stream stops until that version runs again.
    #[error("{key} is of a later version: {cause}; nothing was touched")]
    NewerFormat {
        /// What is of a later version.
        key: String,
        /// The version found and the version known.
        #[source]
        cause: Cause,
    },
    /// JumpCloud refuses the credential, or the secret holds none. An operator must replace it.
    #[error(transparent)]
    Credential(Cause),
    /// JumpCloud, AWS or this program refuses, and will refuse again until an operator changes
    /// something.
    #[error(transparent)]
    Refused(Cause),
    /// The next run tries again.
    #[error(transparent)]
    Transient(Cause),
    /// Only one query failed: others of the stream can be read.
    #[error(transparent)]
    Query(QueryError),
}

/// Why one query of a stream failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// JumpCloud refuses it, or sends what it cannot be read through. It is asked again in every run,
    /// and an alarm says so.
    #[error("{cause}")]
    Refused {
        /// The status of JumpCloud's answer; none if that is not why.
        status: Option<u16>,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// The next run tries again.
    #[error(transparent)]
    Unavailable(Cause),
}

impl RunError {
    /// A stored object that is not what any version of this program wrote there.
    pub fn damaged(key: &str, cause: impl Into<Cause>) -> Self {
        Self::Damaged { key: key.to_owned(), cause: cause.into() }
    }

    /// A stored object that a later version of this program wrote.
    pub fn newer(key: &str, cause: impl Into<Cause>) -> Self {
        Self::NewerFormat { key: key.to_owned(), cause: cause.into() }
    }

    /// An error that will occur again until an operator changes something.
    pub fn refused(cause: impl Into<Cause>) -> Self {
        Self::Refused(cause.into())
    }

    /// An error after which the next run tries again.
    pub fn transient(cause: impl Into<Cause>) -> Self {
        Self::Transient(cause.into())
    }

    /// A query that cannot be read before an operator or JumpCloud changes something.
    pub fn refused_query(cause: impl Into<Cause>) -> Self {
        Self::Query(QueryError::Refused { status: None, cause: cause.into() })
    }

    /// The error for an entry that cannot be used.
    #[must_use]
    pub fn of_entry(key: &str, error: EntryError) -> Self {
        match error {
            EntryError::Newer(_) => Self::newer(key, Cause::of(error)),
            EntryError::Damaged(_) => Self::damaged(key, Cause::of(error)),
        }
    }

    /// The error for a birth certificate that cannot be used.
    #[must_use]
    pub fn of_certificate(key: &str, error: CertificateError) -> Self {
        match error {
            CertificateError::Newer(_) => Self::newer(key, Cause::of(error)),
            CertificateError::Unreadable(_) | CertificateError::OtherStream(_) => {
                Self::damaged(key, Cause::of(error))
            }
        }
    }

    /// An assignment of an organization that cannot be used.
    #[must_use]
    pub fn of_assignment(key: &str, error: AssignmentError) -> Self {
        match error {
            AssignmentError::Newer(_) => Self::newer(key, Cause::of(error)),
            AssignmentError::Unreadable(_)
            | AssignmentError::OtherOrganization(_)
            | AssignmentError::OtherStream(_) => Self::damaged(key, Cause::of(error)),
        }
    }

    /// Whether it will occur again until an operator acts. Then the invocation fails, so that the
    /// alarm is raised.
    #[must_use]
    pub fn needs_operator(&self) -> bool {
        !matches!(self, Self::Transient(_) | Self::Query(QueryError::Unavailable(_)))
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Denied(cause) | StoreError::Rejected(cause) => Self::Refused(cause),
            StoreError::Indeterminate(cause) => Self::Transient(cause),
        }
    }
}

impl From<NoRandomness> for RunError {
    fn from(error: NoRandomness) -> Self {
        Self::Transient(Cause::of(error))
    }
}

impl From<InsightsError> for RunError {
    fn from(error: InsightsError) -> Self {
        match error {
            InsightsError::Credential(cause) => Self::Credential(cause),
            InsightsError::Refused { status, cause } => {
                Self::Query(QueryError::Refused { status: Some(status), cause })
            }
            InsightsError::Redirected(cause) => Self::Refused(cause),
            InsightsError::Throttled(cause) => Self::Transient(cause),
            InsightsError::Unavailable(cause) => Self::Query(QueryError::Unavailable(cause)),
            InsightsError::OutOfTime
            | InsightsError::TooLarge { .. }
            | InsightsError::Unfetched(_) => Self::Query(QueryError::Unavailable(Cause::of(error))),
        }
    }
}

impl From<WalkError> for RunError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Dense(_) => Self::refused_query(Cause::of(error)),
            WalkError::Short { .. } => Self::Query(QueryError::Unavailable(Cause::of(error))),
        }
    }
}

impl From<CursorError> for RunError {
    fn from(error: CursorError) -> Self {
        match error {
            CursorError::Newer(_) => Self::newer("the cursor", Cause::of(error)),
            CursorError::Unreadable(_) => Self::damaged("the cursor", Cause::of(error)),
        }
    }
}

impl From<Unreadable> for RunError {
    fn from(error: Unreadable) -> Self {
        CursorError::from(error).into()
    }
}
