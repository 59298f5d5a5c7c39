//! A log held in memory: the source of tests and of an engine fed by its own program.

use crate::{Decoded, Fed, Feed, Heartbeat, Order, Undecoded};
use market::{Offset, PartitionError, Time, Trades, Waker};
use std::collections::VecDeque;

/// Rows of a batch where no cut was asked for.
const BATCH_ROWS: usize = 16_384;

/// Trades in log order, with heartbeats and records that could not be decoded between them, cut into
/// batches of given sizes.
#[derive(Clone, Debug, Default)]
pub struct MemoryFeed {
    name: String,
    trades: Trades,
    undecoded: VecDeque<Undecoded>,
    heartbeats: VecDeque<Heartbeat>,
    orders: VecDeque<Order>,
    cuts: Vec<usize>,
    polls: usize,
    at: usize,
    /// Batches handed out as they are, before anything else.
    ready: VecDeque<Box<Decoded>>,
}

impl MemoryFeed {
    /// The log of `trades`, whose columns are of one length, cut into batches of 16,384 rows.
    pub fn new(trades: Trades) -> Self {
        MemoryFeed { name: "memory".to_owned(), trades, ..MemoryFeed::default() }
    }

    /// The log of batches that are handed out as they are, without a copy.
    pub fn of_batches(batches: Vec<Box<Decoded>>) -> Self {
        MemoryFeed { name: "memory".to_owned(), ready: batches.into(), ..MemoryFeed::default() }
    }

    /// Names it in dead letters.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Cuts it into batches of these many rows, over and over; nothing that is computed may change by it.
    /// Sizes of zero count as one.
    #[must_use]
    pub fn cut(mut self, sizes: &[usize]) -> Self {
        self.cuts = sizes.iter().map(|&size| size.max(1)).collect();
        self
    }

    /// Adds records that could not be decoded, by rising `before_row` of the whole log.
    #[must_use]
    pub fn with_undecoded(mut self, undecoded: Vec<Undecoded>) -> Self {
        self.undecoded = undecoded.into();
        self
    }

    /// Adds a heartbeat after all that the log holds so far, at the offset behind the last row's: for
    /// heartbeats between rows use [`MemoryFeed::with_heartbeats`].
    #[must_use]
    pub fn heartbeat(mut self, time: Time) -> Self {
        let before_row = self.trades.len() as u32;
        let last = self.trades.offset.last().map_or(0, |offset| offset.raw() + 1);
        let offset = Offset::from_raw(last + self.heartbeats.len() as u64);
        self.heartbeats.push_back(Heartbeat { before_row, offset, time });
        self
    }

    /// Adds heartbeats, by rising `before_row` of the whole log.
    #[must_use]
    pub fn with_heartbeats(mut self, heartbeats: Vec<Heartbeat>) -> Self {
        self.heartbeats = heartbeats.into();
        self
    }

    /// Adds what was decided from outside, by rising `before_row` of the whole log.
    #[must_use]
    pub fn with_orders(mut self, orders: Vec<Order>) -> Self {
        self.orders = orders.into();
        self
    }

    fn next_end(&mut self) -> usize {
        let size = match self.cuts.len() {
            0 => BATCH_ROWS,
            cuts => self.cuts[self.polls % cuts],
        };
        self.polls += 1;
        (self.at + size).min(self.trades.len())
    }
}

impl Feed for MemoryFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        if let Some(batch) = self.ready.pop_front() {
            return Ok(Fed::Batch(batch));
        }
        let is_empty = self.at >= self.trades.len();
        let has_others = !self.undecoded.is_empty() || !self.heartbeats.is_empty();
        if is_empty && !has_others && self.orders.is_empty() {
            return Ok(Fed::End);
        }
        let (start, end) = (self.at, self.next_end());
        self.at = end;
        let last = end == self.trades.len();
        let is_due = |before_row: u32| last || (before_row as usize) < end;
        let mut batch = Box::<Decoded>::default();
        batch.trades.extend_from(&self.trades, start..end);
        while self.undecoded.front().is_some_and(|record| is_due(record.before_row))
            && let Some(mut record) = self.undecoded.pop_front()
        {
            record.before_row = (record.before_row as usize).saturating_sub(start) as u32;
            batch.undecoded.push(record);
        }
        while self.heartbeats.front().is_some_and(|beat| is_due(beat.before_row))
            && let Some(mut beat) = self.heartbeats.pop_front()
        {
            beat.before_row = (beat.before_row as usize).saturating_sub(start) as u32;
            batch.heartbeats.push(beat);
        }
        while self.orders.front().is_some_and(|order| is_due(order.before_row))
            && let Some(mut order) = self.orders.pop_front()
        {
            order.before_row = (order.before_row as usize).saturating_sub(start) as u32;
            batch.orders.push(order);
        }
        Ok(Fed::Batch(batch))
    }

    fn recycle(&mut self, _: Box<Decoded>) {}

    fn wake_by(&mut self, _: Waker) {}

    fn source_of(&self, _: Offset) -> String {
        self.name.clone()
    }

    fn progress(&self) -> Option<f64> {
        Some(self.at as f64 / self.trades.len().max(1) as f64)
    }
}
