//! Parquet: a change log by table and UTC date of `ts_open`, folded at the end to one row a key that is
//! there. A change that removes a row has no values and says `deleted`.
//!
//! One file by table, date, writer group and fixed span of epochs, cut after a fixed number of rows: all
//! of it a function of the log, so a file that is written again has the same bytes. The mark is the
//! start of the first span that is not on disk; what a stopped run had beyond it is stored too and
//! written over by the next one. Memory holds one span of each table, at most `part_rows` and
//! `part_bytes` a date. A sync keeps what waits there in a file of its own and sets the mark in the middle
//! of the span; a run that comes again reads it back and goes on, so the files become the same.
//!
//! What is in memory when the input ends goes straight into the folded file, merged with the date's
//! other files where there are any; the bytes are the same whichever way a row came.

mod buffer;
mod encode;
mod file;
mod fold;
mod merge;
mod read;
mod sorted;
mod spool;

pub(crate) use read::{each_bar, each_json};

use crate::batch::{done_rows, failed, is_done};
use crate::marks::Marks;
use crate::names::Names;
use buffer::Buffer;
use encode::{Job, write_all};
use market::{Epoch, EpochLength, Rows, Sink, SinkError, TableSpec, Time};
use parquet::errors::ParquetError;
use serde_json::{Map, Value, json};
use sorted::Keep;
use spool::Spool;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How the change log is cut into files. What the folded files hold does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParquetOptions {
    /// Epochs of a file, at least 1.
    pub span_epochs: i64,
    /// Rows of a file, at least 1.
    pub part_rows: usize,
    /// Bytes in memory of the rows of a file.
    pub part_bytes: usize,
    /// Whether a date that has no file when a span ends is folded then, since no more is to be expected
    /// of it: for a replay as fast as it goes, whose files nobody reads before it ends.
    pub folds_spans: bool,
}

impl Default for ParquetOptions {
    fn default() -> Self {
        // A quarter of an hour of the default epochs.
        let (part_rows, part_bytes) = (1 << 18, 64 << 20);
        ParquetOptions { span_epochs: 900, part_rows, part_bytes, folds_spans: false }
    }
}

impl ParquetOptions {
    /// For input that comes as fast as it goes: a span is a day, so that a session waits in memory whole
    /// and is written once, unless it is more than 64 MiB a table.
    pub fn replay(epoch: EpochLength) -> Self {
        let span_epochs = (Time::DAY / epoch.ns()).max(1);
        ParquetOptions { span_epochs, part_rows: 1 << 20, part_bytes: 64 << 20, folds_spans: true }
    }
}

/// What waits of one date: the rows, and how many files of this span were cut off before them.
struct Part {
    buffer: Buffer,
    cut: u32,
    /// Rows of the buffer that the spool has, when it knows of this one since the last cut.
    kept: Option<usize>,
}

impl Part {
    fn new(spec: &TableSpec) -> Self {
        Part { buffer: Buffer::new(spec), cut: 0, kept: None }
    }
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
    spool: Spool,
}

impl ParquetSink {
    /// Opens the change log of the store at `store`.
    ///
    /// # Errors
    /// Fails when its mark cannot be read.
    pub fn open(store: &Path, lineage: &str, options: ParquetOptions) -> Result<Self, SinkError> {
        let span_epochs = options.span_epochs.max(1);
        let part_rows = options.part_rows.clamp(1, u32::MAX as usize);
        let folder = store.join(crate::store::PARQUET_FOLDER);
        let mut sink = ParquetSink {
            marks: Marks::new(store, "parquet", lineage),
            folder,
            mark: None,
            before: None,
            options: ParquetOptions { span_epochs, part_rows, ..options },
            tables: BTreeMap::new(),
            names: Names::default(),
            spool: Spool::new(store),
        };
        sink.restore().map_err(failed(format!("parquet: {}", sink.folder.display())))?;
        Ok(sink)
    }

