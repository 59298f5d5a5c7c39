//! The readers of a worker's partitions: poll, fold, send what changed, move the capability.
//!
//! The capability stands at the least epoch that any of the worker's partitions can still change. A
//! partition reads ahead of the slowest by at most [`AHEAD_MAX`] batches whose results are not yet
//! complete everywhere; the one that holds the frontier may always read.

use super::by_epoch::RESERVE_MAX;
use super::run::Shared as Run;
use crate::tick::{TickOutput, TickPath, TickPlan};
use crate::wire::{Names, Parcel, Partials};
use market::{Epoch, Partition, Polled, Symbols};
use std::collections::VecDeque;
use std::sync::Arc;

/// Batches of a partition under way in the graph.
const AHEAD_MAX: usize = 16;

/// Batches that a partition reads at a time where it has as many: what they change goes out in one
/// message, and the workers tell each other once how far they are.
const ROUND_BATCHES: usize = 4;

/// One partition that this worker reads.
pub(crate) struct Reader {
    number: usize,
    partition: Box<dyn Partition>,
    path: TickPath,
    /// Epochs that batches ended in, as long as the graph has not completed them.
    ahead: VecDeque<Epoch>,
    done: bool,
}

/// What one round of reading brought.
#[derive(Default)]
pub(crate) struct Round {
    /// Changed partials.
    pub partials: Partials,
    /// Letters and final counts.
    pub leaving: Vec<Parcel>,
    /// Whether some partition has more at once.
    pub busy: bool,
    /// Whether some partition waits for the graph to complete epochs.
    pub blocked: bool,
}

/// All partitions of a worker.
pub(crate) struct Readers {
    readers: Vec<Reader>,
    symbols: Symbols,
    peers: usize,
    run: Arc<Run>,
    /// Rows of the longest round so far, at most [`RESERVE_MAX`]: one as long need not move while it grows.
    reserve: usize,
}

impl Readers {
    /// The partitions this worker reads, each with its number in the run.
    pub(crate) fn new(
        partitions: Vec<(usize, Box<dyn Partition>)>,
        plan: &TickPlan,
        symbols: Symbols,
        peers: usize,
        run: Arc<Run>,
    ) -> Self {
        let reader = |(number, partition): (usize, Box<dyn Partition>)| Reader {
            number,
            partition,
            path: TickPath::new(plan.clone(), number as u32),
            ahead: VecDeque::new(),
            done: false,
        };
        let readers = partitions.into_iter().map(reader).collect();
        Readers { readers, symbols, peers, run, reserve: 0 }
    }

    /// Has every partition wake the worker by `waker`.
    pub(crate) fn wake_by(&mut self, waker: market::Waker) {
        self.readers.iter_mut().for_each(|reader| reader.partition.wake_by(waker.clone()));
    }

    /// The least epoch that can still change; `None` when all partitions have ended.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.readers.iter().filter(|reader| !reader.done).map(|reader| reader.path.epoch()).min()
    }

    /// Polls every partition that may read. `complete` is the least epoch that is not complete.
    pub(crate) fn round(&mut self, complete: Epoch) -> Round {
        let mut round = Round::default();
        let mut ticks = TickOutput::default();
        ticks.rows.reserve(self.reserve);
        for reader in self.readers.iter_mut().filter(|reader| !reader.done) {
            while reader.ahead.front().is_some_and(|&epoch| epoch < complete) {
                reader.ahead.pop_front();
            }
            for _ in 0..ROUND_BATCHES {
                // The one that holds the frontier must go on, or nothing would.
                if reader.ahead.len() >= AHEAD_MAX && reader.path.epoch() > complete {
                    round.blocked = true;
                    break;
                }
                match reader.poll(&mut ticks, &mut round.leaving) {
                    Ok(true) => round.busy = true,
                    Ok(false) => break,
                    Err(error) => {
                        self.run.fail(error.into());
                        break;
                    }
                }
                if reader.done {
                    break;
                }
            }
            reader.report(&self.run);
        }
        self.reserve = self.reserve.max(ticks.rows.len()).min(RESERVE_MAX);
        self.address(ticks, &mut round.partials);
        round
    }

    fn address(&self, ticks: TickOutput, partials: &mut Partials) {
        partials.rows = ticks.rows;
        // Batches of several partitions stand one behind the other, each by rising epoch.
        if !partials.rows.is_sorted_by_key(|row| row.epoch) {
            partials.rows.sort_by_key(|row| row.epoch);
        }
        for reach in ticks.reaches {
            partials.reaches.extend((0..self.peers as u32).map(|to| (to, reach)));
        }
        partials.names = Names::Here(self.symbols.clone());
    }
}

impl Reader {
    /// Folds the next batch, if there is one; whether there was something.
    fn poll(
        &mut self,
        ticks: &mut TickOutput,
        leaving: &mut Vec<Parcel>,
    ) -> Result<bool, market::PartitionError> {
        match self.partition.poll()? {
            Polled::Pending => Ok(false),
            Polled::Batch(mut batch) => {
                self.path.fold(&batch, ticks);
                if !batch.letters.is_empty() {
                    leaving.push(Parcel::Letters(std::mem::take(&mut batch.letters)));
                }
                self.partition.recycle(batch);
                self.ahead.push_back(self.path.epoch());
                Ok(true)
            }
            Polled::End => {
                self.path.end(ticks);
                self.done = true;
                let mut counts = self.partition.counts();
                counts.late = self.path.late();
                leaving.push(Parcel::Counts(counts));
                Ok(true)
            }
        }
    }

    fn report(&self, run: &Run) {
        let mut counts = self.partition.counts();
        counts.late = self.path.late();
        run.progress.report(self.number, &counts, self.partition.progress());
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
