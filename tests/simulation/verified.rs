//! The archive is verified whenever it is quiet, as an auditor does it, with the program's own means.

use async_trait::async_trait;
use bytes::Bytes;
use engine::ports::{ObjectMeta, Objects, PutResult, StoreError};
use engine::task::verify::{Buckets, verify};
use futures_util::FutureExt as _;

use crate::world::{Shared, lock};

/// What is wrong, if anything. Where no stream was created there is nothing to verify.
pub(crate) fn problems(world: &Shared) -> Vec<String> {
    let now_ms = lock(world).now_ms;
    let objects = Kept(world.clone());
    let buckets = Buckets { objects: &objects, archive: "archive", state: "state" };
    let verdict = verify(buckets, now_ms, &mut |_| {}).now_or_never();
    let verdict = verdict.unwrap().unwrap();
    let found = verdict.problems.into_iter().filter(|_| verdict.streams > 0);
    found.collect()
}

/// Both buckets, every request answered at once. What readers have removed from the archive is there:
/// an auditor has it from them.
struct Kept(Shared);

#[async_trait]
impl Objects for Kept {
    async fn create(
        &self,
        _bucket: &str,
        key: &str,
        _body: Bytes,
        _meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        unreachable!("a verification writes {key}")
    }

    async fn refuses_overwrite(&self, _bucket: &str, key: &str) -> Result<bool, StoreError> {
        unreachable!("a verification writes {key}")
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let world = lock(&self.0);
        Ok(world.store.kept(bucket, key).map(|object| object.body.clone()))
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        let world = lock(&self.0);
        Ok(world.store.kept(bucket, key).map(|object| hex::encode(object.sha256)))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        Ok(lock(&self.0).store.list_kept(bucket, prefix, after, most))
    }
}
