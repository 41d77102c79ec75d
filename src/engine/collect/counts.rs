//! Hourly counts of events: JumpCloud's, and those of the index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use crate::identity::Slot;
use crate::journal::index;
use crate::limits::COUNTED_AT_ONCE_MS_MAX;
use crate::page::{Ask, Query};
use crate::ports::{InsightsError, Meter, PageRequest, StoreError};
use crate::read::Counted;
use crate::read::comparison::beside_all;
use crate::stream::StreamId;
use crate::time::{self, Window};

/// Number of events by the hour's first millisecond.
pub(crate) type Counts = BTreeMap<i64, i64>;

impl Engine {
    /// JumpCloud's hourly counts, added up over `queries`. `None`: it cannot be told how they add up.
    pub(crate) async fn counted(
        &self,
        queries: &[Query],
        request: CountRequest<'_>,
    ) -> Result<Option<Counted>, InsightsError> {
        let mut counted = Counted::default();
        for all in queries.iter().filter(|query| is_all(query)) {
            self.add_counts(all, request, &mut counted).await?;
        }
        let Some(lists) = self.beside_all(queries, request).await? else { return Ok(None) };
        for names in &lists {
            self.add_counts(names, request, &mut counted).await?;
        }
        Ok(Some(counted))
    }

    /// JumpCloud's count of all events of a window, added up over `queries`. `None` as above.
    pub(crate) async fn total(
        &self,
        queries: &[Query],
        request: CountRequest<'_>,
    ) -> Result<Option<u64>, InsightsError> {
        let count = |query: &Query| self.insights.count(request.page(self, query, request.window));
        let mut total = 0;
        for all in queries.iter().filter(|query| is_all(query)) {
            total += count(all).await?;
        }
        let Some(lists) = self.beside_all(queries, request).await? else { return Ok(None) };
        for names in &lists {
            total += count(names).await?;
        }
        Ok(Some(total))
    }

    /// The lists of names that are counted beside `all`, without the names that `all` returns.
    /// `None`: it cannot be told which it returns.
    ///
    /// This is asked after `all` was counted, and before the names are: an event that appears in
    /// between is not counted twice.
    async fn beside_all(
        &self,
        queries: &[Query],
        request: CountRequest<'_>,
    ) -> Result<Option<Vec<Query>>, InsightsError> {
        let (all, named): (Vec<_>, Vec<_>) = queries.iter().partition(|query| is_all(query));
        let mut returned = BTreeSet::new();
        if let Some(all) = all.first().filter(|_| !named.is_empty()) {
            let asked = self.insights.services(request.page(self, all, request.window)).await?;
            let Some(services) = asked else { return Ok(None) };
            returned = services;
        }
        let lists = named.into_iter().map(|list| beside_all(list, &returned));
        Ok(Some(lists.filter(|names| !names.is_empty()).collect()))
    }

    /// Counts one query: a call for two weeks.
    pub(crate) async fn add_counts(
        &self,
        query: &Query,
        request: CountRequest<'_>,
        counted: &mut Counted,
    ) -> Result<(), InsightsError> {
        for window in request.window.pieces(COUNTED_AT_ONCE_MS_MAX) {
            let counts = self.insights.hourly(request.page(self, query, window)).await?;
            counted.add(window, counts);
        }
        counted.queries.push(query.clone());
        Ok(())
    }

    /// The index's counts at entry `head`, from the hour of `first_ms` on, with one listing.
    pub(crate) async fn indexed(
        &self,
        stream: &StreamId,
        head: u64,
        first_ms: i64,
    ) -> Result<Counts, StoreError> {
        let bucket = &self.settings.state_bucket;
        let after = index::slot_prefix(stream, Slot::Hour(time::hour_of(first_ms)));
        let keys =
            self.objects.list(bucket, &index::index_prefix(stream), &after, usize::MAX).await?;
        Ok(index::hourly_counts(stream, &keys, head))
    }
}

fn is_all(query: &[String]) -> bool {
    query.iter().any(|name| name == "all")
}

/// Whose events are counted.
#[derive(Clone, Copy)]
pub(crate) struct CountRequest<'a> {
    pub(crate) stream: &'a StreamId,
    /// Event time; whole hours where each hour is counted.
    pub(crate) window: Window,
    /// Tries end here, on the local clock.
    pub(crate) deadline_ms: i64,
    pub(crate) meter: &'a Arc<Meter>,
}

impl CountRequest<'_> {
    fn page(&self, engine: &Engine, query: &Query, window: Window) -> PageRequest {
        let ask = Ask { window, limit: engine.settings.page_limit, token: None };
        let meter = Arc::clone(self.meter);
        let scope = engine.scope(self.stream);
        PageRequest { meter, ..PageRequest::new(scope, query, ask, self.deadline_ms) }
    }
}
