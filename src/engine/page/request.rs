//! What is asked of JumpCloud.

use crate::page::Token;
use crate::time::Window;

/// A service list as it is sent to JumpCloud.
pub type Query = Vec<String>;

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What is asked for. JumpCloud may return rows at its end, which are cut.
    pub window: Window,
    /// Rows asked for.
    pub limit: u32,
    /// Rows behind this one only.
    pub token: Option<Token>,
}
