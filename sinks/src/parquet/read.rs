//! The change log of one table read back: of each key the newest row, where that was not removed, date by date.

use super::buffer::{DELETED, KEY_COLUMNS};
use super::file::read;
use super::merge::INPUT_ROWS;
use crate::stored::StoredBar;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use market::SinkError;
use parquet::errors::ParquetError;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tells every row of the table at `folder`, dates in order and within one by symbol, width and time.
pub(crate) fn each_row(
    folder: &Path,
    tell: &mut dyn FnMut(&RecordBatch, usize) -> Result<(), ParquetError>,
) -> Result<(), ParquetError> {
    for date in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let (mut batches, mut newest) = (Vec::new(), BTreeMap::new());
        let files = entries(&date)?;
        for file in files.iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")) {
            for batch in read(file, INPUT_ROWS)? {
                let batch = batch?;
                (0..batch.num_rows()).try_for_each(|row| {
                    let (key, revision) = key_of(&batch, row).ok_or_else(misshapen)?;
                    let place = newest.entry(key).or_insert((revision, batches.len(), row));
                    *place = (*place).max((revision, batches.len(), row));
                    Ok::<_, ParquetError>(())
                })?;
                batches.push(batch);
            }
        }
        for (_, batch, row) in newest.into_values() {
            if !is_removed(&batches[batch], row) {
                tell(&batches[batch], row)?;
            }
        }
    }
    Ok(())
}

/// Tells every bar of the table at `folder`, those of a symbol and width in order of time.
pub(crate) fn each_bar(
    folder: &Path,
    tell: &mut dyn FnMut(StoredBar<'_>),
) -> Result<(), ParquetError> {
    each_row(folder, &mut |batch, row| {
        let bar = bar_of(batch, row).ok_or_else(misshapen)?;
        tell(bar);
        Ok(())
    })
}

type Key = (String, String, i64, i64);

fn key_of(batch: &RecordBatch, row: usize) -> Option<(Key, i64)> {
    let text = |at: usize| Some(batch.column(at).as_string_opt::<i32>()?.value(row).to_owned());
    let starts = batch.column(2).as_primitive_opt::<TimestampNanosecondType>()?;
    let seq = batch.column(3).as_primitive_opt::<Int64Type>()?.value(row);
    let revision = batch.column_by_name("revision")?.as_primitive_opt::<Int64Type>()?.value(row);
    Some(((text(0)?, text(1)?, starts.value(row), seq), revision))
}

/// Whether a row is not there any more; files of older programs do not tell, for they removed none.
fn is_removed(batch: &RecordBatch, row: usize) -> bool {
    let column = batch.column_by_name(DELETED).and_then(|column| column.as_boolean_opt());
    column.is_some_and(|deleted| deleted.value(row))
}

fn bar_of(batch: &RecordBatch, row: usize) -> Option<StoredBar<'_>> {
    let float = |name: &str| {
        let column = batch.column_by_name(name)?.as_primitive_opt::<Float64Type>()?;
        Some(column.is_valid(row).then(|| column.value(row)))
    };
    let mut values = [0.0; 5];
    for (value, name) in values.iter_mut().zip(["open", "high", "low", "close", "volume"]) {
        *value = float(name)??;
    }
    let trades = batch.column_by_name("trade_count")?.as_primitive_opt::<Int64Type>()?;
    Some(StoredBar {
        symbol: batch.column(0).as_string_opt::<i32>()?.value(row),
        width: batch.column(1).as_string_opt::<i32>()?.value(row),
        ts_open: batch.column(2).as_primitive_opt::<TimestampNanosecondType>()?.value(row),
        values,
        vwap: float("vwap")?,
        trade_count: trades.value(row),
    })
}

fn misshapen() -> ParquetError {
    ParquetError::General("not a file of this table: its columns are others".to_owned())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ParquetError> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Tells every row of the table at `folder` as JSON: its key, when its bar starts, and the whole row.
pub(crate) fn each_json(
    folder: &Path,
    tell: &mut dyn FnMut(String, Option<i64>, String) -> Result<(), SinkError>,
) -> Result<(), ParquetError> {
    each_row(folder, &mut |batch, row| {
        let ((symbol, width, ts_open, seq), _) = key_of(batch, row).ok_or_else(misshapen)?;
        let key = json!([symbol, width, ts_open, seq]);
        let mut members = Map::new();
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).skip(KEY_COLUMNS);
        for (field, column) in columns.filter(|(field, _)| field.name() != DELETED) {
            members.insert(field.name().clone(), value_of(column, row));
        }
        let value = Value::Object(members).to_string();
        tell(key.to_string(), Some(ts_open), value)
            .map_err(|error| ParquetError::General(error.what))
    })
}

fn value_of(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    if let Some(floats) = column.as_primitive_opt::<Float64Type>() {
        return json!(floats.value(row));
    }
    if let Some(integers) = column.as_primitive_opt::<Int64Type>() {
        return json!(integers.value(row));
    }
    let times = column.as_primitive_opt::<TimestampNanosecondType>();
    times.map_or(Value::Null, |times| json!(times.value(row)))
}
