//! Which lanes are open: those that the item of their live stream names. A lane is created by its
//! first run, if it is open then.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::engine::Engine;
use crate::cursor::{Item, OpenLanes, lease};
use crate::error::RunError;
use crate::journal::certificate::Certificate;
use crate::journal::certificate::{lane_prefix, stream_of};
use crate::limits::{OPEN_TRIES_MAX, READ_BACK_MS_MAX, READS_AT_ONCE};
use crate::ports::StoreError;
use crate::stream::StreamId;

impl Engine {
    /// Changes which lanes of a live stream are open. Returns whether it has a cursor, whose item
    /// they are in.
    ///
    /// # Errors
    /// [`RunError`] if the item cannot be read or written, also because others change it each time.
    pub(crate) async fn change_open_lanes(
        &self,
        live: &StreamId,
        change: impl Fn(&mut OpenLanes) + Send + Sync,
    ) -> Result<bool, RunError> {
        for _ in 0..OPEN_TRIES_MAX {
            let item = self.cursors.get(live).await?.unwrap_or_default();
            if crate::cursor::seq(&item).is_none() {
                return Ok(false);
            }
            let before = OpenLanes::read(&item)?;
            let mut open = before.clone();
            change(&mut open);
            if open == before || self.cursors.update(live, &open.replace(&item)).await?.is_some() {
                return Ok(true);
            }
        }
        Err(RunError::transient(format!(
            "the open lanes of {live} are changed by others all the time"
        )))
    }

    /// Opens a lane if it is not open, so that what a run leaves undone is found by the next.
    ///
    /// # Errors
    /// [`RunError`] if the item of its live stream cannot be read or written.
    pub async fn ensure_open(&self, lane: &StreamId) -> Result<(), RunError> {
        let change = |open: &mut OpenLanes| {
            if open.opened_ms(lane).is_none() {
                open.open(lane, i64::MIN);
            }
        };
        self.change_open_lanes(&lane.live(), change).await.map(|_| ())
    }

    /// Takes a lane out of the open ones, if it was not opened again since `opened_ms`. If that
    /// fails, the next run of the lane does it.
    pub(super) async fn close_lane(&self, lane: &StreamId, opened_ms: i64) {
        let change = |open: &mut OpenLanes| open.close(lane, opened_ms);
        if let Err(error) = self.change_open_lanes(&lane.live(), change).await {
            tracing::warn!(%lane, %error, "the lane is over and stays open until its next run");
        }
    }

    /// When a lane was opened last; `None` if it is not open.
    pub(super) async fn opened_ms(&self, lane: &StreamId) -> Result<Option<i64>, RunError> {
        let item = self.cursors.get(&lane.live()).await?.unwrap_or_default();
        Ok(OpenLanes::read(&item)?.opened_ms(lane))
    }

    /// The lanes of a live stream that were ever created.
    ///
    /// # Errors
    /// [`StoreError`] if the state bucket cannot be listed.
    pub(crate) async fn created_lanes(&self, live: &StreamId) -> Result<Vec<StreamId>, StoreError> {
        let bucket = &self.settings.state_bucket;
        let keys = self.objects.list(bucket, &lane_prefix(live), "", usize::MAX).await?;
        Ok(keys.iter().filter_map(|key| stream_of(key)).collect())
    }

    /// The open lanes of a live stream whose item was lost: all of its lanes that may still be read,
    /// but for those whose own items show that they are over. Each is read once more, because a call
    /// to open it again may have been lost, too.
    pub(super) async fn lanes_after_loss(&self, live: &StreamId) -> Result<OpenLanes, RunError> {
        let mut open = OpenLanes::default();
        if !live.is_organization() {
            return Ok(open);
        }
        let lanes = self.created_lanes(live).await?;
        let items = self.cursors.get_many(&lanes).await?;
        let now_ms = self.now_ms();
        let is_over = |item: &Item| lease::is_retired(item, self.clock.now_ms());
        let may_be_open = lanes.iter().filter(|lane| !items.get(*lane).is_some_and(is_over));
        let born: Vec<_> = stream::iter(may_be_open)
            .map(|lane| async move { Ok::<_, RunError>((lane, self.birth(lane).await?)) })
            .buffer_unordered(READS_AT_ONCE)
            .try_collect()
            .await?;
        let is_young = |birth: &Certificate| now_ms - birth.born_ms <= READ_BACK_MS_MAX;
        for (lane, _) in born.into_iter().filter(|(_, birth)| birth.as_ref().is_some_and(is_young))
        {
            open.open(lane, now_ms);
        }
        Ok(open)
    }
}
