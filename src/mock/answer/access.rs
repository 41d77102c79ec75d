//! What a request may see, checked in a fixed order: credential, organization header, organization,
//! access to it, whether it has Directory Insights.

use crate::wire::{Refusal, Request};
use crate::world::World;
use crate::world::credentials::{CredentialKind, Key};
use crate::world::organization::Organization;
use crate::world::store::StoredEvent;

/// The owner of the events in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those of these organizations, mixed.
    Organizations(Vec<String>),
    /// The provider's own trail.
    Provider(String),
}

impl Scope {
    pub(crate) fn holds(&self, event: &StoredEvent) -> bool {
        match self {
            Self::Organizations(ids) => ids.iter().any(|id| **id == *event.organization),
            Self::Provider(id) => event.provider.as_deref() == Some(id.as_str()),
        }
    }
}

/// The key of a request, after the checks that every route of the insights and console hosts makes.
///
/// # Errors
///
/// 401 for an absent or unknown credential, or an expired token.
pub(crate) fn identify<'a>(
    world: &'a World,
    now_ms: i64,
    request: &Request,
) -> Result<(&'a Key, CredentialKind), Refusal> {
    world.credentials.find(now_ms, request).ok_or_else(|| Refusal::new(401, "Unauthorized"))
}

/// What a request to the insights host may see.
///
/// # Errors
///
/// Those of [`identify`]; then 400 for a malformed organization, 401 where one is missing, 404
/// for an unknown one, 403 for one out of reach, 402 for one without Directory Insights.
pub(crate) fn scope(world: &World, now_ms: i64, request: &Request) -> Result<Scope, Refusal> {
    let (key, kind) = identify(world, now_ms, request)?;
    let asked = asked_organizations(request)?;
    if let (true, Some(provider)) = (asked.is_empty(), request.header("x-provider-id")) {
        return match key.provider.as_deref() == Some(provider) {
            true => Ok(Scope::Provider(provider.to_owned())),
            false => Err(Refusal::new(403, "Forbidden")),
        };
    }
    let organizations = match asked.is_empty() {
        false => asked,
        true => vec![only_organization(key, kind)?],
    };
    for id in &organizations {
        let organization = world
            .organizations
            .get(id)
            .ok_or_else(|| Refusal::new(404, "Not Found: organization not found"))?;
        if !may_read(key, organization) {
            return Err(Refusal::new(403, "Forbidden"));
        }
        if !organization.insights_enabled {
            let text = "Payment Required: Directory Insights is not enabled";
            return Err(Refusal::new(402, text));
        }
    }
    Ok(Scope::Organizations(organizations))
}

/// Whether a key reaches an organization: it is named, or belongs to the key's provider.
pub(crate) fn may_read(key: &Key, organization: &Organization) -> bool {
    key.organizations.contains(&organization.id)
        || (key.provider.is_some() && key.provider == organization.provider)
}

/// The organization of a request that names none.
fn only_organization(key: &Key, kind: CredentialKind) -> Result<String, Refusal> {
    let none_selected = || Refusal::new(401, "Unauthorized: no organization selected");
    if key.multi_tenant || kind == CredentialKind::Bearer {
        return Err(none_selected());
    }
    key.organizations.first().cloned().ok_or_else(none_selected)
}

/// The organizations of the `x-org-id` headers.
fn asked_organizations(request: &Request) -> Result<Vec<String>, Refusal> {
    let ids: Vec<String> = request.header_values("x-org-id").map(str::to_owned).collect();
    let is_id = |id: &String| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    match ids.iter().all(is_id) {
        true => Ok(ids),
        false => Err(Refusal::new(400, "Bad Request: malformed organization id")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::answer::respond;
    use crate::fixture::{EVENTS, KEY, NOW_MS, ORGANIZATION, event, query, request, world};

    const OTHER: &str = "0123456789abcdef01234567";
    const STRANGE: &str = "ffffffffffffffffffffffff";
    const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";
    const PORTAL_KEY: &str = "jca_portal";

    /// A provider with two organizations, a third that is not its own, and one event in each.
    fn portal() -> World {
        let mut world = world();
        world.add_key(PORTAL_KEY, Key::provider("portal", PROVIDER));
        for id in [ORGANIZATION, OTHER] {
            world.add_organization(Organization::new(id, id).managed_by(PROVIDER));
        }
        world.add_organization(Organization::new(STRANGE, "strange"));
        for id in [ORGANIZATION, OTHER, STRANGE] {
            let raw = event(0, NOW_MS - 1).replace(ORGANIZATION, id);
            assert!(world.load(raw, 0).is_ok());
        }
        world
    }

    fn ask(world: &mut World, headers: &[(&str, &str)]) -> (u16, usize) {
        let body = query(json!({})).to_string();
        let mut request = Request::post(EVENTS, body);
        for (name, value) in headers {
            request = request.with_header(name, value);
        }
        let answer = respond(world, NOW_MS, &request);
        (answer.status, answer.rows)
    }

    /// Each check comes before the next, so the status shows what a client must correct first.
    #[test]
    fn checks_come_in_their_order() {
        let mut world = portal();
        let malformed = [("x-org-id", "malformed")];
        assert_eq!(ask(&mut world, &malformed).0, 401);
        let key = ("x-api-key", KEY);
        assert_eq!(ask(&mut world, &[key, malformed[0]]).0, 400);
        assert_eq!(ask(&mut world, &[key, ("x-org-id", "eeeeeeeeeeeeeeeeeeeeeeee")]).0, 404);
        assert_eq!(ask(&mut world, &[key, ("x-org-id", STRANGE)]).0, 403);
        if let Some(organization) = world.organization_mut(ORGANIZATION) {
            organization.insights_enabled = false;
        }
        let bad_body = request(EVENTS, &json!(1));
        assert_eq!(respond(&mut world, NOW_MS, &bad_body).status, 402);
    }

    /// An administrator of many organizations must say which.
    #[test]
    fn a_portal_key_names_its_organizations() {
        let mut world = portal();
        let key = ("x-api-key", PORTAL_KEY);
        assert_eq!(ask(&mut world, &[key]).0, 401);
        assert_eq!(ask(&mut world, &[key, ("x-org-id", OTHER)]), (200, 1));
        let both = [key, ("x-org-id", OTHER), ("x-org-id", ORGANIZATION)];
        assert_eq!(ask(&mut world, &both), (200, 2));
        let joined = format!("{OTHER},{ORGANIZATION}");
        assert_eq!(ask(&mut world, &[key, ("x-org-id", &joined)]).0, 400);
        world.remove_organization(OTHER);
        assert_eq!(ask(&mut world, &[key, ("x-org-id", OTHER)]).0, 404);
    }

    /// A provider's trail can be read only with its own key.
    #[test]
    fn a_provider_reads_its_own_trail() {
        let mut world = portal();
        let raw = json!({"provider":PROVIDER,"timestamp":"2027-01-15T07:59:59Z"});
        assert!(world.load(raw.to_string(), 0).is_ok());
        let provider = ("x-provider-id", PROVIDER);
        assert_eq!(ask(&mut world, &[("x-api-key", PORTAL_KEY), provider]), (200, 1));
        assert_eq!(ask(&mut world, &[("x-api-key", KEY), provider]).0, 403);
    }
}
