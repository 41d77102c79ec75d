//! The creation of a stream, and the rebuilding of a cursor that was lost.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::credential::Inquiry;
use super::engine::Engine;
use super::writer::Writer;
use crate::cursor::{Cursor, OpenLanes, ReadingState};
use crate::error::RunError;
use crate::journal::certificate::{self, Certificate, certificate_key};
use crate::journal::{Entry, entry_key, journal_prefix, seq_of};
use crate::limits::{DAY_MS, RETENTION_MS};
use crate::ports::{Meter, ObjectMeta, PutResult, StoreError};
use crate::read::Budget;
use crate::stream::{Scope, StreamId};

impl Engine {
    /// Makes sure that the stream has a birth certificate and a cursor with a `seq`. Returns
    /// whether there is anything to do for it: there is not for a lane whose journal has expired, or
    /// that is neither created nor open.
    pub(crate) async fn ensure_created(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<bool, RunError> {
        let bytes = match self.certificate(stream).await? {
            Some(bytes) => bytes,
            None if stream.is_lane() && self.opened_ms(stream).await?.is_none() => {
                return Ok(false);
            }
            None => {
                self.before_birth(stream, meter, budget).await?;
                let Some(bytes) = self.certify(stream).await? else { return Ok(false) };
                bytes
            }
        };
        let (certificate, newborn, rebuilt) = self.rebuild(stream, &bytes).await?;
        let age_ms = self.now_ms() - certificate.born_ms;
        match (rebuilt, stream.is_lane()) {
            (Some(cursor), _) => self.cursors.update(stream, &cursor.create()).await?,
            (None, _) if age_ms < RETENTION_MS => {
                self.cursors.update(stream, &newborn.create()).await?
            }
            (None, true) => return Ok(false),
            (None, false) => return Err(no_journal(stream, age_ms)),
        };
        Ok(true)
    }

    /// Rebuilds the cursor of a stream that is not configured, if it has a journal. Returns whether
    /// it has: where nothing was decided there is nothing to recover, and nothing is created.
    pub(super) async fn ensure_rebuilt(&self, stream: &StreamId) -> Result<bool, RunError> {
        let Some(bytes) = self.certificate(stream).await? else { return Ok(false) };
        let (.., rebuilt) = self.rebuild(stream, &bytes).await?;
        if let Some(cursor) = &rebuilt {
            self.cursors.update(stream, &cursor.create()).await?;
        }
        Ok(rebuilt.is_some())
    }

    /// What the certificate of these bytes says, the cursor at the birth, and the one of the last entry
    /// if there is a journal. They have the lanes that may be open, also where the certificate has just
    /// been made: until the cursor is, another run may have made one, and it may have been lost.
    async fn rebuild(
        &self,
        stream: &StreamId,
        bytes: &Bytes,
    ) -> Result<(Certificate, Cursor, Option<Cursor>), RunError> {
        let certificate = certificate_of(stream, bytes)?;
        let mut newborn = self.newborn(&certificate, bytes);
        newborn.open_lanes = self.lanes_after_loss(stream).await?;
        let rebuilt = self.rebuilt(&certificate, &newborn).await?;
        Ok((certificate, newborn, rebuilt))
    }

    /// What must be known before a stream is born: the time, which lasts, and whose events it
    /// collects. An organization's own stream is born only where no other collects it.
    async fn before_birth(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<(), RunError> {
        if stream.is_users() {
            return self.take_organization(stream).await;
        }
        let deadline_ms = budget.read_until_ms(0);
        if *stream == StreamId::own() && !self.settings.names_organizations {
            self.refuse_beside_others(meter, deadline_ms).await?;
        }
        let was_measured = self.insights.clock_skew_ms().is_some();
        self.confirm_organization(stream, meter, deadline_ms).await?;
        if stream.is_lane() {
            return self.measure_clock_skew(stream, meter, budget).await;
        }
        if was_measured || self.insights.clock_skew_ms().is_none() {
            // The clock may have been set since the last answer.
            self.ask_one_row(stream, meter, deadline_ms).await?;
        }
        self.take_organization(stream).await
    }

    /// Assigns an organization to its own stream, which has its users, too.
    async fn take_organization(&self, stream: &StreamId) -> Result<(), RunError> {
        let Scope::Organization(organization) = stream.scope() else { return Ok(()) };
        let live = stream.live();
        let winner = self.assign(&organization, &live).await?;
        if winner == live {
            return Ok(());
        }
        Err(RunError::transient(format!(
            "organization {organization} is collected by the stream {winner} since a moment ago: \
             the next run reads there"
        )))
    }

    /// A key that was replaced by one of an organization that was never collected gives birth to
    /// nothing beside the streams there are: those would end without a word.
    async fn refuse_beside_others(
        &self,
        meter: &Arc<Meter>,
        deadline_ms: i64,
    ) -> Result<(), RunError> {
        let (_, key) = self.key_organization(Inquiry::Events, meter, deadline_ms).await?;
        let Some(key) = key else { return Ok(()) };
        if self.assigned(&key, false).await?.is_some() {
            return Ok(());
        }
        match self.other_organization().await? {
            Some(other) => Err(self.refuse_key(&other, other.as_str(), &key)),
            None => Ok(()),
        }
    }

    /// The stream's birth certificate; none before it is created.
    ///
    /// # Errors
    /// [`RunError`] if it cannot be read.
    pub(crate) async fn birth(&self, stream: &StreamId) -> Result<Option<Certificate>, RunError> {
        let bytes = self.certificate(stream).await?;
        bytes.map(|bytes| certificate_of(stream, &bytes)).transpose()
    }

    async fn certificate(&self, stream: &StreamId) -> Result<Option<Bytes>, StoreError> {
        self.objects.get(&self.settings.state_bucket, &certificate_key(stream)).await
    }

    /// Creates the certificate, and returns its bytes. If another writer created it first, returns
    /// the bytes of that one. None if the stream is a lane that is not open any more.
    async fn certify(&self, stream: &StreamId) -> Result<Option<Bytes>, RunError> {
        let now_ms = self.now_ms();
        let (origin_ms, end_ms) = match stream.lane_day_ms() {
            // JumpCloud lists only the users of now, so there is nothing to look back for.
            None if stream.is_users() => (now_ms, None),
            None => (now_ms - self.settings.start_lookback_ms, None),
            Some(day_ms) => {
                let live = stream.live();
                let birth = self.birth(&live).await?.filter(|birth| day_ms < birth.origin_ms);
                let before = format!("{stream} may be opened only before the beginning of {live}");
                let end_ms = birth.ok_or(RunError::refused(before))?.origin_ms;
                (day_ms, Some(end_ms.min(day_ms + DAY_MS)))
            }
        };
        let certificate = Certificate {
            version: certificate::VERSION,
            stream: stream.clone(),
            epoch: hex::encode(&self.clock.nonce()?[..4]),
            origin_ms,
            end_ms,
            born_ms: now_ms,
        };
        let own = certificate.encode();
        // The item that names a lane may have been lost since it was looked up there, and who made
        // another one knows only of lanes that have certificates.
        if stream.is_lane() && self.opened_ms(stream).await?.is_none() {
            return Ok(None);
        }
        let bytes = self.create_or_get(&certificate_key(stream), own.clone()).await?;
        if stream.is_lane() && bytes == own {
            self.ensure_open(stream).await?;
        }
        Ok(Some(bytes))
    }

    /// Creates an object of the state bucket, and returns its bytes. If another writer created it
    /// first, returns the bytes of that one.
    ///
    /// # Errors
    /// [`RunError::Transient`] if it is not known to be there.
    pub(super) async fn create_or_get(&self, key: &str, body: Bytes) -> Result<Bytes, RunError> {
        let meta = ObjectMeta {
            sha256: Sha256::digest(&body).into(),
            content_type: "application/json",
            metadata: Vec::new(),
        };
        let bucket = &self.settings.state_bucket;
        match self.objects.create(bucket, key, body.clone(), &meta).await {
            Ok(PutResult::Created) => Ok(body),
            Ok(PutResult::AlreadyExists) | Err(StoreError::Indeterminate(_)) => {
                let found = self.objects.get(bucket, key).await?;
                found.ok_or_else(|| RunError::transient(format!("{key} could not be created")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cursor at the birth that the certificate records.
    fn newborn(&self, certificate: &Certificate, bytes: &[u8]) -> Cursor {
        let Certificate { stream, epoch, origin_ms, end_ms, born_ms, .. } = certificate;
        // Users are read from the console.
        let queries: &[_] = if stream.is_users() { &[] } else { &self.settings.queries };
        Cursor {
            epoch: epoch.clone(),
            seq: 0,
            head_hash: hex::encode(Sha256::digest(bytes)),
            origin_ms: *origin_ms,
            end_ms: *end_ms,
            born_ms: *born_ms,
            opened_ms: None,
            open_lanes: OpenLanes::default(),
            state: ReadingState::at_birth(*origin_ms, *born_ms, queries),
        }
    }

    /// The cursor of a stream that has a journal: one before its last entry, which recovery then
    /// publishes again.
    async fn rebuilt(
        &self,
        certificate: &Certificate,
        newborn: &Cursor,
    ) -> Result<Option<Cursor>, RunError> {
        let (stream, bucket) = (&certificate.stream, &self.settings.state_bucket);
        let entries = self.objects.list(bucket, &journal_prefix(stream), "", usize::MAX).await?;
        let last = entries.iter().filter_map(|key| Some((seq_of(key)?, key))).max();
        let Some((seq, key)) = last else { return Ok(None) };
        let found = self.objects.get(bucket, key).await?;
        let found = found
            .ok_or_else(|| RunError::transient(format!("{key} is listed and cannot be read")))?;
        let entry = Entry::decode(found).map_err(|error| RunError::of_entry(key, error))?;
        if entry.header.epoch != certificate.epoch || entry.header.seq != seq {
            return Err(RunError::damaged(key, "it is not an entry of this stream's birth"));
        }
        tracing::warn!(%stream, seq, "the cursor was lost and is rebuilt from the journal");
        let newborn = newborn.clone();
        let head_hash = entry.header.previous;
        Ok(Some(Cursor { seq: seq.saturating_sub(1), head_hash, ..newborn }))
    }

    /// Requests one row from JumpCloud if this process has had no answer yet: the `Date` of the
    /// answer shows how far the local clock is ahead.
    pub(super) async fn measure_clock_skew(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<(), RunError> {
        match self.insights.clock_skew_ms() {
            Some(_) => Ok(()),
            None => self.ask_one_row(stream, meter, budget.read_until_ms(0)).await,
        }
    }
}

impl Writer<'_> {
    /// On a cold start: checks that the cursor has the epoch of the stream's birth certificate.
    pub(super) async fn check_certificate(&self) -> Result<(), RunError> {
        let key = certificate_key(self.stream);
        let bytes = self.engine.certificate(self.stream).await?;
        let bytes =
            bytes.ok_or_else(|| RunError::damaged(&key, "the birth certificate is absent"))?;
        let certificate = certificate_of(self.stream, &bytes)?;
        if certificate.epoch == self.cursor.epoch {
            Ok(())
        } else {
            let (birth, cursor) = (certificate.epoch, &self.cursor.epoch);
            Err(RunError::damaged(&key, format!("its epoch is {birth}, the cursor's {cursor}")))
        }
    }

    /// On a cold start, if entry `n + 1` was absent: checks that there is no entry beyond it.
    /// Returns `false` if entry `n + 1` exists by now, because another run has decided it.
    pub(super) async fn check_journal_end(&self) -> Result<bool, RunError> {
        let head = entry_key(self.stream, self.cursor.seq);
        let next = entry_key(self.stream, self.cursor.seq + 1);
        let prefix = journal_prefix(self.stream);
        // One listing shows both, because entries are created in order.
        let beyond = self.engine.objects.list(self.state_bucket(), &prefix, &head, 1).await?;
        match beyond.first() {
            None => Ok(true),
            Some(found) if *found == next => Ok(false),
            Some(found) => {
                Err(RunError::damaged(&next, format!("it is absent, and {found} is there")))
            }
        }
    }
}

fn certificate_of(stream: &StreamId, bytes: &[u8]) -> Result<Certificate, RunError> {
    let key = certificate_key(stream);
    Certificate::of(stream, bytes).map_err(|error| RunError::of_certificate(&key, error))
}

fn no_journal(stream: &StreamId, age_ms: i64) -> RunError {
    RunError::refused(format!(
        "{stream} was born {} days ago and has neither cursor nor journal; restore the table or the \
         state bucket: see the runbook",
        age_ms / DAY_MS,
    ))
}
