//! [`Objects`] in a folder: a bucket is a folder, and a key is a path below it.

use std::fs::{self, File, FileType, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::error::failed;
use super::files;
use engine::ports::{ObjectMeta, Objects, PutResult, StoreError};

/// Objects below a folder.
#[derive(Clone, Debug)]
pub struct FolderObjects {
    root: PathBuf,
    /// Held while this process may write aside.
    aside: Arc<OnceLock<File>>,
}

impl FolderObjects {
    /// Stores objects below `root`, which is created when the first one is written.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, aside: Arc::default() }
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
        files::refuse_links(&self.root, path)?;
        let folder = files::above(path);
        files::create_folder(folder)?;
        let name = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
        let aside = self.aside()?.join(name);
        let mut file = files::create_new(&aside)?;
        let written = file.write_all(body).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&aside, path));
        let removed = fs::remove_file(&aside);
        let created = match linked {
            Ok(()) => PutResult::Created,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => PutResult::AlreadyExists,
            Err(error) => return Err(error),
        };
        removed?;
        // Also if another process made it, which may not have come to this yet.
        files::flush_folder(folder)?;
        Ok(created)
    }

    /// What lies in a folder; nothing if there is none.
    fn items(&self, folder: &Path) -> io::Result<Vec<(PathBuf, FileType)>> {
        files::refuse_links(&self.root, folder)?;
        let items = match fs::read_dir(folder) {
            Ok(items) => items,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let read = |item: io::Result<fs::DirEntry>| {
            let (path, kind) = item.and_then(|item| Ok((item.path(), item.file_type()?)))?;
            if kind.is_symlink() {
                files::refuse_links(folder, &path)?;
            }
            Ok((path, kind))
        };
        items.map(read).collect()
    }

    /// The folder that is written into first. What crashes have left there is removed by a process
    /// that finds no other at work.
    fn aside(&self) -> io::Result<PathBuf> {
        let aside = self.root.join(".aside");
        files::refuse_links(&self.root, &aside)?;
        files::create_folder(&aside)?;
        if self.aside.get().is_none() {
            let lock = files::open_lock(&aside.join(".lock"))?;
            match lock.try_lock() {
                Ok(()) => {
                    remove_leftovers(&aside)?;
                    lock.unlock()?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            lock.lock_shared()?;
            // Another thread's is as good.
            let _ = self.aside.set(lock);
        }
        Ok(aside)
    }
}

fn remove_leftovers(aside: &Path) -> io::Result<()> {
    for item in fs::read_dir(aside)? {
        let item = item?;
        if item.file_name() != ".lock" && !item.file_type()?.is_dir() {
            fs::remove_file(item.path())?;
        }
    }
    Ok(())
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
        let bytes = files::read(&self.root, &path).map_err(|error| failed(&path, error))?;
        Ok(bytes.map(Bytes::from))
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
            let items = self.items(&folder).map_err(|error| failed(&folder, error))?;
            for (path, kind) in items {
                let key =
                    path.strip_prefix(&bucket).ok().and_then(Path::to_str).unwrap_or("").to_owned();
                // No key has a segment that begins with a dot: what a file manager keeps has.
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                if name.starts_with(b".") {
                    continue;
                }
                if kind.is_dir() {
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
