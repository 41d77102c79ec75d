//! [`Cursors`] in a folder: one file per stream, replaced under a lock.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use async_trait::async_trait;

use super::error::failed;
use engine::cursor::{Item, Update};
use engine::ports::{Cursors, StoreError};
use engine::stream::StreamId;

/// Cursors in a folder.
#[derive(Clone, Debug)]
pub struct FolderCursors {
    folder: PathBuf,
}

impl FolderCursors {
    /// Stores cursors in `folder`, which is created when the first one is written.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, stream: &StreamId) -> PathBuf {
        self.folder.join(format!("{stream}.json"))
    }

    fn read(&self, stream: &StreamId) -> io::Result<Option<Item>> {
        match fs::read(self.path(stream)) {
            // Also where it ends too early: the file will not get better by itself.
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads, checks and replaces the item under an exclusive lock. The lock is released when the
    /// lock file is closed.
    fn replace(&self, stream: &StreamId, update: &Update) -> io::Result<Option<Item>> {
        fs::create_dir_all(&self.folder)?;
        let lock = File::create(self.folder.join(".lock"))?;
        lock.lock()?;
        let mut item = self.read(stream)?.unwrap_or_default();
        if !update.allows(&item) {
            return Ok(None);
        }
        update.apply(&mut item);
        let aside = self.folder.join(format!(".{stream}.aside"));
        fs::write(&aside, serde_json::to_vec_pretty(&item)?)?;
        File::open(&aside)?.sync_all()?;
        fs::rename(&aside, self.path(stream))?;
        Ok(Some(item))
    }
}

#[async_trait]
impl Cursors for FolderCursors {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        self.read(stream).map_err(|error| failed(&self.folder, error))
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        self.replace(stream, update).map_err(|error| failed(&self.folder, error))
    }
}
