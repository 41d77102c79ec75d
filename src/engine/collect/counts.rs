//! Hourly counts of events: JumpCloud's, and those of the index.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use crate::identity::Slot;
use crate::journal::index;
use crate::limits::COUNTED_AT_ONCE_MS_MAX;
use crate::page::{Ask, Query};
use crate::ports::{InsightsError, Meter, PageRequest, StoreError};
use crate::stream::StreamId;
use crate::time::{self, Window};

/// Number of events by the hour's first millisecond.
pub(crate) type Counts = BTreeMap<i64, i64>;

impl Engine {
    /// JumpCloud's counts of the whole hours in `hours`, the most of any query: a call per query and
    /// two weeks.
    pub(crate) async fn counted(
        &self,
        stream: &StreamId,
        hours: Window,
        deadline_ms: i64,
        meter: &Arc<Meter>,
    ) -> Result<Counts, InsightsError> {
        self.counted_by(&self.settings.queries, stream, hours, deadline_ms, meter).await
    }

    /// The same for other queries than those configured.
    pub(crate) async fn counted_by(
        &self,
        queries: &[Query],
        stream: &StreamId,
        hours: Window,
        deadline_ms: i64,
        meter: &Arc<Meter>,
    ) -> Result<Counts, InsightsError> {
        let mut most = Counts::new();
        for query in queries {
            for window in hours.pieces(COUNTED_AT_ONCE_MS_MAX) {
                let ask = Ask { window, limit: self.settings.page_limit, token: None };
                let meter = Arc::clone(meter);
                let scope = self.scope(stream);
                let request =
                    PageRequest { meter, ..PageRequest::new(scope, query, ask, deadline_ms) };
                let counts = self.insights.hourly(request).await?;
                for (hour_ms, count) in counts.into_iter().filter(|(ms, _)| window.contains(*ms)) {
                    let known = most.entry(hour_ms).or_default();
                    *known = count.max(*known);
                }
            }
        }
        Ok(most)
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
