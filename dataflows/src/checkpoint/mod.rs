//! Checkpoints: the state of a run, cut at an epoch boundary, in a store that outlives it.
//!
//! ```text
//!  readers, stages ──asks──> coordinator (worker 0) ──grants, with the next boundary──> all workers
//!      │ cut at the boundary                 │ all parts there, every sink durable
//!      └──pieces──> scribe: one object a worker ──────> scribe: the manifest, created if its number is free
//! ```
//! A reader enters an epoch only when it was granted, and a boundary is named while all hold, so nobody can
//! have crossed one it had not heard of. Everything before the boundary is in the cut, nothing else:
//! a partition is cut with the rows in hand that lie beyond, everything beyond the exchange before it applies
//! the first later epoch. The choice of boundaries changes no output.

mod bundle;
mod control;
mod coordinator;
mod cuts;
mod depot;
mod manifest;
mod once;
mod scribe;
mod sequence;
mod verify;

pub use bundle::{Bundle, BundleError};
pub use depot::{Depot, DepotError, MemoryDepot};
pub use manifest::{Entry, FORMAT, Manifest, Position, SEQUENCE};
pub use sequence::{
    Claimed, Numbered, Pruned, SequenceError, claim, create, entries, numbered, prune,
};
pub use verify::{Fault, Newest, Objects, PassedOver, newest_there};

pub(crate) use bundle::{Checked, Piece, Shelf, encode, words_of};
pub(crate) use control::{Office, control};
pub(crate) use coordinator::Owed;
pub(crate) use cuts::{Cuts, Gate, Grant, Told};
pub(crate) use scribe::Scribe;
pub(crate) use sequence::{is_warmed_up, part_name};

use crate::graph::Plan;
use crate::warm_up::{is_indicators, name_of};
use market::Symbols;
use operators::Restore;
use std::sync::Arc;

/// Milliseconds since some moment: decides when a checkpoint is due, which changes no output.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Told of each checkpoint that is whole.
pub type Listener = Arc<dyn Fn(&Manifest) + Send + Sync>;

/// How a run keeps checkpoints.
#[derive(Clone)]
pub struct Checkpoints {
    /// Where: the same store for all processes.
    pub depot: Arc<dyn Depot>,
    /// What time it is, to know when the next is due.
    pub clock: Clock,
    /// Between two of them.
    pub every_ms: u64,
    /// How many are kept.
    pub keep: usize,
    /// The run's place in the sequence, with the manifest that it goes on from: on process 0, which tells
    /// the others.
    pub claimed: Option<Claimed>,
    /// Told on process 0.
    pub listener: Listener,
}

impl Checkpoints {
    /// The generation that this process claimed; 0 where it claimed none.
    pub fn generation(&self) -> u64 {
        self.claimed.as_ref().map_or(0, |claimed| claimed.generation)
    }
}

/// Why a run cannot go on from a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store could not be used.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// An object that a manifest names is not there.
    #[error(
        "{0} is named by the checkpoint and is not there: every process must reach the same checkpoint store"
    )]
    Missing(String),
    /// An object is damaged, or of another version.
    #[error("{name}: {error}")]
    Bundle {
        /// The object.
        name: String,
        /// What is wrong.
        error: BundleError,
    },
    /// A number of an entry that is no manifest.
    #[error("the checkpoint that process 0 names cannot be read")]
    Manifest,
    /// It was made with other indicators, and what it lacks was not made up for.
    #[error("the checkpoint holds no state of the configured indicators")]
    Lacks,
}

/// A checkpoint, read.
pub(crate) struct Restored {
    pub manifest: Manifest,
    pub bundles: Vec<Bundle>,
    /// What was written once, in the order of the manifest.
    blocks: Vec<Bundle>,
}

impl Restored {
    /// Reads all that a manifest names, but for what was read already; its symbols become known to `symbols`.
    pub fn read(
        checkpoints: &Checkpoints,
        entry: &str,
        symbols: &Symbols,
    ) -> Result<Restored, RestoreError> {
        let Some(Entry::Manifest(manifest)) = Entry::decode(entry.as_bytes()) else {
            return Err(RestoreError::Manifest);
        };
        let claimed = checkpoints.claimed.as_ref();
        let objects = claimed.map(|claimed| claimed.objects.clone()).unwrap_or_default();
        Restored::of(&*checkpoints.depot, &manifest, &objects, symbols)
    }

    /// The same of a manifest that is known.
    pub fn of(
        depot: &dyn Depot,
        manifest: &Manifest,
        objects: &Objects,
        symbols: &Symbols,
    ) -> Result<Restored, RestoreError> {
        let read = |name: &String| {
            let damaged = |error| RestoreError::Bundle { name: name.clone(), error };
            let checked = match objects.take(name) {
                Some(checked) => checked,
                None => {
                    let bytes = depot.read(name)?;
                    let bytes = bytes.ok_or_else(|| RestoreError::Missing(name.clone()))?;
                    Checked::of(name, &bytes).map_err(damaged)?
                }
            };
            checked.open(symbols).map_err(damaged)
        };
        let bundles = manifest.bundles.iter().map(read).collect::<Result<_, _>>()?;
        let blocks = manifest.blocks.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Restored { manifest: manifest.clone(), bundles, blocks })
    }

    /// What was written once under a name, each with its object.
    pub fn blocks<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> + 'a {
        let all = self.manifest.blocks.iter().zip(&self.blocks);
        all.flat_map(move |(object, bundle)| {
            bundle.pieces(name).map(move |(_, bytes)| (object.as_str(), bytes))
        })
    }

    /// The pieces of a name, in force: what was warmed up is in place of all that the run before cut.
    pub fn pieces<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (Restore<'a>, &'a [u8])> + 'a {
        let bundles = match is_indicators(name) {
            true => self.indicators(),
            false => &self.bundles[..],
        };
        bundles.iter().flat_map(|bundle| bundle.pieces(name))
    }

    /// The bundles whose indicators are in force.
    pub fn indicators(&self) -> &[Bundle] {
        let last = self.manifest.bundles.iter().rposition(|name| is_warmed_up(name));
        &self.bundles[last.unwrap_or(0)..]
    }

    /// Whether it holds what a plan's indicators need.
    pub fn fits(&self, plan: &Plan) -> bool {
        let name = name_of(plan);
        let is_there = || self.pieces(&name).next().is_some();
        self.manifest.epoch.is_none() || plan.indicator_columns().is_empty() || is_there()
    }
}
