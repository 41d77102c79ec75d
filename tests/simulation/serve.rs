//! How the world answers a request for a page.

use engine::page::Page;
use engine::ports::{InsightsError, PageRequest};

use crate::promise::Promise;
use crate::request::{Answer, Request};
use crate::schedule::DAY;
use crate::tally::{Circumstance, Step};
use crate::truth::Flaw;
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
            Ok(page) if page.is_empty() && page.len() > 2 => Some(Circumstance::NullPage),
            _ => None,
        };
        met.into_iter().for_each(|met| self.tally.met(met));
        page
    }

    /// The answer to a page's body that broke off: the page as it is now.
    pub(crate) fn ask_again(&mut self, worker: usize, request: &Request) -> Answer {
        let Request::Body(asked) = request else { unreachable!("{request}") };
        Answer::Body(Box::new(self.page(worker, asked, Flaw::default()).map(Some)))
    }
}
