//! `verify`: proves to an auditor that the archive is what the journal says. It only reads, and
//! only from the two buckets.
//!
//! Journal and index expire by age, and the archive outlives them. So what is missing because it has
//! expired is told from what was deleted: entries are missing only before the first one that is
//! kept, and only where the one before that, whose time it says, was old enough; all of them, only
//! where nothing of the index or the archive lies so late in event time that its entry must be kept.
//! A slot object that an entry builds on is missing only where an entry that has expired resulted in
//! it.

mod age;
mod archive;
mod journal;
mod newer;
mod slots;
mod verdict;

pub use self::verdict::{Buckets, Verdict};

use self::archive::Archive;
use self::journal::Journal;
use crate::journal::certificate::{self, Certificate};
use crate::ports::StoreError;
use crate::task::validate::FIRST_IN_STATE;

/// Checks every stream that was ever created, as of `now_ms`. `tell` is called after each entry.
/// Where no stream was, there is nothing to verify, and that is a problem.
///
/// # Errors
/// [`StoreError`] if a bucket cannot be read. A missing or wrong object is a problem, not an error.
pub async fn verify(
    buckets: Buckets<'_>,
    now_ms: i64,
    tell: &mut dyn FnMut(&Verdict),
) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::default();
    let mut archive = Archive::default();
    let mut births = Vec::new();
    for prefix in [certificate::PREFIX, certificate::LANES] {
        births.extend(buckets.objects.list(buckets.state, prefix, "", usize::MAX).await?);
    }
    for key in births.iter().filter(|key| *key != FIRST_IN_STATE) {
        let Some(stream) = certificate::stream_of(key) else {
            verdict.problem(key, "its name is not that of a stream");
            continue;
        };
        // Certificates never expire: one that was listed is there.
        let bytes = buckets.objects.get(buckets.state, key).await?.unwrap_or_default();
        let certificate = Certificate::of(&stream, &bytes);
        let certificate = certificate.inspect_err(|error| verdict.problem(key, error)).ok();
        verdict.streams += 1;
        let journal = Journal {
            buckets,
            stream,
            certificate: certificate.map(|certificate| (certificate, bytes)),
            now_ms,
        };
        let kept = journal.check(&mut archive, &mut verdict, tell).await?;
        archive.keep(journal.stream, kept);
    }
    if verdict.streams == 0 {
        let what = "there is nothing to verify: no stream was ever created here";
        verdict.problem(certificate::PREFIX, what);
    }
    archive.check(buckets, now_ms, &mut verdict).await?;
    Ok(verdict)
}
