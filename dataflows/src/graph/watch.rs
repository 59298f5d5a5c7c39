//! How a run is watched while it runs, and what is known of it when it has ended.

use market::{Counts, Epoch};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// How far a run is, for whoever watches it. Read at any time from any thread.
#[derive(Debug, Default)]
pub struct Progress {
    partitions: Mutex<Vec<(Counts, Option<f64>)>>,
    checkpoints: Mutex<CheckpointProgress>,
}

/// What became of a run's checkpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointProgress {
    /// Manifests written.
    pub written: u64,
    /// The epoch of the last one.
    pub epoch: Option<Epoch>,
    /// Bytes of state that this process stored.
    pub bytes: u64,
    /// Checkpoints, or parts of them, that could not be stored; the run goes on without.
    pub failed: u64,
    /// Why the last of those could not.
    pub last_failure: Option<String>,
}

impl Progress {
    pub(crate) fn report(&self, partition: usize, counts: &Counts, part: Option<f64>) {
        let mut partitions = self.partitions.lock().expect("no holder of this lock panics");
        if partitions.len() <= partition {
            partitions.resize_with(partition + 1, Default::default);
        }
        partitions[partition] = (counts.clone(), part);
    }

    pub(crate) fn checkpoint_part(&self, bytes: u64) {
        self.checkpoints.lock().expect("no holder of this lock panics").bytes += bytes;
    }

    pub(crate) fn checkpoint_written(&self, epoch: Epoch) {
        let mut checkpoints = self.checkpoints.lock().expect("no holder of this lock panics");
        checkpoints.written += 1;
        checkpoints.epoch = Some(epoch);
    }

    pub(crate) fn checkpoint_failed(&self, why: &str) {
        let mut checkpoints = self.checkpoints.lock().expect("no holder of this lock panics");
        checkpoints.failed += 1;
        checkpoints.last_failure = Some(why.to_owned());
    }

    /// What became of the run's checkpoints so far.
    pub fn checkpoints(&self) -> CheckpointProgress {
        self.checkpoints.lock().expect("no holder of this lock panics").clone()
    }

    /// What this process's partitions counted so far.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        let partitions = self.partitions.lock().expect("no holder of this lock panics");
        partitions.iter().for_each(|(counts, _)| sum.add(counts));
        sum
    }

    /// How much of the input was read, 0 to 1, where its length is known.
    pub fn part(&self) -> Option<f64> {
        let partitions = self.partitions.lock().expect("no holder of this lock panics");
        let parts: Vec<f64> = partitions.iter().filter_map(|(_, part)| *part).collect();
        (!parts.is_empty()).then(|| parts.iter().sum::<f64>() / parts.len() as f64)
    }
}

/// How a run is watched and stopped.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Set it to end the run with what is complete.
    pub stop: Arc<AtomicBool>,
    /// Where the run is.
    pub progress: Arc<Progress>,
}

/// Rows that a table was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCount {
    /// The table.
    pub name: String,
    /// Rows that are new.
    pub rows: u64,
    /// Changes of rows that were there.
    pub revised: u64,
}

/// How a run ended. On processes other than the first only the counts of their own partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was read, used and refused.
    pub counts: Counts,
    /// What the tables were given.
    pub tables: Vec<TableCount>,
    /// Symbols whose trades came through several partitions: duplicates among those were not seen.
    pub spread_symbols: u64,
    /// Whether the input was read to its end; else the run was stopped.
    pub complete: bool,
}
