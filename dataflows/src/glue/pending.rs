//! Batches that wait for their epochs to be complete.
//!
//! Each batch stands by rising epoch; the epochs of all of them are taken in order, an epoch's rows
//! batch by batch. Nothing is copied or sorted. Bounded by the batches in flight.

use market::Epoch;
use std::collections::VecDeque;
use std::ops::Range;

/// A batch of rows by rising epoch.
pub trait Batch {
    /// Rows in it.
    fn len(&self) -> usize;
    /// The epoch of a row.
    fn epoch(&self, row: usize) -> Epoch;
    /// Whether it has no row.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Batches with how far each was taken.
pub struct Pending<B> {
    batches: VecDeque<(B, usize)>,
}

impl<B> Default for Pending<B> {
    fn default() -> Self {
        Pending { batches: VecDeque::new() }
    }
}

impl<B: Batch> Pending<B> {
    /// Adds a batch.
    pub fn push(&mut self, batch: B) {
        if !batch.is_empty() {
            self.batches.push_back((batch, 0));
        }
    }

    /// The least epoch that waits.
    pub fn next_epoch(&self) -> Option<Epoch> {
        self.batches.iter().map(|(batch, at)| batch.epoch(*at)).min()
    }

    /// Takes the rows of `epoch`, which is the next, batch by batch.
    pub fn take(&mut self, epoch: Epoch, mut each: impl FnMut(&B, Range<usize>)) {
        for (batch, at) in &mut self.batches {
            if *at >= batch.len() || batch.epoch(*at) != epoch {
                continue;
            }
            let from = *at;
            while *at < batch.len() && batch.epoch(*at) == epoch {
                *at += 1;
            }
            each(batch, from..*at);
        }
        self.batches.retain(|(batch, at)| *at < batch.len());
    }
}
