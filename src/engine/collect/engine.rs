//! The engine: the ports, the settings, and what a process keeps between runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::Organizations;
use super::slots::{Slots, Warm};
use crate::archive::BatchLimits;
use crate::cursor::Pass;
use crate::journal::certificate;
use crate::limits::SLOT_BYTES_MAX;
use crate::ports::{Clock, Console, Cursors, Insights, Objects, StoreError};
use crate::settings::Settings;
use crate::stream::StreamId;

/// Makes runs, each over one stream.
pub struct Engine {
    /// JumpCloud's Directory Insights API.
    pub insights: Arc<dyn Insights>,
    /// JumpCloud's console API, for lists of organizations and users.
    pub console: Arc<dyn Console>,
    /// The archive bucket and the state bucket.
    pub objects: Arc<dyn Objects>,
    /// The table of cursors.
    pub cursors: Arc<dyn Cursors>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// What the configuration says.
    pub settings: Settings,
    /// When a batch closes.
    pub batch_limits: BatchLimits,
    /// Bytes of the index that a run holds beside those that a page and its batch need.
    pub slot_bytes_max: usize,
    warm: Mutex<Warm>,
    pass: Mutex<Option<Pass>>,
    organizations: Mutex<Organizations>,
}

impl Engine {
    /// Creates an engine that keeps no slots yet.
    #[must_use]
    pub fn new(
        insights: Arc<dyn Insights>,
        console: Arc<dyn Console>,
        objects: Arc<dyn Objects>,
        cursors: Arc<dyn Cursors>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        Self {
            insights,
            console,
            objects,
            cursors,
            clock,
            settings,
            batch_limits: BatchLimits::default(),
            slot_bytes_max: SLOT_BYTES_MAX,
            warm: Mutex::default(),
            pass: Mutex::default(),
            organizations: Mutex::default(),
        }
    }

    /// Every stream that was ever created, but for lanes.
    ///
    /// # Errors
    /// [`StoreError`] if the state bucket cannot be listed.
    pub async fn created_streams(&self) -> Result<BTreeSet<StreamId>, StoreError> {
        let bucket = &self.settings.state_bucket;
        let keys = self.objects.list(bucket, certificate::PREFIX, "", usize::MAX).await?;
        Ok(keys.iter().filter_map(|key| certificate::stream_of(key)).collect())
    }

    /// The stream of an organization other than `self`, if one was ever created: the first in their
    /// order.
    ///
    /// # Errors
    /// [`StoreError`] if the state bucket cannot be listed.
    pub(crate) async fn other_organization(&self) -> Result<Option<StreamId>, StoreError> {
        let bucket = &self.settings.state_bucket;
        // An object that `validate` writes is before some organizations.
        let keys = self.objects.list(bucket, certificate::PREFIX, "", 2).await?;
        let first = keys.iter().find_map(|key| certificate::stream_of(key));
        Ok(first.filter(|stream| stream.is_organization() && *stream != StreamId::own()))
    }

    /// The place of the pass through all streams, as this process knows it.
    pub(crate) fn kept_pass(&self) -> Option<Pass> {
        self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the place of the pass.
    pub(crate) fn keep_pass(&self, pass: Pass) {
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = Some(pass);
    }

    /// The current time for everything that is stored, UTC milliseconds: the local clock minus how
    /// far it was ahead of JumpCloud's at its last answer.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms() - self.insights.clock_skew_ms().unwrap_or(0)
    }

    /// What this process has learned of organizations.
    pub(super) fn organizations(&self) -> MutexGuard<'_, Organizations> {
        self.organizations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots that were kept from the stream's last run, if they were kept at `head_hash`, and
    /// whether this is the process's first run over the stream.
    pub(super) fn take_warm(&self, stream: &StreamId, head_hash: &str) -> (Slots, bool) {
        let kept = self.warm.lock().unwrap_or_else(PoisonError::into_inner).take(stream);
        let is_cold = kept.is_none();
        let kept = kept.filter(|slots| slots.is_at(head_hash));
        (kept.unwrap_or_else(|| Slots::at(head_hash)), is_cold)
    }

    /// Keeps a stream's slots for its next run in this process.
    pub(super) fn keep_warm(&self, stream: &StreamId, slots: Slots) {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner).keep(stream, slots);
    }
}
