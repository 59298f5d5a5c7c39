//! The last `period` values, oldest out first. O(1) a step, no division, one allocation for life.
//!
//! A snapshot is the place of the next value, then the cells as they lie: the place depends only on
//! how many values came, so the same history has the same words.

use super::Period;
use crate::{Restore, Snapshot};

/// A window over the last `period` values of type `T`.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    cells: Box<[T]>,
    next: u32,
    filled: u32,
}

impl<T: Copy + Default> Ring<T> {
    /// An empty window.
    pub fn new(period: Period) -> Self {
        Ring { cells: vec![T::default(); period.bars() as usize].into(), next: 0, filled: 0 }
    }

    /// Takes in `value` and gives the one that leaves, once the window was full.
    #[inline]
    pub fn push(&mut self, value: T) -> Option<T> {
        let oldest = std::mem::replace(&mut self.cells[self.next as usize], value);
        self.next += 1;
        if self.next as usize == self.cells.len() {
            self.next = 0;
        }
        if self.is_full() {
            return Some(oldest);
        }
        self.filled += 1;
        None
    }

    /// Whether it holds `period` values.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.filled as usize == self.cells.len()
    }

    /// The values, oldest first, once it is full.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let (newer, older) = self.cells.split_at(self.next as usize);
        older.iter().chain(newer).copied()
    }

    /// Appends place and cells; `save` writes the cells.
    #[inline]
    pub fn snapshot(&self, to: &mut Snapshot, save: impl FnOnce(&[T], &mut Snapshot)) {
        to.u64(u64::from(self.next) | u64::from(self.filled) << 32);
        save(&self.cells, to);
    }

    /// Takes on place and cells; `load` reads the cells.
    #[inline]
    pub fn restore(&mut self, from: &mut Restore<'_>, load: impl FnOnce(&mut [T], &mut Restore)) {
        let word = from.u64();
        (self.next, self.filled) = (word as u32, (word >> 32) as u32);
        load(&mut self.cells, from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_leaves_first() {
        let mut ring = Ring::new(Period::new(3).unwrap());
        let left: Vec<_> = (1i64..=5).map(|value| ring.push(value)).collect();
        assert_eq!(left, [None, None, None, Some(1), Some(2)]);
        assert_eq!(ring.iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
