//! Parquet: each row group is a stream of batches, decoded by one thread at a time, several at once.

pub(crate) mod column;
mod lists;
mod read_at;
#[cfg(test)]
mod tests;

use super::block::decode;
use super::csv::place;
use super::desk::Desk;
use super::fail;
use super::feed::{Piece, Plan, Planned, STEP_PIECES, Step, Task};
use super::guard::guarded;
use crate::layout::{Bound, Layout, Text};
use crate::{Decoded, RawRecords};
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use ::parquet::file::metadata::ParquetMetaData;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use column::{Column, Columns};
use market::PartitionError;
use read_at::ReadAt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a batch.
const BATCH_ROWS: usize = 1 << 14;
/// What is said of bytes that the library panics on.
const GAVE_UP: &str = "the bytes are corrupt: the decoder gave up";

struct Input {
    file: ReadAt,
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    names: Vec<String>,
    bound: Bound,
}

/// The row groups of a file.
pub(super) struct ParquetPlan {
    input: Arc<Input>,
    next: usize,
}

impl ParquetPlan {
    /// Reads the footer and binds the layout to the file's columns.
    pub(super) fn open(file: File, path: &Path, layout: &Layout) -> Result<Self, PartitionError> {
        let file = ReadAt::new(file).map_err(|error| fail(path, &error.to_string()))?;
        let opened = guarded(|| Self::bind(file, path, layout));
        opened.unwrap_or_else(|| Err(fail(path, "its footer is corrupt")))
    }

    fn bind(file: ReadAt, path: &Path, layout: &Layout) -> Result<Self, PartitionError> {
        let corrupt = |error: ::parquet::errors::ParquetError| {
            fail(path, &format!("not a whole Parquet file: {error}"))
        };
        let found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(corrupt)?;
        check_chunks(found.metadata(), file.length())
            .map_err(|what| fail(path, &format!("its footer is corrupt: {what}")))?;
        let schema = found.schema().clone();
        let columns: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let bound = Bound::new(layout, &columns).map_err(|error| PartitionError {
            what: format!("{}: {error}", path.display()),
            usage: true,
        })?;
        let needed = bound.needed();
        let keyed = keyed_columns(&bound);
        let hinted = hinted_schema(&schema, &keyed);
        let options = ArrowReaderOptions::new().with_schema(Arc::new(hinted));
        let metadata =
            ArrowReaderMetadata::try_new(found.metadata().clone(), options).map_err(corrupt)?;
        for &column in &needed {
            let field = metadata.schema().field(column);
            Column::check(field, bound.listed() == Some(column)).map_err(|what| {
                PartitionError { what: format!("{}: {what}", path.display()), usage: true }
            })?;
        }
        let mask = ProjectionMask::roots(
            metadata.metadata().file_metadata().schema_descr(),
            needed.iter().copied(),
        );
        let names = needed.iter().map(|&column| columns[column].clone()).collect();
        let bound = bound.map(&mut |column| needed.binary_search(column).unwrap_or_default());
        let path = path.to_owned();
        let input = Input { file, path, metadata, mask, names, bound };
        Ok(ParquetPlan { input: Arc::new(input), next: 0 })
    }
}

impl Plan for ParquetPlan {
    fn next(&mut self) -> Result<Planned, PartitionError> {
        if self.next >= self.input.metadata.metadata().num_row_groups() {
            return Ok(Planned::End);
        }
        let group = self.next;
        self.next += 1;
        let task = GroupTask { input: self.input.clone(), group, reader: None, rows: 0 };
        Ok(Planned::Task(Box::new(task)))
    }

    fn skip_to_tail(&mut self) {
        let groups = self.input.metadata.metadata().num_row_groups();
        self.next = self.next.max(groups.saturating_sub(1));
    }
}

/// Every column chunk that the footer names must lie inside the file: the library takes it to.
fn check_chunks(metadata: &ParquetMetaData, length: u64) -> Result<(), String> {
    for (k, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(format!("row group {k} has {} rows", group.num_rows()));
        }
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let size = column.compressed_size();
            let end = start.checked_add(size).and_then(|end| u64::try_from(end).ok());
            if start < 0 || size < 0 || end.is_none_or(|end| end > length) {
                return Err(format!(
                    "row group {k}: column \"{}\" is {size} bytes at {start} of a file of {length}",
                    column.column_path().string().escape_debug(),
                ));
            }
        }
    }
    Ok(())
}

