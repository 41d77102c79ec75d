//! Answers that somebody must do something about: said once, in plain words.

use mock::{Fault, Host, Rule, When};
use tokio::net::TcpListener;

use super::environment::{CLIENT_SECRET, Environment, KEY, ORGANIZATION, account, refused};

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    for (status, plain) in [
        (400, "refuses the request"),
        (402, "not enabled"),
        (403, "JUMPCLOUD_REGION"),
        (404, "JUMPCLOUD_ORG_IDS"),
        (418, "an unexpected status"),
    ] {
        let environment = Environment::start().await;
        environment.fail(Fault::error(status, "JumpCloud's own words"), When::Always);
        let text = refused(environment.organization_page().await);
        assert!(text.contains(plain), "{status}: {text}");
        assert!(text.contains(&format!("({status}: “JumpCloud's own words”)")), "{text}");
        if matches!(status, 402..=404) {
            assert!(text.contains(ORGANIZATION), "{text}");
        }
        assert_eq!(environment.answered(Host::Insights), [status], "asked once");
        assert!(environment.clock.slept_ms().is_empty());
    }
}

/// A firewall refuses with a page for people, whatever the credential may do.
#[tokio::test]
async fn a_blocked_address_is_told_from_a_role() {
    let account = account(CLIENT_SECRET);
    for (secret, path) in [(KEY, "/events"), (&account, "/events"), (&account, "/oauth2/token")] {
        let environment = Environment::with_secret(secret).await;
        environment.world().add_fault(Rule::new(Fault::blocked(), When::Always).on(path));
        let text = refused(environment.organization_page().await);
        assert!(text.contains("this address are blocked by a firewall"), "{text}");
        assert!(!text.contains("role") && !text.contains('<'), "{text}");
    }
}

/// It is no rotated key, and a new one would not help.
#[tokio::test]
async fn an_administrator_of_several_organizations_is_told_to_name_one() {
    let none = "Unauthorized: no organization selected";
    let environment = Environment::start().await;
    environment.fail(Fault::error(401, none), When::Always);
    let text = refused(environment.page().await);
    assert!(text.contains("set JUMPCLOUD_ORG_IDS") && text.contains(none), "{text}");
    assert!(!text.contains("refuses the credential"), "{text}");
    assert_eq!(environment.answered(Host::Insights), [401, 401], "the secret was read again");

    let text = refused(environment.organization_page().await);
    assert!(text.contains(ORGANIZATION) && text.contains("JUMPCLOUD_ORG_IDS"), "{text}");
}

#[tokio::test]
async fn a_long_message_is_shortened() {
    let environment = Environment::start().await;
    environment.fail(Fault::error(400, &"long ".repeat(1_000)), When::Always);
    assert!(refused(environment.page().await).len() < 256);
}

/// A redirect could carry the key to any host, so no connection is made, not even to look.
#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location =
        format!("http://{}/insights/directory/v1/events", elsewhere.local_addr().unwrap());
    for status in [301, 302, 303, 307, 308] {
        let environment = Environment::start().await;
        environment.fail(Fault::redirect(status, &location), When::Always);
        let text = refused(environment.page().await);
        assert!(text.contains("redirects"), "{text}");
        assert_eq!(environment.answered(Host::Insights), [status]);
    }
    let elsewhere = elsewhere.into_std().unwrap();
    let met = elsewhere.accept().expect_err("no connection");
    assert_eq!(met.kind(), std::io::ErrorKind::WouldBlock);
}
