//! What decoders hand to admission: batches of decoded records in log order.
//!
//! A feed is the log of one partition before admission: files decoded ahead on other threads, or a
//! simulator. What it delivers, in sum, depends on its log alone; how it is cut into batches does not.

use crate::layout::Exclusion;
use market::{Offset, PartitionError, Reason, SharedTrades, SymbolId, Time, Waker};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A record that could not be decoded, where it stood among those that could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecoded {
    /// It came before this row of the batch (the number of rows when it came last).
    pub before_row: u32,
    /// Position within the partition.
    pub offset: Offset,
    /// Why.
    pub reason: Reason,
    /// What was given and what was wanted.
    pub detail: String,
    /// The record as it came, made printable, cut at 4 KiB.
    pub raw: String,
    /// The symbol, where it could be read.
    pub symbol: Option<SymbolId>,
    /// The event time, where it could be read.
    pub ts_event: Option<Time>,
}

/// A message that only tells the time, where it stood among the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// It came before this row of the batch (the number of rows when it came last).
    pub before_row: u32,
    /// Position within the partition.
    pub offset: Offset,
    /// The watermark becomes at least this.
    pub time: Time,
}

/// What was decided from outside, at its place in the log.
#[derive(Clone, Debug)]
pub struct Order {
    /// It came before this row of the batch (the number of rows when it came last).
    pub before_row: u32,
    /// Position within the partition.
    pub offset: Offset,
    /// Trades that are taken out from here on.
    pub exclusion: Arc<Exclusion>,
}

/// A batch of records of one partition in log order.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Records that could be decoded: 8 k to 32 k of them, mostly.
    pub trades: SharedTrades,
    /// Records that could not, by rising `before_row`.
    pub undecoded: Vec<Undecoded>,
    /// Heartbeats, by rising `before_row`; beside an undecoded record of the same row, by offset.
    pub heartbeats: Vec<Heartbeat>,
    /// What was decided from outside, by rising `before_row`, then by offset.
    pub orders: Vec<Order>,
    /// Where each row stands as text, for the dead letters.
    pub raw: RawRecords,
    /// When the messages came that these records stood in, each behind its first position, by rising position:
    /// what `max_ahead` is counted from. Empty where records carry no such time: then it is the run's first start.
    pub arrived: Vec<(Offset, Time)>,
    /// All up to here was read, where that is behind the last record: a message has no more of them.
    pub end: Option<Offset>,
    /// When the first of it was read, where that is worth to be known: of topics.
    pub read: Option<Instant>,
}

impl Decoded {
    /// Empties it and keeps the buffers.
    pub fn clear(&mut self) {
        self.trades.clear();
        self.undecoded.clear();
        self.heartbeats.clear();
        self.orders.clear();
        self.arrived.clear();
        self.end = None;
        self.read = None;
    }

    /// When the message came that the record at `offset` stood in, where that is known.
    pub fn arrival(&self, offset: Offset) -> Option<Time> {
        let behind = self.arrived.partition_point(|(first, _)| *first <= offset);
        Some(self.arrived[behind.checked_sub(1)?].1)
    }

    /// The earliest such time of the records from `first` to `last`.
    pub fn arrival_of(&self, first: Offset, last: Offset) -> Option<Time> {
        let from = self.arrived.partition_point(|(offset, _)| *offset <= first).saturating_sub(1);
        let to = self.arrived.partition_point(|(offset, _)| *offset <= last);
        self.arrived[from..to].iter().map(|(_, time)| *time).min()
    }
}

/// The text of the rows of a batch, kept as long as the batch so that a refused record can be shown.
#[derive(Clone, Debug, Default)]
pub enum RawRecords {
    /// Not text (Parquet, simulator): rendered from the columns as the JSON trade.
    #[default]
    Columns,
    /// Lines of a text file: row k starts at `starts[k]` of `bytes` and ends before its newline.
    Lines {
        /// The chunk of the file.
        bytes: Vec<u8>,
        /// One start a row.
        starts: Vec<u32>,
    },
}

impl RawRecords {
    /// The text of some of the rows.
    pub(crate) fn part(&self, rows: Range<usize>) -> RawRecords {
        let RawRecords::Lines { bytes, starts } = self else { return RawRecords::Columns };
        let starts = starts.get(rows).unwrap_or_default();
        let (Some(&first), Some(&last)) = (starts.iter().min(), starts.iter().max()) else {
            return RawRecords::Lines { bytes: Vec::new(), starts: Vec::new() };
        };
        let (first, last) = (first as usize, last as usize);
        let stop = memchr::memchr(b'\n', &bytes[last..]).map_or(bytes.len(), |n| last + n);
        RawRecords::Lines {
            bytes: bytes[first..stop].to_vec(),
            starts: starts.iter().map(|start| start - first as u32).collect(),
        }
    }
}

/// What a poll of a feed found.
#[derive(Debug)]
pub enum Fed {
    /// The next batch in log order.
    Batch(Box<Decoded>),
    /// Nothing decoded yet; the waker will be called.
    Pending,
    /// The log has ended.
    End,
}

/// One partition's log before admission.
pub trait Feed: Send {
    /// The next batch, without blocking.
    ///
    /// # Errors
    /// Fails when the source can't be read on.
    fn poll(&mut self) -> Result<Fed, PartitionError>;

    /// Takes a batch back, so that its buffers are used again.
    fn recycle(&mut self, batch: Box<Decoded>);

    /// Registers who is to be woken when a pending poll has something.
    fn wake_by(&mut self, waker: Waker);

    /// Where the record at `offset` was read: a file's path, a simulator's name.
    fn source_of(&self, offset: Offset) -> String;

    /// Whether everything that the log held at some moment since was handed out.
    fn is_at_end(&self) -> bool {
        false
    }

    /// How far the log is read, 0 to 1, where its length is known.
    fn progress(&self) -> Option<f64>;

    /// The offset of the next message of a topic's partition, behind all that was handed out.
    fn next_offset(&self) -> Option<u64> {
        None
    }
}