/// Columns that are read as dictionaries, so that a text is looked at once a batch.
fn keyed_columns(bound: &Bound) -> Vec<usize> {
    let optional = [&bound.venue, &bound.side, &bound.trans_type].into_iter().flatten();
    let texts = optional.chain([&bound.symbol]);
    texts.filter_map(Text::column).chain(bound.listed()).collect()
}

fn hinted_schema(schema: &Schema, keyed: &[usize]) -> Schema {
    let hint = |(at, field): (usize, &Arc<Field>)| {
        let is_text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8);
        if !is_text || !keyed.contains(&at) {
            return field.as_ref().clone();
        }
        let keys = Box::new(DataType::Int32);
        let values = Box::new(DataType::Utf8);
        field.as_ref().clone().with_data_type(DataType::Dictionary(keys, values))
    };
    let fields: Vec<Field> = schema.fields().iter().enumerate().map(hint).collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

/// One row group, batch by batch.
struct GroupTask {
    input: Arc<Input>,
    group: usize,
    reader: Option<ParquetRecordBatchReader>,
    rows: u64,
}

impl Task for GroupTask {
    fn step(&mut self, desk: &mut Desk) -> Result<Step, PartitionError> {
        if self.reader.is_none() {
            self.reader = Some(self.open()?);
        }
        let mut pieces = Vec::with_capacity(STEP_PIECES);
        while pieces.len() < STEP_PIECES {
            match self.next_batch()? {
                Some(batch) => pieces.push(self.decode(&batch, desk)?),
                None => return Ok(Step { pieces, done: true }),
            }
        }
        Ok(Step { pieces, done: false })
    }
}

impl GroupTask {
    fn open(&self) -> Result<ParquetRecordBatchReader, PartitionError> {
        let input = &self.input;
        let (file, metadata) = (input.file.clone(), input.metadata.clone());
        let opened = guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_projection(input.mask.clone())
                .with_row_groups(vec![self.group])
                .with_batch_size(BATCH_ROWS)
                .build()
        });
        let opened = opened.ok_or_else(|| self.corrupt(GAVE_UP))?;
        opened.map_err(|error| self.corrupt(&error.to_string()))
    }

    /// A library that panicked has no state to go on with: the group ends there.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, PartitionError> {
        let next = guarded(|| self.reader.as_mut().and_then(Iterator::next));
        match next {
            Some(Some(Ok(batch))) => Ok(Some(batch)),
            Some(Some(Err(error))) => Err(self.corrupt(&error.to_string())),
            Some(None) => Ok(None),
            None => Err(self.corrupt(GAVE_UP)),
        }
    }

    fn corrupt(&self, what: &str) -> PartitionError {
        let place = format!("row group {}, after its row {}: {what}", self.group, self.rows);
        fail(&self.input.path, &place)
    }

    fn decode(&mut self, batch: &RecordBatch, desk: &mut Desk) -> Result<Piece, PartitionError> {
        let mut out = desk.spare.take();
        out.raw = RawRecords::Columns;
        let columns = Columns::new(batch, &self.input.names).map_err(|what| self.corrupt(&what))?;
        let filter = &self.input.bound.filter;
        let kept = (!filter.is_empty()).then(|| columns.kept(filter));
        let rows = batch.num_rows() as u64;
        let filtered = kept.as_ref().map_or(0, |kept| rows - kept.len() as u64);
        let columns = match kept {
            Some(kept) => columns.only(batch, kept).map_err(|what| self.corrupt(&what))?,
            None => columns,
        };
        let Decoded { trades, undecoded, .. } = &mut *out;
        decode(&columns, &self.input.bound, desk, trades, undecoded);
        place(&mut out);
        self.rows += rows;
        Ok(Piece { batch: out, rows, filtered, bytes: self.bytes_of(rows) })
    }

    /// The part of the file's length that so many rows are.
    fn bytes_of(&self, rows: u64) -> u64 {
        let total = self.input.metadata.metadata().file_metadata().num_rows().max(1);
        let share = rows as f64 / total as f64;
        (self.input.file.length() as f64 * share) as u64
    }
}
