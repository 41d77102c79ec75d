//! The Directory Insights client: the real [`Insights`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, BodyLimits};
use super::auth::Auth;
use super::header_gate::HeaderGate;
use super::headers::page_headers;
use super::refusal::Refused;
use super::requester::{ApiRequest, Requester, spawn};
use super::retry::TryError;
use crate::http::Http;
use crate::limits::COUNTS_BYTES_MAX;
use engine::cause::Cause;
use engine::json::encode;
use engine::limits::{PAGE_INFLATED_BYTES_MAX, PAGE_WIRE_BYTES_MAX, ROW_BYTES_MAX};
use engine::page::{Page, PageError, PageHeaders, Token, split};
use engine::ports::{Clock, Incoming, Insights, InsightsError, PageRequest, Services};
use engine::stream::Scope;
use engine::time;

/// Requests pages and counts from JumpCloud. All clones share connections, credential and rate
/// limit.
#[derive(Clone)]
pub struct Client {
    pub(super) requester: Arc<Requester>,
    insights_url: Arc<str>,
}

/// For answers that hold counts.
const COUNT_LIMITS: BodyLimits = BodyLimits::same(COUNTS_BYTES_MAX);

/// The body of a request, as JumpCloud's API description has it.
#[derive(Default, Serialize)]
struct Body<'a> {
    service: &'a [String],
    start_time: String,
    end_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_after: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_value: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl<'a> Body<'a> {
    fn of(request: &'a PageRequest, path: &str) -> Self {
        let ask = &request.ask;
        let window = Self {
            service: &request.query,
            start_time: time::rfc3339(ask.window.start_ms),
            end_time: time::rfc3339(ask.window.end_ms),
            ..Self::default()
        };
        match path {
            "/events" => {
                let search_after = ask.token.as_ref().map(Token::json);
                Self { sort: Some("ASC"), limit: Some(ask.limit), search_after, ..window }
            }
            "/events/interval" => {
                Self { interval_unit: Some("h"), interval_value: Some("1"), ..window }
            }
            "/events/distinct" => Self { field: Some("service"), ..window },
            _ => window,
        }
    }
}

/// The values of the field `service` and how many events have them, in either of the forms that
/// JumpCloud's API description and its own client know.
#[derive(Deserialize)]
struct DistinctServices {
    #[serde(alias = "service")]
    buckets: Vec<DistinctService>,
    /// Events with a value that is not in the list.
    #[serde(default)]
    sum_other_doc_count: i64,
}

#[derive(Deserialize)]
struct DistinctService {
    key: String,
}

impl Client {
    /// Creates a client for the API at `insights_url`.
    #[must_use]
    pub fn new(http: Http, auth: Arc<Auth>, clock: Arc<dyn Clock>, insights_url: String) -> Self {
        let requester = Arc::new(Requester::new(http, auth, clock));
        Self { requester, insights_url: insights_url.into() }
    }

    /// Makes a request, with retries.
    async fn answer<T, E: Into<TryError>>(
        &self,
        request: &PageRequest,
        path: &str,
        limits: BodyLimits,
        gate: Option<&HeaderGate>,
        read: impl FnMut(Answer) -> Result<T, E>,
    ) -> Result<T, InsightsError> {
        let body = encode(&Body::of(request, path)).into_bytes();
        let request = ApiRequest {
            base_url: &self.insights_url,
            path,
            body: Some(body),
            scope: Some(&request.scope),
            limits,
            tries: request.tries,
            deadline_ms: request.deadline_ms,
            meter: &request.meter,
            meaning: &|refused| meaning(refused, &request.scope),
            gate,
        };
        self.requester.answer(&request, read).await
    }

