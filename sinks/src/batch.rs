//! What every sink does with a batch: leave out what an earlier run stored, and name its failures.

use market::{Body, Epoch, Rows, SinkError};
use std::fmt::Display;

/// When a flush is made durable: each costs a sync, so a replay makes few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// After this many rows.
    pub rows: usize,
    /// After this many flushes, however few rows there were.
    pub flushes: u32,
    /// Rows beyond the last flush that may wait in memory.
    pub early_rows_max: usize,
}

impl Rhythm {
    /// Whether what waits is to be made durable: so many rows and flushes wait, and this flush is that of
    /// everything before `before`.
    pub(crate) fn is_due(&self, rows: usize, flushes: u32, before: Epoch) -> bool {
        rows >= self.rows || flushes >= self.flushes || before == Epoch::MAX
    }
}

impl Default for Rhythm {
    fn default() -> Self {
        Rhythm { rows: 50_000, flushes: 512, early_rows_max: 200_000 }
    }
}

/// Whether an earlier run stored everything of `epoch`.
pub(crate) fn is_done(mark: Option<Epoch>, epoch: Epoch) -> bool {
    mark.is_some_and(|mark| epoch < mark || mark == Epoch::MAX)
}

/// How many rows at the front an earlier run stored. Rows are ordered by epoch.
pub(crate) fn done_rows(mark: Option<Epoch>, rows: &Rows) -> usize {
    rows.keys.partition_point(|key| is_done(mark, key.epoch))
}

/// A copy of the rows from `first` on.
pub(crate) fn rows_from(rows: &Rows, first: usize) -> Rows {
    let body = match &rows.body {
        Body::Bars(bars) => Body::Bars(bars[first..].to_vec()),
        Body::Floats { stride, values } => {
            Body::Floats { stride: *stride, values: values[first * stride..].to_vec() }
        }
    };
    Rows {
        table: rows.table.clone(),
        keys: rows.keys[first..].to_vec(),
        known_at: rows.known_at[first..].to_vec(),
        body,
        symbols: rows.symbols.clone(),
    }
}

/// Turns a failure into a [`SinkError`] that says what was being done.
pub(crate) fn failed<E: Display>(doing: impl Display) -> impl FnOnce(E) -> SinkError {
    move |error| SinkError { what: format!("{doing}: {error}") }
}
