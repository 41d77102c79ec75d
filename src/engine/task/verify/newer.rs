//! Entries that were decided while the others were being checked.

use sha2::{Digest as _, Sha256};

use super::verdict::Buckets;
use crate::journal::certificate;
use crate::journal::{Entry, entry_key, journal_prefix};
use crate::ports::StoreError;
use crate::stream::StreamId;

/// Goes through the entries behind `last`, the last one that was checked, with its hash, as far as each
/// has the hash of the one before it. Nothing follows one without a hash.
pub(super) async fn for_each_newer(
    buckets: Buckets<'_>,
    stream: &StreamId,
    last: (u64, Option<String>),
    mut found: impl FnMut(&Entry),
) -> Result<(), StoreError> {
    let Buckets { objects, state, .. } = buckets;
    let (mut seq, Some(mut hash)) = last else { return Ok(()) };
    let after = entry_key(stream, seq);
    for key in objects.list(state, &journal_prefix(stream), &after, usize::MAX).await? {
        let Some(bytes) = objects.get(state, &key).await? else { break };
        let entry = Entry::decode(bytes).ok();
        let follows = |entry: &Entry| entry.header.seq == seq + 1 && entry.header.previous == hash;
        let Some(entry) = entry.filter(follows) else { break };
        found(&entry);
        (seq, hash) = (entry.header.seq, entry.hash());
    }
    Ok(())
}

/// What comes before the first entry of a stream: its birth certificate, with its hash if it is there.
pub(super) async fn newborn(
    buckets: Buckets<'_>,
    stream: &StreamId,
) -> Result<(u64, Option<String>), StoreError> {
    let key = certificate::certificate_key(stream);
    let certificate = buckets.objects.get(buckets.state, &key).await?;
    Ok((0, certificate.map(|bytes| hex::encode(Sha256::digest(&bytes)))))
}
