//! Checks that paging continues where it was: a page that was requested because of the headers of
//! another one is of no use if that one came otherwise.
//!
//! Holds P11.

use std::collections::HashMap;

use engine::page::{Page, Token};
use engine::ports::{InsightsError, PageRequest};

/// The continuations that may be sent, by worker, window, query and page size.
#[derive(Debug, Default)]
pub(crate) struct Walks(HashMap<String, Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    /// Of the last page that came.
    last: Option<Token>,
    /// Behind a row that could not be used.
    offered: Option<Token>,
}

impl Walks {
    /// A page is waited for. The error says what is wrong about that.
    pub(crate) fn continues(&self, worker: usize, request: &PageRequest) -> Result<(), String> {
        let token = &request.ask.token;
        let known = self.0.get(&walk(worker, request)).cloned().unwrap_or_default();
        if token.is_none() || *token == known.last || *token == known.offered {
            return Ok(());
        }
        Err(format!("w{worker} continues after {token:?}, known are {known:?}"))
    }

    /// A page has come.
    pub(crate) fn received(
        &mut self,
        worker: usize,
        request: &PageRequest,
        page: &Result<Page, InsightsError>,
    ) {
        let headers = match page {
            Ok(page) => {
                let known = Known { last: page.headers.token.clone(), offered: None };
                self.0.insert(walk(worker, request), known);
                return;
            }
            // Such a row is passed by with the token of its own page.
            Err(InsightsError::TooLarge { headers, .. }) => Some(headers),
            Err(InsightsError::Unfetched(why)) => why.headers.as_ref(),
            Err(_) => None,
        };
        if let Some(headers) = headers.filter(|_| request.ask.limit == 1) {
            let known = self.0.entry(walk(worker, request)).or_default();
            // The one before was followed, or is not.
            if request.ask.token == known.offered {
                known.last = known.offered.take();
            }
            known.offered = headers.token.clone();
        }
    }
}

fn walk(worker: usize, request: &PageRequest) -> String {
    let PageRequest { scope, query, ask, .. } = request;
    let (window, limit) = (ask.window, ask.limit);
    format!("{worker} {scope:?} {query:?} {} {} {limit}", window.start_ms, window.end_ms)
}
