//! One Parquet file: the same rows give the same bytes, and it has its name only when it is whole.

use super::buffer::KEY_COLUMNS;
use crate::marks::{aside, put_in_place};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Rows of a row group.
const GROUP_ROWS: usize = 131_072;
/// Bytes of a page: what a reader of many files keeps of each column.
const PAGE_BYTES: usize = 64 << 10;

/// A file being written. Pages are cut where batches end, so callers hand over batches of fixed sizes.
pub(super) struct Writer {
    writer: ArrowWriter<File>,
    aside: PathBuf,
    path: PathBuf,
}

impl Writer {
    /// Begins `path`.
    pub(super) fn create(path: &Path, schema: &SchemaRef) -> Result<Self, ParquetError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut properties = WriterProperties::builder()
            .set_created_by("tidemill".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_data_page_size_limit(PAGE_BYTES)
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for field in schema.fields().iter().take(KEY_COLUMNS / 2) {
            let path = ColumnPath::from(field.name().as_str());
            properties = properties.set_column_dictionary_enabled(path, true);
        }
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let aside = aside(path);
        let writer =
            ArrowWriter::try_new_with_options(File::create(&aside)?, schema.clone(), options)?;
        Ok(Writer { writer, aside, path: path.to_owned() })
    }

    /// Appends rows.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(rows)
    }

    /// Completes the file and gives it its name.
    pub(super) fn finish(self) -> Result<(), ParquetError> {
        let file = self.writer.into_inner()?;
        Ok(put_in_place(&file, &self.aside, &self.path)?)
    }
}

/// Reads `path` in batches of `rows`.
pub(super) fn read(path: &Path, rows: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
    let file = File::open(path)?;
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(rows).build()
}
