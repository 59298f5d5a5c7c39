//! The rows of spans that are still open, kept in a file beside the marks, so that a run which goes on in
//! the middle of a span need not be given them again.
//!
//! ```text
//! record = one line of JSON: the table, its span and date, how many files were cut off, new symbols
//!          then the rows, each as words of 64 bits: key, values
//! ```
//! What is new since the last time is appended; the marks say how many bytes count. A record that tells of
//! one more file cut off makes those before it void. When the file has outgrown what it began with, and when
//! a span was written, the next one begins anew under the other of two names.

use super::buffer::{Buffer, Key, Version};
use super::{Part, Table};
use crate::marks::{aside, put_in_place};
use crate::names::Names;
use market::{ColumnKind, ColumnSpec, TableSpec, Width};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that a file may grow by at least: a quarter of an hour stays far below.
const GROWTH_BYTES: u64 = 64 << 20;
/// Words of a row before its values.
const KEY_WORDS: usize = 4;
/// Beside the width of a row that was removed; no width has so many seconds.
const REMOVED: u32 = 1 << 31;
/// The kinds of columns, by their numbers in a record.
const KINDS: [ColumnKind; 5] = [
    ColumnKind::Text,
    ColumnKind::Integer,
    ColumnKind::Decimal,
    ColumnKind::Float,
    ColumnKind::Time,
];

/// The file of what waits.
pub(super) struct Spool {
    folder: PathBuf,
    /// Which of the two names is in use.
    number: usize,
    /// Open when this run began it.
    file: Option<File>,
    /// Bytes it began with, and bytes now.
    base: u64,
    bytes: u64,
    /// Bytes it may hold beyond twice what it began with.
    growth: u64,
    /// Symbols in it.
    names: usize,
}

/// What the first line of a record says.
struct Head {
    spec: TableSpec,
    span: i64,
    day: i64,
    cut: u32,
    rows: usize,
    names: Vec<Arc<str>>,
}

