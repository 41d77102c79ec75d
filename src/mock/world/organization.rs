//! Tenants and their users.

use serde_json::Value;

/// A JumpCloud tenant.
#[derive(Debug, Clone)]
pub struct Organization {
    /// 24 hex digits.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The provider that manages it, if any.
    pub provider: Option<String>,
    /// Whether Directory Insights is enabled.
    pub insights_enabled: bool,
    /// Its users as `/api/systemusers` returns them: objects with `_id`; other fields are optional.
    pub users: Vec<Value>,
}

impl Organization {
    /// A tenant of its own with Directory Insights and without users.
    pub fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            provider: None,
            insights_enabled: true,
            users: Vec::new(),
        }
    }

    /// The same tenant, managed by a provider.
    #[must_use]
    pub fn managed_by(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }
}
