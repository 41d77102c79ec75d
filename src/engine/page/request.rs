//! What is asked of JumpCloud.

use crate::page::token::Token;

/// A service list as it is sent to JumpCloud.
pub type Query = Vec<String>;

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Inclusive.
    pub start_ms: i64,
    /// JumpCloud's upper bound; what it returns at or beyond it is cut.
    pub end_ms: i64,
    /// Rows asked for.
    pub limit: u32,
    /// Rows behind this one only.
    pub token: Option<Token>,
}
