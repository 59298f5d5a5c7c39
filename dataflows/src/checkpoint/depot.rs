//! Where checkpoints lie: named objects that are written whole, some of them only where none is.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A store that could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub struct DepotError {
    /// What was asked of which store, and what went wrong.
    pub what: String,
}

/// A store of objects that all processes of a run reach: a folder, or a bucket.
pub trait Depot: Send + Sync {
    /// Writes an object where there is none of this name; whether it did.
    ///
    /// # Errors
    /// Fails when the store is away, full, or refuses: the object may be there nevertheless.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError>;

    /// Writes an object of buffers that follow one another, in place of one that may be there.
    ///
    /// # Errors
    /// Fails when the store is away, full, or refuses.
    fn put(&self, name: &str, bytes: Vec<Bytes>) -> Result<(), DepotError>;

    /// Reads an object; none where there is none of this name.
    ///
    /// # Errors
    /// Fails when the store is away or refuses.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError>;

    /// The names of all objects that begin with `prefix`, in order.
    ///
    /// # Errors
    /// Fails when the store is away or refuses.
    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError>;

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// Fails when the store is away or refuses.
    fn remove(&self, name: &str) -> Result<(), DepotError>;
}

/// A depot in memory, for tests and for runs that need not outlive their process.
#[derive(Debug, Default)]
pub struct MemoryDepot {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryDepot {
    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.objects.lock().expect("no holder of this lock panics")
    }
}

impl Depot for MemoryDepot {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError> {
        let mut objects = self.objects();
        let is_new = !objects.contains_key(name);
        if is_new {
            objects.insert(name.to_owned(), bytes.to_vec());
        }
        Ok(is_new)
    }

    fn put(&self, name: &str, bytes: Vec<Bytes>) -> Result<(), DepotError> {
        self.objects().insert(name.to_owned(), bytes.concat());
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
        Ok(self.objects().get(name).cloned())
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        Ok(self.objects().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn remove(&self, name: &str) -> Result<(), DepotError> {
        self.objects().remove(name);
        Ok(())
    }
}