    fn restore(&mut self) -> io::Result<()> {
        let Some(state) = self.marks.load()? else { return Ok(()) };
        self.mark = state.get("before").and_then(Value::as_i64);
        let waiting = state.get("waiting");
        if let Some(named) = waiting {
            self.tables = self.spool.restore(named, &mut self.names)?;
            self.before = self.mark;
            // A span that was begun is cut as it was, for the files that it has are not made again.
            let number = |key: &str| named.get(key).and_then(Value::as_i64).filter(|n| *n > 0);
            let size = |key: &str| number(key).and_then(|number| usize::try_from(number).ok());
            let known = self.options;
            self.options = ParquetOptions {
                span_epochs: number("span_epochs").unwrap_or(known.span_epochs),
                part_rows: size("part_rows").unwrap_or(known.part_rows),
                part_bytes: size("part_bytes").unwrap_or(known.part_bytes),
                ..known
            };
        }
        self.spool.remove_void(waiting.is_some())
    }

    fn take_in(&mut self, rows: &Rows, first: usize) -> Result<(), ParquetError> {
        self.names.learn(&rows.symbols);
        let span_of = |epoch: Epoch| epoch.div_euclid(self.options.span_epochs);
        let table = self.tables.entry(rows.table.name.clone()).or_insert_with(|| Table {
            spec: rows.table.clone(),
            span: span_of(rows.keys[first].epoch),
            parts: BTreeMap::new(),
        });
        if table.spec != rows.table {
            table.renew(&self.folder, &self.names, &self.options, &rows.table)?;
        }
        let rows_max = Buffer::rows_in(self.options.part_bytes, table.spec.columns.len());
        let rows_max = rows_max.min(self.options.part_rows);
        let mut row = first;
        while row < rows.len() {
            let (span, day) = (span_of(rows.keys[row].epoch), rows.keys[row].ts_open.day());
            if span != table.span {
                write_all(&table.jobs(&self.folder, &self.names, &self.options, Epoch::MAX)?)?;
                table.parts.clear();
                table.span = span;
            }
            let part = table.parts.entry(day).or_insert_with(|| Part::new(&table.spec));
            let alike = |row: usize| {
                let key = &rows.keys[row];
                span_of(key.epoch) == span && key.ts_open.day() == day
            };
            let end = rows.len().min(row + rows_max - part.buffer.len());
            let end = (row + 1..end).find(|row| !alike(*row)).unwrap_or(end);
            part.buffer.push(rows, row..end, &self.names);
            row = end;
            if part.buffer.len() == rows_max {
                let to = date_folder(&self.folder, &table.spec, day);
                let to = to.join(part_name(span, &self.options, part.cut));
                let (buffer, all) = (&part.buffer, Keep::Changes);
                let job = fold::from_memory(to, buffer, &self.names, Epoch::MAX, all);
                write_all(&[job])?;
                part.buffer.clear();
                (part.cut, part.kept) = (part.cut + 1, None);
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
        if before == Epoch::MAX {
            fold::fold_all(&self.folder, self.waiting(), &self.names)?;
            self.tables.clear();
        } else {
            // One table after the other: the rows of one are gone when the next is encoded.
            let has_ended = |table: &&mut Table| table.span < whole.div_euclid(span);
            for table in self.tables.values_mut().filter(has_ended) {
                write_all(&table.jobs(&self.folder, &self.names, &self.options, Epoch::MAX)?)?;
                table.parts.clear();
            }
        }
        self.spool.end();
        Ok(self.save(whole, None)?)
    }

    /// Makes what waits of open spans durable, and moves the mark into them.
    fn keep(&mut self, before: Epoch) -> io::Result<()> {
        if self.tables.values().all(|table| table.parts.is_empty()) {
            return self.save(before, None);
        }
        let mut waiting = self.spool.keep(&mut self.tables, &self.names)?;
        waiting["span_epochs"] = json!(self.options.span_epochs);
        waiting["part_rows"] = json!(self.options.part_rows);
        waiting["part_bytes"] = json!(self.options.part_bytes);
        self.save(before, Some(waiting))
    }

    fn save(&mut self, before: Epoch, waiting: Option<Value>) -> io::Result<()> {
        let is_waiting = waiting.is_some();
        let mut state = Map::new();
        state.insert("before".to_owned(), Value::from(before));
        state.extend(waiting.map(|waiting| ("waiting".to_owned(), waiting)));
        self.marks.save(state)?;
        self.mark = Some(before);
        self.spool.remove_void(is_waiting)
    }

    /// All that waits, by the folder it belongs to.
    fn waiting(&self) -> fold::Waiting<'_> {
        let mut waiting = fold::Waiting::new();
        for table in self.tables.values() {
            let parts = table.parts.iter().filter(|(_, part)| part.buffer.len() > 0);
            waiting.extend(
                parts.map(|(&day, part)| {
                    (date_folder(&self.folder, &table.spec, day), &part.buffer)
                }),
            );
        }
        waiting
    }

    fn failed(&self) -> impl FnOnce(ParquetError) -> SinkError + use<> {
        failed(format!("parquet: {}", self.folder.display()))
    }
}

impl Table {
    /// Rows of other columns follow: cuts off the files of what waits.
    fn renew(
        &mut self,
        folder: &Path,
        names: &Names,
        options: &ParquetOptions,
        spec: &Arc<TableSpec>,
    ) -> Result<(), ParquetError> {
        let options = ParquetOptions { folds_spans: false, ..*options };
        write_all(&self.jobs(folder, names, &options, Epoch::MAX)?)?;
        for part in self.parts.values_mut() {
            let cut = part.cut + u32::from(part.buffer.len() > 0);
            *part = Part { cut, ..Part::new(spec) };
        }
        self.spec = spec.clone();
        Ok(())
    }

