//! Entries that were decided while the others were being checked.

use sha2::{Digest as _, Sha256};

use super::verdict::Buckets;
use crate::journal::certificate;
use crate::journal::{Entry, entry_key, journal_prefix};
use crate::ports::StoreError;
use crate::stream::StreamId;

/// The entries behind `last`, which is the last one that was checked and its hash, as far as each has
/// the hash of the one before it. None if it is not known which was the last.
pub(super) async fn newer(
    buckets: Buckets<'_>,
    stream: &StreamId,
    last: Option<(u64, Option<String>)>,
) -> Result<Vec<Entry>, StoreError> {
    let Buckets { objects, state, .. } = buckets;
    let Some((mut seq, Some(mut hash))) = last else { return Ok(Vec::new()) };
    let after = entry_key(stream, seq);
    let keys = objects.list(state, &journal_prefix(stream), &after, usize::MAX).await?;
    let mut entries = Vec::new();
    for key in keys {
        let Some(bytes) = objects.get(state, &key).await? else { break };
        let entry = Entry::decode(bytes).ok();
        let follows = |entry: &Entry| entry.header.seq == seq + 1 && entry.header.previous == hash;
        let Some(entry) = entry.filter(follows) else { break };
        (seq, hash) = (entry.header.seq, entry.hash());
        entries.push(entry);
    }
    Ok(entries)
}

/// What comes before the first entry of a stream that was created meanwhile: its birth certificate.
pub(super) async fn newborn(
    buckets: Buckets<'_>,
    stream: &StreamId,
) -> Result<Option<(u64, Option<String>)>, StoreError> {
    let key = certificate::certificate_key(stream);
    let certificate = buckets.objects.get(buckets.state, &key).await?;
    Ok(certificate.map(|bytes| (0, Some(hex::encode(Sha256::digest(&bytes))))))
}
