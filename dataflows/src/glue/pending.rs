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
        self.of(epoch).for_each(|(batch, rows)| each(batch, rows));
        self.pass(epoch);
    }

    /// The rows of `epoch`, which is the next, batch by batch.
    pub fn of(&self, epoch: Epoch) -> impl Iterator<Item = (&B, Range<usize>)> {
        let rows = move |(batch, at): &'_ (B, usize)| *at..end_of(batch, *at, epoch);
        let all = self.batches.iter().map(move |one| (&one.0, rows(one)));
        all.filter(|(_, rows)| !rows.is_empty())
    }

    /// Goes on behind `epoch`, which is the next.
    pub fn pass(&mut self, epoch: Epoch) {
        self.batches.retain_mut(|(batch, at)| {
            *at = end_of(batch, *at, epoch);
            *at < batch.len()
        });
    }
}

/// The first row of `batch` from row `at` on that is not of `epoch`, where that is the next.
fn end_of<B: Batch>(batch: &B, at: usize, epoch: Epoch) -> usize {
    (at..batch.len()).find(|&row| batch.epoch(row) != epoch).unwrap_or(batch.len())
}
