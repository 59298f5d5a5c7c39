//! `--order any`: a partition sorted by time before it becomes a log; stable, in bounded memory.
//!
//! A thread reads everything, sorts runs of at most [`ROWS_MAX`] rows (over all partitions of the run;
//! 96 bytes a row while they are sorted), spills them to files that have no name any more, and merges
//! them. Records that cannot be decoded come first, as they were met. Positions are those of the sorted
//! log, for ties of time are decided by them; the raw text of a row is not kept.
//!
//! A replace is sorted by its own time, its trade's. A cancel has none and keeps its place behind the record before it
//! in the files, so it has that one's; before all records that have a time it comes first. At equal times trades come
//! before corrections, so that one that is sorted beside its trade comes behind it.

use super::fail;
use super::feed::{Bell, FileFeed};
use super::spill::{MERGED_MAX, Row, Run, merge};
use crate::{Decoded, Fed, Feed, RawRecords};
use market::{
    Offset, PartitionError, Side, SymbolId, Symbols, Time, TradeId, Trades, TransType, Updates,
    Waker,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Rows that are sorted in memory at a time.
pub(super) const ROWS_MAX: usize = 1 << 21;
/// A partition's least share of them.
const ROWS_MIN: usize = 1 << 14;
/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 14;
/// Batches that wait to be taken.
const AHEAD_MAX: usize = 4;

type Sent = Result<Box<Decoded>, PartitionError>;

/// The sorted log of one partition.
pub(super) struct SortedFeed {
    batches: Receiver<Sent>,
    bell: Bell,
    name: String,
    /// Thousandths of the way.
    progress: Arc<AtomicU64>,
}

impl SortedFeed {
    pub(super) fn start(
        feed: FileFeed,
        rows_max: usize,
        symbols: &Symbols,
    ) -> Result<Self, PartitionError> {
        SortedFeed::cut(feed, rows_max.clamp(ROWS_MIN, ROWS_MAX), symbols)
    }

    /// With runs of so many rows, however few.
    pub(super) fn cut(
        feed: FileFeed,
        rows_max: usize,
        symbols: &Symbols,
    ) -> Result<Self, PartitionError> {
        let (sender, batches) = sync_channel(AHEAD_MAX);
        let name = feed.source_of(Offset::default());
        let bell = Bell::default();
        let progress = Arc::new(AtomicU64::new(0));
        let mut sorter = Sorter {
            sender,
            bell: bell.clone(),
            progress: progress.clone(),
            rows_max,
            blank_venue: symbols.intern(b"-").unwrap_or_default(),
            has: Has::default(),
            rows: Vec::new(),
            runs: Vec::new(),
            position: 0,
            before: Time::from_ns(i64::MIN),
        };
        let source = name.clone();
        std::thread::Builder::new()
            .name("sort".to_owned())
            .spawn(move || {
                if let Err(Stop::Failed(error)) = sorter.sort(feed, &source) {
                    let _ = sorter.sender.send(Err(error));
                }
                let bell = sorter.bell.clone();
                drop(sorter);
                bell.ring();
            })
            .map_err(|error| fail(Path::new(&name), &format!("no thread to sort it: {error}")))?;
        Ok(SortedFeed { batches, bell, name, progress })
    }
}

impl Feed for SortedFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        match self.batches.try_recv() {
            Ok(batch) => batch.map(Fed::Batch),
            Err(TryRecvError::Empty) => Ok(Fed::Pending),
            Err(TryRecvError::Disconnected) => Ok(Fed::End),
        }
    }

    fn recycle(&mut self, _: Box<Decoded>) {}

    fn wake_by(&mut self, waker: Waker) {
        self.bell.set(waker);
    }

    fn source_of(&self, _: Offset) -> String {
        format!("{} (sorted by time)", self.name)
    }

    fn progress(&self) -> Option<f64> {
        Some(self.progress.load(Ordering::Relaxed) as f64 / 1000.0)
    }
}

/// Why sorting ends early.
enum Stop {
    /// Nobody takes the batches any more.
    Unwanted,
    Failed(PartitionError),
}

impl From<PartitionError> for Stop {
    fn from(error: PartitionError) -> Self {
        Stop::Failed(error)
    }
}

/// Which optional columns some batch had.
#[derive(Clone, Copy, Default)]
struct Has {
    trade_id: bool,
    venue: bool,
    side: bool,
    trans: bool,
    updates: bool,
}

struct Sorter {
    sender: SyncSender<Sent>,
    bell: Bell,
    progress: Arc<AtomicU64>,
    rows_max: usize,
    blank_venue: SymbolId,
    has: Has,
    rows: Vec<Row>,
    runs: Vec<Run>,
    /// The next position of the sorted log.
    position: u64,
    /// The time of the last record that had one.
    before: Time,
}

