//! The creation of a stream, and the rebuilding of a cursor that was lost.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::engine::Engine;
use super::writer::Writer;
use crate::cursor::{Cursor, ReadingState};
use crate::error::RunError;
use crate::journal::certificate::{self, Certificate, certificate_key};
use crate::journal::{Entry, entry_key, journal_prefix, seq_of};
use crate::limits::{DAY_MS, RETENTION_MS};
use crate::page::Ask;
use crate::ports::{Meter, ObjectMeta, PageRequest, PutResult, StoreError};
use crate::read::Budget;
use crate::stream::StreamId;
use crate::time::Window;

impl Engine {
    /// Makes sure that the stream is born and has a cursor with a `seq`.
    pub(crate) async fn ensure_created(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<(), RunError> {
        let bytes = match self.certificate(stream).await? {
            Some(bytes) => bytes,
            None => {
                // A birth's time lasts, and the clock may have been set since the last answer.
                match stream.lane_day_ms() {
                    _ if stream.is_users() => {}
                    None => self.measure_clock_skew_anew(stream, meter, budget).await?,
                    Some(_) => self.measure_clock_skew(stream, meter, budget).await?,
                }
                self.certify(stream).await?
            }
        };
        let certificate = certificate_of(stream, &bytes)?;
        let cursor = self.rebuilt(stream, &certificate, &bytes).await?;
        self.cursors.update(stream, &cursor.create()).await?;
        Ok(())
    }

    /// Event time at which the stream's ownership begins, UTC milliseconds; `None` if the stream
    /// was not created yet.
    ///
    /// # Errors
    /// [`RunError`] if the birth certificate exists but cannot be read.
    pub(crate) async fn origin_ms(&self, stream: &StreamId) -> Result<Option<i64>, RunError> {
        let bytes = self.certificate(stream).await?;
        let certificate = bytes.map(|bytes| certificate_of(stream, &bytes)).transpose()?;
        Ok(certificate.map(|certificate| certificate.origin_ms))
    }

    async fn certificate(&self, stream: &StreamId) -> Result<Option<Bytes>, StoreError> {
        self.objects.get(&self.settings.state_bucket, &certificate_key(stream)).await
    }

    /// Creates the certificate, and returns its bytes. If another writer created it first, returns
    /// the bytes of that one.
    async fn certify(&self, stream: &StreamId) -> Result<Bytes, RunError> {
        let now_ms = self.now_ms();
        let (origin_ms, end_ms) = match stream.lane_day_ms() {
            // JumpCloud lists only the users of now, so there is nothing to look back for.
            None if stream.is_users() => (now_ms, None),
            None => (now_ms - self.settings.start_lookback_ms, None),
            Some(day_ms) => {
                let live = stream.live();
                let end_ms = self.origin_ms(&live).await?.filter(|origin_ms| day_ms < *origin_ms);
                let before = format!("{stream} may be opened only before the beginning of {live}");
                let end_ms = end_ms.ok_or(RunError::refused(before))?;
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
        let body = certificate.encode();
        let meta = ObjectMeta {
            sha256: Sha256::digest(&body).into(),
            content_type: "application/json",
            metadata: Vec::new(),
        };
        let key = certificate_key(stream);
        let created =
            self.objects.create(&self.settings.state_bucket, &key, body.clone(), &meta).await;
        match created {
            Ok(PutResult::Created) => Ok(body),
            Ok(PutResult::AlreadyExists) | Err(StoreError::Indeterminate(_)) => {
                let found = self.certificate(stream).await?;
                found.ok_or_else(|| RunError::transient(format!("{key} could not be created")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cursor of a stream that was born: at its birth, or one before its last entry, which
    /// recovery then publishes again.
    async fn rebuilt(
        &self,
        stream: &StreamId,
        certificate: &Certificate,
        bytes: &[u8],
    ) -> Result<Cursor, RunError> {
        let bucket = &self.settings.state_bucket;
        let entries = self.objects.list(bucket, &journal_prefix(stream), "", usize::MAX).await?;
        // Users are read from the console.
        let queries: &[_] = if stream.is_users() { &[] } else { &self.settings.queries };
        let newborn = Cursor {
            epoch: certificate.epoch.clone(),
            seq: 0,
            head_hash: hex::encode(Sha256::digest(bytes)),
            origin_ms: certificate.origin_ms,
            end_ms: certificate.end_ms,
            born_ms: certificate.born_ms,
            state: ReadingState::at_birth(certificate.origin_ms, certificate.born_ms, queries),
        };
        let Some((seq, key)) = entries.iter().filter_map(|key| Some((seq_of(key)?, key))).max()
        else {
            let age_ms = self.now_ms() - certificate.born_ms;
            return if age_ms < RETENTION_MS {
                Ok(newborn)
            } else {
                Err(no_journal(stream, age_ms))
            };
        };
        let found = self.objects.get(bucket, key).await?;
        let found = found
            .ok_or_else(|| RunError::transient(format!("{key} is listed and cannot be read")))?;
        let entry = Entry::decode(found).map_err(|error| RunError::of_entry(key, error))?;
        if entry.header.epoch != certificate.epoch || entry.header.seq != seq {
            return Err(RunError::damaged(key, "it is not an entry of this stream's birth"));
        }
        tracing::warn!(%stream, seq, "the cursor was lost and is rebuilt from the journal");
        Ok(Cursor { seq: seq.saturating_sub(1), head_hash: entry.header.previous, ..newborn })
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
            None => self.measure_clock_skew_anew(stream, meter, budget).await,
        }
    }

    /// Asks for one row, because every answer of JumpCloud has the time, also a refusal. If
    /// there is none at all, the next query is asked.
    async fn measure_clock_skew_anew(
        &self,
        stream: &StreamId,
        meter: &Arc<Meter>,
        budget: &Budget,
    ) -> Result<(), RunError> {
        let mut failed = None;
        for query in &self.settings.queries {
            let now_ms = self.clock.now_ms();
            let ask = Ask { window: Window::new(now_ms - DAY_MS, now_ms), limit: 1, token: None };
            let (deadline_ms, meter) = (budget.read_until_ms(0), Arc::clone(meter));
            let request =
                PageRequest { meter, ..PageRequest::new(stream, query, ask, deadline_ms) };
            let answer = self.insights.page(request).await.map_err(RunError::from);
            let has_answered = self.insights.clock_skew_ms().is_some();
            match answer {
                Ok(_) => return Ok(()),
                Err(RunError::Query(_)) if has_answered => return Ok(()),
                Err(error @ RunError::Query(_)) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        failed.map_or(Ok(()), Err)
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
         state bucket, or move {} away to begin anew: see the runbook",
        age_ms / DAY_MS,
        certificate_key(stream),
    ))
}
