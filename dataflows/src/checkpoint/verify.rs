//! Whether a manifest is whole: everything that it names is there, and none of it is damaged.
//!
//! What was read to see that is kept until the run restores it, so that no object is read twice.

use super::bundle::{BundleError, Checked};
use super::depot::{Depot, DepotError};
use super::manifest::{Entry, Manifest, PARTS};
use super::sequence::{SequenceError, entries};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Objects that were read and are whole, by name; clones share them.
#[derive(Clone, Default)]
pub struct Objects(Arc<Mutex<BTreeMap<String, Checked>>>);

impl Objects {
    /// Takes one out, where it was read.
    pub(super) fn take(&self, name: &str) -> Option<Checked> {
        self.held().remove(name)
    }

    /// Forgets all of them, which gives their memory back.
    pub fn clear(&self) {
        self.held().clear();
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Checked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.held().keys()).finish()
    }
}

/// Why a manifest is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An object that it names is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// An object that it names is damaged.
    #[error("{name}: {error}")]
    Damaged {
        /// The object.
        name: String,
        /// What is wrong with it.
        error: BundleError,
    },
    /// It is no entry, or half of one.
    #[error("its entry is half written or damaged")]
    Torn,
}

/// A manifest with its number, where there is one, and those that a run would not go on from.
pub type Newest = (Option<(u64, Manifest)>, Vec<PassedOver>);

/// A manifest that a run does not go on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint {number} is not whole: {fault}")]
pub struct PassedOver {
    /// Its number.
    pub number: u64,
    /// Why.
    pub fault: Fault,
}

/// The first object that a manifest names and that is not among those that are there.
pub(super) fn missing<'a>(manifest: &'a Manifest, parts: &BTreeSet<String>) -> Option<&'a String> {
    manifest.objects().find(|name| !parts.contains(*name))
}

/// The newest manifest that names nothing that is missing, with its number, and those behind it; what lies in the
/// objects is not read.
///
/// # Errors
/// As [`entries`].
pub fn newest_there(depot: &dyn Depot) -> Result<Newest, SequenceError> {
    let (entries, _) = entries(depot)?;
    let parts: BTreeSet<String> = depot.list(PARTS)?.into_iter().collect();
    let mut passed_over = Vec::new();
    for (number, entry) in entries.into_iter().rev() {
        let Entry::Manifest(manifest) = entry else { continue };
        let Some(name) = missing(&manifest, &parts) else {
            return Ok((Some((number, manifest)), passed_over));
        };
        passed_over.push(PassedOver { number, fault: Fault::Missing(name.clone()) });
    }
    Ok((None, passed_over))
}

/// Reads what a manifest names; `parts` are the names of all objects that are there.
pub(super) fn read_whole(
    depot: &dyn Depot,
    manifest: &Manifest,
    parts: &BTreeSet<String>,
) -> Result<Result<Objects, Fault>, DepotError> {
    if let Some(name) = missing(manifest, parts) {
        return Ok(Err(Fault::Missing(name.clone())));
    }
    let objects = Objects::default();
    for name in manifest.objects() {
        let Some(bytes) = depot.read(name)? else {
            return Ok(Err(Fault::Missing(name.clone())));
        };
        match Checked::of(name, &bytes) {
            Ok(checked) => objects.held().insert(name.clone(), checked),
            Err(error) => return Ok(Err(Fault::Damaged { name: name.clone(), error })),
        };
    }
    Ok(Ok(objects))
}