impl Sorter {
    fn sort(&mut self, mut feed: FileFeed, source: &str) -> Result<(), Stop> {
        let io = |error: std::io::Error| fail(Path::new(source), &format!("sorting it: {error}"));
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        loop {
            match feed.poll()? {
                Fed::Batch(batch) => {
                    self.take(batch, &mut feed)?;
                    if self.rows.len() >= self.rows_max {
                        self.spill().map_err(io)?;
                    }
                    let share = feed.progress().unwrap_or_default() * 500.0;
                    self.progress.store(share as u64, Ordering::Relaxed);
                }
                Fed::Pending => std::thread::park(),
                Fed::End => break,
            }
        }
        if self.runs.is_empty() {
            self.rows.sort_by_key(Row::key);
            let rows = std::mem::take(&mut self.rows);
            for rows in rows.chunks(BATCH_ROWS) {
                self.send_rows(rows)?;
            }
            return Ok(());
        }
        self.spill().map_err(io)?;
        self.send_merged(io)
    }

    /// Keeps the rows of a batch; what was not decoded goes on at once.
    fn take(&mut self, mut batch: Box<Decoded>, feed: &mut FileFeed) -> Result<(), Stop> {
        let t = &batch.trades;
        self.has.trade_id |= !t.trade_id.is_empty();
        self.has.venue |= !t.venue.is_empty();
        self.has.side |= !t.side.is_empty();
        self.has.trans |= !t.trans.is_empty();
        self.has.updates |= !t.updates.is_empty();
        let (blank_venue, before) = (self.blank_venue, &mut self.before);
        self.rows.extend((0..t.len()).map(|k| Row {
            at: match t.trans_of(k) {
                TransType::Cancel => *before,
                _ => {
                    *before = t.ts_event[k];
                    *before
                }
            },
            symbol: t.symbol[k],
            price: t.price[k],
            size: t.size[k],
            trade_id: t.trade_id.get(k).copied().unwrap_or(TradeId::NONE),
            venue: t.venue.get(k).copied().unwrap_or(blank_venue),
            side: t.side.get(k).copied().unwrap_or(Side::Unknown),
            trans: t.trans_of(k),
            updates: t.updates.get(k).copied().unwrap_or(Updates::ALL),
        }));
        let mut undecoded = std::mem::take(&mut batch.undecoded);
        feed.recycle(batch);
        if undecoded.is_empty() {
            return Ok(());
        }
        for record in &mut undecoded {
            let row = record.offset.row();
            record.detail.push_str(&format!(" (row {row} of the file before it was sorted)"));
            record.before_row = 0;
            record.offset = self.next_offset();
        }
        self.send(Decoded { undecoded, ..Decoded::default() })
    }

    fn next_offset(&mut self) -> Offset {
        self.position += 1;
        Offset::in_file(0, self.position - 1)
    }

    fn spill(&mut self) -> std::io::Result<()> {
        self.rows.sort_by_key(Row::key);
        self.runs.push(Run::write(self.rows.drain(..))?);
        if self.runs.len() >= MERGED_MAX {
            let merged = Run::merged(std::mem::take(&mut self.runs))?;
            self.runs.push(merged);
        }
        Ok(())
    }

    fn send_merged(&mut self, io: impl Fn(std::io::Error) -> PartitionError) -> Result<(), Stop> {
        let mut rows = Vec::with_capacity(BATCH_ROWS);
        for row in merge(std::mem::take(&mut self.runs)).map_err(&io)? {
            rows.push(row.map_err(&io)?);
            if rows.len() == BATCH_ROWS {
                self.send_rows(&rows)?;
                rows.clear();
            }
        }
        self.send_rows(&rows)
    }

    fn send_rows(&mut self, rows: &[Row]) -> Result<(), Stop> {
        if rows.is_empty() {
            return Ok(());
        }
        let time = |row: &Row| match row.trans {
            TransType::Cancel => Time::default(),
            _ => row.at,
        };
        let mut trades = Trades {
            ts_event: rows.iter().map(time).collect(),
            symbol: rows.iter().map(|row| row.symbol).collect(),
            price: rows.iter().map(|row| row.price).collect(),
            size: rows.iter().map(|row| row.size).collect(),
            offset: rows.iter().map(|_| self.next_offset()).collect(),
            ..Trades::default()
        };
        if self.has.trade_id {
            trades.trade_id = rows.iter().map(|row| row.trade_id).collect();
        }
        if self.has.venue {
            trades.venue = rows.iter().map(|row| row.venue).collect();
        }
        if self.has.side {
            trades.side = rows.iter().map(|row| row.side).collect();
        }
        if self.has.trans {
            trades.trans = rows.iter().map(|row| row.trans).collect();
        }
        if self.has.updates {
            trades.updates = rows.iter().map(|row| row.updates).collect();
        }
        self.send(Decoded { trades: trades.into(), raw: RawRecords::Columns, ..Decoded::default() })
    }

    fn send(&mut self, batch: Decoded) -> Result<(), Stop> {
        self.sender.send(Ok(Box::new(batch))).map_err(|_| Stop::Unwanted)?;
        self.bell.ring();
        Ok(())
    }
}
