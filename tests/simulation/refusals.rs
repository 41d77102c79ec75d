//! What JumpCloud refuses for a while.

use std::ops::Range;

use engine::page::Query;
use engine::ports::{InsightsError, PageRequest};

use crate::schedule::Refusal;
use crate::tally::Step;
use crate::world::World;

impl World {
    /// Whether JumpCloud refuses a question now, for a name in it.
    pub(crate) fn refused(&mut self, request: &PageRequest) -> Result<(), InsightsError> {
        let is_met = |refusal: &&Refusal| {
            refusal.time_ms.contains(&self.now_ms) && request.query.contains(&refusal.name)
        };
        let Some(Refusal { name, status, .. }) = self.refusals.iter().find(is_met) else {
            return Ok(());
        };
        let (status, cause) = (*status, format!("JumpCloud refuses {name}").into());
        self.tally.step(Step::QueryRefused);
        Err(InsightsError::Refused { status, cause })
    }

    /// From now on nothing is refused.
    pub(crate) fn end_refusals(&mut self) {
        for refusal in &mut self.refusals {
            refusal.time_ms.end = refusal.time_ms.end.min(self.now_ms);
        }
    }

    /// Whether a name of each list was refused at some time since `since_ms`.
    pub(crate) fn were_refused(&self, queries: &[Query], since_ms: i64) -> bool {
        let is_met = |name: &String, refusal: &Refusal| {
            let Range { start, end } = refusal.time_ms;
            refusal.name == *name && start <= self.now_ms && end > since_ms
        };
        let was_refused = |name| self.refusals.iter().any(|refusal| is_met(name, refusal));
        queries.iter().all(|list| list.iter().any(was_refused))
    }
}
