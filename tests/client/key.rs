//! The API key: read once, read again when it is refused, and shown nowhere.

use engine::ports::{InsightsError, StoreError, is_denied};
use mock::{CredentialKind, Fault, Host, Key, When};

use super::environment::{
    CLIENT_ID, CLIENT_SECRET, Environment, KEY, ORGANIZATION, account, refused, unavailable,
};

const NEW_KEY: &str = "jca_canary_new_key";

#[tokio::test]
async fn the_secret_is_read_once_for_many_requests_and_again_after_an_hour() {
    let environment = Environment::start().await;
    for _ in 0..3 {
        environment.page().await.unwrap();
    }
    assert_eq!(environment.secrets.reads(), 1);
    environment.clock.advance(60 * 60_000);
    environment.page().await.unwrap();
    assert_eq!(environment.secrets.reads(), 2);
    environment.assert_disciplined();
}

/// Whatever shape the secret had and gets, one refused request is all that rotation costs.
#[tokio::test]
async fn a_rotated_secret_of_every_shape_is_read_again() {
    let json = |key: &str| format!(r#"{{"api_key":"{key}"}}"#);
    let (old, new) = (CLIENT_SECRET, "canary_new_client_secret");
    let shapes = [
        (KEY.to_owned(), NEW_KEY.to_owned()),
        (KEY.to_owned(), json(NEW_KEY)),
        (json(KEY), format!("{NEW_KEY}\n")),
        (KEY.to_owned(), account(new)),
        (account(old), NEW_KEY.to_owned()),
        (account(old), account(new)),
    ];
    for (before, after) in shapes {
        let environment = Environment::with_secret(&before).await;
        environment.organization_page().await.unwrap();
        {
            let mut world = environment.world();
            world.rotate_key(KEY, NEW_KEY);
            world.remove_client_secret(CLIENT_ID, old);
            let grants = Key::single("key", ORGANIZATION);
            world.add_service_account(CLIENT_ID, new, grants);
            world.revoke_tokens();
        }
        environment.secrets.rotate(&after);
        environment.organization_page().await.unwrap();
        assert_eq!(environment.answered(Host::Insights), [200, 401, 200], "{before} to {after}");
        assert_eq!(environment.secrets.reads(), 2, "{before} to {after}");
        environment.assert_disciplined();
    }
}

/// As people paste it, and as JumpCloud's own app stores a service account.
#[tokio::test]
async fn quotes_and_space_around_a_secret_are_no_part_of_it() {
    let pair = format!("{CLIENT_ID}:{CLIENT_SECRET}");
    for (secret, kind) in [
        (KEY, CredentialKind::ApiKey),
        (&account(CLIENT_SECRET), CredentialKind::Bearer),
        (&pair, CredentialKind::Bearer),
    ] {
        for secret in [format!("\"{secret}\"\n"), format!(" '{secret}' "), secret.to_owned()] {
            let environment = Environment::with_secret(&secret).await;
            environment.organization_page().await.unwrap();
            let record = environment.world().log().last().cloned().unwrap();
            assert_eq!(record.credential_kind, Some(kind), "{secret}");
            environment.assert_disciplined();
        }
    }
}

#[tokio::test]
async fn a_key_that_stays_refused_is_renewed_exactly_once() {
    let environment = Environment::start().await;
    environment.world().remove_key(KEY);
    let text = refused(environment.page().await);
    assert!(text.contains("refuses the credential (401: “Unauthorized”); put a valid"), "{text}");
    assert_eq!(environment.answered(Host::Insights), [401, 401]);
    assert_eq!(environment.secrets.reads(), 2);
    assert!(environment.clock.slept_ms().is_empty(), "a refusal is not waited out");
}

/// Requests under way together find the key refused together; one reading serves them all.
#[tokio::test]
async fn requests_refused_together_share_one_renewal() {
    let environment = Environment::start().await;
    environment.page().await.unwrap();
    environment.world().rotate_key(KEY, NEW_KEY);
    environment.secrets.rotate(NEW_KEY);
    let pages = futures_util::future::join_all((0..4).map(|_| environment.page())).await;
    assert!(pages.iter().all(Result::is_ok), "{pages:?}");
    assert_eq!(environment.secrets.reads(), 2);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_is_refused_or_waited_for() {
    let environment = Environment::start().await;
    environment.secrets.fail(|text| StoreError::Rejected(text.into()));
    assert_eq!(refused(environment.page().await), "the secret is not to be had");
    assert_eq!(environment.secrets.reads(), 1);

    let environment = Environment::start().await;
    environment.secrets.fail(|text| StoreError::Indeterminate(text.into()));
    let text = unavailable(environment.page().await);
    assert!(text.starts_with("the secret is not to be had"), "{text}");
    assert_eq!(environment.secrets.reads(), 5);
    assert!(environment.answered(Host::Insights).is_empty());
}

#[tokio::test]
async fn an_invalid_secret_is_refused_before_anything_is_sent() {
    for secret in [
        " ",
        "''",
        "{}",
        r#"{"api_key":"canary""#,
        "can\nary",
        "two canaries",
        "canary:",
        r#"{"client_id":"canary"}"#,
    ] {
        let environment = Environment::with_secret(secret).await;
        let text = refused(environment.page().await);
        assert!(text.starts_with("the secret "), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert!(environment.world().log().is_empty());
    }
}

#[tokio::test]
async fn the_key_travels_in_its_own_header_alone() {
    let environment = Environment::start().await;
    environment.page().await.unwrap();
    let record = environment.world().log()[0].clone();
    assert_eq!(record.credential_kind, Some(CredentialKind::ApiKey));
    assert!(!record.header_names.iter().any(|name| name == "authorization"));
}

/// Every error and every `Debug` that may reach a log.
#[tokio::test]
async fn no_secret_is_shown() {
    for secret in [KEY.to_owned(), account(CLIENT_SECRET)] {
        for fault in [
            Fault::error(400, "bad"),
            Fault::error(401, "Unauthorized"),
            Fault::error(403, "Forbidden"),
            Fault::redirect(302, "http://127.0.0.1:9/"),
            Fault::error(500, "oops"),
            Fault::html(502),
            Fault::body("null"),
            Fault::Reset,
            Fault::CutAfter(1),
        ] {
            let environment = Environment::with_secret(&secret).await;
            environment.load(3);
            environment.fail(fault.clone(), When::Always);
            let error = environment.organization_page().await.expect_err("a failure");
            let request = environment.organization_request();
            let header = environment.auth.header(Some(&request.scope)).await.unwrap();
            let token = header.value.to_str().unwrap().trim_start_matches("Bearer ");
            let shown = format!("{error} {error:?} {header:?} {request:?}");
            assert!(!shown.contains("canary") && !shown.contains(token), "{fault:?}: {shown}");
        }
    }
}

/// A proxy or a firewall on the way may quote what it was sent.
#[tokio::test]
async fn a_secret_quoted_by_the_other_side_is_not_repeated() {
    for status in [400, 401, 403, 500] {
        let environment = Environment::start().await;
        environment.fail(Fault::error(status, &format!("bad key {KEY}!")), When::Always);
        let error = environment.page().await.expect_err("a failure");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}

/// Whoever deploys waits for a role that is seconds old, and for nothing else.
#[tokio::test]
async fn a_secret_that_aws_denies_is_told_from_one_that_jumpcloud_refuses() {
    let environment = Environment::start().await;
    for (fail, denied) in [
        ((|text| StoreError::Denied(text.into())) as fn(String) -> StoreError, true),
        (|text| StoreError::Rejected(text.into()), false),
    ] {
        environment.secrets.fail(fail);
        environment.clock.advance(60 * 60_000);
        let error = environment.page().await.unwrap_err();
        assert!(matches!(error, InsightsError::Credential(_)), "{error:?}");
        assert_eq!(is_denied(&error), denied, "{error:?}");
    }
    environment.secrets.rotate("canary_unknown");
    let error = environment.page().await.unwrap_err();
    assert!(matches!(error, InsightsError::Credential(_)), "{error:?}");
    assert!(!is_denied(&error), "{error:?}");
}
