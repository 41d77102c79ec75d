//! The token endpoint: OAuth client credentials.

use crate::wire::{Answer, Request, form_value};
use crate::world::World;

/// Answers `/oauth2/token`. Its errors have OAuth's form, unlike those of the other hosts.
pub(crate) fn answer(world: &mut World, now_ms: i64, request: &Request) -> Answer {
    if request.route() != "/oauth2/token" {
        return Answer::error(404, "Not Found");
    }
    if request.method != "POST" {
        return refusal(405, "invalid_request", "the method must be POST");
    }
    let Some(client_id) = world.credentials.client(request) else {
        return refusal(401, "invalid_client", "Client authentication failed");
    };
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/x-www-form-urlencoded") {
        return refusal(400, "invalid_request", "the body must be a form");
    }
    if form_value(&request.body, "grant_type").as_deref() != Some("client_credentials") {
        return refusal(400, "unsupported_grant_type", "the grant type must be client_credentials");
    }
    if form_value(&request.body, "scope").as_deref() != Some("api") {
        return refusal(400, "invalid_scope", "the scope must be api");
    }
    let lifetime_s = world.behaviours.token_lifetime_s;
    let expires_at_ms = now_ms + i64::from(lifetime_s) * 1_000;
    let token = world.credentials.issue(&client_id, now_ms, expires_at_ms, &mut world.random);
    let body = serde_json::json!({
        "access_token": token,
        "expires_in": lifetime_s,
        "scope": "api",
        "token_type": "bearer",
    });
    Answer::json(200, body.to_string())
}

fn refusal(status: u16, error: &str, description: &str) -> Answer {
    let body = serde_json::json!({ "error": error, "error_description": description });
    Answer::json(status, body.to_string())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::respond;
    use crate::fixture::{EVENTS, NOW_MS, ORGANIZATION, query};
    use crate::world::credentials::Key;
    use crate::world::fault::{Fault, Rule, When};

    const FORM: &str = "grant_type=client_credentials&scope=api";

    fn world() -> World {
        let mut world = World::new(1);
        world.add_service_account("client", "secret", Key::single("client", ORGANIZATION));
        world
    }

    fn token_request(secret: &str, form: &str) -> Request {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("client:{secret}"));
        Request::post("/oauth2/token", form.to_owned())
            .with_header("authorization", &format!("Basic {pair}"))
            .with_header("content-type", "application/x-www-form-urlencoded")
    }

    fn token(world: &mut World, secret: &str) -> Option<String> {
        let answer = respond(world, NOW_MS, &token_request(secret, FORM));
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        body["access_token"].as_str().map(str::to_owned)
    }

    fn status(world: &mut World, now_ms: i64, token: &str, organization: Option<&str>) -> u16 {
        let mut request = Request::post(EVENTS, query(json!({})).to_string())
            .with_header("authorization", &format!("bearer {token}"));
        if let Some(id) = organization {
            request = request.with_header("x-org-id", id);
        }
        respond(world, now_ms, &request).status
    }

    /// A token is good for its lifetime, and only together with an organization.
    #[test]
    fn a_token_is_good_for_its_lifetime() {
        let mut world = world();
        world.behaviours.token_lifetime_s = 1;
        let token = token(&mut world, "secret").unwrap_or_default();
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(status(&mut world, NOW_MS + 999, &token, Some(ORGANIZATION)), 200);
        assert_eq!(status(&mut world, NOW_MS + 1_000, &token, Some(ORGANIZATION)), 401);
        assert_eq!(status(&mut world, NOW_MS, &token, None), 401);
        assert_eq!(world.violations(), []);
    }

    /// Rotation has two good secrets for a while.
    #[test]
    fn two_secrets_may_be_good_at_once() {
        let mut world = world();
        world.add_service_account("client", "second", Key::single("client", ORGANIZATION));
        assert!(token(&mut world, "secret").is_some());
        assert!(token(&mut world, "second").is_some());
        world.remove_client_secret("client", "secret");
        assert!(token(&mut world, "secret").is_none());
        assert!(token(&mut world, "second").is_some());
    }

    /// Errors have OAuth's form, which is not that of the other hosts.
    #[test]
    fn bad_token_requests_are_refused() {
        let mut world = world();
        let wrong = respond(&mut world, NOW_MS, &token_request("wrong", FORM));
        assert_eq!(wrong.status, 401);
        let body: Value = serde_json::from_slice(&wrong.body).unwrap_or_default();
        assert_eq!(body["error"], "invalid_client");
        for form in ["", "grant_type=password&scope=api", "grant_type=client_credentials"] {
            assert_eq!(respond(&mut world, NOW_MS, &token_request("secret", form)).status, 400);
        }
        let mut get = token_request("secret", FORM);
        get.method = "GET".to_owned();
        assert_eq!(respond(&mut world, NOW_MS, &get).status, 405);
    }

    /// A token refused in the middle of a window is the case a collector must survive.
    #[test]
    fn tokens_are_revoked_in_mid_window() {
        let mut world = world();
        let first = token(&mut world, "secret").unwrap_or_default();
        world.add_fault(Rule::new(Fault::TokensRevoked, When::Nth(2)).on("/events"));
        let mut ask = |token: &str| status(&mut world, NOW_MS, token, Some(ORGANIZATION));
        assert_eq!([ask(&first), ask(&first), ask(&first)], [200, 401, 401]);
        let second = token(&mut world, "secret").unwrap_or_default();
        assert_eq!(status(&mut world, NOW_MS, &second, Some(ORGANIZATION)), 200);
    }
}
