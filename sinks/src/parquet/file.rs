//! One Parquet file: the same rows give the same bytes, and it has its name only when it is whole.
//!
//! Pages are cut where batches end and row groups where a group ends, so every file is written in
//! batches of [`BATCH_ROWS`], [`GROUP_BATCHES`] a group, whoever encodes them.

use super::buffer::DELETED;
use crate::marks::{aside, put_in_place};
use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions,
    compute_leaves,
};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Rows of a batch, exactly, but for a file's last.
pub(super) const BATCH_ROWS: usize = 8_192;
/// Batches of a row group.
pub(super) const GROUP_BATCHES: usize = 8;
/// Bytes of a page: what a reader of many files keeps of each column.
const PAGE_BYTES: usize = 64 << 10;

/// Columns of few values, each many times.
const REPEATED: [&str; 4] = ["symbol", "width", "seq", "revision"];

/// A file being written.
pub(super) struct Writer {
    writer: SerializedFileWriter<File>,
    aside: PathBuf,
    path: PathBuf,
}

/// What the row groups of a file are encoded by, on any thread.
pub(super) struct Encoder {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
}

/// A row group being encoded.
pub(super) struct Group<'a> {
    columns: Vec<ArrowColumnWriter>,
    schema: &'a SchemaRef,
}

fn properties(schema: &SchemaRef) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by("tidemill".to_owned())
        .set_compression(Compression::SNAPPY)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for field in schema.fields() {
        let path = ColumnPath::from(field.name().as_str());
        if REPEATED.contains(&field.name().as_str()) {
            properties = properties.set_column_dictionary_enabled(path, true);
        } else if *field.data_type() == DataType::Float64 {
            // Rows are ordered by symbol and time: the least and greatest value of a group rule nothing out.
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    properties.build()
}

/// Begins `path`.
pub(super) fn create(path: &Path, schema: &SchemaRef) -> Result<(Writer, Encoder), ParquetError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let options = ArrowWriterOptions::new()
        .with_properties(properties(schema))
        .with_skip_arrow_metadata(true);
    let aside = aside(path);
    let file = File::create(&aside)?;
    let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)?;
    let (writer, factory) = writer.into_serialized_writer()?;
    let encoder = Encoder { factory, schema: schema.clone() };
    Ok((Writer { writer, aside, path: path.to_owned() }, encoder))
}

impl Encoder {
    /// Begins the row group of this number.
    pub(super) fn group(&self, number: usize) -> Result<Group<'_>, ParquetError> {
        let columns = self.factory.create_column_writers(number)?;
        Ok(Group { columns, schema: &self.schema })
    }
}

impl Group<'_> {
    /// Encodes a batch.
    pub(super) fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let mut columns = self.columns.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(rows.columns()) {
            for leaf in compute_leaves(field, array)? {
                // No column is nested, so each is one leaf.
                columns.next().map_or(Ok(()), |column| column.write(&leaf))?;
            }
        }
        Ok(())
    }

    /// Ends the group.
    pub(super) fn close(self) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        self.columns.into_iter().map(ArrowColumnWriter::close).collect()
    }
}

impl Writer {
    /// Appends a row group.
    pub(super) fn append(&mut self, columns: Vec<ArrowColumnChunk>) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        columns.into_iter().try_for_each(|column| column.append_to_row_group(&mut group))?;
        group.close().map(|_| ())
    }

    /// Completes the file and gives it its name.
    pub(super) fn finish(self) -> Result<(), ParquetError> {
        let file = self.writer.into_inner()?;
        Ok(put_in_place(&file, &self.aside, &self.path)?)
    }
}

/// Whether a file may hold rows that were removed, by what is written at its end.
pub(super) fn may_remove(path: &Path) -> Result<bool, ParquetError> {
    let file = SerializedFileReader::new(File::open(path)?)?;
    let mut columns = file.metadata().file_metadata().schema_descr().columns().iter();
    let Some(at) = columns.position(|column| column.name() == DELETED) else { return Ok(false) };
    let says_none = |group: &RowGroupMetaData| match group.column(at).statistics() {
        Some(Statistics::Boolean(values)) => values.max_opt() == Some(&false),
        _ => false,
    };
    Ok(!file.metadata().row_groups().iter().all(says_none))
}

/// Reads `path` in batches of `rows`.
pub(super) fn read(path: &Path, rows: usize) -> Result<ParquetRecordBatchReader, ParquetError> {
    let file = File::open(path)?;
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(rows).build()
}
