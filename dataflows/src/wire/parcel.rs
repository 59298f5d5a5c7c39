//! What travels between operators: rows of complete epochs, with the epoch of each beside it.
//!
//! A message is sent at a timely time that no row of it comes before; the rows' own epochs say what they
//! belong to. So a batch that spans forty epochs is one message, and a receiver applies an epoch's rows
//! when its frontier has passed the epoch. Rows stand by rising epoch, those of one key and epoch side by
//! side. Parcels are shared, not copied, by the operators that read them.

use crate::tick::{PartialRow, Reach};
use market::{Bar, Body, Counts, DeadLetter, Epoch, RowKey, Symbols, Trade, Width};
use std::sync::Arc;
use timely::Accountable;

/// Something that happened in an epoch.
pub trait Timed {
    /// The epoch it belongs to.
    fn epoch(&self) -> Epoch;
}

impl Timed for PartialRow {
    #[inline]
    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// A trade with the epoch of its own partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// The epoch.
    pub epoch: Epoch,
    /// The trade.
    pub trade: Trade,
}

/// Trades of one partition on their way to the worker that judges their symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pooled {
    /// The pool of its partition.
    pub pool: u32,
    /// The partition's number.
    pub partition: u32,
    /// What its log is called, for letters.
    pub source: Arc<str>,
    /// The trades in the order of the log, so by rising epoch.
    pub trades: Vec<Stamped>,
}

/// What goes to the worker of a symbol: partial bars, to be merged, and trades that are judged there.
#[derive(Clone, Default)]
pub struct Partials {
    /// Changed partials, by rising epoch.
    pub rows: Vec<PartialRow>,
    /// Trades of partitions that are pooled.
    pub pooled: Vec<Pooled>,
    /// What logs have left that pooled partitions are read behind: the worker it is for, the log's number, its
    /// snapshot.
    pub left: Vec<(u32, u32, Arc<Vec<u8>>)>,
    /// How far the log's head went, each with the worker it is for.
    pub reaches: Vec<(u32, Reach)>,
    /// The symbols of the process that wrote it.
    pub names: Names,
}

impl Partials {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.record_count() == 0
    }

    /// Its trades that wait for who judges them.
    pub fn trades(&self) -> usize {
        self.pooled.iter().map(|pooled| pooled.trades.len()).sum()
    }

    /// Where more trades of the same partition as `like` go.
    #[inline]
    pub fn pooled_as(&mut self, like: &Pooled) -> &mut Vec<Stamped> {
        let is_same = |last: &Pooled| (last.pool, last.partition) == (like.pool, like.partition);
        if !self.pooled.last().is_some_and(is_same) {
            self.pooled.push(Pooled { source: like.source.clone(), trades: Vec::new(), ..*like });
        }
        let last = self.pooled.len() - 1;
        &mut self.pooled[last].trades
    }
}

impl Accountable for Partials {
    fn record_count(&self) -> i64 {
        (self.rows.len() + self.reaches.len() + self.trades() + self.left.len()) as i64
    }
}

/// Whose ids a container's symbols are.
#[derive(Clone, Default)]
pub enum Names {
    /// Nothing in it names a symbol.
    #[default]
    None,
    /// This process's.
    Here(Symbols),
    /// Another process's: texts of the ids 0, 1, ... as they stand in the container.
    Foreign(Vec<Box<str>>),
}

/// Rows of one table and width, or what else leaves the graph.
#[derive(Clone, Default)]
pub enum Parcel {
    /// Nothing.
    #[default]
    Empty,
    /// Rows of a derived table.
    Rows(RowParcel),
    /// Refused records of one partition.
    Letters(Vec<DeadLetter>),
    /// What a partition counted from its first record to its last.
    Counts(Counts),
    /// How many symbols a worker saw in several partitions.
    Spread(u64),
}

/// Rows of one table and one width.
#[derive(Clone)]
pub struct RowParcel {
    /// Which table, by its place in the plan's tables.
    pub table: u32,
    /// Their width.
    pub width: Width,
    /// Keys, by rising epoch.
    pub keys: Vec<RowKey>,
    /// Values, one a key.
    pub body: Body,
    /// The symbols of the process that wrote it.
    pub names: Names,
}

impl RowParcel {
    /// The bars, where it holds bars.
    pub fn bars(&self) -> &[Bar] {
        match &self.body {
            Body::Bars(bars) => bars,
            Body::Floats { .. } => &[],
        }
    }
}

/// A parcel that several operators read.
#[derive(Clone, Default)]
pub struct Shared(pub Arc<Parcel>);

impl Shared {
    /// Its rows, where it holds rows.
    pub fn rows(&self) -> Option<&RowParcel> {
        match &*self.0 {
            Parcel::Rows(rows) => Some(rows),
            _ => None,
        }
    }
}

impl From<Parcel> for Shared {
    fn from(parcel: Parcel) -> Self {
        Shared(Arc::new(parcel))
    }
}

impl Accountable for Shared {
    fn record_count(&self) -> i64 {
        match &*self.0 {
            Parcel::Empty => 0,
            Parcel::Rows(rows) => rows.keys.len() as i64,
            Parcel::Letters(letters) => letters.len() as i64,
            Parcel::Counts(_) | Parcel::Spread(_) => 1,
        }
    }
}
