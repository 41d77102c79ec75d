//! Checks that paging continues where it was: a page that was requested because of the headers of
//! another one is of no use if that one came otherwise.

use std::collections::HashMap;

use engine::page::{Page, Token};
use engine::ports::{InsightsError, PageRequest};

/// The continuation of the last page that came, by worker, window and query.
#[derive(Debug, Default)]
pub(crate) struct Walks(HashMap<String, Option<Token>>);

impl Walks {
    /// A page is waited for. The error says what is wrong about that.
    pub(crate) fn continues(&self, worker: usize, request: &PageRequest) -> Result<(), String> {
        let token = &request.ask.token;
        let last = self.0.get(&walk(worker, request)).cloned().flatten();
        if token.is_none() || *token == last {
            return Ok(());
        }
        Err(format!("w{worker} continues after {token:?}, the last page ended at {last:?}"))
    }

    /// A page has come.
    pub(crate) fn received(
        &mut self,
        worker: usize,
        request: &PageRequest,
        page: &Result<Page, InsightsError>,
    ) {
        let token = match page {
            Ok(page) => page.headers.token.clone(),
            // A row too large is passed by with the token of its own page.
            Err(InsightsError::TooLarge { token, .. }) if request.ask.limit == 1 => token.clone(),
            Err(_) => return,
        };
        self.0.insert(walk(worker, request), token);
    }
}

fn walk(worker: usize, request: &PageRequest) -> String {
    let PageRequest { scope, query, ask, .. } = request;
    format!("{worker} {scope:?} {query:?} {} {}", ask.window.start_ms, ask.window.end_ms)
}
