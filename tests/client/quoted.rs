//! Answers that quote a credential: no eight consecutive characters of any of its forms are passed
//! on, wherever they are and however the text is cut.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mock::{Answer, Fault, Host, Key, Rule, When};

use super::environment::{CLIENT_ID, Environment, ORGANIZATION};

const KEY: &str = "jca_c4n4ryKEYc4n4ryKEYc4n4ryKEY00001";
const NEW_KEY: &str = "jca_n3wKEYn3wKEYn3wKEYn3wKEYn3wKEY02";
const SECRET: &str = "Zx9-qT2_vB7~nM4.kL8-pR6_wS1~yU3.aD5z";
const STATUSES: [u16; 10] = [400, 401, 402, 403, 404, 418, 429, 500, 502, 503];

/// A client with one of these secrets, both known to the mock.
async fn environment(secret: &str) -> Environment {
    let environment = Environment::with_secret(secret).await;
    {
        let mut world = environment.world();
        world.add_key(KEY, Key::single("key", ORGANIZATION));
        world.add_service_account(CLIENT_ID, SECRET, Key::single("account", ORGANIZATION));
    }
    environment
}

impl Environment {
    /// What is said of an answer to a question about events.
    async fn said(&self, fault: Fault) -> String {
        self.said_at("/events", fault).await
    }

    async fn said_at(&self, path: &str, fault: Fault) -> String {
        self.world().clear_faults();
        self.world().add_fault(Rule::new(fault, When::Always).on(path));
        let error = self.organization_page().await.expect_err("a failure");
        format!("{error} {error:?}")
    }
}

#[track_caller]
fn assert_hides(text: &str, secret: &str) {
    let shown = (0..=secret.len() - 8).map(|at| &secret[at..at + 8]);
    assert_eq!(shown.into_iter().find(|part| text.contains(part)), None, "in {text}");
}

/// Texts in which `secret` is whole, cut off on either side, and escaped.
fn texts(secret: &str) -> Vec<String> {
    let escaped: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json: String = secret.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let nested = format!(r#"{{"header":"{}"}}"#, secret.replace('/', "\\/"));
    let parts = [secret, &secret[..8], &secret[secret.len() - 8..], &secret[3..secret.len() - 3]];
    let mut texts: Vec<_> =
        parts.iter().map(|part| format!("no such credential: {part}!")).collect();
    texts.extend([escaped, json, nested]);
    texts
}

#[tokio::test]
async fn no_part_of_a_key_is_passed_on_at_any_status_wherever_the_text_is_cut() {
    let environment = environment(KEY).await;
    for before in 84..=130 {
        let text = format!("{}{KEY} is not known", "x".repeat(before));
        assert_hides(&environment.said(Fault::error(400, &text)).await, KEY);
    }
    for status in STATUSES {
        for text in texts(KEY) {
            assert_hides(&environment.said(Fault::error(status, &text)).await, KEY);
        }
        let page = format!("<html><body>{KEY}</body></html>");
        for fault in [Fault::html(status), Fault::body(&page), Fault::body(KEY)] {
            assert_hides(&environment.said(fault).await, KEY);
        }
    }
}

#[tokio::test]
async fn what_shares_seven_characters_with_a_key_is_left_as_it_is() {
    let environment = environment(KEY).await;
    for at in 0..=KEY.len() - 7 {
        let text = format!("no key like {}* is known", &KEY[at..at + 7]);
        let said = environment.said(Fault::error(400, &text)).await;
        assert!(said.contains(&text), "{said}");
    }
}

#[tokio::test]
async fn no_form_of_a_service_account_is_passed_on() {
    let pair = format!("{CLIENT_ID}:{SECRET}");
    let basic = STANDARD.encode(&pair);
    let environment = environment(&pair).await;
    let scope = environment.organization_request().scope;
    for number in 0..4 {
        let header = environment.auth.header(Some(&scope)).await.unwrap();
        let token = header.value.to_str().unwrap().trim_start_matches("Bearer ");
        let forms = [SECRET, &pair, &basic, token];
        for text in texts(forms[number]) {
            for status in [401, 403] {
                let said = environment.said(Fault::error(status, &text)).await;
                forms.iter().for_each(|form| assert_hides(&said, form));
            }
        }
        for text in texts(forms[number]) {
            // The token's life is over.
            environment.clock.advance(3_600_000);
            let said = environment.said_at("/oauth2/token", Fault::error(401, &text)).await;
            assert!(said.contains("token endpoint"), "{said}");
            forms.iter().for_each(|form| assert_hides(&said, form));
        }
        environment.world().clear_faults();
    }
}

/// Only so many forms are known; the tokens of a minute are more.
#[tokio::test]
async fn many_tokens_do_not_make_their_secret_forgotten() {
    let environment = environment(&format!("{CLIENT_ID}:{SECRET}")).await;
    environment.world().behaviours.token_lifetime_s = 1;
    for _ in 0..40 {
        environment.organization_page().await.unwrap();
        environment.clock.advance(1_000);
    }
    let said = environment.said(Fault::error(400, &format!("{SECRET} is known"))).await;
    assert!(said.contains("is known"), "{said}");
    assert_hides(&said, SECRET);
}

/// The credential that a request was sent with, and those before it.
#[tokio::test]
async fn a_rotated_key_stays_a_secret() {
    let environment = environment(KEY).await;
    environment.page().await.unwrap();
    environment.world().rotate_key(KEY, NEW_KEY);
    environment.secrets.rotate(NEW_KEY);
    for text in [KEY, NEW_KEY] {
        let text = format!("{text} was replaced");
        for status in [401, 403] {
            let said = environment.said(Fault::error(status, &text)).await;
            assert!(said.contains("was replaced"), "{said}");
            assert_hides(&said, KEY);
            assert_hides(&said, NEW_KEY);
        }
    }
    assert!(environment.answered(Host::Insights).len() > 4);
}

/// A header's value is a text of theirs, too.
#[tokio::test]
async fn a_header_that_quotes_a_key_is_not_passed_on() {
    let environment = environment(KEY).await;
    let location = format!("http://127.0.0.1:9/{KEY}");
    assert_hides(&environment.said(Fault::redirect(307, &location)).await, KEY);
    let mut answer = Answer::json(200, "[]".to_owned());
    answer.headers.push(("Content-Encoding".to_owned(), KEY.to_owned()));
    let said = environment.said(Fault::from(answer)).await;
    assert!(said.contains("content encoding"), "{said}");
    assert_hides(&said.to_uppercase(), &KEY.to_uppercase());
}
