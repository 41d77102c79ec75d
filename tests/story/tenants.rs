//! A JumpCloud with two tenants, for the tests of organizations.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use engine::page::{Page, PageHeaders};
use engine::ports::{
    Console, Incoming, Insights, InsightsError, ListPage, ListRequest, PageRequest, Services,
};
use engine::stream::Scope;
use futures_util::future::BoxFuture;

/// Two tenants: the one that is collected, and another one.
pub(crate) const TENANTS: [&str; 2] = ["5c1c30d6a2f1b3e4d5c6b7a8", "6d2d41e7b3f2c4f5e6d7c8b9"];

/// What a row has that `all` does not return.
const BESIDE_ALL: &str = r#""service":"alerts""#;

/// An event of a tenant, by its timestamp.
pub(crate) struct Event {
    pub(crate) ms: i64,
    pub(crate) tenant: usize,
    pub(crate) raw: String,
}

/// A JumpCloud with two tenants and one API key, which may be replaced.
#[derive(Default)]
pub(crate) struct JumpCloud {
    pub(crate) events: Mutex<Vec<Event>>,
    /// Whose the key is.
    pub(crate) key: AtomicUsize,
    /// Pages until the key is replaced by the other tenant's.
    pub(crate) pages_left: AtomicI64,
    /// The console's list tells nothing.
    pub(crate) is_silent: AtomicBool,
    /// Scopes of the pages that were asked for.
    pub(crate) asked: Mutex<Vec<Scope>>,
}

impl JumpCloud {
    fn tenant(&self, scope: &Scope) -> usize {
        match scope {
            Scope::Organization(id) => TENANTS.iter().position(|tenant| tenant == id).unwrap(),
            _ => self.key.load(Ordering::Relaxed),
        }
    }

    fn rows(&self, request: &PageRequest) -> Vec<(i64, String)> {
        let tenant = self.tenant(&request.scope);
        let window = request.ask.window;
        let is_of = |raw: &str| {
            let names = |name: &String| raw.contains(&format!(r#""service":"{name}""#));
            request
                .query
                .iter()
                .any(|name| names(name) || name == "all" && !raw.contains(BESIDE_ALL))
        };
        let events = self.events.lock().unwrap();
        let mut rows: Vec<_> = events
            .iter()
            .filter(|event| {
                event.tenant == tenant && window.contains(event.ms) && is_of(&event.raw)
            })
            .map(|event| (event.ms, event.raw.clone()))
            .collect();
        rows.sort();
        rows.truncate(request.ask.limit as usize);
        rows
    }
}

impl Insights for JumpCloud {
    fn page(&self, request: PageRequest) -> Incoming {
        if self.pages_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.key.store(1, Ordering::Relaxed);
        }
        self.asked.lock().unwrap().push(request.scope.clone());
        let rows: Vec<_> = self.rows(&request).into_iter().map(|(_, raw)| raw).collect();
        let (limit, count) = (Some(u64::from(request.ask.limit)), Some(rows.len() as u64));
        let headers = PageHeaders { limit, count, token: None };
        let page = Page::parse(format!("[{}]", rows.join(",")).into_bytes(), headers.clone());
        Incoming::new(Box::pin(ready(Some(headers))), Box::pin(ready(Ok(page.unwrap()))), || {})
    }

    fn count(&self, request: PageRequest) -> BoxFuture<'static, Result<u64, InsightsError>> {
        Box::pin(ready(Ok(self.rows(&request).len() as u64)))
    }

    fn hourly(
        &self,
        request: PageRequest,
    ) -> BoxFuture<'static, Result<BTreeMap<i64, i64>, InsightsError>> {
        let mut hours = BTreeMap::new();
        for (ms, _) in self.rows(&request) {
            *hours.entry(engine::time::floor_hour_ms(ms)).or_default() += 1;
        }
        Box::pin(ready(Ok(hours)))
    }

    fn services(&self, request: PageRequest) -> BoxFuture<'static, Services> {
        let rows = self.rows(&request);
        let service =
            |raw: &str| Some(raw.split_once(r#""service":""#)?.1.split_once('"')?.0.into());
        let services = rows.iter().filter_map(|(_, raw)| service(raw)).collect();
        Box::pin(ready(Ok(Some(services))))
    }

    fn clock_skew_ms(&self) -> Option<i64> {
        Some(0)
    }

    fn credential(&self) -> u64 {
        1 + self.key.load(Ordering::Relaxed) as u64
    }
}

impl Console for JumpCloud {
    fn list(&self, _: ListRequest) -> BoxFuture<'static, Result<ListPage, InsightsError>> {
        if self.is_silent.load(Ordering::Relaxed) {
            return Box::pin(ready(Err(InsightsError::Unavailable("403".into()))));
        }
        let id = TENANTS[self.tenant(&Scope::Own)];
        let body = format!(r#"[{{"_id":"{id}"}}]"#).into_bytes();
        let rows = Page::parse(body, PageHeaders::default()).unwrap();
        Box::pin(ready(Ok(ListPage { total: 1, rows })))
    }
}