impl Spool {
    /// That of the store at `store`.
    pub(super) fn new(store: &Path) -> Self {
        let folder = store.join(crate::store::MARKS_FOLDER);
        Spool { folder, number: 0, file: None, base: 0, bytes: 0, growth: GROWTH_BYTES, names: 0 }
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("parquet-{number}.rows"))
    }

    /// Makes all that waits durable. What it returns is how the marks name it: it counts once they do.
    pub(super) fn keep(
        &mut self,
        tables: &mut BTreeMap<String, Table>,
        names: &Names,
    ) -> io::Result<Value> {
        match self.file.take() {
            Some(file) if self.bytes <= 2 * self.base + self.growth => {
                self.append(&file, tables, names)?;
                file.sync_data()?;
                self.file = Some(file);
            }
            _ => self.begin(tables, names)?,
        }
        Ok(json!({"file": self.number, "bytes": self.bytes}))
    }

    fn begin(&mut self, tables: &mut BTreeMap<String, Table>, names: &Names) -> io::Result<()> {
        (self.number, self.names) = (1 - self.number, 0);
        let parts = tables.values_mut().flat_map(|table| table.parts.values_mut());
        parts.for_each(|part| part.kept = None);
        fs::create_dir_all(&self.folder)?;
        let path = self.path(self.number);
        let aside = aside(&path);
        let file = File::create(&aside)?;
        self.append(&file, tables, names)?;
        put_in_place(&file, &aside, &path)?;
        (self.base, self.file) = (self.bytes, Some(file));
        Ok(())
    }

    fn append(
        &mut self,
        mut file: &File,
        tables: &mut BTreeMap<String, Table>,
        names: &Names,
    ) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, file);
        for table in tables.values_mut() {
            for (day, part) in &mut table.parts {
                if part.kept == Some(part.buffer.len()) {
                    continue;
                }
                let first = part.kept.unwrap_or(0);
                let column = |column: &ColumnSpec| {
                    json!([column.name, KINDS.iter().position(|kind| *kind == column.kind)])
                };
                let head = json!({
                    "table": table.spec.name,
                    "columns": table.spec.columns.iter().map(column).collect::<Vec<_>>(),
                    "span": table.span,
                    "day": day,
                    "cut": part.cut,
                    "rows": part.buffer.len() - first,
                    "names": names.texts_from(self.names).iter().map(|t| &**t).collect::<Vec<_>>(),
                });
                writeln!(out, "{head}")?;
                write_rows(&mut out, &part.buffer, first)?;
                self.names += names.texts_from(self.names).len();
                part.kept = Some(part.buffer.len());
            }
        }
        out.flush()?;
        drop(out);
        self.bytes = file.stream_position()?;
        Ok(())
    }

    /// Nothing of it waits any more.
    pub(super) fn end(&mut self) {
        self.file = None;
    }

    /// Removes the files that the marks do not name: of another number, or all of them.
    pub(super) fn remove_void(&self, is_named: bool) -> io::Result<()> {
        for number in 0..2 {
            if is_named && number == self.number {
                continue;
            }
            match fs::remove_file(self.path(number)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        Ok(())
    }

    /// Reads back what [`Spool::keep`] named so.
    pub(super) fn restore(
        &mut self,
        named: &Value,
        names: &mut Names,
    ) -> io::Result<BTreeMap<String, Table>> {
        let number = |key: &str| named.get(key).and_then(Value::as_u64);
        let (Some(file @ 0..2), Some(bytes)) = (number("file"), number("bytes")) else {
            return Err(damaged(&self.folder, "its mark names no file"));
        };
        self.number = file as usize;
        let path = self.path(self.number);
        let file = File::open(&path).map_err(|error| damaged(&path, error))?;
        if file.metadata()?.len() < bytes {
            return Err(damaged(&path, format!("shorter than the {bytes} bytes stored")));
        }
        let mut input = BufReader::with_capacity(1 << 16, file.take(bytes));
        let (mut tables, mut line) = (BTreeMap::new(), Vec::new());
        while input.read_until(b'\n', &mut line)? > 0 {
            let head = Head::read(&line).ok_or_else(|| damaged(&path, "no line of a record"))?;
            head.restore(&mut input, &mut tables, names).map_err(|error| damaged(&path, error))?;
            line.clear();
        }
        Ok(tables)
    }
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}

fn write_rows(out: &mut impl Write, buffer: &Buffer, first: usize) -> io::Result<()> {
    for row in first..buffer.len() {
        let row = row as u32;
        let key = buffer.key(row);
        // A session is a day long, and no day.
        let width = if key.width == Width::SESSION { 0 } else { key.width.seconds() };
        let width = if key.is_removed() { width | REMOVED } else { width };
        let words: [u64; KEY_WORDS] = [
            key.ts_open.cast_unsigned(),
            key.known_at.cast_unsigned(),
            u64::from(key.symbol) << 32 | u64::from(width),
            u64::from(key.seq) << 32 | u64::from(key.revision()),
        ];
        let values = (0..buffer.kinds.len()).map(|column| buffer.value(row, column));
        for word in words.into_iter().chain(values) {
            out.write_all(&word.to_le_bytes())?;
        }
    }
    Ok(())
}

impl Head {
    fn read(line: &[u8]) -> Option<Self> {
        let head: Value = serde_json::from_slice(line).ok()?;
        let column = |column: &Value| {
            let kind = *KINDS.get(usize::try_from(column.get(1)?.as_u64()?).ok()?)?;
            Some(ColumnSpec { name: column.get(0)?.as_str()?.to_owned(), kind })
        };
        let columns = head.get("columns")?.as_array()?.iter().map(column).collect::<Option<_>>()?;
        let names = head.get("names")?.as_array()?.iter().map(|name| Some(name.as_str()?.into()));
        Some(Head {
            spec: TableSpec { name: head.get("table")?.as_str()?.to_owned(), columns },
            span: head.get("span")?.as_i64()?,
            day: head.get("day")?.as_i64()?,
            cut: head.get("cut")?.as_u64()?.try_into().ok()?,
            rows: head.get("rows")?.as_u64()?.try_into().ok()?,
            names: names.collect::<Option<_>>()?,
        })
    }

    fn restore(
        self,
        input: &mut impl Read,
        tables: &mut BTreeMap<String, Table>,
        names: &mut Names,
    ) -> io::Result<()> {
        for name in self.names {
            names.add(name);
        }
        let known = names.texts_from(0).len();
        let table = tables.entry(self.spec.name.clone()).or_insert_with(|| Table {
            spec: Arc::new(self.spec),
            span: self.span,
            parts: BTreeMap::new(),
        });
        let part = table.parts.entry(self.day).or_insert_with(|| Part::new(&table.spec));
        if part.cut != self.cut {
            part.buffer.clear();
            part.cut = self.cut;
        }
        let mut row = vec![0; (KEY_WORDS + part.buffer.kinds.len()) * size_of::<u64>()];
        for _ in 0..self.rows {
            input.read_exact(&mut row)?;
            let (words, _) = row.as_chunks::<{ size_of::<u64>() }>();
            let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
            let mut next = || words.next().unwrap_or_default();
            let (ts_open, known_at, symbol, seq) = (next(), next(), next(), next());
            let (symbol, width) = ((symbol >> 32) as u32, symbol as u32);
            let version = Version::new(seq as u32, width & REMOVED != 0);
            let width = match width & !REMOVED {
                0 => Width::SESSION,
                seconds => Width::from_seconds(seconds).map_err(io::Error::other)?,
            };
            let place = (ts_open.cast_signed(), (seq >> 32) as u32);
            let key = Key::new((symbol, width), place, known_at.cast_signed(), version);
            if key.symbol as usize >= known {
                return Err(io::Error::other("a row of a symbol without a name"));
            }
            part.buffer.push_row(key, words);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ParquetOptions, ParquetSink};
    use market::{Body, Change, RowKey, Rows, Sink, Symbols, TableSpec, Time, Width};
    use std::fs;
    use std::sync::Arc;
    use tempfile::TempDir;

    fn rows(epoch: i64) -> Rows {
        let symbols = Symbols::default();
        let symbol = symbols.intern(b"A").unwrap();
        let (ts_open, width) = (Time::from_ns(epoch), Width::SESSION);
        Rows {
            table: Arc::new(TableSpec::floats("factors", &["x".to_owned()])),
            keys: vec![RowKey {
                epoch,
                ts_open,
                symbol,
                width,
                seq: 0,
                revision: 0,
                change: Change::Added,
            }],
            known_at: vec![ts_open],
            body: Body::Floats { stride: 1, values: vec![0.5] },
            symbols,
        }
    }

    #[test]
    fn a_file_that_has_outgrown_what_it_began_with_is_begun_anew() {
        let (folder, clean) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let options = ParquetOptions { part_rows: 10, ..ParquetOptions::default() };
        let open = |folder: &TempDir| ParquetSink::open(folder.path(), "L", options).unwrap();
        let (mut killed, mut other) = (open(&folder), open(&clean));
        killed.spool.growth = 0;
        let mut bytes = Vec::new();
        for epoch in 0..25 {
            for sink in [&mut killed, &mut other] {
                sink.write(&rows(epoch)).unwrap();
                sink.flush(epoch + 1).unwrap();
            }
            killed.sync().unwrap();
            bytes.push(killed.spool.bytes);
        }
        assert!(bytes.windows(2).filter(|pair| pair[1] < pair[0]).count() > 2, "{bytes:?}");
        // Killed: nothing of it runs any more.
        std::mem::forget(killed);
        let mut again = open(&folder);
        for sink in [&mut again, &mut other] {
            sink.flush(900).unwrap();
        }
        for cut in 0..3 {
            let part = format!("part-g000-255-s00000000000x900-000{cut}.parquet");
            let path = |folder: &TempDir| {
                folder.path().join("parquet/factors/date=1970-01-01").join(&part)
            };
            assert!(fs::read(path(&folder)).unwrap() == fs::read(path(&clean)).unwrap(), "{part}");
        }
    }
}
