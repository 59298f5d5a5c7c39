//! The numbered sequence of claims and manifests: who may write, and where a run goes on.

use super::depot::{Depot, DepotError};
use super::manifest::{Entry, FORMAT, Manifest, PARTS, SEQUENCE, other_format};
use std::collections::BTreeSet;

/// Why a run may not begin, or go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SequenceError {
    /// The store could not be used.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// Written by another version of the program.
    #[error(
        "number {number} of the checkpoints is of format {format}, this program reads {FORMAT}: run the program \
         that wrote it, or begin anew under another deployment.name"
    )]
    Format {
        /// The number.
        number: u64,
        /// Its format.
        format: u64,
    },
    /// Another run has begun, or goes on, with the same checkpoints.
    #[error("number {number} of the checkpoints is taken by another run")]
    Taken {
        /// The number.
        number: u64,
    },
}

/// A run's place in the sequence.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its generation, above all before.
    pub generation: u64,
    /// The next number to write.
    pub next: u64,
    /// The newest manifest that is whole and names nothing that is missing, with its number.
    pub manifest: Option<(u64, Manifest)>,
    /// Manifests behind that one which name an object that is not there, with its name.
    pub passed_over: Vec<(u64, String)>,
    /// Writers of this run, and of all that claimed since that manifest: they are to be fenced.
    pub writers: Vec<String>,
}

/// The whole entries with their numbers, in order, and the number behind the last one that is taken.
///
/// # Errors
/// Fails when the store is away or refuses, and where an entry is of another format.
pub fn entries(depot: &dyn Depot) -> Result<(Vec<(u64, Entry)>, u64), SequenceError> {
    let (mut entries, mut next) = (Vec::new(), 0);
    for name in depot.list(SEQUENCE)? {
        let Ok(number) = name[SEQUENCE.len()..].parse::<u64>() else { continue };
        next = next.max(number + 1);
        let bytes = depot.read(&name)?.unwrap_or_default();
        if let Some(format) = other_format(&bytes) {
            return Err(SequenceError::Format { number, format });
        }
        entries.extend(Entry::decode(&bytes).map(|entry| (number, entry)));
    }
    Ok((entries, next))
}

/// How often a run looks again for the next number, which one that is alive may take in between.
const CLAIMS_MAX: u32 = 16;

/// Claims the next generation for a run whose writers have these names.
///
/// # Errors
/// Fails when the store cannot be used, or another run claims at the same time.
pub fn claim(depot: &dyn Depot, writers: &[String]) -> Result<Claimed, SequenceError> {
    for _ in 1..CLAIMS_MAX {
        match claim_next(depot, writers) {
            Err(SequenceError::Taken { .. }) => {}
            claimed => return claimed,
        }
    }
    claim_next(depot, writers)
}

fn claim_next(depot: &dyn Depot, writers: &[String]) -> Result<Claimed, SequenceError> {
    let (entries, number) = entries(depot)?;
    let generation = entries.iter().map(|(_, entry)| entry.generation()).max().unwrap_or(0) + 1;
    let mine = Entry::Claim { generation, writers: writers.to_vec() };
    create(depot, number, &mine)?;
    let parts: BTreeSet<String> = depot.list(PARTS)?.into_iter().collect();
    let mut passed_over = Vec::new();
    let manifest = entries.iter().rev().find_map(|(number, entry)| {
        let Entry::Manifest(manifest) = entry else { return None };
        match manifest.objects().find(|name| !parts.contains(*name)) {
            None => Some((*number, manifest.clone())),
            Some(name) => {
                passed_over.push((*number, name.clone()));
                None
            }
        }
    });
    // Whoever wrote the manifest may be alive too, and claimed before it.
    let since = manifest.as_ref().map_or(0, |(_, manifest)| manifest.generation);
    let mut all: BTreeSet<String> = writers.iter().cloned().collect();
    for (_, entry) in entries {
        match entry {
            Entry::Claim { generation, writers } if generation >= since => all.extend(writers),
            _ => {}
        }
    }
    let writers = all.into_iter().collect();
    Ok(Claimed { generation, next: number + 1, manifest, passed_over, writers })
}

/// Writes an entry under a number of its own.
///
/// # Errors
/// Fails when the store cannot be used, or the number is taken.
pub fn create(depot: &dyn Depot, number: u64, entry: &Entry) -> Result<(), SequenceError> {
    let (name, bytes) = (format!("{SEQUENCE}{number:020}"), entry.encode());
    match depot.create(&name, &bytes) {
        Ok(true) => Ok(()),
        // A store that failed to answer may have done it all the same.
        Ok(false) if depot.read(&name)?.as_deref() == Some(&bytes) => Ok(()),
        Ok(false) => Err(SequenceError::Taken { number }),
        Err(error) => Err(error.into()),
    }
}

/// Removes what the last `keep` manifests do not name, of runs up to `generation`: older entries, and parts
/// that a crash left. Parts numbered `current` and later of this generation are still being written.
///
/// # Errors
/// As [`entries`]; what was removed by then is gone.
pub fn prune(
    depot: &dyn Depot,
    keep: usize,
    generation: u64,
    current: u64,
) -> Result<u64, SequenceError> {
    let (entries, _) = entries(depot)?;
    let mut kept = BTreeSet::new();
    let mut oldest = u64::MAX;
    let manifests = entries.iter().rev().filter_map(|(number, entry)| match entry {
        Entry::Manifest(manifest) => Some((*number, manifest)),
        Entry::Claim { .. } => None,
    });
    for (number, manifest) in manifests.take(keep.max(1)) {
        oldest = oldest.min(number);
        kept.extend(manifest.objects().cloned());
    }
    if oldest == u64::MAX {
        return Ok(0);
    }
    // Claims since the oldest manifest say whom to fence; its own run's claim stands before it.
    let first = entries
        .iter()
        .rev()
        .find(|(number, entry)| *number < oldest && matches!(entry, Entry::Claim { .. }));
    let first = first.map_or(oldest, |(number, _)| *number);
    let mut removed = 0;
    // Manifests before what they name: a kill between the two leaves none that is not whole.
    for name in depot.list(SEQUENCE)? {
        let number = name[SEQUENCE.len()..].parse::<u64>();
        if number.is_ok_and(|number| number < oldest && number != first) {
            depot.remove(&name)?;
            removed += 1;
        }
    }
    for name in depot.list(PARTS)? {
        let of = part_number(&name);
        let done = of.is_none_or(|of| of < (generation, current));
        if done && !kept.contains(&name) {
            depot.remove(&name)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The name of what worker `worker` writes for checkpoint number `checkpoint` of a generation.
pub(crate) fn part_name(generation: u64, checkpoint: u64, worker: usize) -> String {
    format!("{PARTS}{generation:010}/{checkpoint:010}-{worker:04}")
}

/// The name of what worker `worker` writes once with checkpoint number `checkpoint` of a generation.
pub(crate) fn block_name(generation: u64, checkpoint: u64, worker: usize) -> String {
    format!("{}-blocks", part_name(generation, checkpoint, worker))
}

/// Whether an object is no cut of a run, whose checkpoints are numbered from 1, but made before it.
pub(crate) fn is_warmed_up(name: &str) -> bool {
    part_number(name).is_some_and(|(_, checkpoint)| checkpoint == 0)
}

/// Generation and checkpoint of a part's name.
fn part_number(name: &str) -> Option<(u64, u64)> {
    let (generation, rest) = name.strip_prefix(PARTS)?.split_once('/')?;
    let (checkpoint, _) = rest.split_once('-')?;
    Some((generation.parse().ok()?, checkpoint.parse().ok()?))
}
