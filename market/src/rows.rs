//! Rows that leave the engine: the state of a key after an epoch, for one table.
//!
//! Inside the graph rows stay in the form they are computed in (bars, or floats side by side). A sink
//! that wants cells asks for them one at a time and never sees an instrument's scale missing.

use crate::{Bar, Decimal, Epoch, Scales, SymbolId, Symbols, Time, Width};
use std::sync::Arc;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 text.
    Text,
    /// A whole number.
    Integer,
    /// An exact decimal: `numeric` in PostgreSQL, the nearest double elsewhere.
    Decimal,
    /// A double; NULL while it is not defined.
    Float,
    /// Nanoseconds since 1970.
    Time,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A derived table: the key `(symbol, width, ts_open, seq)`, the columns given here, then `revision`
/// and `known_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name, as `aggregated_data`.
    pub name: String,
    /// Its value columns, in order.
    pub columns: Vec<ColumnSpec>,
}

impl TableSpec {
    /// The table of bars.
    pub fn bars() -> Self {
        use ColumnKind::{Decimal, Float, Integer, Time};
        let columns = [
            ("ts_close", Time),
            ("open", Decimal),
            ("high", Decimal),
            ("low", Decimal),
            ("close", Decimal),
            ("volume", Decimal),
            ("vwap", Float),
            ("trade_count", Integer),
        ];
        let column = |(name, kind): (&str, ColumnKind)| ColumnSpec { name: name.to_owned(), kind };
        TableSpec {
            name: "aggregated_data".to_owned(),
            columns: columns.into_iter().map(column).collect(),
        }
    }

    /// A table of float columns.
    pub fn floats(name: &str, columns: &[String]) -> Self {
        let column = |name: &String| ColumnSpec { name: name.clone(), kind: ColumnKind::Float };
        TableSpec { name: name.to_owned(), columns: columns.iter().map(column).collect() }
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Change {
    /// It is there and was not before: for the first time, or again after it was removed.
    #[default]
    Added,
    /// It was there with other values.
    Revised,
    /// It is not there any more. Its values say nothing.
    Removed,
}

impl Change {
    /// From its number, as `change as u64` gives it.
    pub const fn of_code(code: u64) -> Option<Change> {
        match code {
            0 => Some(Change::Added),
            1 => Some(Change::Revised),
            2 => Some(Change::Removed),
            _ => None,
        }
    }
}

/// The identity of a row, and which revision of it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKey {
    /// The epoch of the change.
    pub epoch: Epoch,
    /// Start of the bar.
    pub ts_open: Time,
    /// Symbol.
    pub symbol: SymbolId,
    /// Width of the bar.
    pub width: Width,
    /// 0 for time bars, else the number within the session.
    pub seq: u32,
    /// Corrections of this key so far, removals and returns among them.
    pub revision: u32,
    /// What became of it.
    pub change: Change,
}

impl RowKey {
    /// Whether the row is not there any more.
    #[inline]
    pub fn is_removed(&self) -> bool {
        self.change == Change::Removed
    }
}

/// The values of a batch of rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One bar a row.
    Bars(Vec<Bar>),
    /// `stride` doubles a row, side by side; NaN is NULL.
    Floats {
        /// Columns of the table.
        stride: usize,
        /// `rows * stride` values.
        values: Vec<f64>,
    },
}

/// A cell as a sink writes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// A double, never NaN.
    Float(f64),
    /// A time.
    Time(Time),
}

/// A batch of rows of one table.
#[derive(Clone)]
pub struct Rows {
    /// The table.
    pub table: Arc<TableSpec>,
    /// One key a row.
    pub keys: Vec<RowKey>,
    /// One `known_at` a row.
    pub known_at: Vec<Time>,
    /// The values.
    pub body: Body,
    /// The symbols that the keys name.
    pub symbols: Symbols,
}

impl Rows {
    /// Rows in the batch.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The value of `column` (an index into the table's columns) in `row`.
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        self.cell_at(row, column, || self.symbols.scales(self.keys[row].symbol))
    }

    /// As [`Rows::cell`], with the symbol's scales from a caller that keeps a copy of them: looking
    /// them up takes a lock, once a cell.
    #[inline]
    pub fn cell_at(&self, row: usize, column: usize, scales: impl FnOnce() -> Scales) -> Cell {
        match &self.body {
            Body::Bars(bars) => bar_cell(&bars[row], self.keys[row], column, scales()),
            Body::Floats { stride, values } => match values[row * stride + column] {
                value if value.is_nan() => Cell::Null,
                value => Cell::Float(value),
            },
        }
    }
}

fn bar_cell(bar: &Bar, key: RowKey, column: usize, scales: Scales) -> Cell {
    match column {
        0 => Cell::Time(Time::from_ns(bar.ts_open.ns().saturating_add(key.width.ns()))),
        1 => Cell::Decimal(bar.open.decimal(scales.price)),
        2 => Cell::Decimal(bar.high.decimal(scales.price)),
        3 => Cell::Decimal(bar.low.decimal(scales.price)),
        4 => Cell::Decimal(bar.close.decimal(scales.price)),
        5 => Cell::Decimal(bar.volume_decimal(scales)),
        6 if bar.volume == 0 => Cell::Null,
        6 => Cell::Float(bar.vwap(scales)),
        7 => Cell::Integer(i64::try_from(bar.trade_count).unwrap_or(i64::MAX)),
        _ => Cell::Null,
    }
}
