//! The W1 workload in columnar batches: one session of trades over many symbols, some of them late.

use market::{Offset, PartitionError, Price, Size, SymbolId, Symbols, Time, Trades, Waker};
use sources::{Decoded, Fed, Feed};
use std::sync::Mutex;

/// Rows of a batch.
pub const BATCH_ROWS: usize = 16_384;
/// How far the watermark stays behind.
pub const LATENESS_NS: i64 = 2 * Time::SECOND;
const SESSION_NS: i64 = 23_400 * Time::SECOND;
/// When the session begins: with a minute.
pub const START_NS: i64 = 1_704_205_800 * Time::SECOND;

/// A small generator that gives the same numbers everywhere.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// When row `row` of `count` comes.
pub fn comes_at(row: usize, count: usize) -> i64 {
    START_NS + (row as f64 * (SESSION_NS as f64 / count as f64)) as i64
}

/// `count` trades in log order: 1% up to 2 s late, 0.1% 2 to 60 s.
pub fn trades(count: usize, symbols: usize, table: &Symbols) -> Vec<Trades> {
    let mut random = Random(7);
    let ids: Vec<SymbolId> =
        (0..symbols).map(|n| table.intern(format!("S{n:04}").as_bytes()).unwrap()).collect();
    let mut prices: Vec<i64> = (0..symbols).map(|n| 20_000 + 37 * n as i64).collect();
    let mut batches = Vec::new();
    let mut batch = Trades::default();
    for row in 0..count {
        let mut ts = comes_at(row, count);
        match random.next() % 1_000 {
            0 => ts -= 2_000_000_000 + (random.next() % 58_000_000_000) as i64,
            1..=10 => ts -= (random.next() % 2_000_000_000) as i64,
            _ => {}
        }
        let symbol = (random.next() % symbols as u64) as usize;
        prices[symbol] = (prices[symbol] + (random.next() % 5) as i64 - 2).max(100);
        batch.ts_event.push(Time::from_ns(ts));
        batch.symbol.push(ids[symbol]);
        batch.price.push(Price::from_raw(prices[symbol] * 10_000_000));
        batch.size.push(Size::from_raw((1 + (random.next() % 500) as i64) * 1_000_000_000));
        batch.offset.push(Offset::in_file(0, row as u64));
        if batch.len() == BATCH_ROWS {
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches.push(batch);
    batches
}

/// Batches that were read. Giving 360 MB back to the system page by page is no part of either side's
/// work, so it is done when no clock runs.
static SPENT: Mutex<Vec<Decoded>> = Mutex::new(Vec::new());

/// Gives the batches back that were read.
pub fn give_back() {
    SPENT.lock().expect("no holder of this lock panics").clear();
}

/// The batches as a decoder would hand them out, kept when they come back.
pub struct KeptFeed {
    batches: std::vec::IntoIter<Trades>,
    spent: Vec<Decoded>,
}

impl KeptFeed {
    /// The log of these batches.
    pub fn new(batches: Vec<Trades>) -> Self {
        KeptFeed { spent: Vec::with_capacity(batches.len()), batches: batches.into_iter() }
    }
}

impl Feed for KeptFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        let decoded =
            |trades: Trades| Box::new(Decoded { trades: trades.into(), ..Decoded::default() });
        Ok(self.batches.next().map_or(Fed::End, |trades| Fed::Batch(decoded(trades))))
    }

    fn recycle(&mut self, batch: Box<Decoded>) {
        self.spent.push(*batch);
    }

    fn wake_by(&mut self, _waker: Waker) {}

    fn source_of(&self, _offset: Offset) -> String {
        "memory".to_owned()
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

impl Drop for KeptFeed {
    fn drop(&mut self) {
        SPENT.lock().expect("no holder of this lock panics").append(&mut self.spent);
    }
}
