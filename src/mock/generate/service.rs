//! The services of JumpCloud.

use serde::Serialize;

/// A service of JumpCloud, as events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
