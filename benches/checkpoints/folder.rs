//! A folder for checkpoints that is as durable as the command's: written aside, synced, renamed.

use bytes::Bytes;
use dataflows::checkpoint::{Depot, DepotError};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Objects as files of one folder.
pub struct Folder {
    at: PathBuf,
    largest: AtomicU64,
}

fn failed(error: std::io::Error) -> DepotError {
    DepotError { what: error.to_string() }
}

impl Folder {
    /// Objects in the folder `at`.
    pub fn new(at: &Path) -> Self {
        Folder { at: at.to_owned(), largest: AtomicU64::new(0) }
    }

    /// Bytes of the largest object so far.
    pub fn largest(&self) -> u64 {
        self.largest.load(Ordering::Relaxed)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.join(name.replace('/', "+"))
    }
}

impl Depot for Folder {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError> {
        match OpenOptions::new().write(true).create_new(true).open(self.path(name)) {
            Ok(mut file) => {
                file.write_all(bytes).map_err(failed)?;
                file.sync_all().map_err(failed).map(|()| true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    fn put(&self, name: &str, bytes: Vec<Bytes>) -> Result<(), DepotError> {
        let length = bytes.iter().map(|bytes| bytes.len() as u64).sum();
        self.largest.fetch_max(length, Ordering::Relaxed);
        let aside = self.at.join("aside");
        let mut file = File::create(&aside).map_err(failed)?;
        bytes.iter().try_for_each(|bytes| file.write_all(bytes)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(aside, self.path(name)).map_err(failed)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
        Ok(std::fs::read(self.path(name)).ok())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        let names = std::fs::read_dir(&self.at).map_err(failed)?.filter_map(|entry| {
            let name = entry.ok()?.file_name().to_string_lossy().replace('+', "/");
            name.starts_with(prefix).then_some(name)
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), DepotError> {
        std::fs::remove_file(self.path(name)).map_err(failed)
    }
}
