//! The merge of sorted files and of rows in memory: rows `(symbol, width, ts_open, seq, revision)` in
//! order, of each key the last; where nothing else can tell of a key any more, not those that were removed.
//!
//! Files of following spans hold long runs of a symbol each, so the least input is read on until the
//! next one's row is reached: a choice between inputs is made once a run, not once a row.

use super::buffer::{DELETED, END_COLUMNS, KEY_COLUMNS};
use super::file::BATCH_ROWS;
use super::sorted::Sorted;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, BooleanArray, Int64Array, RecordBatch, RecordBatchReader, StringArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow_schema::{FieldRef, SchemaRef};
use arrow_select::{concat::concat_batches, interleave::interleave_record_batch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;
use std::sync::Arc;

/// Rows taken from an input at a time.
pub(super) const INPUT_ROWS: usize = 2_048;
/// Batches held before what was chosen from them is copied out.
const HELD_MAX: usize = 128;

/// Rows in order, a batch at a time.
pub(super) enum Input<'a> {
    /// Of a file.
    File(ParquetRecordBatchReader),
    /// Of the memory, from this number on.
    Memory(Arc<Sorted<'a>>, usize),
}

impl Input<'_> {
    /// The next batch that holds a row, with the columns of `schema`.
    fn next_of(&mut self, schema: &SchemaRef) -> Result<Option<RecordBatch>, ParquetError> {
        let Some(batch) = self.next_batch()? else { return Ok(None) };
        if batch.schema() == *schema {
            return Ok(Some(batch));
        }
        let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None if field.name() == DELETED => {
                Arc::new(BooleanArray::from(vec![false; batch.num_rows()]))
            }
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        let columns = schema.fields().iter().map(column).collect();
        RecordBatch::try_new(schema.clone(), columns).map(Some).map_err(|_| misshapen())
    }

    /// The next batch that holds a row.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ParquetError> {
        match self {
            Input::File(reader) => {
                for batch in reader {
                    let batch = batch?;
                    if batch.num_rows() > 0 {
                        return Ok(Some(batch));
                    }
                }
                Ok(None)
            }
            Input::Memory(sorted, at) => {
                let batch = sorted.batch(*at, INPUT_ROWS)?;
                *at += batch.num_rows();
                Ok(Some(batch).filter(|batch| batch.num_rows() > 0))
            }
        }
    }

    /// Its columns.
    pub(super) fn schema(&self) -> SchemaRef {
        match self {
            Input::File(reader) => reader.schema(),
            Input::Memory(sorted, _) => sorted.schema(),
        }
    }
}

type Key<'a> = (&'a str, &'a str, i64, i64);

/// An input's rows, one at a time.
struct Cursor<'a> {
    input: Input<'a>,
    symbols: StringArray,
    widths: StringArray,
    starts: TimestampNanosecondArray,
    seqs: Int64Array,
    revisions: Int64Array,
    /// Number of the batch among those held.
    held: usize,
    row: usize,
}

fn misshapen() -> ParquetError {
    ParquetError::General("not a file of this table: its key columns have other types".to_owned())
}

impl Cursor<'_> {
    fn key(&self) -> Key<'_> {
        let row = self.row;
        let (symbol, width) = (self.symbols.value(row), self.widths.value(row));
        (symbol, width, self.starts.value(row), self.seqs.value(row))
    }

    fn place(&self) -> (Key<'_>, i64) {
        (self.key(), self.revisions.value(self.row))
    }

    /// The key columns of a batch that holds at least one row.
    fn look_at(&mut self, batch: &RecordBatch, held: usize) -> Result<(), ParquetError> {
        let column = |at: usize| batch.column(at);
        let last = batch.num_columns().checked_sub(END_COLUMNS).filter(|last| *last >= KEY_COLUMNS);
        let integers = |at: usize| column(at).as_primitive_opt::<Int64Type>().ok_or_else(misshapen);
        let text = |at: usize| column(at).as_string_opt::<i32>().ok_or_else(misshapen);
        let deleted = last.ok_or_else(misshapen)?;
        column(deleted).as_boolean_opt().ok_or_else(misshapen)?;
        let starts = column(2).as_primitive_opt::<TimestampNanosecondType>();
        self.symbols = text(0)?.clone();
        self.widths = text(1)?.clone();
        self.starts = starts.ok_or_else(misshapen)?.clone();
        self.seqs = integers(3)?.clone();
        self.revisions = integers(deleted + 1)?.clone();
        (self.held, self.row) = (held, 0);
        Ok(())
    }
}

/// Inputs being merged.
pub(super) struct Merge<'a> {
    cursors: Vec<Cursor<'a>>,
    held: Vec<RecordBatch>,
    /// The row that goes out unless the next one has its key.
    waiting: Option<(usize, usize)>,
    /// Whether rows that were removed do not go out.
    only_valid: bool,
    chosen: Vec<(usize, usize)>,
    output: Output,
}

impl<'a> Merge<'a> {
    /// Stands at the first row of every input; none has other columns than these. With `only_valid`, keys that
    /// were removed are left out: these must be all inputs that tell of them.
    pub(super) fn new(
        inputs: Vec<Input<'a>>,
        schema: &SchemaRef,
        only_valid: bool,
    ) -> Result<Self, ParquetError> {
        let output = Output { schema: schema.clone(), gathered: Vec::new(), rows: 0 };
        let mut merge = Merge {
            cursors: Vec::new(),
            held: Vec::new(),
            waiting: None,
            only_valid,
            chosen: Vec::new(),
            output,
        };
        for mut input in inputs {
            let Some(batch) = input.next_of(schema)? else { continue };
            let none = Int64Array::from(Vec::<i64>::new());
            let mut cursor = Cursor {
                input,
                symbols: StringArray::from(Vec::<&str>::new()),
                widths: StringArray::from(Vec::<&str>::new()),
                starts: TimestampNanosecondArray::from(Vec::<i64>::new()),
                seqs: none.clone(),
                revisions: none,
                held: 0,
                row: 0,
            };
            cursor.look_at(&batch, merge.held.len())?;
            merge.held.push(batch);
            merge.cursors.push(cursor);
        }
        Ok(merge)
    }

