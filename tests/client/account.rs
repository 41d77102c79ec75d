//! The service account: one token, fetched early enough and as seldom as possible.

use futures_util::future::join_all;
use mock::{CredentialKind, Fault, Host, RetryAfter, Rule, When};

use super::environment::{
    CLIENT_ID, CLIENT_SECRET, Environment, KEY, account, refused, unavailable,
};

async fn environment() -> Environment {
    Environment::with_secret(&account(CLIENT_SECRET)).await
}

impl Environment {
    fn tokens_fetched(&self) -> usize {
        self.answered(Host::OAuth).iter().filter(|status| **status == 200).count()
    }
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let environment = environment().await;
    let pages = join_all((0..4).map(|_| environment.organization_page())).await;
    assert!(pages.iter().all(Result::is_ok), "{pages:?}");
    environment.organization_page().await.unwrap();
    assert_eq!(environment.tokens_fetched(), 1);
    assert_eq!(environment.secrets.reads(), 1);
    let record = environment.world().log().last().cloned().unwrap();
    assert_eq!(record.credential_kind, Some(CredentialKind::Bearer));
    assert_eq!(record.credential.as_deref(), Some(CLIENT_ID));
    environment.assert_disciplined();
}

/// A minute before it ends, or at half its life where that is shorter.
#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    for (life_s, good_ms) in [(1, 500), (60, 30_000), (3_600, 3_540_000)] {
        let environment = environment().await;
        environment.world().behaviours.token_lifetime_s = life_s;
        environment.organization_page().await.unwrap();
        environment.clock.advance(good_ms - 1);
        environment.organization_page().await.unwrap();
        assert_eq!(environment.tokens_fetched(), 1, "{life_s} s");
        environment.clock.advance(1);
        environment.organization_page().await.unwrap();
        assert_eq!(environment.tokens_fetched(), 2, "{life_s} s");
        assert!(environment.answered(Host::Insights).iter().all(|status| *status == 200));
    }
}

#[tokio::test]
async fn a_token_refused_in_the_middle_of_a_window_is_fetched_again_once() {
    let environment = environment().await;
    environment.organization_page().await.unwrap();
    environment.world().revoke_tokens();
    environment.organization_page().await.unwrap();
    assert_eq!(environment.answered(Host::Insights), [200, 401, 200]);
    assert_eq!(environment.tokens_fetched(), 2);
}

#[tokio::test]
async fn tokens_that_stay_refused_are_renewed_exactly_once() {
    let environment = environment().await;
    environment.fail(Fault::TokensRevoked, When::Always);
    let text = refused(environment.organization_page().await);
    assert!(text.contains("(401: “Unauthorized”)"), "{text}");
    assert_eq!(environment.answered(Host::Insights), [401, 401]);
    assert_eq!(environment.tokens_fetched(), 2);
}

/// The secret may have been rotated while its token was still good.
#[tokio::test]
async fn a_refused_client_secret_is_read_again_once() {
    let environment = environment().await;
    environment.organization_page().await.unwrap();
    {
        let mut world = environment.world();
        let grants = mock::Key::single("key", super::environment::ORGANIZATION);
        world.add_service_account(CLIENT_ID, "canary_new", grants);
        world.remove_client_secret(CLIENT_ID, CLIENT_SECRET);
    }
    environment.secrets.rotate(&account("canary_new"));
    // Past the token's life, and soon enough after a reading that the old secret is still used.
    environment.clock.advance(59 * 60_000 - 1_000);
    environment.organization_page().await.unwrap();
    assert_eq!(environment.tokens_fetched(), 1, "the token was still good");
    environment.clock.advance(1_000);
    environment.organization_page().await.unwrap();
    assert_eq!(environment.tokens_fetched(), 2);

    environment.world().remove_client_secret(CLIENT_ID, "canary_new");
    let reads = environment.secrets.reads();
    environment.clock.advance(59 * 60_000);
    let text = refused(environment.organization_page().await);
    assert!(text.contains("token endpoint"), "{text}");
    assert!(text.contains("Client authentication failed"), "{text}");
    assert!(environment.secrets.reads() - reads <= 2, "the old reading had aged, and one more");
}

/// The account gave way to a key while its token's life was over.
#[tokio::test]
async fn a_service_account_that_was_replaced_by_a_key_fails_no_run() {
    let environment = environment().await;
    environment.organization_page().await.unwrap();
    // Past the token's life, and soon enough after a reading that the old secret is still used.
    environment.clock.advance(59 * 60_000 - 1_000);
    environment.organization_page().await.unwrap();
    environment.world().remove_client_secret(CLIENT_ID, CLIENT_SECRET);
    environment.secrets.rotate(KEY);
    environment.clock.advance(1_000);
    environment.organization_page().await.unwrap();
    assert_eq!(environment.answered(Host::Insights), [200, 200, 200]);
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_asked_again() {
    for fault in [
        Fault::error(500, "oops"),
        Fault::html(503),
        Fault::too_many_requests(RetryAfter::Absent),
        Fault::Reset,
        Fault::body("{}"),
        Fault::body("null"),
    ] {
        let environment = environment().await;
        environment.world().add_fault(Rule::new(fault.clone(), When::Next(2)).on("/oauth2/token"));
        environment.organization_page().await.unwrap();
        assert_eq!(environment.answered(Host::OAuth).len(), 3, "{fault:?}");

        environment.world().add_fault(Rule::new(fault.clone(), When::Always).on("/oauth2/token"));
        environment.clock.advance(3_600_000);
        unavailable(environment.organization_page().await);
        assert_eq!(environment.answered(Host::OAuth).len(), 8, "{fault:?}");
    }
}

#[tokio::test]
async fn the_token_endpoint_is_given_the_time_it_asks_for() {
    let environment = environment().await;
    let busy = Fault::too_many_requests(RetryAfter::Seconds(7));
    environment.world().add_fault(Rule::new(busy, When::Nth(1)).on("/oauth2/token"));
    environment.organization_page().await.unwrap();
    assert_eq!(environment.clock.slept_ms(), [7_000]);
}

/// Requests for tokens are requests, too.
#[tokio::test]
async fn no_second_sees_more_than_ten_requests_with_their_tokens() {
    let environment = environment().await;
    for _ in 0..15 {
        environment.organization_page().await.unwrap();
        environment.world().revoke_tokens();
    }
    let at_ms: Vec<_> = environment.world().log().iter().map(|record| record.at_ms).collect();
    for eleven in at_ms.windows(11) {
        assert!(eleven[10] - eleven[0] >= 1_000, "{eleven:?}");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_is_refused() {
    for fault in [
        Fault::error(400, "bad"),
        Fault::error(403, "no"),
        Fault::redirect(307, "http://127.0.0.1:9/"),
    ] {
        let environment = environment().await;
        environment.world().add_fault(Rule::new(fault.clone(), When::Always).on("/oauth2/token"));
        let text = refused(environment.organization_page().await);
        assert!(text.contains("token endpoint"), "{text}");
        assert!(environment.answered(Host::Insights).is_empty());
        assert!(environment.clock.slept_ms().is_empty());
    }
}

#[tokio::test]
async fn a_service_account_must_name_its_organization() {
    let environment = environment().await;
    let text = refused(environment.page().await);
    assert!(text.contains("JUMPCLOUD_ORG_IDS"), "{text}");
    assert!(environment.world().log().is_empty());
}
