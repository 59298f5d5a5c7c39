//! A depot that fails.

use dataflows::checkpoint::{Depot, DepotError, MemoryDepot};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A depot that fails at some calls: before it did what was asked, or after.
pub struct Fragile {
    pub inner: Arc<MemoryDepot>,
    pub calls: AtomicU64,
    pub every: u64,
}

impl Fragile {
    fn at_risk<T>(&self, done: impl FnOnce() -> Result<T, DepotError>) -> Result<T, DepotError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let away = || DepotError { what: "the depot is away".to_owned() };
        match call % self.every {
            1 if self.every > 1 => Err(away()),
            2 if self.every > 2 => done().and(Err(away())),
            _ => done(),
        }
    }
}

impl Depot for Fragile {
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError> {
        self.at_risk(|| self.inner.create(name, bytes))
    }

    fn put(&self, name: &str, bytes: Vec<bytes::Bytes>) -> Result<(), DepotError> {
        self.at_risk(|| self.inner.put(name, bytes))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
        self.inner.read(name)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
        self.inner.list(prefix)
    }

    fn remove(&self, name: &str) -> Result<(), DepotError> {
        self.inner.remove(name)
    }
}
