//! The last `period` values, oldest out first. O(1) a step, no division.
//!
//! ```text
//! words   turn, cells as they lie
//! turn    the cell of the next value; with FULL, once every cell has had one
//! ```
//!
//! The turn depends only on how many values came, so the same history has the same words. Words of
//! zero are an empty window.

use super::{Period, Word, state};
use std::marker::PhantomData;

/// Marks the turn of a full window.
const FULL: u64 = 1 << 63;

/// A window over the last values of type `T`, in words that lie elsewhere.
#[derive(Debug)]
pub struct Ring<'a, T> {
    turn: &'a mut u64,
    cells: &'a mut [u64],
    kind: PhantomData<T>,
}

impl<'a, T: Word> Ring<'a, T> {
    /// Words that a window of `period` values takes.
    pub const fn words(period: Period) -> usize {
        1 + period.bars() as usize * T::WORDS
    }

    /// The window in `state`, which is as long as [`Ring::words`] says.
    #[inline(always)]
    pub fn over(state: &'a mut [u64]) -> Self {
        let ([turn], cells) = state::split(state);
        Ring { turn, cells, kind: PhantomData }
    }

    /// Takes in `value` and gives the one that leaves, once the window was full.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Option<T> {
        let (place, is_full) = (self.place(), self.is_full());
        let wraps = place + 1 == self.cells.len() / T::WORDS;
        *self.turn = if wraps { FULL } else { *self.turn + 1 };
        let oldest = is_full.then(|| T::load(self.cells, place));
        value.store(self.cells, place);
        oldest
    }

    /// Whether it holds `period` values.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        *self.turn >= FULL
    }

    /// Whether it holds none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        *self.turn == 0
    }

    /// The values, oldest first, once it is full.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let (next, period) = (self.place(), self.cells.len() / T::WORDS);
        (next..period).chain(0..next).map(|at| T::load(self.cells, at))
    }

    #[inline(always)]
    fn place(&self) -> usize {
        *self.turn as u32 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Word + PartialEq + std::fmt::Debug>(values: [T; 5]) {
        let mut words = vec![0; Ring::<T>::words(Period::new(3).unwrap())];
        let left = values.map(|value| Ring::over(&mut words).push(value));
        assert_eq!(left, [None, None, None, Some(values[0]), Some(values[1])]);
        let ring = Ring::<T>::over(&mut words);
        assert!(ring.is_full() && !ring.is_empty());
        assert_eq!(ring.iter().collect::<Vec<_>>(), values[2..]);
    }

    #[test]
    fn the_oldest_leaves_first() {
        check([1i64, 2, 3, 4, 5]);
        check([-1i128, 1 << 100, 3, -4, 5]);
        check([1.0, -0.5, 3.0, 4.0, 5.0]);
    }
}