    /// Whether every row has gone out.
    pub(super) fn is_done(&self) -> bool {
        self.cursors.is_empty() && self.waiting.is_none()
    }

    /// The next batches, `count` of them unless the inputs end: each of [`BATCH_ROWS`] but for the last.
    pub(super) fn next(&mut self, count: usize) -> Result<Vec<RecordBatch>, ParquetError> {
        let mut batches = Vec::new();
        while batches.len() < count && !self.cursors.is_empty() {
            self.run(&mut batches)?;
        }
        if self.cursors.is_empty() && batches.len() < count {
            let last = self.waiting.take();
            self.choose(last);
            self.copy_out()?;
            batches.extend(self.output.flush()?);
        }
        Ok(batches)
    }

    /// Goes on with the least input until another one's row is less or a batch is full.
    fn run(&mut self, batches: &mut Vec<RecordBatch>) -> Result<(), ParquetError> {
        let least = self.least(None);
        let next = (self.cursors.len() > 1).then(|| self.least(Some(least)));
        loop {
            self.take(least);
            let is_full = self.chosen.len() + self.output.rows >= BATCH_ROWS;
            if is_full || self.held.len() >= HELD_MAX {
                self.copy_out()?;
            }
            let has_ended = !self.advance(least)?;
            if has_ended {
                self.cursors.remove(least);
            }
            if is_full {
                batches.extend(self.output.flush()?);
            }
            let is_least = |next: usize| self.cursors[least].place() <= self.cursors[next].place();
            if is_full || has_ended || !next.is_none_or(is_least) {
                return Ok(());
            }
        }
    }

    /// The input with the least row, but for one.
    fn least(&self, except: Option<usize>) -> usize {
        let others = (0..self.cursors.len()).filter(|&at| Some(at) != except);
        others.min_by_key(|&at| self.cursors[at].place()).unwrap_or(0)
    }

    /// The row of input `at` is the newest of its key so far.
    fn take(&mut self, at: usize) {
        let cursor = &self.cursors[at];
        let taken = (cursor.held, cursor.row);
        if let Some(waiting) = self.waiting.replace(taken)
            && !self.has_key(waiting, cursor.key())
        {
            self.choose(Some(waiting));
        }
    }

    /// Lets a row go out, unless it was removed and nobody is to hear of it.
    fn choose(&mut self, row: Option<(usize, usize)>) {
        let is_removed = |&(held, row): &(usize, usize)| {
            let batch = &self.held[held];
            batch.column(batch.num_columns() - END_COLUMNS).as_boolean().value(row)
        };
        let is_left_out = |row: &(usize, usize)| self.only_valid && is_removed(row);
        self.chosen.extend(row.filter(|row| !is_left_out(row)));
    }

    fn has_key(&self, (held, row): (usize, usize), key: Key<'_>) -> bool {
        let batch = &self.held[held];
        let start = batch.column(2).as_primitive::<TimestampNanosecondType>().value(row);
        start == key.2
            && batch.column(3).as_primitive::<Int64Type>().value(row) == key.3
            && batch.column(0).as_string::<i32>().value(row) == key.0
            && batch.column(1).as_string::<i32>().value(row) == key.1
    }

    /// Moves input `at` to its next row; whether there is one.
    fn advance(&mut self, at: usize) -> Result<bool, ParquetError> {
        let cursor = &mut self.cursors[at];
        cursor.row += 1;
        if cursor.row < cursor.symbols.len() {
            return Ok(true);
        }
        let Some(batch) = cursor.input.next_of(&self.output.schema)? else { return Ok(false) };
        cursor.look_at(&batch, self.held.len())?;
        self.held.push(batch);
        Ok(true)
    }

    /// Copies the chosen rows out and lets go of batches that nobody stands in.
    fn copy_out(&mut self) -> Result<(), ParquetError> {
        if !self.chosen.is_empty() {
            let held: Vec<&RecordBatch> = self.held.iter().collect();
            self.output.push(interleave_record_batch(&held, &self.chosen)?);
            self.chosen.clear();
        }
        let mut kept = Vec::new();
        let mut keep = |held: &mut usize| {
            kept.push(self.held[*held].clone());
            *held = kept.len() - 1;
        };
        self.cursors.iter_mut().for_each(|cursor| keep(&mut cursor.held));
        if let Some((held, _)) = &mut self.waiting {
            keep(held);
        }
        self.held = kept;
        Ok(())
    }
}

/// Gathers rows to batches of one size.
struct Output {
    schema: SchemaRef,
    gathered: Vec<RecordBatch>,
    rows: usize,
}

impl Output {
    fn push(&mut self, rows: RecordBatch) {
        self.rows += rows.num_rows();
        self.gathered.push(rows);
    }

    fn flush(&mut self) -> Result<Option<RecordBatch>, ParquetError> {
        let rows = (self.rows > 0).then(|| concat_batches(&self.schema, &self.gathered));
        self.gathered.clear();
        self.rows = 0;
        Ok(rows.transpose()?)
    }
}
