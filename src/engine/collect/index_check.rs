//! On a cold start: the index must be there if it was written.

use super::writer::Writer;
use crate::error::RunError;
use crate::journal::entry_key;
use crate::journal::index::index_prefix;
use crate::limits::EXPIRED_AGE_MS_MIN;

impl Writer<'_> {
    /// Stops the stream if its index is gone. What was archived would otherwise be archived again.
    ///
    /// An index may be empty without a fault: if nothing was ever added to it, or if all of it has
    /// expired by age since. So only the last entry decides, and only while its slots cannot have
    /// expired.
    pub(super) async fn check_index(&self) -> Result<(), RunError> {
        let seq = self.cursor.seq;
        let age_ms = self.engine.now_ms() - self.cursor.state.last_entry_ms;
        if seq == 0 || age_ms >= EXPIRED_AGE_MS_MIN {
            return Ok(());
        }
        let prefix = index_prefix(self.stream);
        if !self.engine.objects.list(self.state_bucket(), &prefix, "", 1).await?.is_empty() {
            return Ok(());
        }
        match self.read_entry(seq).await? {
            Some(head) if head.header.slots.is_empty() => Ok(()),
            Some(head) => {
                let named = head.header.slots.len();
                let what = format!("it is empty, and the last entry, {seq}, names {named} slots");
                Err(RunError::damaged(&prefix, what))
            }
            None => {
                let what = "it is absent, and the stream's index is empty";
                Err(RunError::damaged(&entry_key(self.stream, seq), what))
            }
        }
    }
}
