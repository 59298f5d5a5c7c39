//! How a run is watched while it runs, and what is known of it when it has ended.

use crate::live::LiveView;
use market::{Counts, Epoch, Offset, Time};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What happens in a run, for whoever measures how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Everything before this epoch was computed, and goes to the sinks.
    Complete(Epoch),
    /// Every sink was given everything before this epoch.
    Written(Epoch),
    /// Every sink has made durable everything before this epoch; told where checkpoints are kept.
    Durable(Epoch),
    /// Symbols were seen in several partitions for the first time on this process: so many, and one of them.
    Spread(u64, &'a str),
    /// A checkpoint is due, and begins.
    CheckpointBegun,
    /// The manifest of this epoch was written.
    CheckpointWritten(Epoch),
    /// A checkpoint, or a part of it, could not be stored.
    CheckpointFailed(&'a str),
}

/// Told of what happens, on the thread where it does: it must be quick.
pub type Observer = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// How far a run is, for whoever watches it. Read at any time from any thread.
#[derive(Default)]
pub struct Progress {
    partitions: Mutex<Vec<Option<PartitionProgress>>>,
    workers: Mutex<Vec<Arc<Turning>>>,
    checkpoints: Mutex<CheckpointProgress>,
    tables: Mutex<Vec<TableCount>>,
    judged: Mutex<Vec<Counted>>,
    spread_symbols: AtomicU64,
    waits_for_sinks: AtomicBool,
    observer: OnceLock<Observer>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// How far a partition is.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionProgress {
    /// What its log is called.
    pub name: String,
    /// What was read, used and refused.
    pub counts: Counts,
    /// How much of it was read, 0 to 1, where its length is known.
    pub part: Option<f64>,
    /// Of the last record that was judged.
    pub position: Option<Offset>,
    /// The offset of the next message, where its log is a topic's partition.
    pub next_offset: Option<u64>,
    /// Its watermark.
    pub watermark: Option<Time>,
    /// The least epoch that it can still change.
    pub epoch: Epoch,
    /// It has ended, and holds nobody back.
    pub ended: bool,
}

/// How far a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerProgress {
    /// Its number in the run.
    pub number: usize,
    /// How often it looked for work.
    pub turns: u64,
    /// The least epoch that is not complete everywhere, as far as it has heard; the greatest when all are.
    pub frontier: Epoch,
}

/// What a worker notes of itself.
#[derive(Debug)]
pub(crate) struct Turning {
    number: usize,
    turns: AtomicU64,
    frontier: AtomicI64,
}

impl Turning {
    pub fn turn(&self, frontier: Epoch) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.frontier.store(frontier, Ordering::Relaxed);
    }
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
    /// Bytes of all parts of the last one, those of other processes too; told where manifests are written.
    pub last_bytes: u64,
    /// Checkpoints, or parts of them, that could not be stored; the run goes on without.
    pub failed: u64,
    /// Why the last of those could not.
    pub last_failure: Option<String>,
}

/// What became of the trades of pools on a worker, as far as it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(Arc<Mutex<Counts>>);

impl Counted {
    pub fn tell(&self, counts: Counts) {
        *held(&self.0) = counts;
    }
}

impl Progress {
    /// Has `observer` told of what happens; the first one stays.
    pub fn observe_by(&self, observer: Observer) {
        // A second one is not heard.
        let _is_first = self.observer.set(observer);
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        if let Some(observer) = self.observer.get() {
            observer(event);
        }
    }

    /// Changes what is known of a partition.
    pub(crate) fn report(
        &self,
        number: usize,
        name: impl FnOnce() -> String,
        change: impl FnOnce(&mut PartitionProgress),
    ) {
        let mut partitions = held(&self.partitions);
        if partitions.len() <= number {
            partitions.resize_with(number + 1, Default::default);
        }
        change(partitions[number].get_or_insert_with(|| PartitionProgress {
            name: name(),
            counts: Counts::default(),
            part: None,
            position: None,
            next_offset: None,
            watermark: None,
            epoch: Epoch::MIN,
            ended: false,
        }));
    }

    /// One more worker of this process is at work.
    pub(crate) fn join(&self, number: usize) -> Arc<Turning> {
        let (turns, frontier) = (AtomicU64::new(0), AtomicI64::new(Epoch::MIN));
        let turning = Arc::new(Turning { number, turns, frontier });
        held(&self.workers).push(turning.clone());
        turning
    }

    /// One more worker of this process judges trades of pools.
    pub(crate) fn judge(&self) -> Counted {
        let counted = Counted::default();
        held(&self.judged).push(counted.clone());
        counted
    }

