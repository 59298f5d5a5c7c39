//! Opens one file: its format by its first bytes, its columns bound to the layout.

use super::csv::{Compressed, Head, Plain, Shape, read_head};
use super::fail;
use super::feed::{Bell, Plan, Planned};
use super::parquet::ParquetPlan;
use crate::layout::{Bound, Layout};
use market::PartitionError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of the window that zstd may look back over; its default limit, said aloud.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Gzip,
    Zstd,
    Parquet,
}

/// The tasks of a file.
pub(super) fn open(
    path: &Path,
    layout: &Layout,
    bell: &Bell,
) -> Result<Box<dyn Plan>, PartitionError> {
    let (file, format) = sniff(path)?;
    let io = |error: std::io::Error| fail(path, &error.to_string());
    if format == Format::Parquet {
        return Ok(Box::new(ParquetPlan::open(file, path, layout)?));
    }
    let length = file.metadata().map_err(io)?.len();
    let mut input = inflated(file, format).map_err(io)?;
    let head = read_head(&mut *input, layout).map_err(|error| {
        fail(path, &format!("its head cannot be read, corrupt or too short: {error}"))
    })?;
    let Some(shape) = shape(path, layout, &head)? else { return Ok(Box::new(Nothing)) };
    if format == Format::Text {
        let file = File::open(path).map_err(io)?;
        return Ok(Box::new(Plain::new(file, path.to_owned(), head.data_start, length, shape)));
    }
    let plan = Compressed::start(input, head.ahead, path.to_owned(), shape, bell.clone())?;
    Ok(Box::new(plan))
}

/// The shape of a text file's lines; none when it has not even a header.
fn shape(path: &Path, layout: &Layout, head: &Head) -> Result<Option<Shape>, PartitionError> {
    if head.columns.is_empty() {
        return Ok(None);
    }
    let usage = |what: String| PartitionError { what, usage: true };
    if head.is_utf16 {
        return Err(usage(format!("{}: UTF-16 text, wanted UTF-8", path.display())));
    }
    let bound = Bound::new(layout, &head.columns)
        .map_err(|error| usage(format!("{}: {error}", path.display())))?;
    Ok(Some(Shape::new(layout, head.columns.len(), bound)))
}

/// Opens a file and looks at its first bytes.
pub(super) fn sniff(path: &Path) -> Result<(File, Format), PartitionError> {
    let io = |error: std::io::Error| fail(path, &error.to_string());
    let mut file = File::open(path).map_err(io)?;
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let format = match magic.as_slice() {
        b"PAR1" => Format::Parquet,
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Format::Zstd,
        magic => by_name(path, magic)?,
    };
    Ok((file, format))
}

/// A name that promises another format than the bytes keep is an error; an empty file is empty text.
fn by_name(path: &Path, magic: &[u8]) -> Result<Format, PartitionError> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let promised = match extension.as_deref() {
        Some("parquet" | "pq") => "a Parquet file",
        Some("gz") => "gzip",
        Some("zst" | "zstd") => "zstd",
        _ => return Ok(Format::Text),
    };
    if magic.is_empty() {
        return Ok(Format::Text);
    }
    Err(fail(path, &format!("wanted {promised} by its name, but its first bytes are none")))
}

fn inflated(file: File, format: Format) -> std::io::Result<Box<dyn Read + Send>> {
    Ok(match format {
        Format::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Format::Zstd => {
            let mut decoder = zstd::Decoder::new(file)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        Format::Text | Format::Parquet => Box::new(file),
    })
}

/// A file without a record.
struct Nothing;

impl Plan for Nothing {
    fn next(&mut self) -> Result<Planned, PartitionError> {
        Ok(Planned::End)
    }
}
