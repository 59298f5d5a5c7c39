//! Rows on their way into a Parquet file, as they came: keys, and the values of a row side by side.
//!
//! A row is copied in once and out once: putting rows in order moves their numbers ([`super::sorted`]).
//! A row costs [`KEY_BYTES`] and 8 bytes a column.

use crate::names::Names;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use market::{Body, Cell, ColumnKind, Epoch, Rows, TableSpec, Width};
use std::ops::Range;
use std::sync::Arc;

/// Columns of a file before the values: symbol, width, ts_open, seq.
pub(super) const KEY_COLUMNS: usize = 4;
/// What the key of a waiting row takes.
const KEY_BYTES: usize = size_of::<Key>();
/// A whole number that is not there. No row has it: a time so early is none.
const NO_INTEGER: i64 = i64::MIN;

/// The identity of a waiting row; `symbol` is the sink's own id.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub ts_open: i64,
    pub known_at: i64,
    pub symbol: u32,
    pub width: Width,
    pub seq: u32,
    pub revision: u32,
}

/// How the 64 bits of a value are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A double; NaN is null.
    Float,
    /// A whole number.
    Integer,
    /// Nanoseconds since 1970.
    Time,
}

/// Rows of one table, date and span of epochs.
pub(super) struct Buffer {
    pub schema: SchemaRef,
    pub kinds: Vec<Kind>,
    pub keys: Vec<Key>,
    /// `keys.len() * kinds.len()` values.
    pub values: Vec<u64>,
    /// Epochs that came and how many rows there were after each, both rising.
    epochs: Vec<(Epoch, usize)>,
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn kind(kind: ColumnKind) -> Kind {
    match kind {
        ColumnKind::Integer => Kind::Integer,
        ColumnKind::Time => Kind::Time,
        // No cell holds text.
        ColumnKind::Decimal | ColumnKind::Float | ColumnKind::Text => Kind::Float,
    }
}

/// The columns of a file of `spec`: key, values, revision, known_at.
fn schema(spec: &TableSpec) -> SchemaRef {
    let mut fields = vec![
        Field::new("symbol", DataType::Utf8, false),
        Field::new("width", DataType::Utf8, false),
        Field::new("ts_open", time_type(), false),
        Field::new("seq", DataType::Int64, false),
    ];
    for column in &spec.columns {
        let kind = match kind(column.kind) {
            Kind::Float => DataType::Float64,
            Kind::Integer => DataType::Int64,
            Kind::Time => time_type(),
        };
        fields.push(Field::new(&column.name, kind, true));
    }
    fields.push(Field::new("revision", DataType::Int64, false));
    fields.push(Field::new("known_at", time_type(), false));
    Arc::new(Schema::new(fields))
}

impl Buffer {
    /// An empty one for a table.
    pub(super) fn new(spec: &TableSpec) -> Self {
        Buffer {
            schema: schema(spec),
            kinds: spec.columns.iter().map(|column| kind(column.kind)).collect(),
            keys: Vec::new(),
            values: Vec::new(),
            epochs: Vec::new(),
        }
    }

    /// Rows waiting.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Rows of a table of so many value columns that `bytes` hold, at least 1.
    pub(super) fn rows_in(bytes: usize, columns: usize) -> usize {
        (bytes / (KEY_BYTES + columns * size_of::<u64>())).max(1)
    }

    /// Rows of epochs before `before`: they came first.
    pub(super) fn before(&self, before: Epoch) -> usize {
        if before == Epoch::MAX {
            return self.len();
        }
        match self.epochs.partition_point(|(epoch, _)| *epoch < before) {
            0 => 0,
            epochs => self.epochs[epochs - 1].1,
        }
    }

    /// Takes in rows of a batch that `names` has learnt.
    pub(super) fn push(&mut self, rows: &Rows, range: Range<usize>, names: &Names) {
        for row in range.clone() {
            let key = &rows.keys[row];
            self.keys.push(Key {
                ts_open: key.ts_open.ns(),
                known_at: rows.known_at[row].ns(),
                symbol: names.id(key.symbol),
                width: key.width,
                seq: key.seq,
                revision: key.revision,
            });
            match self.epochs.last_mut() {
                Some((epoch, end)) if *epoch == key.epoch => *end = self.keys.len(),
                _ => self.epochs.push((key.epoch, self.keys.len())),
            }
        }
        let all_floats = self.kinds.iter().all(|kind| *kind == Kind::Float);
        match &rows.body {
            Body::Floats { stride, values } if all_floats && *stride == self.kinds.len() => {
                let values = &values[range.start * stride..range.end * stride];
                self.values.extend(values.iter().map(|value| value.to_bits()));
            }
            _ => self.push_cells(rows, range, names),
        }
    }

    fn push_cells(&mut self, rows: &Rows, range: Range<usize>, names: &Names) {
        self.values.reserve(range.len() * self.kinds.len());
        for row in range {
            let scales = names.scales(names.id(rows.keys[row].symbol));
            for (column, kind) in self.kinds.iter().enumerate() {
                let cell = rows.cell_at(row, column, || scales);
                self.values.push(match kind {
                    Kind::Float => float(&cell).to_bits(),
                    Kind::Integer | Kind::Time => integer(&cell).cast_unsigned(),
                });
            }
        }
    }

    /// Removes all rows, and what they took.
    pub(super) fn clear(&mut self) {
        (self.keys, self.values, self.epochs) = (Vec::new(), Vec::new(), Vec::new());
    }
}

/// Whether a value of a column that is no double is null.
pub(super) fn is_no_integer(value: i64) -> bool {
    value == NO_INTEGER
}

fn float(cell: &Cell) -> f64 {
    match cell {
        Cell::Null => f64::NAN,
        Cell::Integer(value) => *value as f64,
        Cell::Decimal(value) => value.to_f64(),
        Cell::Float(value) => *value,
        Cell::Time(value) => value.ns() as f64,
    }
}

fn integer(cell: &Cell) -> i64 {
    match cell {
        Cell::Integer(value) => *value,
        Cell::Time(value) => value.ns(),
        Cell::Null | Cell::Decimal(_) | Cell::Float(_) => NO_INTEGER,
    }
}
