//! What a log's cuts write once: which rows came since the cut before. Restored, they must be all that are needed, in
//! order, each once.

use market::Later;
use std::collections::VecDeque;
use std::ops::Range;

/// Rows that are needed, as those of a horizon would be.
const NEEDED: u64 = 40;

#[derive(Default)]
pub struct Blocks {
    rows: VecDeque<Range<u64>>,
}

impl Blocks {
    /// From the words that the state and its blocks make: the first row that is needed, then rows by block.
    pub fn restored(words: &[u64], row: u64) -> Self {
        let rows: VecDeque<_> =
            words[1..].as_chunks::<2>().0.iter().map(|&[from, to]| from..to).collect();
        let mut next = words[0];
        // A part may need older objects than this one.
        let held: VecDeque<_> = rows.into_iter().filter(|rows| rows.end > words[0]).collect();
        for rows in &held {
            assert_eq!(rows.start, next, "blocks follow one another: {held:?} from {}", words[0]);
            next = rows.end;
        }
        assert_eq!(next, row, "blocks end where the state stands");
        Blocks { rows: held }
    }

    /// Appends where the rows since the last call begin, and later, if there are any, where they end: at `row`.
    pub fn add(&mut self, row: u64, to: &mut Vec<u8>) -> Option<Later> {
        let from = self.rows.back().map_or(0, |rows| rows.end);
        if from == row {
            return None;
        }
        to.extend(from.to_le_bytes());
        self.rows.push_back(from..row);
        while self.rows.front().is_some_and(|rows| rows.end + NEEDED < row) {
            self.rows.pop_front();
        }
        Some(Box::new(move |to: &mut Vec<u8>| to.extend(row.to_le_bytes())))
    }

    /// The first row that is needed.
    pub fn first(&self) -> u64 {
        self.rows.front().map_or(0, |rows| rows.start)
    }

    pub fn needed(&self) -> usize {
        self.rows.len()
    }
}
