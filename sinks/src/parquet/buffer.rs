//! Rows on their way into a Parquet file, as they came: keys, and the values of a row side by side.
//!
//! A row is copied in once and out once: putting rows in order moves their numbers ([`super::sorted`]).
//! A row costs [`KEY_BYTES`] and 8 bytes a column. Rows lie in chunks of one size, so that nothing is
//! moved when there are more, and what one date gives back fits the next one.

use crate::names::Names;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use market::{Body, Cell, ColumnKind, Epoch, Rows, TableSpec, Width};
use std::ops::Range;
use std::sync::Arc;

/// Columns of a file before the values: symbol, width, ts_open, seq.
pub(super) const KEY_COLUMNS: usize = 4;
/// Columns of a file behind the values: deleted, revision, known_at.
pub(super) const END_COLUMNS: usize = 3;
/// The column that says of a row that it is not there any more. Files of programs that removed none lack it.
pub(super) const DELETED: &str = "deleted";
/// What the key of a waiting row takes.
const KEY_BYTES: usize = size_of::<Key>();
/// Rows of a chunk, a power of two.
const CHUNK_ROWS: usize = 1 << 13;
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
    version: Version,
}

/// A revision, and whether it removed the row: in one word, so that a key takes four. The revisions of a key fit 31
/// bits: there is at most one an epoch, of at least a millisecond, as long as it is within the horizon of at most 7 days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32);

impl Version {
    pub(super) fn new(revision: u32, is_removed: bool) -> Self {
        Version(revision << 1 | u32::from(is_removed))
    }
}

impl Key {
    pub(super) fn new(
        (symbol, width): (u32, Width),
        (ts_open, seq): (i64, u32),
        known_at: i64,
        version: Version,
    ) -> Self {
        Key { ts_open, known_at, symbol, width, seq, version }
    }

    /// Corrections of the row so far.
    pub(super) fn revision(&self) -> u32 {
        self.version.0 >> 1
    }

    /// Whether the row is not there any more.
    pub(super) fn is_removed(&self) -> bool {
        self.version.0 & 1 == 1
    }
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

impl Kind {
    /// The bits of a value that is not there.
    fn null(self) -> u64 {
        match self {
            Kind::Float => f64::NAN.to_bits(),
            Kind::Integer | Kind::Time => NO_INTEGER.cast_unsigned(),
        }
    }
}

/// Rows of one table, date and span of epochs.
pub(super) struct Buffer {
    pub schema: SchemaRef,
    pub kinds: Vec<Kind>,
    /// All full but the last.
    chunks: Vec<Chunk>,
    rows: usize,
    /// Epochs that came and how many rows there were after each, both rising.
    epochs: Vec<(Epoch, usize)>,
    /// Whether any of them removes a row.
    removes: bool,
}

struct Chunk {
    keys: Vec<Key>,
    /// The values of a row side by side.
    values: Vec<u64>,
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

/// The column of removals.
pub(super) fn deleted() -> Field {
    Field::new(DELETED, DataType::Boolean, false)
}

/// The columns of a file of `spec`: key, values, deleted, revision, known_at.
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
    fields.push(deleted());
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
            chunks: Vec::new(),
            rows: 0,
            epochs: Vec::new(),
            removes: false,
        }
    }

    /// Whether any row waiting is a removal.
    pub(super) fn removes(&self) -> bool {
        self.removes
    }

    /// Rows waiting.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The keys, as they came.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.chunks.iter().flat_map(|chunk| &chunk.keys)
    }

    /// The key of a row.
    #[inline]
    pub(super) fn key(&self, row: u32) -> &Key {
        &self.chunks[row as usize / CHUNK_ROWS].keys[row as usize % CHUNK_ROWS]
    }

    /// The value of a row in a column.
    #[inline]
    pub(super) fn value(&self, row: u32, column: usize) -> u64 {
        let values = &self.chunks[row as usize / CHUNK_ROWS].values;
        values[row as usize % CHUNK_ROWS * self.kinds.len() + column]
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
        for key in &rows.keys[range.clone()] {
            self.count(key.epoch);
            self.removes |= key.is_removed();
        }
        let mut first = range.start;
        while first < range.end {
            self.make_room();
            let Some(chunk) = self.chunks.last_mut() else { break };
            let end = range.end.min(first + CHUNK_ROWS - chunk.keys.len());
            chunk.push(&self.kinds, rows, first..end, names);
            first = end;
        }
    }

    /// Takes in a row that an earlier run had in such a buffer, a value a column: of an epoch before all
    /// that are still to come.
    pub(super) fn push_row(&mut self, key: Key, values: impl Iterator<Item = u64>) {
        self.count(Epoch::MIN);
        self.removes |= key.is_removed();
        self.make_room();
        let Some(chunk) = self.chunks.last_mut() else { return };
        chunk.keys.push(key);
        chunk.values.extend(values);
    }

    #[inline]
    fn count(&mut self, of: Epoch) {
        self.rows += 1;
        match self.epochs.last_mut() {
            Some((epoch, end)) if *epoch == of => *end = self.rows,
            _ => self.epochs.push((of, self.rows)),
        }
    }

    /// Makes the last chunk one that is not full.
    fn make_room(&mut self) {
        if self.chunks.last().is_none_or(|chunk| chunk.keys.len() == CHUNK_ROWS) {
            self.chunks.push(Chunk {
                keys: Vec::with_capacity(CHUNK_ROWS),
                values: Vec::with_capacity(CHUNK_ROWS * self.kinds.len()),
            });
        }
    }

    /// Removes all rows, and what they took.
    pub(super) fn clear(&mut self) {
        (self.chunks, self.epochs, self.rows) = (Vec::new(), Vec::new(), 0);
        self.removes = false;
    }
}

impl Chunk {
    fn push(&mut self, kinds: &[Kind], rows: &Rows, range: Range<usize>, names: &Names) {
        self.keys.extend(range.clone().map(|row| {
            let key = &rows.keys[row];
            let version = Version::new(key.revision, key.is_removed());
            let (series, place) = ((names.id(key.symbol), key.width), (key.ts_open.ns(), key.seq));
            Key::new(series, place, rows.known_at[row].ns(), version)
        }));
        match &rows.body {
            Body::Floats { stride, values }
                if *stride == kinds.len() && kinds.iter().all(|kind| *kind == Kind::Float) =>
            {
                let first = self.values.len();
                let values = &values[range.start * stride..range.end * stride];
                self.values.extend(values.iter().map(|value| value.to_bits()));
                for (at, _) in
                    rows.keys[range].iter().enumerate().filter(|(_, key)| key.is_removed())
                {
                    self.values[first + at * stride..][..*stride].fill(Kind::Float.null());
                }
            }
            _ => self.push_cells(kinds, rows, range, names),
        }
    }

    fn push_cells(&mut self, kinds: &[Kind], rows: &Rows, range: Range<usize>, names: &Names) {
        for row in range {
            if rows.keys[row].is_removed() {
                self.values.extend(kinds.iter().map(|kind| kind.null()));
                continue;
            }
            let scales = names.scales(names.id(rows.keys[row].symbol));
            self.values.extend(kinds.iter().enumerate().map(|(column, kind)| {
                let cell = rows.cell_at(row, column, || scales);
                match kind {
                    Kind::Float => float(&cell).to_bits(),
                    Kind::Integer | Kind::Time => integer(&cell).cast_unsigned(),
                }
            }));
        }
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
