//! The merge of sorted files: rows `(symbol, width, ts_open, seq, revision)` in order, of each key the last.
//!
//! Files of following spans hold long runs of a symbol each, so the least file is read on until the
//! next one's row is reached: a choice between files is made once a run, not once a row.

use super::buffer::KEY_COLUMNS;
use super::file::Writer;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, Int64Array, RecordBatch, RecordBatchReader, StringArray, TimestampNanosecondArray,
};
use arrow_schema::SchemaRef;
use arrow_select::{concat::concat_batches, interleave::interleave_record_batch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::errors::ParquetError;

/// Rows written at a time, always exactly: pages are cut where batches end.
const OUTPUT_ROWS: usize = 8_192;
/// Batches held before what was chosen from them is copied out.
const HELD_MAX: usize = 128;

type Key<'a> = (&'a str, &'a str, i64, i64);

/// A file's rows, one at a time.
struct Cursor {
    reader: ParquetRecordBatchReader,
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

impl Cursor {
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
        let last = batch.num_columns().checked_sub(2).filter(|last| *last >= KEY_COLUMNS);
        let integers = |at: usize| column(at).as_primitive_opt::<Int64Type>().ok_or_else(misshapen);
        let text = |at: usize| column(at).as_string_opt::<i32>().ok_or_else(misshapen);
        let revision = last.ok_or_else(misshapen)?;
        let starts = column(2).as_primitive_opt::<TimestampNanosecondType>();
        self.symbols = text(0)?.clone();
        self.widths = text(1)?.clone();
        self.starts = starts.ok_or_else(misshapen)?.clone();
        self.seqs = integers(3)?.clone();
        self.revisions = integers(revision)?.clone();
        (self.held, self.row) = (held, 0);
        Ok(())
    }
}

/// Sorted files being merged.
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    held: Vec<RecordBatch>,
    /// The row that goes out unless the next one has its key.
    waiting: Option<(usize, usize)>,
    chosen: Vec<(usize, usize)>,
}

impl Merge {
    /// Opens every file at its first row.
    pub(super) fn new(readers: Vec<ParquetRecordBatchReader>) -> Result<Self, ParquetError> {
        let mut merge =
            Merge { cursors: Vec::new(), held: Vec::new(), waiting: None, chosen: Vec::new() };
        let schema = readers.first().map(RecordBatchReader::schema);
        for mut reader in readers {
            if Some(reader.schema()) != schema {
                return Err(misshapen());
            }
            let Some(batch) = next_batch(&mut reader)? else { continue };
            let none = Int64Array::from(Vec::<i64>::new());
            let mut cursor = Cursor {
                reader,
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

    /// Merges to the end.
    pub(super) fn run(&mut self, output: &mut Output) -> Result<(), ParquetError> {
        while !self.cursors.is_empty() {
            let least = self.least(None);
            let next = (self.cursors.len() > 1).then(|| self.least(Some(least)));
            loop {
                self.take(least);
                if self.chosen.len() + output.rows >= OUTPUT_ROWS || self.held.len() >= HELD_MAX {
                    self.copy_out(output)?;
                }
                if !self.advance(least)? {
                    self.cursors.remove(least);
                    break;
                }
                let is_least =
                    |next: usize| self.cursors[least].place() <= self.cursors[next].place();
                if !next.is_none_or(is_least) {
                    break;
                }
            }
        }
        self.chosen.extend(self.waiting.take());
        self.copy_out(output)
    }

    /// The file with the least row, but for one.
    fn least(&self, except: Option<usize>) -> usize {
        let others = (0..self.cursors.len()).filter(|&at| Some(at) != except);
        others.min_by_key(|&at| self.cursors[at].place()).unwrap_or(0)
    }

    /// The row of file `at` is the newest of its key so far.
    fn take(&mut self, at: usize) {
        let cursor = &self.cursors[at];
        let taken = (cursor.held, cursor.row);
        if let Some(waiting) = self.waiting.replace(taken)
            && !self.has_key(waiting, cursor.key())
        {
            self.chosen.push(waiting);
        }
    }

    fn has_key(&self, (held, row): (usize, usize), key: Key<'_>) -> bool {
        let batch = &self.held[held];
        let start = batch.column(2).as_primitive::<TimestampNanosecondType>().value(row);
        start == key.2
            && batch.column(3).as_primitive::<Int64Type>().value(row) == key.3
            && batch.column(0).as_string::<i32>().value(row) == key.0
            && batch.column(1).as_string::<i32>().value(row) == key.1
    }

    /// Moves file `at` to its next row; whether there is one.
    fn advance(&mut self, at: usize) -> Result<bool, ParquetError> {
        let cursor = &mut self.cursors[at];
        cursor.row += 1;
        if cursor.row < cursor.symbols.len() {
            return Ok(true);
        }
        let Some(batch) = next_batch(&mut cursor.reader)? else { return Ok(false) };
        cursor.look_at(&batch, self.held.len())?;
        self.held.push(batch);
        Ok(true)
    }

    /// Copies the chosen rows out and lets go of batches that nobody stands in.
    fn copy_out(&mut self, output: &mut Output) -> Result<(), ParquetError> {
        if !self.chosen.is_empty() {
            let held: Vec<&RecordBatch> = self.held.iter().collect();
            output.push(interleave_record_batch(&held, &self.chosen)?)?;
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

fn next_batch(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, ParquetError> {
    for batch in reader {
        let batch = batch?;
        if batch.num_rows() > 0 {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// Gathers rows to batches of one size.
pub(super) struct Output {
    writer: Writer,
    schema: SchemaRef,
    gathered: Vec<RecordBatch>,
    rows: usize,
}

impl Output {
    /// Into a file of `schema`.
    pub(super) fn new(writer: Writer, schema: SchemaRef) -> Self {
        Output { writer, schema, gathered: Vec::new(), rows: 0 }
    }

    fn push(&mut self, rows: RecordBatch) -> Result<(), ParquetError> {
        self.rows += rows.num_rows();
        self.gathered.push(rows);
        if self.rows >= OUTPUT_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows > 0 {
            self.writer.write(&concat_batches(&self.schema, &self.gathered)?)?;
        }
        self.gathered.clear();
        self.rows = 0;
        Ok(())
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<(), ParquetError> {
        self.flush()?;
        self.writer.finish()
    }
}