    async fn read_page(
        &self,
        request: &PageRequest,
        gate: &HeaderGate,
    ) -> Result<Page, InsightsError> {
        let limits =
            BodyLimits { wire_bytes: PAGE_WIRE_BYTES_MAX, inflated_bytes: PAGE_INFLATED_BYTES_MAX };
        let mut differed = false;
        let read = |answer: Answer| {
            let headers = page_headers(&answer.headers);
            let page = Page::parse_or_return(answer.body, headers.clone())
                .map_err(|(error, body)| no_page(error, headers, &body, request.ask.limit))?;
            let rows = page.rows().len() as u64;
            match page.headers.count {
                // Requested once more; if the difference remains, the array is used.
                Some(count) if count != rows && !differed => {
                    differed = true;
                    let text = format!("X-Result-Count is {count}, the array has {rows} rows");
                    Err(TryError::transient(text))
                }
                _ => Ok(page),
            }
        };
        self.answer(request, "/events", limits, Some(gate), read).await
    }
}

impl Insights for Client {
    fn page(&self, request: PageRequest) -> Incoming {
        let client = self.clone();
        HeaderGate::of(|gate| spawn(async move { client.read_page(&request, &gate).await }))
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let client = self.clone();
        spawn(async move {
            let read = |answer: Answer| answer.json("count").map(|Count { count }| count);
            client.answer(&request, "/events/count", COUNT_LIMITS, None, read).await
        })
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        #[derive(Deserialize)]
        struct Buckets {
            buckets: Vec<Bucket>,
        }
        #[derive(Deserialize)]
        struct Bucket {
            key: i64,
            doc_count: i64,
        }
        let client = self.clone();
        spawn(async move {
            let read = |answer: Answer| -> Result<_, Cause> {
                let Buckets { buckets } = answer.json("buckets")?;
                Ok(buckets.into_iter().map(|bucket| (bucket.key, bucket.doc_count)).collect())
            };
            client.answer(&request, "/events/interval", COUNT_LIMITS, None, read).await
        })
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        let client = self.clone();
        spawn(async move {
            let read = |answer: Answer| -> Result<_, Cause> {
                let DistinctServices { buckets, sum_other_doc_count } = answer.json("buckets")?;
                let names: BTreeSet<_> = buckets.into_iter().map(|bucket| bucket.key).collect();
                Ok((sum_other_doc_count == 0).then_some(names))
            };
            client.answer(&request, "/events/distinct", COUNT_LIMITS, None, read).await
        })
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        self.requester.clock_skew_ms()
    }

    fn credential(&self) -> u64 {
        self.requester.credential()
    }
}

/// The failure of a whole answer that is not a page.
fn no_page(error: PageError, headers: PageHeaders, body: &[u8], limit: u32) -> TryError {
    match error {
        PageError::TooLarge { .. } => {
            let limit_bytes = ROW_BYTES_MAX;
            TryError::Permanent(InsightsError::TooLarge { limit_bytes, headers })
        }
        PageError::NotAnArray(_) | PageError::Garbled { .. } | PageError::TooMany => {
            let row = split::between_brackets(body).filter(|_| limit == 1).map(<[u8]>::to_vec);
            TryError::Unfetched { cause: Cause::of(error), headers: Some(headers), row }
        }
    }
}

/// Why JumpCloud refuses to answer for `scope`, and what to check.
fn meaning(refused: Refused, scope: &Scope) -> String {
    let whose = match scope {
        Scope::Own => "its own organization".to_owned(),
        Scope::Organization(id) => format!("organization {id}"),
        Scope::Provider(id) => format!("provider {id}"),
    };
    match (refused, scope) {
        (Refused::NoOrganization, Scope::Own) => {
            "the administrator has several organizations; set JUMPCLOUD_ORG_IDS to their ids or to \
             discover"
                .to_owned()
        }
        (Refused::NoOrganization, _) => {
            format!("JumpCloud does not select {whose}; check JUMPCLOUD_ORG_IDS")
        }
        (Refused::NotEnabled, _) => format!("Directory Insights is not enabled for {whose}"),
        (Refused::Forbidden, _) => format!(
            "the credential may not read the events of {whose}; check its role and JUMPCLOUD_REGION"
        ),
        (Refused::Unknown, _) => {
            format!("JumpCloud does not know {whose}; check JUMPCLOUD_ORG_IDS and JUMPCLOUD_REGION")
        }
    }
}
