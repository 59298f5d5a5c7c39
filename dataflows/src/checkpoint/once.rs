//! What is written once: a store that does not take it is owed it, until it does or nobody needs it any more.

use super::{Depot, DepotError};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What the store has not taken yet, by worker and name.
#[derive(Default)]
pub(super) struct Once {
    owed: BTreeMap<(usize, String), Vec<Bytes>>,
}

impl Once {
    /// The store is owed an object of a worker.
    pub fn owe(&mut self, worker: usize, name: String, bytes: Vec<Bytes>) {
        self.owed.insert((worker, name), bytes);
    }

    /// Forgets of a worker's what is not needed any more.
    pub fn keep(&mut self, worker: usize, needed: &BTreeSet<String>) {
        self.owed.retain(|(of, name), _| *of != worker || needed.contains(name));
    }

    /// Stores what it is owed of a worker's, in order; the bytes of that.
    ///
    /// # Errors
    /// Fails where the store does: it is owed the rest.
    pub fn pay(&mut self, depot: &dyn Depot, worker: usize) -> Result<u64, DepotError> {
        let (mut paid, mut failed) = (0, None);
        self.owed.retain(|(of, name), bytes| {
            if *of != worker || failed.is_some() {
                return true;
            }
            match depot.put(name, bytes.clone()) {
                Ok(()) => paid += length_of(bytes),
                Err(error) => failed = Some(error),
            }
            failed.is_some()
        });
        failed.map_or(Ok(paid), Err)
    }
}

pub(super) fn length_of(bytes: &[Bytes]) -> u64 {
    bytes.iter().map(|bytes| bytes.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::MemoryDepot;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Takes the first object, and then none until so many were refused.
    #[derive(Default)]
    struct Full(MemoryDepot, AtomicU64);

    impl Depot for Full {
        fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, DepotError> {
            self.0.create(name, bytes)
        }

        fn put(&self, name: &str, bytes: Vec<Bytes>) -> Result<(), DepotError> {
            match self.1.fetch_add(1, Ordering::Relaxed) {
                1..3 => Err(DepotError { what: "full".to_owned() }),
                _ => self.0.put(name, bytes),
            }
        }

        fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DepotError> {
            self.0.read(name)
        }

        fn list(&self, prefix: &str) -> Result<Vec<String>, DepotError> {
            self.0.list(prefix)
        }

        fn remove(&self, name: &str) -> Result<(), DepotError> {
            self.0.remove(name)
        }
    }

    #[test]
    fn what_a_full_store_did_not_take_it_is_given_again_while_it_is_needed() {
        let (depot, mut once) = (Full::default(), Once::default());
        for (worker, name) in [(0, "a"), (0, "b"), (0, "c"), (1, "d")] {
            once.owe(worker, name.to_owned(), vec![Bytes::from(name.to_owned())]);
        }
        assert!(once.pay(&depot, 0).is_err() && once.pay(&depot, 0).is_err());
        assert_eq!(depot.list("").unwrap(), ["a"]);
        once.keep(0, &["a", "c"].map(str::to_owned).into());
        assert_eq!(once.pay(&depot, 0).unwrap(), 1);
        assert_eq!(once.pay(&depot, 0).unwrap(), 0, "once");
        assert_eq!(depot.list("").unwrap(), ["a", "c"], "nobody needs b, and d is another's");
        assert_eq!(once.pay(&depot, 1).unwrap(), 1);
    }
}
