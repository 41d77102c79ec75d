//! The services of JumpCloud.

/// A service of JumpCloud, as events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Service {
    AccessManagement,
    Alerts,
    AssetManagement,
    Directory,
    Ldap,
    Mdm,
    Notifications,
    ObjectStorage,
    Pam,
    PasswordManager,
    Radius,
    Reports,
    SaasAppManagement,
    Software,
    Sso,
    Systems,
    Workflows,
}

impl Service {
    /// The value of the event's `service` field.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessManagement => "access_management",
            Self::Alerts => "alerts",
            Self::AssetManagement => "asset_management",
            Self::Directory => "directory",
            Self::Ldap => "ldap",
            Self::Mdm => "mdm",
            Self::Notifications => "notifications",
            Self::ObjectStorage => "object_storage",
            Self::Pam => "pam",
            Self::PasswordManager => "password_manager",
            Self::Radius => "radius",
            Self::Reports => "reports",
            Self::SaasAppManagement => "saas_app_management",
            Self::Software => "software",
            Self::Sso => "sso",
            Self::Systems => "systems",
            Self::Workflows => "workflows",
        }
    }
}
