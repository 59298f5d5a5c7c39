//! Rows on their way into a Parquet file: kept in columns, put in the order of their keys at the end.

use super::PartRows;
use crate::names::Names;
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_array::{TimestampNanosecondArray, types::TimestampNanosecondType};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use market::{Cell, ColumnKind, Epoch, Rows, TableSpec, Width};
use std::sync::Arc;

/// Columns of a file before the values: symbol, width, ts_open, seq.
pub(super) const KEY_COLUMNS: usize = 4;

/// The identity of a waiting row; `symbol` is the sink's own id.
#[derive(Clone, Copy)]
struct Key {
    epoch: Epoch,
    ts_open: i64,
    known_at: i64,
    symbol: u32,
    width: Width,
    seq: u32,
    revision: u32,
}

enum Column {
    /// NaN is null.
    Floats(Vec<f64>),
    Integers(Vec<Option<i64>>),
    Times(Vec<Option<i64>>),
}

/// Rows of one table, date and span of epochs.
pub(super) struct Buffer {
    schema: SchemaRef,
    keys: Vec<Key>,
    columns: Vec<Column>,
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

/// The columns of a file of `spec`: key, values, revision, known_at.
pub(super) fn schema(spec: &TableSpec) -> SchemaRef {
    let mut fields = vec![
        Field::new("symbol", DataType::Utf8, false),
        Field::new("width", DataType::Utf8, false),
        Field::new("ts_open", time_type(), false),
        Field::new("seq", DataType::Int64, false),
    ];
    for column in &spec.columns {
        let kind = match column.kind {
            ColumnKind::Integer => DataType::Int64,
            ColumnKind::Time => time_type(),
            // No cell holds text.
            ColumnKind::Decimal | ColumnKind::Float | ColumnKind::Text => DataType::Float64,
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
        let column = |kind| match kind {
            ColumnKind::Integer => Column::Integers(Vec::new()),
            ColumnKind::Time => Column::Times(Vec::new()),
            ColumnKind::Decimal | ColumnKind::Float | ColumnKind::Text => {
                Column::Floats(Vec::new())
            }
        };
        Buffer {
            schema: schema(spec),
            keys: Vec::new(),
            columns: spec.columns.iter().map(|spec| column(spec.kind)).collect(),
        }
    }

    /// Rows waiting.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Takes in a row of a batch that `names` has learnt.
    pub(super) fn push(&mut self, rows: &Rows, row: usize, names: &Names) {
        let key = rows.keys[row];
        let symbol = names.id(key.symbol);
        self.keys.push(Key {
            epoch: key.epoch,
            ts_open: key.ts_open.ns(),
            known_at: rows.known_at[row].ns(),
            symbol,
            width: key.width,
            seq: key.seq,
            revision: key.revision,
        });
        for (at, column) in self.columns.iter_mut().enumerate() {
            let cell = rows.cell_at(row, at, || names.scales(symbol));
            match column {
                Column::Floats(values) => values.push(float(&cell)),
                Column::Integers(values) | Column::Times(values) => values.push(integer(&cell)),
            }
        }
    }

    /// Removes all rows; those of epochs before `before` come back in the order of their keys.
    pub(super) fn take(&mut self, names: &Names, before: Epoch) -> PartRows {
        let order = self.order(names, before);
        let integers = |of: &dyn Fn(&Key) -> i64| -> Int64Array {
            order.iter().map(|&row| Some(of(&self.keys[row as usize]))).collect()
        };
        let times = |of: &dyn Fn(&Key) -> i64| -> ArrayRef {
            let values = order.iter().map(|&row| of(&self.keys[row as usize]));
            Arc::new(TimestampNanosecondArray::from_iter_values(values).with_timezone("UTC"))
        };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        let symbol = |&row: &u32| &**names.text(self.keys[row as usize].symbol);
        arrays.push(Arc::new(StringArray::from_iter_values(order.iter().map(symbol))));
        let width = |&row: &u32| self.keys[row as usize].width.to_string();
        arrays.push(Arc::new(StringArray::from_iter_values(order.iter().map(width))));
        arrays.push(times(&|key| key.ts_open));
        arrays.push(Arc::new(integers(&|key| i64::from(key.seq))));
        arrays.extend(self.columns.iter().map(|column| column.array(&order)));
        arrays.push(Arc::new(integers(&|key| i64::from(key.revision))));
        arrays.push(times(&|key| key.known_at));
        let rows = RecordBatch::try_new(self.schema.clone(), arrays);
        self.keys.clear();
        self.columns.iter_mut().for_each(Column::clear);
        rows
    }

    fn order(&self, names: &Names, before: Epoch) -> Vec<u32> {
        let (_, ranks) = names.order();
        let mut widths: Vec<(String, Width)> = Vec::new();
        for key in &self.keys {
            if !widths.iter().any(|(_, known)| *known == key.width) {
                widths.push((key.width.to_string(), key.width));
            }
        }
        widths.sort_unstable();
        let width_rank = |width| widths.iter().position(|(_, known)| *known == width);
        let place = |(row, key): (usize, &Key)| {
            let (symbol, width) = (ranks[key.symbol as usize], width_rank(key.width));
            (symbol, width, key.ts_open, key.seq, key.revision, row as u32)
        };
        let complete = |key: &Key| key.epoch < before || before == Epoch::MAX;
        let rows = self.keys.iter().enumerate().filter(|(_, key)| complete(key));
        let mut places: Vec<_> = rows.map(place).collect();
        places.sort_unstable();
        places.into_iter().map(|place| place.5).collect()
    }
}

impl Column {
    fn array(&self, order: &[u32]) -> ArrayRef {
        match self {
            Column::Floats(values) => {
                let value = |&row: &u32| Some(values[row as usize]).filter(|value| !value.is_nan());
                Arc::new(order.iter().map(value).collect::<Float64Array>())
            }
            Column::Integers(values) => {
                Arc::new(order.iter().map(|&row| values[row as usize]).collect::<Int64Array>())
            }
            Column::Times(values) => {
                let times = order.iter().map(|&row| values[row as usize]);
                let times: arrow_array::PrimitiveArray<TimestampNanosecondType> = times.collect();
                Arc::new(times.with_timezone("UTC"))
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Column::Floats(values) => values.clear(),
            Column::Integers(values) | Column::Times(values) => values.clear(),
        }
    }
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

fn integer(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(value) => Some(*value),
        Cell::Time(value) => Some(value.ns()),
        Cell::Null | Cell::Decimal(_) | Cell::Float(_) => None,
    }
}
