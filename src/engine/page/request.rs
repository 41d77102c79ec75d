//! The parameters of a request for a page.

use crate::page::Token;
use crate::time::Window;

/// A service list as it is sent to JumpCloud.
pub type Query = Vec<String>;

/// The parameters of one request for a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The window. JumpCloud may return rows at its end or later, which the caller ignores.
    pub window: Window,
    /// The largest number of rows to return.
    pub limit: u32,
    /// If given, only rows after this one are returned.
    pub token: Option<Token>,
}

/// How often a page is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Tries made before this request since the last page: with them there are at most
    /// [`TRIES_MAX`](crate::limits::TRIES_MAX).
    pub made: u32,
    /// After so many that fail in a way that fewer rows may not, the request has failed.
    pub failures: u32,
}
