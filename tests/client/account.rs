//! The service account: one token, fetched early enough and as seldom as possible.

use futures_util::future::join_all;
use mock::{CredentialKind, Fault, Host, RetryAfter, Rule, When};

use super::stage::{CLIENT_ID, CLIENT_SECRET, Stage, account, refused, unavailable};

async fn stage() -> Stage {
    Stage::with_secret(&account(CLIENT_SECRET)).await
}

impl Stage {
    fn tokens_fetched(&self) -> usize {
        self.answered(Host::OAuth).iter().filter(|status| **status == 200).count()
    }
}

#[tokio::test]
async fn one_token_serves_many_requests() {
    let stage = stage().await;
    let pages = join_all((0..4).map(|_| stage.organization_page())).await;
    assert!(pages.iter().all(Result::is_ok), "{pages:?}");
    stage.organization_page().await.unwrap();
    assert_eq!(stage.tokens_fetched(), 1);
    assert_eq!(stage.secrets.reads(), 1);
    let record = stage.world().log().last().cloned().unwrap();
    assert_eq!(record.credential_kind, Some(CredentialKind::Bearer));
    assert_eq!(record.credential.as_deref(), Some(CLIENT_ID));
    stage.assert_disciplined();
}

/// A minute before it ends, or at half its life where that is shorter.
#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    for (life_s, good_ms) in [(1, 500), (60, 30_000), (3_600, 3_540_000)] {
        let stage = stage().await;
        stage.world().behaviours.token_lifetime_s = life_s;
        stage.organization_page().await.unwrap();
        stage.clock.advance(good_ms - 1);
        stage.organization_page().await.unwrap();
        assert_eq!(stage.tokens_fetched(), 1, "{life_s} s");
        stage.clock.advance(1);
        stage.organization_page().await.unwrap();
        assert_eq!(stage.tokens_fetched(), 2, "{life_s} s");
        assert!(stage.answered(Host::Insights).iter().all(|status| *status == 200));
    }
}

#[tokio::test]
async fn a_token_refused_in_the_middle_of_a_window_is_fetched_again_once() {
    let stage = stage().await;
    stage.organization_page().await.unwrap();
    stage.world().revoke_tokens();
    stage.organization_page().await.unwrap();
    assert_eq!(stage.answered(Host::Insights), [200, 401, 200]);
    assert_eq!(stage.tokens_fetched(), 2);
}

#[tokio::test]
async fn tokens_that_stay_refused_are_renewed_exactly_once() {
    let stage = stage().await;
    stage.fail(Fault::TokensRevoked, When::Always);
    let text = refused(stage.organization_page().await);
    assert!(text.contains("(401: Unauthorized)"), "{text}");
    assert_eq!(stage.answered(Host::Insights), [401, 401]);
    assert_eq!(stage.tokens_fetched(), 2);
}

/// The secret may have been rotated while its token was still good.
#[tokio::test]
async fn a_refused_client_secret_is_read_again_once() {
    let stage = stage().await;
    stage.organization_page().await.unwrap();
    {
        let mut world = stage.world();
        let grants = mock::Key::single("key", super::stage::ORGANIZATION);
        world.add_service_account(CLIENT_ID, "canary_new", grants);
        world.remove_client_secret(CLIENT_ID, CLIENT_SECRET);
    }
    stage.secrets.rotate(&account("canary_new"));
    // Past the token's life, and soon enough after a reading that the old secret is still used.
    stage.clock.advance(59 * 60_000 - 1_000);
    stage.organization_page().await.unwrap();
    assert_eq!(stage.tokens_fetched(), 1, "the token was still good");
    stage.clock.advance(1_000);
    stage.organization_page().await.unwrap();
    assert_eq!(stage.tokens_fetched(), 2);

    stage.world().remove_client_secret(CLIENT_ID, "canary_new");
    let reads = stage.secrets.reads();
    stage.clock.advance(59 * 60_000);
    let text = refused(stage.organization_page().await);
    assert!(text.contains("token endpoint"), "{text}");
    assert!(text.contains("Client authentication failed"), "{text}");
    assert!(stage.secrets.reads() - reads <= 2, "the old reading had aged, and one more");
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
        let stage = stage().await;
        stage.world().add_fault(Rule::new(fault.clone(), When::Next(2)).on("/oauth2/token"));
        stage.organization_page().await.unwrap();
        assert_eq!(stage.answered(Host::OAuth).len(), 3, "{fault:?}");

        stage.world().add_fault(Rule::new(fault.clone(), When::Always).on("/oauth2/token"));
        stage.clock.advance(3_600_000);
        unavailable(stage.organization_page().await);
        assert_eq!(stage.answered(Host::OAuth).len(), 8, "{fault:?}");
    }
}

#[tokio::test]
async fn the_token_endpoint_is_given_the_time_it_asks_for() {
    let stage = stage().await;
    let busy = Fault::too_many_requests(RetryAfter::Seconds(7));
    stage.world().add_fault(Rule::new(busy, When::Nth(1)).on("/oauth2/token"));
    stage.organization_page().await.unwrap();
    assert_eq!(stage.clock.slept_ms(), [7_000]);
}

/// Requests for tokens are requests, too.
#[tokio::test]
async fn no_second_sees_more_than_ten_requests_with_their_tokens() {
    let stage = stage().await;
    for _ in 0..15 {
        stage.organization_page().await.unwrap();
        stage.world().revoke_tokens();
    }
    let at_ms: Vec<_> = stage.world().log().iter().map(|record| record.at_ms).collect();
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
        let stage = stage().await;
        stage.world().add_fault(Rule::new(fault.clone(), When::Always).on("/oauth2/token"));
        let text = refused(stage.organization_page().await);
        assert!(text.contains("token endpoint"), "{text}");
        assert!(stage.answered(Host::Insights).is_empty());
        assert!(stage.clock.slept_ms().is_empty());
    }
}

#[tokio::test]
async fn a_service_account_must_name_its_organization() {
    let stage = stage().await;
    let text = refused(stage.page().await);
    assert!(text.contains("JUMPCLOUD_ORG_IDS"), "{text}");
    assert!(stage.world().log().is_empty());
}