    pub(crate) fn wait_for_sinks(&self, waits: bool) {
        self.waits_for_sinks.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn count_tables(&self, tables: &[TableCount]) {
        let mut known = held(&self.tables);
        if known.len() != tables.len() {
            *known = tables.to_vec();
        }
        known.iter_mut().zip(tables).for_each(|(known, told)| known.clone_from(told));
    }

    /// So many more symbols are spread, one of which `one` names.
    pub(crate) fn spread(&self, more: u64, one: impl FnOnce() -> Option<Arc<str>>) {
        let before = self.spread_symbols.fetch_add(more, Ordering::Relaxed);
        if let Some(one) = (before == 0 && more > 0).then(one).flatten() {
            self.tell(Event::Spread(more, &one));
        }
    }

    pub(crate) fn checkpoint_part(&self, bytes: u64) {
        held(&self.checkpoints).bytes += bytes;
    }

    pub(crate) fn checkpoint_written(&self, epoch: Epoch, bytes: u64) {
        let mut checkpoints = held(&self.checkpoints);
        checkpoints.written += 1;
        (checkpoints.epoch, checkpoints.last_bytes) = (Some(epoch), bytes);
        drop(checkpoints);
        self.tell(Event::CheckpointWritten(epoch));
    }

    pub(crate) fn checkpoint_failed(&self, why: &str) {
        let mut checkpoints = held(&self.checkpoints);
        checkpoints.failed += 1;
        checkpoints.last_failure = Some(why.to_owned());
        drop(checkpoints);
        self.tell(Event::CheckpointFailed(why));
    }

    /// What became of the run's checkpoints so far.
    pub fn checkpoints(&self) -> CheckpointProgress {
        held(&self.checkpoints).clone()
    }

    /// This process's partitions so far, each with its number in the run.
    pub fn partitions(&self) -> Vec<(usize, PartitionProgress)> {
        let partitions = held(&self.partitions);
        let numbered = partitions.iter().enumerate();
        numbered.filter_map(|(number, known)| Some((number, known.clone()?))).collect()
    }

    /// This process's workers that are at work.
    pub fn workers(&self) -> Vec<WorkerProgress> {
        let progress = |turning: &Arc<Turning>| WorkerProgress {
            number: turning.number,
            turns: turning.turns.load(Ordering::Relaxed),
            frontier: turning.frontier.load(Ordering::Relaxed),
        };
        held(&self.workers).iter().map(progress).collect()
    }

    /// The least epoch that is not complete everywhere, as far as this process has heard: [`Epoch::MIN`]
    /// before the first one is, [`Epoch::MAX`] when all are.
    pub fn frontier(&self) -> Epoch {
        let workers = self.workers();
        workers.iter().map(|worker| worker.frontier).max().unwrap_or(Epoch::MIN)
    }

    /// Whether a worker waits for the sinks to take what was computed.
    pub fn waits_for_sinks(&self) -> bool {
        self.waits_for_sinks.load(Ordering::Relaxed)
    }

    /// What the tables were given so far; on the process whose sinks they go to.
    pub fn tables(&self) -> Vec<TableCount> {
        held(&self.tables).clone()
    }

    /// Symbols that this process's workers own whose trades came through several partitions.
    pub fn spread_symbols(&self) -> u64 {
        self.spread_symbols.load(Ordering::Relaxed)
    }

    /// What this process's workers counted of the trades of pools: used, late, flagged and refused.
    pub fn pooled(&self) -> Counts {
        let mut sum = Counts::default();
        held(&self.judged).iter().for_each(|counted| sum.add(&held(&counted.0)));
        sum
    }

    /// What this process's partitions and pools counted so far.
    pub fn counts(&self) -> Counts {
        let mut sum = self.pooled();
        held(&self.partitions).iter().flatten().for_each(|known| sum.add(&known.counts));
        sum
    }

    /// How much of the input was read, 0 to 1, where its length is known.
    pub fn part(&self) -> Option<f64> {
        let partitions = held(&self.partitions);
        let parts: Vec<f64> = partitions.iter().flatten().filter_map(|known| known.part).collect();
        (!parts.is_empty()).then(|| parts.iter().sum::<f64>() / parts.len() as f64)
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect("no holder of this lock panics")
}

/// How a run is watched and stopped.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Set it to end the run with what is complete.
    pub stop: Arc<AtomicBool>,
    /// Where the run is.
    pub progress: Arc<Progress>,
    /// Told of trades as they are read, where somebody wants to know.
    pub live: Option<Arc<LiveView>>,
}

/// Rows that a table was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCount {
    /// The table.
    pub name: String,
    /// Rows that came, those that returned among them.
    pub added: u64,
    /// Rows that were removed.
    pub removed: u64,
    /// Corrections: of a key all that came after the first, a removal and a return among them.
    pub revised: u64,
}

impl TableCount {
    /// Rows that are there more than before. A run that goes on from a checkpoint may remove more than it adds: then 0.
    pub fn rows(&self) -> u64 {
        self.added.saturating_sub(self.removed)
    }
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
