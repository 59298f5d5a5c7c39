//! The numbered sequence of claims and manifests: who may write, and where a run goes on.

use super::depot::{Depot, DepotError};
use super::manifest::{Entry, FORMAT, Manifest, PARTS, SEQUENCE, other_format};
use super::verify::{Fault, Objects, PassedOver, missing, read_whole};
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
    /// The newest manifest that is whole: it names nothing that is missing or damaged; with its number.
    pub manifest: Option<(u64, Manifest)>,
    /// What that one names, which was read to see that it is whole.
    pub objects: Objects,
    /// Manifests behind that one, newest first. None is whole.
    pub passed_over: Vec<PassedOver>,
    /// Writers of this run, and of all that claimed since that manifest: they are to be fenced.
    pub writers: Vec<String>,
}

/// What stands under a number of the sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbered {
    /// An entry that is whole.
    Entry(Entry),
    /// A whole entry of this other format.
    Format(u64),
    /// Half an entry, or a damaged one.
    Torn,
}

/// Everything that takes a number, in order.
///
/// # Errors
/// Fails when the store is away or refuses.
pub fn numbered(depot: &dyn Depot) -> Result<Vec<(u64, Numbered)>, DepotError> {
    let mut all = Vec::new();
    for name in depot.list(SEQUENCE)? {
        let Ok(number) = name[SEQUENCE.len()..].parse::<u64>() else { continue };
        let bytes = depot.read(&name)?.unwrap_or_default();
        let found = match other_format(&bytes) {
            Some(format) => Numbered::Format(format),
            None => Entry::decode(&bytes).map_or(Numbered::Torn, Numbered::Entry),
        };
        all.push((number, found));
    }
    Ok(all)
}

/// The whole entries with their numbers, in order, and the number behind the last one that is taken.
///
/// # Errors
/// Fails when the store is away or refuses, and where an entry is of another format.
pub fn entries(depot: &dyn Depot) -> Result<(Vec<(u64, Entry)>, u64), SequenceError> {
    let (entries, _, next) = sorted(numbered(depot)?)?;
    Ok((entries, next))
}

/// Whole entries, the numbers of torn ones, and the number behind the last.
type Sorted = (Vec<(u64, Entry)>, Vec<u64>, u64);

fn sorted(all: Vec<(u64, Numbered)>) -> Result<Sorted, SequenceError> {
    let next = all.iter().map(|(number, _)| number + 1).max().unwrap_or(0);
    let (mut entries, mut torn) = (Vec::new(), Vec::new());
    for (number, found) in all {
        match found {
            Numbered::Entry(entry) => entries.push((number, entry)),
            Numbered::Format(format) => return Err(SequenceError::Format { number, format }),
            Numbered::Torn => torn.push(number),
        }
    }
    Ok((entries, torn, next))
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
    let (entries, torn, number) = sorted(numbered(depot)?)?;
    let generation = entries.iter().map(|(_, entry)| entry.generation()).max().unwrap_or(0) + 1;
    let mine = Entry::Claim { generation, writers: writers.to_vec() };
    create(depot, number, &mine)?;
    let parts: BTreeSet<String> = depot.list(PARTS)?.into_iter().collect();
    let (mut manifest, mut objects, mut passed_over) = (None, Objects::default(), Vec::new());
    for (number, entry) in entries.iter().rev() {
        let Entry::Manifest(found) = entry else { continue };
        match read_whole(depot, found, &parts)? {
            Ok(read) => {
                (manifest, objects) = (Some((*number, found.clone())), read);
                break;
            }
            Err(fault) => passed_over.push(PassedOver { number: *number, fault }),
        }
    }
    // Where parts are there, there was a manifest before them: it is one of those that are torn.
    if manifest.is_none() && !parts.is_empty() {
        let torn = torn.into_iter().rev();
        passed_over.extend(torn.map(|number| PassedOver { number, fault: Fault::Torn }));
    }
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
    Ok(Claimed { generation, next: number + 1, manifest, objects, passed_over, writers })
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

/// What a pruning did and saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Objects that it removed.
    pub removed: u64,
    /// An object that the newest manifest names and that is not there.
    pub missing: Option<String>,
}

