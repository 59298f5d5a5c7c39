//! A block of the horizon: a batch as it was read, which of its rows were admitted, and where each symbol's rows are.
//!
//! ```text
//!   columns    ts  symbol  price  size  position  id  venue      shared with whoever reads the batch
//!   admitted   1 1 0 1 1 1 ...                                   a bit a row; ordinal = first + ones before
//!   index      (symbol, row) in order                            made when somebody asks for a symbol
//! ```
//! Small batches are copied one behind the other into a block of its own, whose rows are looked through.

use market::{SharedTrades, SymbolId, Trade, Trades};
use std::ops::Range;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Trades in log order, each with a number of its own.
#[derive(Clone, Default)]
pub(super) struct Block {
    pub trades: SharedTrades,
    /// A bit a row.
    admitted: Vec<u64>,
    /// Admitted rows before each word.
    ranks: Vec<u32>,
    /// Admitted rows.
    pub len: u32,
    /// The number of its first trade.
    pub first: u64,
    /// No trade of it is later.
    pub until: i64,
    /// The row behind the last admitted one.
    behind: usize,
    /// The earliest and the latest trade of the rows before `ranged`, which are as many as somebody asked for.
    range: (i64, i64),
    ranged: usize,
    /// Whether its rows were copied and more may follow.
    pub is_own: bool,
    /// Symbol and row, in order; none until somebody asks.
    index: Option<Vec<u64>>,
}

impl Block {
    /// Of a batch of which nothing is admitted yet.
    pub fn of(trades: SharedTrades, first: u64, is_own: bool) -> Self {
        let range = (i64::MAX, i64::MIN);
        Block { trades, first, is_own, until: i64::MIN, range, ..Block::default() }
    }

    /// Of rows that were all admitted.
    pub fn whole(trades: Trades, first: u64) -> Self {
        let rows = trades.len() as u32;
        let mut block = Block::of(trades.into(), first, false);
        block.admit(0..rows, i64::MIN);
        block.until = block.range().1;
        block
    }

    /// The number behind its last trade.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.len)
    }

    /// More rows were admitted, behind those that were, none later than `until`.
    pub fn admit(&mut self, rows: Range<u32>, until: i64) {
        self.until = self.until.max(until);
        let (start, end) = (rows.start as usize, rows.end as usize);
        self.behind = self.behind.max(end);
        for word in start / WORD..end.div_ceil(WORD) {
            while self.admitted.len() <= word {
                self.ranks.push(self.len);
                self.admitted.push(0);
            }
            let low = start.saturating_sub(word * WORD);
            let high = (end - word * WORD).min(WORD);
            let bits = (u64::MAX >> (WORD - (high - low))) << low;
            self.admitted[word] |= bits;
            self.len += bits.count_ones();
        }
    }

    /// Appends a trade to a block of its own.
    pub fn push(&mut self, trade: &Trade, blank: SymbolId, until: i64) {
        let row = self.trades.len() as u32;
        self.trades.push(trade, blank);
        self.admit(row..row + 1, until);
    }

    /// Its earliest and its latest trade. A batch is judged in parts where it holds corrections, each of which asks.
    pub fn range(&mut self) -> (i64, i64) {
        for row in self.ranged..self.behind {
            if self.has(row) {
                let ts = self.trades.ts_event[row].ns();
                self.range = (self.range.0.min(ts), self.range.1.max(ts));
            }
        }
        self.ranged = self.behind;
        self.range
    }

    /// Whether trades of it may lie in a span of time; makes its list then.
    pub fn is_in(&mut self, from: i64, to: i64) -> bool {
        if self.until < from {
            return false;
        }
        let (least, most) = self.range();
        let is_in = least < to && from <= most;
        if is_in {
            self.list();
        }
        is_in
    }

    /// Whether a row was admitted.
    #[inline]
    pub fn has(&self, row: usize) -> bool {
        self.admitted.get(row / WORD).is_some_and(|word| word >> (row % WORD) & 1 == 1)
    }

    /// The number of an admitted row.
    #[inline]
    pub fn ordinal(&self, row: usize) -> u64 {
        let word = row / WORD;
        let before = self.admitted[word] & ((1 << (row % WORD)) - 1);
        self.first + u64::from(self.ranks[word] + before.count_ones())
    }

    /// The admitted rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        (0..self.trades.len()).filter(|&row| self.has(row))
    }

    /// Makes the list of rows by symbol, unless there is one, or rows may still follow.
    fn list(&mut self) {
        if self.index.is_none() && !self.is_own {
            self.index = Some(by_symbol(&self.trades.symbol));
        }
    }

    /// Calls `each` for the admitted rows of a symbol, in order.
    pub fn each_of(&self, symbol: SymbolId, mut each: impl FnMut(usize)) {
        let Some(index) = &self.index else {
            let symbols = self.trades.symbol.iter().enumerate();
            let rows = symbols.filter(|(_, other)| **other == symbol).map(|(row, _)| row);
            return rows.filter(|&row| self.has(row)).for_each(each);
        };
        let low = (symbol.index() as u64) << 32;
        let start = index.partition_point(|key| *key < low);
        for key in index[start..].iter().take_while(|key| *key >> 32 == low >> 32) {
            let row = *key as u32 as usize;
            if self.has(row) {
                each(row);
            }
        }
    }
}

/// Rows by symbol, those of a symbol in order, each as one number. Symbols that are about as dense as rows are counted,
/// others sorted.
fn by_symbol(symbols: &[SymbolId]) -> Vec<u64> {
    let key = |row: usize| (symbols[row].index() as u64) << 32 | row as u64;
    let least = symbols.iter().map(|symbol| symbol.index()).min().unwrap_or(0);
    let greatest = symbols.iter().map(|symbol| symbol.index()).max().unwrap_or(0);
    if greatest - least > 2 * symbols.len() {
        let mut keys: Vec<u64> = (0..symbols.len()).map(key).collect();
        keys.sort_unstable();
        return keys;
    }
    let mut places = vec![0u32; greatest - least + 2];
    symbols.iter().for_each(|symbol| places[symbol.index() - least + 1] += 1);
    for at in 1..places.len() {
        places[at] += places[at - 1];
    }
    let mut keys = vec![0; symbols.len()];
    for (row, symbol) in symbols.iter().enumerate() {
        let place = &mut places[symbol.index() - least];
        keys[*place as usize] = key(row);
        *place += 1;
    }
    keys
}
