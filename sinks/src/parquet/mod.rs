//! Parquet: a change log by table and UTC date of `ts_open`, folded at the end to one row a key.
//!
//! One file by table, date, writer group and fixed span of epochs, cut after a fixed number of rows: all
//! of it a function of the log, so a file that is written again has the same bytes. The mark is the
//! start of the first span that is not on disk; what a stopped run had beyond it is stored too and
//! written over by the next one. Memory holds one span of each table, at most `part_rows` a date.

mod buffer;
mod file;
mod fold;
mod merge;

use crate::batch::{done_rows, failed, is_done};
use crate::marks::Marks;
use crate::names::Names;
use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use buffer::Buffer;
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec, Time};
use parquet::errors::ParquetError;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows in the order of their keys.
type PartRows = Result<RecordBatch, ArrowError>;

/// How the change log is cut into files. Fixed for a store: other values give other files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParquetOptions {
    /// Epochs of a file, at least 1.
    pub span_epochs: i64,
    /// Rows of a file, at least 1.
    pub part_rows: usize,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        // A quarter of an hour of the default epochs.
        ParquetOptions { span_epochs: 900, part_rows: 1 << 18 }
    }
}

/// What waits of one date: the rows, and how many files of this span were cut off before them.
struct Part {
    buffer: Buffer,
    cut: u32,
}

/// What waits of one table: one span, for epochs come in order.
struct Table {
    spec: Arc<TableSpec>,
    span: i64,
    parts: BTreeMap<i64, Part>,
}

/// The change log of a store.
pub struct ParquetSink {
    folder: PathBuf,
    marks: Marks,
    mark: Option<Epoch>,
    before: Option<Epoch>,
    options: ParquetOptions,
    tables: BTreeMap<String, Table>,
    names: Names,
}

impl ParquetSink {
    /// Opens the change log of the store at `store`.
    ///
    /// # Errors
    /// Fails when its mark cannot be read.
    pub fn open(store: &Path, lineage: &str, options: ParquetOptions) -> Result<Self, SinkError> {
        let span_epochs = options.span_epochs.max(1);
        let part_rows = options.part_rows.clamp(1, u32::MAX as usize);
        let marks = Marks::new(store, "parquet", lineage);
        let folder = store.join(crate::store::PARQUET_FOLDER);
        let state = marks.load().map_err(failed(format!("parquet: {}", folder.display())))?;
        let mark = state.and_then(|state| state.get("before").and_then(Value::as_i64));
        Ok(ParquetSink {
            folder,
            marks,
            mark,
            before: None,
            options: ParquetOptions { span_epochs, part_rows },
            tables: BTreeMap::new(),
            names: Names::default(),
        })
    }

    fn take_in(&mut self, rows: &Rows, first: usize) -> Result<(), ParquetError> {
        self.names.learn(&rows.symbols);
        let span_of = |epoch: Epoch| epoch.div_euclid(self.options.span_epochs);
        let table = self.tables.entry(rows.table.name.clone()).or_insert_with(|| Table {
            spec: rows.table.clone(),
            span: span_of(rows.keys[first].epoch),
            parts: BTreeMap::new(),
        });
        for row in first..rows.len() {
            let key = &rows.keys[row];
            let span = span_of(key.epoch);
            if span != table.span {
                table.write_all(&self.folder, &self.names, Epoch::MAX)?;
                table.parts.clear();
                table.span = span;
            }
            let new = || Part { buffer: Buffer::new(&table.spec), cut: 0 };
            let part = table.parts.entry(key.ts_open.day()).or_insert_with(new);
            part.buffer.push(rows, row, &self.names);
            if part.buffer.len() == self.options.part_rows {
                let path = path(&self.folder, &table.spec, key.ts_open.day(), table.span, part.cut);
                part.write(&path, &self.names, Epoch::MAX)?;
                part.cut += 1;
            }
        }
        Ok(())
    }

    /// Writes the spans that end with `before` or earlier, and moves the mark to the last whole one.
    fn complete(&mut self, before: Epoch) -> Result<(), ParquetError> {
        let span = self.options.span_epochs;
        let whole = if before == Epoch::MAX {
            before
        } else {
            before.saturating_sub(before.rem_euclid(span))
        };
        if self.mark.is_some_and(|mark| mark >= whole) {
            return Ok(());
        }
        let ends_by = |table: &Table| before == Epoch::MAX || table.span < whole.div_euclid(span);
        for table in self.tables.values_mut().filter(|table| ends_by(table)) {
            table.write_all(&self.folder, &self.names, Epoch::MAX)?;
            table.parts.clear();
        }
        let mut state = Map::new();
        state.insert("before".to_owned(), Value::from(whole));
        self.marks.save(state)?;
        self.mark = Some(whole);
        Ok(())
    }

    fn failed(&self) -> impl FnOnce(ParquetError) -> SinkError + use<> {
        failed(format!("parquet: {}", self.folder.display()))
    }
}

impl Table {
    /// Writes what waits of epochs before `before`.
    fn write_all(
        &mut self,
        folder: &Path,
        names: &Names,
        before: Epoch,
    ) -> Result<(), ParquetError> {
        for (&day, part) in &mut self.parts {
            part.write(&path(folder, &self.spec, day, self.span, part.cut), names, before)?;
        }
        Ok(())
    }
}

impl Part {
    fn write(&mut self, path: &Path, names: &Names, before: Epoch) -> Result<(), ParquetError> {
        if self.buffer.len() == 0 {
            return Ok(());
        }
        let rows = self.buffer.take(names, before)?;
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut writer = file::Writer::create(path, &rows.schema())?;
        writer.write(&rows)?;
        writer.finish()
    }
}

/// The file of a table's date and span, written by the group of all keys.
fn path(folder: &Path, spec: &TableSpec, day: i64, span: i64, cut: u32) -> PathBuf {
    let date = Time::from_ns(day.saturating_mul(Time::DAY)).date();
    let name = format!("part-g000-255-s{span:011}-{cut:04}.parquet");
    folder.join(&spec.name).join(format!("date={date}")).join(name)
}

impl Sink for ParquetSink {
    fn name(&self) -> &str {
        "parquet"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let first = done_rows(self.mark, rows);
        if first == rows.len() {
            return Ok(());
        }
        self.take_in(rows, first).map_err(self.failed())
    }

    fn write_letters(&mut self, _: &[DeadLetter]) -> Result<(), SinkError> {
        // They have a file of their own.
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) {
            return Ok(());
        }
        self.before = Some(before);
        self.complete(before).map_err(self.failed())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        fold::fold_all(&self.folder).map_err(self.failed())
    }
}

impl Drop for ParquetSink {
    /// A run that was stopped: what was complete is stored, ahead of the mark.
    fn drop(&mut self) {
        let Some(before) = self.before else { return };
        for table in self.tables.values_mut() {
            let _ = table.write_all(&self.folder, &self.names, before);
        }
    }
}
