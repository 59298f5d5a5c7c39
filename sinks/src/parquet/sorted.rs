//! Waiting rows in the order of their keys: `(symbol text, width text, ts_open, seq, revision)`.
//!
//! Rows are counted into their symbol and width, which keeps the order they came in, and sorted there
//! only where they did not come in order, so that ordering costs a few passes over row numbers.

use super::buffer::{Buffer, Key, Kind, is_no_integer};
use crate::names::Names;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampNanosecondArray, types::Int64Type};
use arrow_schema::{ArrowError, SchemaRef};
use market::{Epoch, Width};
use std::sync::Arc;

/// Rows whose values are copied out at a time, so that they are still near when the next column is.
const TILE_ROWS: usize = 512;

/// Which rows of a buffer are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// Every change.
    Changes,
    /// Of each key the greatest revision, be it a removal: to be merged with other files.
    Newest,
    /// Of each key the greatest revision, where that is no removal.
    Valid,
}

/// Rows of a buffer in order.
pub(super) struct Sorted<'a> {
    buffer: &'a Buffer,
    names: &'a Names,
    order: Vec<u32>,
    widths: Vec<(String, Width)>,
}

impl<'a> Sorted<'a> {
    /// The rows of epochs before `before` that are wanted.
    pub(super) fn new(buffer: &'a Buffer, names: &'a Names, before: Epoch, keep: Keep) -> Self {
        let rows = buffer.before(before);
        let widths = widths(buffer.keys().take(rows));
        let (mut order, ends) = by_series(buffer, rows, names, &widths);
        let place = |&row: &u32| {
            let key = buffer.key(row);
            (key.ts_open, key.seq, key.revision())
        };
        let mut start = 0;
        for end in ends {
            let series = &mut order[start..end];
            if !series.is_sorted_by_key(place) {
                series.sort_by_key(place);
            }
            start = end;
        }
        if keep != Keep::Changes {
            let identity = |&row: &u32| {
                let key = buffer.key(row);
                (key.symbol, key.width, key.ts_open, key.seq)
            };
            let mut kept = 0;
            for at in 0..order.len() {
                let is_last = order.get(at + 1).map(identity) != Some(identity(&order[at]));
                order[kept] = order[at];
                let is_valid = keep == Keep::Newest || !buffer.key(order[at]).is_removed();
                kept += usize::from(is_last && is_valid);
            }
            order.truncate(kept);
        }
        Sorted { buffer, names, order, widths }
    }

    /// Rows in it.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Their columns.
    pub(super) fn schema(&self) -> SchemaRef {
        self.buffer.schema.clone()
    }

    /// At most `count` rows from number `first` on.
    pub(super) fn batch(&self, first: usize, count: usize) -> Result<RecordBatch, ArrowError> {
        let first = first.min(self.len());
        let order = &self.order[first..(first + count).min(self.len())];
        let keys: Vec<Key> = order.iter().map(|&row| *self.buffer.key(row)).collect();
        let times = |of: &dyn Fn(&Key) -> i64| -> ArrayRef {
            let values = TimestampNanosecondArray::from_iter_values(keys.iter().map(of));
            Arc::new(values.with_timezone("UTC"))
        };
        let integers = |of: &dyn Fn(&Key) -> u32| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(keys.iter().map(|key| i64::from(of(key)))))
        };
        let symbols = keys.iter().map(|key| &**self.names.text(key.symbol));
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.buffer.schema.fields().len());
        arrays.push(Arc::new(StringArray::from_iter_values(symbols)));
        let width = |key: &Key| self.widths[rank(&self.widths, key.width)].0.as_str();
        arrays.push(Arc::new(StringArray::from_iter_values(keys.iter().map(width))));
        arrays.push(times(&|key| key.ts_open));
        arrays.push(integers(&|key| key.seq));
        arrays.extend(self.values(order));
        let removed: BooleanArray = keys.iter().map(|key| Some(key.is_removed())).collect();
        arrays.push(Arc::new(removed));
        arrays.push(integers(&|key| key.revision()));
        arrays.push(times(&|key| key.known_at));
        RecordBatch::try_new(self.buffer.schema.clone(), arrays)
    }

    fn values(&self, order: &[u32]) -> Vec<ArrayRef> {
        let kinds = &self.buffer.kinds;
        let mut columns: Vec<Vec<u64>> =
            kinds.iter().map(|_| Vec::with_capacity(order.len())).collect();
        for tile in order.chunks(TILE_ROWS) {
            for (at, column) in columns.iter_mut().enumerate() {
                column.extend(tile.iter().map(|&row| self.buffer.value(row, at)));
            }
        }
        kinds.iter().zip(columns).map(|(kind, column)| array(*kind, &column)).collect()
    }
}

fn array(kind: Kind, values: &[u64]) -> ArrayRef {
    if kind == Kind::Float {
        let floats = values.iter().map(|&bits| f64::from_bits(bits));
        return match floats.clone().any(f64::is_nan) {
            true => {
                let value = |value: f64| Some(value).filter(|value| !value.is_nan());
                Arc::new(floats.map(value).collect::<Float64Array>())
            }
            false => Arc::new(Float64Array::from_iter_values(floats)),
        };
    }
    let integers = values.iter().map(|bits| bits.cast_signed());
    let integers = match integers.clone().any(is_no_integer) {
        true => integers.map(|value| Some(value).filter(|value| !is_no_integer(*value))).collect(),
        false => Int64Array::from_iter_values(integers),
    };
    match kind {
        Kind::Time => {
            let times: TimestampNanosecondArray = integers.reinterpret_cast();
            Arc::new(times.with_timezone("UTC"))
        }
        Kind::Integer | Kind::Float => Arc::new(integers.reinterpret_cast::<Int64Type>()),
    }
}

/// The widths there are, in the order of their texts.
fn widths<'k>(keys: impl Iterator<Item = &'k Key>) -> Vec<(String, Width)> {
    let mut widths: Vec<(String, Width)> = Vec::new();
    for key in keys {
        if !widths.iter().any(|(_, known)| *known == key.width) {
            widths.push((key.width.to_string(), key.width));
        }
    }
    widths.sort_unstable();
    widths
}

fn rank(widths: &[(String, Width)], width: Width) -> usize {
    widths.iter().position(|(_, known)| *known == width).unwrap_or(0)
}

/// Row numbers by symbol and width, each as they came, and where each symbol and width ends.
fn by_series(
    buffer: &Buffer,
    rows: usize,
    names: &Names,
    widths: &[(String, Width)],
) -> (Vec<u32>, Vec<usize>) {
    let (symbols, ranks) = names.order();
    let series =
        |key: &Key| ranks[key.symbol as usize] as usize * widths.len() + rank(widths, key.width);
    let mut ends = vec![0; symbols.len() * widths.len()];
    buffer.keys().take(rows).for_each(|key| ends[series(key)] += 1);
    let mut sum = 0;
    for end in &mut ends {
        // The start now; moved to the end by as many rows as there are.
        sum += std::mem::replace(end, sum);
    }
    let mut order = vec![0; rows];
    for (row, key) in (0..).zip(buffer.keys().take(rows)) {
        let at = &mut ends[series(key)];
        order[*at] = row;
        *at += 1;
    }
    (order, ends)
}
