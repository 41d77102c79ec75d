//! The console's lists: whom they are asked for, and what is made of their answers.

use std::sync::Arc;

use engine::ports::{Console as _, InsightsError, List, ListPage, ListRequest};
use jumpcloud_collector::jumpcloud::ConsoleClient;
use mock::{CredentialKind, Fault, Host, Key, Organization, RetryAfter, Rule, When};

use super::environment::{
    CLIENT_ID, CLIENT_SECRET, Environment, KEY, NOW_MS, PATIENCE_MS, account, refused,
};

const PROVIDER: &str = "5c86b6cf9fdce00001d3800c";

async fn environment_with(secret: &str) -> Environment {
    let environment = Environment::with_secret(secret).await;
    {
        let mut world = environment.world();
        world.add_key(KEY, Key::provider("portal", PROVIDER));
        world.add_service_account(CLIENT_ID, CLIENT_SECRET, Key::provider("portal", PROVIDER));
        for number in 0..230 {
            let organization = Organization::new(&format!("{number:024x}"), "made up");
            world.add_organization(organization.managed_by(PROVIDER));
        }
    }
    environment
}

impl Environment {
    async fn list(&self, list: List, skip: u64) -> Result<ListPage, InsightsError> {
        let console = ConsoleClient::beside(&self.client, self.mock.console_url());
        let meter = Arc::clone(&self.meter);
        let deadline_ms = NOW_MS + PATIENCE_MS;
        console.list(ListRequest { list, skip, deadline_ms, meter }).await
    }

    fn fail_lists(&self, fault: Fault, when: When) {
        self.world().add_fault(Rule::new(fault, when).on("/organizations"));
    }
}

fn texts(page: &ListPage) -> Vec<String> {
    let bytes = page.rows.rows().iter().map(|row| page.rows.bytes(row).to_vec());
    bytes.map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn lists() -> [List; 2] {
    [List::Organizations, List::ProviderOrganizations(PROVIDER.to_owned())]
}

/// Sorted, a hundred at a time, without the header that these routes refuse; with a service
/// account, too, which has no organization to name here.
#[tokio::test]
async fn pages_are_sorted_and_name_no_organization() {
    for secret in [KEY.to_owned(), account(CLIENT_SECRET)] {
        let environment = environment_with(&secret).await;
        environment.world().behaviours.unstable_lists = true;
        for list in lists() {
            let page = environment.list(list, 200).await.unwrap();
            assert_eq!((page.total, page.rows.rows().len()), (230, 30));
            assert!(texts(&page)[0].contains(&format!("{:024x}", 200)));
        }
        assert_eq!(texts(&environment.list(List::Organizations, 0).await.unwrap()).len(), 100);
        environment.assert_disciplined();
        let record = environment.world().log().last().cloned().unwrap();
        assert!(record.organizations.is_empty() && record.provider.is_none(), "{record:?}");
        let kind = if secret == KEY { CredentialKind::ApiKey } else { CredentialKind::Bearer };
        assert_eq!(record.credential_kind, Some(kind));
    }
}

/// The contract of `Console`: every row once, by ascending id, whatever a page holds; the total is
/// that of the whole list on every page, also behind its end.
#[tokio::test]
async fn a_list_is_gone_through_by_what_came_and_ends_at_its_total() {
    let environment = environment_with(KEY).await;
    for list in lists() {
        let (mut ids, mut skip) = (Vec::new(), 0);
        loop {
            let page = environment.list(list.clone(), skip).await.unwrap();
            assert_eq!(page.total, 230, "{list:?} from {skip} on");
            if page.rows.rows().is_empty() {
                break;
            }
            skip += page.rows.rows().len() as u64;
            ids.extend(texts(&page).into_iter().map(|row| {
                let row: serde_json::Value = serde_json::from_str(&row).unwrap();
                let id = row.get("_id").or_else(|| row.get("id")).and_then(|id| id.as_str());
                id.expect("an id").to_owned()
            }));
        }
        let expected: Vec<_> = (0..230).map(|number| format!("{number:024x}")).collect();
        assert_eq!((skip, ids), (230, expected));
        assert!(environment.list(list, 1_000).await.unwrap().rows.rows().is_empty());
    }
    environment.assert_disciplined();
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    for fault in [
        Fault::error(503, "later"),
        Fault::html(200),
        Fault::body("[]"),
        Fault::body(r#"{"totalCount":3}"#),
        Fault::body("null"),
        Fault::Reset,
        Fault::CutAfter(20),
        Fault::too_many_requests(RetryAfter::Seconds(3)),
    ] {
        let environment = environment_with(KEY).await;
        environment.fail_lists(fault.clone(), When::Next(2));
        let page = environment.list(List::Organizations, 0).await.unwrap();
        assert_eq!(page.rows.rows().len(), 100, "{fault:?}");
        assert_eq!(environment.answered(Host::Console).len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_a_redirect_is_none_to_follow() {
    for (fault, plain) in [
        (Fault::error(403, "Forbidden"), "JUMPCLOUD_PROVIDER_ID"),
        (Fault::error(404, "Not Found"), "JUMPCLOUD_PROVIDER_ID"),
        (Fault::redirect(307, "http://127.0.0.1:9/"), "redirects"),
    ] {
        let environment = environment_with(KEY).await;
        environment.fail_lists(fault, When::Always);
        let [_, list] = lists();
        let text = refused(environment.list(list, 0).await);
        assert!(text.contains(plain), "{text}");
        assert_eq!(environment.answered(Host::Console).len(), 1);
    }
}

#[tokio::test]
async fn a_rotated_key_is_read_again_once() {
    let environment = environment_with(KEY).await;
    environment.list(List::Organizations, 0).await.unwrap();
    environment.world().rotate_key(KEY, "jca_canary_new");
    environment.secrets.rotate("jca_canary_new");
    environment.list(List::Organizations, 0).await.unwrap();
    assert_eq!(environment.answered(Host::Console), [200, 401, 200]);
    environment.world().remove_key("jca_canary_new");
    let text = refused(environment.list(List::Organizations, 0).await);
    assert!(text.contains("401") && !text.contains("canary"), "{text}");
}
