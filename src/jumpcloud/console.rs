//! The console's client: the real [`Console`].

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::answer::{Answer, BodyLimits};
use super::client::Client;
use super::refusal::Refused;
use super::requester::{ApiRequest, Requester, spawn};
use crate::limits::{LIST_BYTES_MAX, LIST_PAGE_ROWS};
use engine::cause::Cause;
use engine::ports::{Console, InsightsError, List, ListPage, ListRequest};
use engine::stream::Scope;

/// Requests lists from JumpCloud's console API.
#[derive(Clone)]
pub struct ConsoleClient {
    requester: Arc<Requester>,
    console_url: Arc<str>,
}

impl ConsoleClient {
    /// Creates a client for the console API at `console_url`, which shares connections, credential,
    /// rate limit and the measured clock skew with `insights`.
    #[must_use]
    pub fn beside(insights: &Client, console_url: String) -> Self {
        Self { requester: Arc::clone(&insights.requester), console_url: console_url.into() }
    }

    async fn read_list(&self, request: &ListRequest) -> Result<ListPage, InsightsError> {
        let list = &request.list;
        // Lists are sorted by id, as JumpCloud advises: without a stable order, rows are missed or
        // repeated.
        let (path, sort, scope) = match list {
            List::Organizations => ("/api/organizations".to_owned(), "_id", None),
            List::ProviderOrganizations(id) => {
                (format!("/api/v2/providers/{id}/organizations"), "id", None)
            }
            List::Users(scope) => ("/api/systemusers".to_owned(), "_id", Some(scope)),
        };
        let api_request = ApiRequest {
            base_url: &self.console_url,
            path: &format!("{path}?limit={LIST_PAGE_ROWS}&skip={}&sort={sort}", request.skip),
            body: None,
            scope,
            limits: BodyLimits::same(LIST_BYTES_MAX),
            tries: None,
            deadline_ms: request.deadline_ms,
            meter: &request.meter,
            meaning: &|refused| meaning(refused, list),
            gate: None,
        };
        let read = |answer: Answer| -> Result<_, Cause> {
            let list = engine::page::list_body::read(&answer.body);
            let (total, rows) = list.ok_or("the answer holds no list with a totalCount")?;
            Ok(ListPage { total, rows })
        };
        self.requester.answer(&api_request, read).await
    }
}

impl Console for ConsoleClient {
    fn list(&self, request: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        let client = self.clone();
        spawn(async move { client.read_list(&request).await })
    }
}

/// Why JumpCloud refuses a list, and what to check.
fn meaning(refused: Refused, list: &List) -> String {
    let (what, setting) = match list {
        List::Organizations => ("the organizations of the administrator".to_owned(), ""),
        List::ProviderOrganizations(id) => {
            (format!("the organizations of provider {id}"), "JUMPCLOUD_PROVIDER_ID and ")
        }
        List::Users(Scope::Own) => ("the users of its own organization".to_owned(), ""),
        List::Users(scope) => {
            (format!("the users of organization {}", scope.id()), "JUMPCLOUD_ORG_IDS and ")
        }
    };
    match refused {
        Refused::NoOrganization => {
            format!(
                "JumpCloud lists {what} only for a selected organization; set JUMPCLOUD_ORG_IDS"
            )
        }
        Refused::Unknown => {
            format!("JumpCloud does not know {what}; check {setting}JUMPCLOUD_REGION")
        }
        Refused::NotEnabled | Refused::Forbidden => {
            format!("the credential may not list {what}; check its role, {setting}JUMPCLOUD_REGION")
        }
    }
}
