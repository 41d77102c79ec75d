//! [`Cursors`] in a folder: one file per stream, replaced under a lock.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use async_trait::async_trait;

use super::error::failed;
use super::files;
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

    /// A link in place of the folder itself is refused, too.
    fn read(&self, stream: &StreamId) -> io::Result<Option<Item>> {
        let Some(bytes) = files::read(files::above(&self.folder), &self.path(stream))? else {
            return Ok(None);
        };
        // Also if the file is too short: a retry cannot repair it.
        let item = serde_json::from_slice(&bytes);
        item.map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Reads, checks and replaces the item under an exclusive lock. The lock is released when the
    /// lock file is closed.
    fn replace(&self, stream: &StreamId, update: &Update) -> io::Result<Option<Item>> {
        files::refuse_links(files::above(&self.folder), &self.folder)?;
        files::create_folder(&self.folder)?;
        let lock = files::open_lock(&self.folder.join(".lock"))?;
        lock.lock()?;
        let mut item = self.read(stream)?.unwrap_or_default();
        if !update.allows(&item) {
            return Ok(None);
        }
        update.apply(&mut item);
        let aside = self.folder.join(format!(".{stream}.aside"));
        // Left by a process that died here, which had the lock.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
        let mut file = files::create_new(&aside)?;
        file.write_all(&serde_json::to_vec_pretty(&item)?)?;
        file.sync_all()?;
        fs::rename(&aside, self.path(stream))?;
        files::flush_folder(&self.folder)?;
        Ok(Some(item))
    }
}

#[async_trait]
impl Cursors for FolderCursors {
    async fn get(&self, stream: &StreamId) -> Result<Option<Item>, StoreError> {
        self.read(stream).map_err(|error| failed(&self.path(stream), error))
    }

    async fn update(&self, stream: &StreamId, update: &Update) -> Result<Option<Item>, StoreError> {
        self.replace(stream, update).map_err(|error| failed(&self.path(stream), error))
    }
}
