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
