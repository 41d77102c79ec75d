//! The credentials: API keys, service accounts and the tokens issued to them.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::wire::Request;

/// The owner of a credential: an administrator or a service account.
#[derive(Debug, Clone)]
pub struct Key {
    /// The name in the request log. Never the secret itself.
    pub name: String,
    /// The organizations it may read, besides all those of its provider.
    pub organizations: Vec<String>,
    /// Whether it must name the organization in `x-org-id`.
    pub multi_tenant: bool,
    /// The provider it belongs to, for administrators of a multi-tenant portal.
    pub provider: Option<String>,
}

impl Key {
    /// An administrator of one organization.
    pub fn single(name: &str, organization: &str) -> Self {
        Self {
            name: name.to_owned(),
            organizations: vec![organization.to_owned()],
            multi_tenant: false,
            provider: None,
        }
    }

    /// An administrator of several organizations, who must say which one a request is about.
    pub fn several(name: &str, organizations: &[&str]) -> Self {
        Self {
            organizations: organizations.iter().map(|&id| id.to_owned()).collect(),
            multi_tenant: true,
            ..Self::single(name, "")
        }
    }

    /// An administrator of a provider and all its organizations.
    pub fn provider(name: &str, provider: &str) -> Self {
        Self {
            organizations: Vec::new(),
            multi_tenant: true,
            provider: Some(provider.to_owned()),
            ..Self::single(name, "")
        }
    }
}

#[derive(Debug)]
struct ServiceAccount {
    /// Two may be valid at once, for rotation.
    secrets: Vec<String>,
    grants: Key,
}

#[derive(Debug)]
struct Token {
    client_id: String,
    expires_at_ms: i64,
}

/// How a request identified itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// `x-api-key`
    ApiKey,
    /// `Authorization: Bearer`
    Bearer,
    /// `Authorization: Basic`
    Basic,
    /// Several of them at once.
    Several,
}

/// Every credential the mock knows.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    keys: HashMap<String, Key>,
    accounts: HashMap<String, ServiceAccount>,
    tokens: HashMap<String, Token>,
}

impl Credentials {
    pub(crate) fn add_key(&mut self, key: &str, grants: Key) {
        self.keys.insert(key.to_owned(), grants);
    }

    pub(crate) fn remove_key(&mut self, key: &str) -> Option<Key> {
        self.keys.remove(key)
    }

    /// Adds a secret to an account, made if new; an account's grants are replaced.
    pub(crate) fn add_secret(&mut self, client_id: &str, secret: &str, grants: Key) {
        let account = self
            .accounts
            .entry(client_id.to_owned())
            .or_insert_with(|| ServiceAccount { secrets: Vec::new(), grants: grants.clone() });
        account.secrets.push(secret.to_owned());
        account.grants = grants;
    }

    /// Removes one secret of an account. Tokens issued with it remain valid, as in OAuth.
    pub(crate) fn remove_secret(&mut self, client_id: &str, secret: &str) {
        if let Some(account) = self.accounts.get_mut(client_id) {
            account.secrets.retain(|kept| kept != secret);
        }
    }

    pub(crate) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.tokens.keys().map(String::as_str)
    }

    /// Who sent the request with an API key or a token, and by which of the two; `None` if the
    /// credential is absent, unknown or expired.
    pub(crate) fn find(&self, now_ms: i64, request: &Request) -> Option<(&Key, CredentialKind)> {
        if let Some(key) = request.header("x-api-key") {
            return Some((self.keys.get(key)?, CredentialKind::ApiKey));
        }
        let token = self.tokens.get(bearer(request)?)?;
        let account = self.accounts.get(&token.client_id)?;
        (now_ms < token.expires_at_ms).then_some((&account.grants, CredentialKind::Bearer))
    }

    /// The account of a request with Basic authentication, if its secret is right.
    pub(crate) fn client(&self, request: &Request) -> Option<String> {
        let (client_id, secret) = basic(request)?;
        let account = self.accounts.get(&client_id)?;
        account.secrets.contains(&secret).then_some(client_id)
    }

    /// Issues a token in the form of a JWT, valid until `expires_at_ms` (exclusive).
    pub(crate) fn issue(
        &mut self,
        client_id: &str,
        now_ms: i64,
        expires_at_ms: i64,
        random: &mut fastrand::Rng,
    ) -> String {
        let claims = serde_json::json!({
            "client_id": client_id,
            "exp": expires_at_ms.div_euclid(1_000),
            "iat": now_ms.div_euclid(1_000),
            "jti": crate::made_up::uuid(random),
            "scp": ["api"],
            "sub": client_id,
        });
        let signature: [u8; 64] = std::array::from_fn(|_| random.u8(..));
        let token = [
            URL_SAFE_NO_PAD.encode(br#"{"alg":"RS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(signature),
        ]
        .join(".");
        self.tokens.insert(token.clone(), Token { client_id: client_id.to_owned(), expires_at_ms });
        token
    }

    /// The name of the credential in a request, for the log; `unknown` if the mock does not know
    /// it. Never a secret.
    pub(crate) fn name_of(&self, request: &Request) -> Option<String> {
        let name = match credential_kind(request)? {
            CredentialKind::Basic => basic(request)
                .map(|(client_id, _)| client_id)
                .filter(|client_id| self.accounts.contains_key(client_id)),
            CredentialKind::Bearer => bearer(request)
                .and_then(|token| self.tokens.get(token))
                .map(|token| token.client_id.clone()),
            CredentialKind::ApiKey | CredentialKind::Several => request
                .header("x-api-key")
                .and_then(|key| self.keys.get(key))
                .map(|key| key.name.clone()),
        };
        Some(name.unwrap_or_else(|| "unknown".to_owned()))
    }
}

/// The credential that a request carries, as it was sent: a key, a token, or a pair in base64.
pub(crate) fn credential(request: &Request) -> Option<&str> {
    let sent = || request.header("authorization")?.split_once(' ').map(|(_, sent)| sent);
    request.header("x-api-key").or_else(sent)
}

/// What kind of credential a request carries, known or not.
pub(crate) fn credential_kind(request: &Request) -> Option<CredentialKind> {
    let authorizations = request.header_values("authorization").count();
    match (request.header_values("x-api-key").count(), authorizations) {
        (0, 0) => None,
        (1, 0) => Some(CredentialKind::ApiKey),
        (0, 1) if scheme(request, "basic ").is_some() => Some(CredentialKind::Basic),
        (0, 1) => Some(CredentialKind::Bearer),
        _ => Some(CredentialKind::Several),
    }
}

fn bearer(request: &Request) -> Option<&str> {
    scheme(request, "bearer ")
}

fn basic(request: &Request) -> Option<(String, String)> {
    let decoded = STANDARD.decode(scheme(request, "basic ")?.trim()).ok()?;
    let (client_id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((client_id.to_owned(), secret.to_owned()))
}

/// What follows an authorization scheme, which is compared without case.
fn scheme<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let value = request.header("authorization")?;
    let (start, rest) = value.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(rest)
}
