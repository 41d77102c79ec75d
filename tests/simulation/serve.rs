//! How the world answers a request for a page.
//!
//! Holds P11.

use engine::page::Page;
use engine::ports::{InsightsError, PageRequest};
use engine::stream::StreamId;
use serde_json::Value;

use crate::promise::Promise;
use crate::request::{Answer, Request};
use crate::schedule::DAY;
use crate::tally::{Circumstance, Step};
use crate::truth::Flaw;
use crate::users::organization_of;
use crate::world::World;

impl World {
    /// Answers a request for a page; the error says what is wrong with the request, or why there is no
    /// page.
    pub(crate) fn page(
        &mut self,
        worker: usize,
        request: &PageRequest,
        flaw: Flaw,
    ) -> Result<Page, InsightsError> {
        let ask = &request.ask;
        if ask.window.start_ms >= ask.window.end_ms {
            let (from, to) = (ask.window.start_ms, ask.window.end_ms);
            self.wrong(Promise::Asked.broken(format_args!("asked for {from} to {to}")));
        }
        let page_limit = self.locals[worker].page_limit;
        if ask.limit == 0 || ask.limit > page_limit {
            let how = format_args!("asked for {} rows, the limit is {page_limit}", ask.limit);
            self.wrong(Promise::Asked.broken(how));
        }
        // A single row may tell the time.
        let origin_ms = self.origins.get(&organization_of(&request.scope)).copied();
        if ask.limit > 1 && origin_ms.is_some_and(|ms| ask.window.start_ms < ms) {
            let from_ms = ask.window.start_ms;
            let how = format_args!("asked for {from_ms} on, the first origin is {origin_ms:?}");
            self.wrong(Promise::Asked.broken(how));
        }
        if ask.window.start_ms > self.now_ms {
            return Err(InsightsError::Refused {
                status: 400,
                cause: "start_time is in the future".into(),
            });
        }
        self.refused(request)?;
        self.tally.step(Step::PageServed);
        if ask.window.end_ms > self.now_ms + DAY {
            self.tally.step(Step::ReadAhead);
        }
        if request.query.iter().any(|name| name == "ldap") {
            self.tally.step(Step::SecondQueryRead);
        }
        if ask.token.is_some() && self.truth.appeared(self.paged_ms..self.now_ms, request) {
            self.tally.met(Circumstance::InsertedWhilePaging);
        }
        self.paged_ms = self.now_ms;
        if ask.limit < page_limit {
            self.tally.step(Step::PageMadeSmaller);
        }
        let is_garbled = flaw.garbled && self.garbled.as_ref() != Some(ask);
        if is_garbled {
            self.garbled = Some(ask.clone());
        }
        let flaw = Flaw { garbled: is_garbled, ..flaw };
        let page = self.truth.page(self.now_ms, &self.of_key(worker, request), flaw);
        let met = match &page {
            Err(InsightsError::TooLarge { .. }) => Some(Circumstance::PageTooLarge),
            Err(InsightsError::Unfetched(why)) if why.row.is_some() => {
                Some(Circumstance::Unparsable)
            }
            Err(InsightsError::Unfetched(why)) if why.headers.is_none() => {
                Some(Circumstance::SlowPage)
            }
            Ok(page) if page.headers.limit.is_none() => Some(Circumstance::LimitUnsaid),
            Ok(page) if page.rows().is_empty() && page.body_bytes() > 2 => {
                Some(Circumstance::NullPage)
            }
            _ => None,
        };
        met.into_iter().for_each(|met| self.tally.met(met));
        if let (Some(served), Ok(page)) = (&mut self.served, &page) {
            served.add(request, page);
        }
        page
    }

    /// A stream was created, or something else whose certificate names no origin.
    pub(crate) fn note_origin(&mut self, certificate: &[u8]) {
        let certificate: Value = serde_json::from_slice(certificate).unwrap_or_default();
        let stream = certificate["stream"].as_str().map(str::to_owned).map(StreamId::try_from);
        if let (Some(Ok(stream)), Some(ms)) = (stream, certificate["origin_ms"].as_i64()) {
            let first_ms = self.origins.entry(organization_of(&stream.scope())).or_insert(ms);
            *first_ms = ms.min(*first_ms);
        }
    }

    /// The answer to a page's body that broke off: the page as it is now.
    pub(crate) fn ask_again(&mut self, worker: usize, request: &Request) -> Answer {
        let Request::Body(asked) = request else { unreachable!("{request}") };
        Answer::Body(Box::new(self.page(worker, asked, Flaw::default()).map(Some)))
    }
}
