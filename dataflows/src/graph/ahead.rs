//! How far a partition reads ahead of the slowest: by what it has changed and the graph has not completed.
//!
//! That is what is held in memory for it. A bound by epochs would hold much or little, as trades are dense or sparse; one
//! by batches would stop a live log, whose batches are small, behind a quiet one, and its live view with it.

use crate::tick::TickOutput;
use crate::wire::Partials;
use market::Epoch;
use std::collections::VecDeque;

/// Changes of a partition under way in the graph: partial bars, reaches of the log's head, letters, trades for a pool.
/// More where fewer than [`PARTS`] batches make them.
pub(super) const AHEAD_MAX: usize = 1 << 14;

/// Parts that it may be ahead by in any case: of dense bars a batch alone changes as many.
const PARTS: usize = 16;
/// Changes that are told of as one: they are complete when the last of them is.
const PART: usize = AHEAD_MAX / PARTS;

/// What a round has changed so far, or passed on to pools.
pub(super) fn changes(ticks: &TickOutput, passed: &Partials) -> usize {
    ticks.rows.len() + ticks.reaches.len() + passed.trades()
}

/// What a partition has changed.
#[derive(Default)]
pub(super) struct Ahead {
    /// The epoch of the last change of each part, and how many there are.
    parts: VecDeque<(Epoch, usize)>,
    changes: usize,
}

impl Ahead {
    /// So much was changed, in `epoch` or before.
    pub fn add(&mut self, epoch: Epoch, changes: usize) {
        if changes == 0 {
            return;
        }
        self.changes += changes;
        match self.parts.back_mut() {
            Some((at, count)) if *count < PART => (*at, *count) = (epoch, *count + changes),
            _ => self.parts.push_back((epoch, changes)),
        }
    }

    /// Everything before `complete` is.
    pub fn pass(&mut self, complete: Epoch) {
        while let Some((_, changes)) = self.parts.pop_front_if(|(epoch, _)| *epoch < complete) {
            self.changes -= changes;
        }
    }

    /// Whether it is as far ahead as it may.
    pub fn is_far(&self) -> bool {
        self.changes >= AHEAD_MAX && self.parts.len() >= PARTS
    }
}
