//! Cells by interval and key: what all keys hold of one interval lies side by side.
//!
//! ```text
//!              key 0  key 1  key 2 ...
//!   09:30        x      x             a column: its cells in order of arrival, an index by key
//!   09:31        x      x      x
//!   09:32               x
//! ```
//!
//! Keys get their bars together and lose them together, so a bar's worth of all keys is one walk along
//! memory, and an old interval is forgotten at once. A cell by time and key costs O(1) in the newest
//! column, else a binary search. Memory: the cells, and 4 bytes for each key and column.

use market::Time;
use std::collections::VecDeque;

/// What the keys hold of one interval.
struct Column<T> {
    start: Time,
    cells: Vec<T>,
    /// Whose the cells are.
    keys: Vec<u32>,
    /// By key: the place of its cell and one, or 0.
    index: Vec<u32>,
    /// By key, a bit each: whether its cell was touched.
    touched: Vec<u64>,
    dirty: bool,
}

/// Cells by interval and key.
pub(super) struct Grid<T> {
    columns: VecDeque<Column<T>>,
    spare: Vec<Column<T>>,
    dirty: bool,
}

/// Columns kept for their memory after they were forgotten.
const SPARE_MAX: usize = 4;

impl<T> Default for Grid<T> {
    fn default() -> Self {
        Grid { columns: VecDeque::new(), spare: Vec::new(), dirty: false }
    }
}

impl<T> Column<T> {
    fn new(start: Time) -> Self {
        let (cells, keys, index, touched) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Column { start, cells, keys, index, touched, dirty: false }
    }

    #[inline]
    fn place(&self, key: usize) -> Option<usize> {
        (*self.index.get(key)? as usize).checked_sub(1)
    }

    fn cell(&self, key: usize) -> Option<(Time, &T)> {
        Some((self.start, self.cells.get(self.place(key)?)?))
    }

    fn is_touched(&self, key: usize) -> bool {
        self.touched.get(key / 64).is_some_and(|word| word >> (key % 64) & 1 == 1)
    }

    fn add(&mut self, key: usize, cell: T) -> usize {
        if self.index.len() <= key {
            self.index.resize(key + 1, 0);
            self.touched.resize(key / 64 + 1, 0);
        }
        self.cells.push(cell);
        self.keys.push(key as u32);
        self.index[key] = self.cells.len() as u32;
        self.cells.len() - 1
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.keys.clear();
        self.index.fill(0);
    }
}

impl<T> Grid<T> {
    /// The column of the interval that starts at `start`, new or known.
    #[inline]
    pub(super) fn column(&mut self, start: Time) -> usize {
        match self.columns.back() {
            Some(newest) if newest.start == start => self.columns.len() - 1,
            _ => self.column_slowly(start),
        }
    }

    fn column_slowly(&mut self, start: Time) -> usize {
        let at = self.columns.partition_point(|column| column.start < start);
        if self.columns.get(at).is_none_or(|column| column.start != start) {
            let column =
                self.spare.pop().map_or_else(|| Column::new(start), |old| Column { start, ..old });
            self.columns.insert(at, column);
        }
        at
    }

    /// The cell of `key` in a column; a new one where it has none.
    #[inline]
    pub(super) fn cell_or(&mut self, column: usize, key: usize, new: impl FnOnce() -> T) -> &mut T {
        let column = &mut self.columns[column];
        let place = column.place(key).unwrap_or_else(|| column.add(key, new()));
        &mut column.cells[place]
    }

    /// The first cell of `key` in the columns from `from` on: its column, its start and itself.
    pub(super) fn next(&mut self, from: usize, key: usize) -> Option<(usize, Time, &mut T)> {
        let mut columns = self.columns.iter_mut().enumerate().skip(from);
        columns.find_map(|(at, column)| {
            let place = column.place(key)?;
            Some((at, column.start, &mut column.cells[place]))
        })
    }

    /// How many columns start before `from`: from there on [`Grid::next`] finds what starts at it or later.
    pub(super) fn columns_before(&self, from: Time) -> usize {
        self.columns.partition_point(|column| column.start < from)
    }