/// Removes what the last `keep` manifests do not name, of runs up to `generation`: older entries, and parts
/// that a crash left. Parts numbered `current` and later of this generation are still being written. Those that
/// are not whole (`passed_over`) are no manifests to keep, and go with the older ones.
///
/// # Errors
/// As [`entries`]; what was removed by then is gone.
pub fn prune(
    depot: &dyn Depot,
    keep: usize,
    (generation, current): (u64, u64),
    passed_over: &[PassedOver],
) -> Result<Pruned, SequenceError> {
    let (entries, _) = entries(depot)?;
    let parts: BTreeSet<String> = depot.list(PARTS)?.into_iter().collect();
    let mut pruned = Pruned::default();
    let mut kept = BTreeSet::new();
    let mut oldest = u64::MAX;
    let manifests = entries.iter().rev().filter_map(|(number, entry)| match entry {
        Entry::Manifest(manifest) => Some((*number, manifest)),
        Entry::Claim { .. } => None,
    });
    let mut whole = 0;
    for (number, manifest) in manifests {
        if oldest == u64::MAX {
            pruned.missing = missing(manifest, &parts).cloned();
        }
        if whole == keep.max(1) {
            break;
        }
        whole += usize::from(passed_over.iter().all(|passed| passed.number != number));
        oldest = oldest.min(number);
        kept.extend(manifest.objects().cloned());
    }
    if oldest == u64::MAX {
        return Ok(pruned);
    }
    // Claims since the oldest manifest say whom to fence; its own run's claim stands before it.
    let first = entries
        .iter()
        .rev()
        .find(|(number, entry)| *number < oldest && matches!(entry, Entry::Claim { .. }));
    let first = first.map_or(oldest, |(number, _)| *number);
    // Manifests before what they name: a kill between the two leaves none that is not whole.
    for name in depot.list(SEQUENCE)? {
        let number = name[SEQUENCE.len()..].parse::<u64>();
        if number.is_ok_and(|number| number < oldest && number != first) {
            depot.remove(&name)?;
            pruned.removed += 1;
        }
    }
    for name in parts {
        let of = part_number(&name);
        let done = of.is_none_or(|of| of < (generation, current));
        if done && !kept.contains(&name) {
            depot.remove(&name)?;
            pruned.removed += 1;
        }
    }
    Ok(pruned)
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

#[cfg(test)]
mod tests {
    use super::super::{MemoryDepot, Piece, Shelf, encode};
    use super::*;
    use market::{Symbols, Time};

    /// A store with claims and manifests in turn, whose manifests name an object each.
    fn store(manifests: u64) -> MemoryDepot {
        let depot = MemoryDepot::default();
        for generation in 1..=manifests {
            let claimed = claim(&depot, &[format!("w{generation}")]).unwrap();
            let name = part_name(generation, 1, 0);
            let pieces = vec![Piece { name: "p".to_owned(), ..Piece::default() }];
            depot
                .put(&name, encode(&name, &Symbols::default(), pieces, &Shelf::default()))
                .unwrap();
            let first = Manifest::first(generation, "l".to_owned(), Vec::new(), Time::from_ns(0));
            let manifest = Manifest { epoch: Some(1), bundles: vec![name], ..first };
            create(&depot, claimed.next, &Entry::Manifest(manifest)).unwrap();
        }
        depot
    }

    fn damage(depot: &MemoryDepot, name: &str) {
        let mut bytes = depot.read(name).unwrap().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        depot.put(name, vec![bytes.into()]).unwrap();
    }

    #[test]
    fn the_newest_manifest_whose_parts_are_all_whole_is_gone_on_from() {
        let depot = store(4);
        damage(&depot, &part_name(4, 1, 0));
        depot.remove(&part_name(3, 1, 0)).unwrap();
        let claimed = claim(&depot, &["mine".to_owned()]).unwrap();
        let (number, manifest) = claimed.manifest.unwrap();
        assert_eq!((number, manifest.generation, claimed.generation), (3, 2, 5));
        let said: Vec<String> = claimed.passed_over.iter().map(ToString::to_string).collect();
        let damaged = "checkpoint 7 is not whole: parts/0000000004/0000000001-0000: a bundle of state is damaged: \
                       its checksum differs";
        assert_eq!(said[0], damaged);
        assert!(said[1].ends_with("parts/0000000003/0000000001-0000 is not there"), "{said:?}");
        // Whoever claimed since that one wrote may be alive.
        assert_eq!(claimed.writers, ["mine", "w2", "w3", "w4"]);
        // What was read is there to be restored, once.
        assert!(claimed.objects.take(&manifest.bundles[0]).is_some());
        assert!(claimed.objects.take(&manifest.bundles[0]).is_none());
        // One is to be kept: not the newest, which is not whole.
        let now = (claimed.generation, 1);
        prune(&depot, 1, now, &claimed.passed_over).unwrap();
        let kept = claim(&depot, &[]).unwrap();
        assert_eq!(kept.manifest.map(|(_, manifest)| manifest.generation), Some(2));
    }

    #[test]
    fn where_none_is_whole_all_are_named() {
        let depot = store(2);
        (1..=2).for_each(|generation| damage(&depot, &part_name(generation, 1, 0)));
        let claimed = claim(&depot, &[]).unwrap();
        assert!(claimed.manifest.is_none() && claimed.passed_over.len() == 2, "{claimed:?}");
        // A manifest that is no entry any more leaves its parts.
        let depot = store(1);
        depot.put(&format!("{SEQUENCE}{:020}", 1), vec![b"half"[..].into()]).unwrap();
        let claimed = claim(&depot, &[]).unwrap();
        assert_eq!(claimed.passed_over, [PassedOver { number: 1, fault: Fault::Torn }]);
        // Half of the first thing that was ever written: nothing was begun.
        let depot = MemoryDepot::default();
        depot.put(&format!("{SEQUENCE}{:020}", 0), vec![b"half"[..].into()]).unwrap();
        assert!(claim(&depot, &[]).unwrap().passed_over.is_empty());
    }
}