    /// The files of what waits of epochs before `before`.
    fn jobs<'a>(
        &'a self,
        folder: &Path,
        names: &'a Names,
        options: &ParquetOptions,
        before: Epoch,
    ) -> Result<Vec<Job<'a>>, ParquetError> {
        let mut jobs = Vec::new();
        for (&day, part) in self.parts.iter().filter(|(_, part)| part.buffer.before(before) > 0) {
            let date = date_folder(folder, &self.spec, day);
            let folds = options.folds_spans && fold::is_new(&date)?;
            // All that is known of the date is in memory, so a row that was removed need not be told of.
            let (name, keep) = match folds {
                true => (fold::FOLDED.to_owned(), Keep::Valid),
                false => (part_name(self.span, options, part.cut), Keep::Changes),
            };
            jobs.push(fold::from_memory(date.join(name), &part.buffer, names, before, keep));
        }
        Ok(jobs)
    }
}

/// Where the files of a table's date are.
fn date_folder(folder: &Path, spec: &TableSpec, day: i64) -> PathBuf {
    let date = Time::from_ns(day.saturating_mul(Time::DAY)).date();
    folder.join(&spec.name).join(format!("date={date}"))
}

/// The file of a span, written by the group of all keys. The length of the spans is in it, so that runs
/// that cut the log otherwise write over nothing but their own.
fn part_name(span: i64, options: &ParquetOptions, cut: u32) -> String {
    format!("part-g000-255-s{span:011}x{}-{cut:04}.parquet", options.span_epochs)
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

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) {
            return Ok(());
        }
        self.before = Some(before);
        self.complete(before).map_err(self.failed())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        match self.before {
            Some(before) if self.mark.is_none_or(|mark| mark < before) => {
                self.keep(before).map_err(|error| self.failed()(error.into()))
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        fold::fold_all(&self.folder, self.waiting(), &self.names).map_err(self.failed())
    }
}

impl Drop for ParquetSink {
    /// A run that was stopped: what was complete is stored, ahead of the mark.
    fn drop(&mut self) {
        let Some(before) = self.before else { return };
        // The span goes on in the next run, so nothing is folded.
        let options = ParquetOptions { folds_spans: false, ..self.options };
        for table in self.tables.values() {
            let jobs = table.jobs(&self.folder, &self.names, &options, before);
            let _ = jobs.and_then(|jobs| write_all(&jobs));
        }
    }
}