    /// The cells of `key` in the columns that start at `from` or later, in order of time.
    pub(super) fn cells_from(&self, from: Time, key: usize) -> impl Iterator<Item = &T> {
        let begin = self.columns_before(from);
        self.columns.range(begin..).filter_map(move |column| Some(column.cell(key)?.1))
    }

    /// The cell of `key` in the column that starts at `start`.
    pub(super) fn get_mut(&mut self, start: Time, key: usize) -> Option<&mut T> {
        let at = self.columns.binary_search_by_key(&start, |column| column.start).ok()?;
        let column = &mut self.columns[at];
        let place = column.place(key)?;
        column.cells.get_mut(place)
    }

    /// Whether `key` has a cell in the column that starts at `start`.
    pub(super) fn has(&self, start: Time, key: usize) -> bool {
        let at = self.columns.binary_search_by_key(&start, |column| column.start);
        at.is_ok_and(|at| self.columns[at].place(key).is_some())
    }

    /// The newest cell of `key` in a column that starts by `until`, and where it starts.
    pub(super) fn last(&self, until: Time, key: usize) -> Option<(Time, &T)> {
        let end = self.columns.partition_point(|column| column.start <= until);
        self.columns.range(..end).rev().find_map(|column| column.cell(key))
    }

    /// The oldest cell of `key` in a column that starts at `from` or later, and where it starts.
    pub(super) fn first(&self, from: Time, key: usize) -> Option<(Time, &T)> {
        let begin = self.columns_before(from);
        self.columns.range(begin..).find_map(|column| column.cell(key))
    }

    /// Marks the cell of `key` in a column, which has one; whether it was not marked yet.
    #[inline]
    pub(super) fn touch(&mut self, column: usize, key: usize) -> bool {
        let column = &mut self.columns[column];
        let (word, mark) = (&mut column.touched[key / 64], 1 << (key % 64));
        let is_first = *word & mark == 0;
        *word |= mark;
        (column.dirty, self.dirty) = (true, true);
        is_first
    }

    /// Columns there are.
    #[cfg(test)]
    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Whether a cell of `key` is marked.
    pub(super) fn is_dirty(&self, key: usize) -> bool {
        self.dirty && self.columns.iter().any(|column| column.dirty && column.is_touched(key))
    }

    /// Takes every mark away and hands out the cells that had one: key by key, each in order of time.
    pub(super) fn drain_touched(&mut self, mut each: impl FnMut(usize, Time, &mut T)) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let mut dirty: Vec<&mut Column<T>> =
            self.columns.iter_mut().filter(|column| column.dirty).collect();
        let words = dirty.iter().map(|column| column.touched.len()).max().unwrap_or(0);
        for word in 0..words {
            let of = |column: &&mut Column<T>| column.touched.get(word).copied().unwrap_or(0);
            let mut keys = dirty.iter().map(of).fold(0, |all, some| all | some);
            while keys != 0 {
                let key = word * 64 + keys.trailing_zeros() as usize;
                keys &= keys - 1;
                for column in dirty.iter_mut().filter(|column| column.is_touched(key)) {
                    if let Some(place) = column.place(key) {
                        each(key, column.start, &mut column.cells[place]);
                    }
                }
            }
        }
        for column in dirty {
            column.touched.fill(0);
            column.dirty = false;
        }
    }

    /// Forgets the columns that start by `until`, oldest first; `each` sees their cells before and may take what
    /// is in them. No cell of them is marked.
    pub(super) fn forget(&mut self, until: Time, mut each: impl FnMut(usize, &mut T)) {
        while self.columns.front().is_some_and(|column| column.start <= until) {
            let Some(mut column) = self.columns.pop_front() else { return };
            let cells = column.keys.iter().zip(&mut column.cells);
            cells.for_each(|(&key, cell)| each(key as usize, cell));
            if self.spare.len() < SPARE_MAX {
                column.clear();
                self.spare.push(column);
            }
        }
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
