//! [`Objects`] in a folder: a bucket is a folder, and a key is a path below it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::error::failed;
use engine::ports::{ObjectMeta, Objects, PutResult, StoreError};

/// Objects below a folder.
#[derive(Clone, Debug)]
pub struct FolderObjects {
    root: PathBuf,
}

impl FolderObjects {
    /// Stores objects below `root`, which is created when the first one is written.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, StoreError> {
        let below = Path::new(bucket).join(key);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if below.components().all(plain) {
            Ok(self.root.join(below))
        } else {
            Err(StoreError::Rejected(
                format!("`{bucket}/{key}` is not a path below the folder").into(),
            ))
        }
    }

    /// Writes a temporary file, then links it to the key. A link is created atomically, and never
    /// replaces an existing file.
    fn link(&self, path: &Path, body: &[u8]) -> io::Result<PutResult> {
        let aside = self.root.join(".aside");
        fs::create_dir_all(&aside)?;
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        let aside = aside.join(format!("{}-{:016x}", std::process::id(), fastrand::u64(..)));
        let mut file = File::create_new(&aside)?;
        let written = file.write_all(body).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&aside, path));
        fs::remove_file(&aside)?;
        match linked {
            Ok(()) => Ok(PutResult::Created),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(PutResult::AlreadyExists),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Objects for FolderObjects {
    async fn create(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        _meta: &ObjectMeta,
    ) -> Result<PutResult, StoreError> {
        let path = self.path(bucket, key)?;
        self.link(&path, &body).map_err(|error| failed(&path, error))
    }

    /// Always true: only [`create`](Self::create) can write.
    async fn refuses_overwrite(&self, _bucket: &str, _key: &str) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(bucket, key)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, error)),
        }
    }

    async fn sha256(&self, bucket: &str, key: &str) -> Result<Option<String>, StoreError> {
        let bytes = self.get(bucket, key).await?;
        Ok(bytes.map(|bytes| hex::encode(Sha256::digest(&bytes))))
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: &str,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let bucket = self.path(bucket, "")?;
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut keys = Vec::new();
        let mut folders = vec![bucket.join(folder)];
        while let Some(folder) = folders.pop() {
            let items = match fs::read_dir(&folder) {
                Ok(items) => items,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&folder, error)),
            };
            for item in items {
                let path = item.map_err(|error| failed(&folder, error))?.path();
                let key =
                    path.strip_prefix(&bucket).ok().and_then(Path::to_str).unwrap_or("").to_owned();
                if path.is_dir() {
                    folders.push(path);
                } else if key.starts_with(prefix) && key.as_str() > after {
                    keys.push(key);
                }
            }
        }
        keys.sort_unstable();
        keys.truncate(most);
        Ok(keys)
    }
}
