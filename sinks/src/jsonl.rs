//! JSON lines: `jsonl/<table>.jsonl`, a line a change in the order of the log, decimals exact. A row that was
//! removed is a line without values that says `"deleted":true`.
//!
//! Lines go out as rows come; the mark names the length each file had at the last flush. What lies
//! beyond it when the store is opened again is cut off and written again, so the bytes at the end are
//! those of a run that nothing stopped.

use crate::batch::{Rhythm, done_rows, failed, is_done};
use crate::marks::Marks;
use crate::names::Names;
use market::{Cell, Epoch, Rows, Sink, SinkError};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// A file of lines.
struct Lines {
    out: BufWriter<File>,
    /// Bytes written.
    len: u64,
    /// Bytes at the last flush.
    flushed: u64,
}

/// One file of lines a table.
pub struct JsonlSink {
    folder: PathBuf,
    marks: Marks,
    rhythm: Rhythm,
    mark: Option<Epoch>,
    before: Option<Epoch>,
    files: BTreeMap<String, Lines>,
    names: Names,
    line: Vec<u8>,
    rows: usize,
    flushes: u32,
}

impl JsonlSink {
    /// Opens the files of the store at `store`, cut to their marks.
    ///
    /// # Errors
    /// Fails when they cannot be opened, or are shorter than what was made durable.
    pub fn open(store: &Path, lineage: &str) -> Result<Self, SinkError> {
        Self::open_with(store, lineage, Rhythm::default())
    }

    /// As [`JsonlSink::open`], with a rhythm of one's own.
    ///
    /// # Errors
    /// As [`JsonlSink::open`].
    pub fn open_with(store: &Path, lineage: &str, rhythm: Rhythm) -> Result<Self, SinkError> {
        let folder = store.join(crate::store::JSONL_FOLDER);
        let mut sink = JsonlSink {
            marks: Marks::new(store, "jsonl", lineage),
            rhythm,
            folder,
            mark: None,
            before: None,
            files: BTreeMap::new(),
            names: Names::default(),
            line: Vec::new(),
            rows: 0,
            flushes: 0,
        };
        sink.restore().map_err(failed(format!("jsonl: {}", sink.folder.display())))?;
        Ok(sink)
    }

    fn restore(&mut self) -> io::Result<()> {
        let state = self.marks.load()?.unwrap_or_default();
        self.mark = state.get("before").and_then(Value::as_i64);
        let lengths = state.get("files").and_then(Value::as_object).cloned().unwrap_or_default();
        fs::create_dir_all(&self.folder)?;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let table = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_lines = path.extension().is_some_and(|extension| extension == "jsonl");
            if is_lines && !lengths.contains_key(&table) {
                fs::remove_file(path)?;
            }
        }
        for (table, length) in lengths {
            let lines = self.open_lines(&table, length.as_u64().unwrap_or(0))?;
            self.files.insert(table, lines);
        }
        Ok(())
    }

    fn open_lines(&self, table: &str, len: u64) -> io::Result<Lines> {
        let path = self.folder.join(format!("{table}.jsonl"));
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        if file.metadata()?.len() < len {
            let what = format!("{} is shorter than the {len} bytes stored", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        file.set_len(len)?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(Lines { out: BufWriter::with_capacity(1 << 16, file), len, flushed: len })
    }

    fn write_lines(&mut self, rows: &Rows, first: usize) -> io::Result<()> {
        let table = &rows.table.name;
        if !self.files.contains_key(table) {
            let lines = self.open_lines(table, 0)?;
            self.files.insert(table.clone(), lines);
        }
        self.names.learn(&rows.symbols);
        let Some(lines) = self.files.get_mut(table) else { return Ok(()) };
        let quoted = |name: &str| Value::from(name).to_string();
        let columns: Vec<String> =
            rows.table.columns.iter().map(|c| format!(",{}:", quoted(&c.name))).collect();
        for row in first..rows.len() {
            self.line.clear();
            write_line(&mut self.line, rows, row, &columns, &self.names)?;
            lines.out.write_all(&self.line)?;
            lines.len += self.line.len() as u64;
        }
        self.rows += rows.len() - first;
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let Some(before) = self.before.take() else { return Ok(()) };
        let mut lengths = Map::new();
        for (table, lines) in &mut self.files {
            lines.out.flush()?;
            lines.out.get_ref().sync_data()?;
            lengths.insert(table.clone(), Value::from(lines.flushed));
        }
        let mut state = Map::new();
        state.insert("before".to_owned(), Value::from(before));
        state.insert("files".to_owned(), Value::Object(lengths));
        self.marks.save(state)?;
        self.mark = Some(before);
        (self.rows, self.flushes) = (0, 0);
        Ok(())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> SinkError + use<> {
        failed(format!("jsonl: {}", self.folder.display()))
    }
}

/// One change as a line: key, values or that there are none any more, `revision`, `known_at`.
fn write_line(
    line: &mut Vec<u8>,
    rows: &Rows,
    row: usize,
    columns: &[String],
    names: &Names,
) -> io::Result<()> {
    let key = &rows.keys[row];
    let id = names.id(key.symbol);
    let symbol = Value::from(&**names.text(id));
    let (width, ts_open, seq) = (key.width, key.ts_open.ns(), key.seq);
    write!(
        line,
        "{{\"symbol\":{symbol},\"width\":\"{width}\",\"ts_open\":{ts_open},\"seq\":{seq}"
    )?;
    if key.is_removed() {
        line.extend_from_slice(b",\"deleted\":true");
    }
    let columns = if key.is_removed() { &[] } else { columns };
    for (column, name) in columns.iter().enumerate() {
        line.extend_from_slice(name.as_bytes());
        match rows.cell_at(row, column, || names.scales(id)) {
            Cell::Null => line.extend_from_slice(b"null"),
            Cell::Integer(value) => write!(line, "{value}")?,
            Cell::Decimal(value) => write!(line, "{value}")?,
            // JSON has no infinity.
            Cell::Float(value) if !value.is_finite() => line.extend_from_slice(b"null"),
            Cell::Float(value) => write!(line, "{value}")?,
            Cell::Time(value) => write!(line, "{}", value.ns())?,
        }
    }
    writeln!(line, ",\"revision\":{},\"known_at\":{}}}", key.revision, rows.known_at[row].ns())
}

impl Sink for JsonlSink {
    fn name(&self) -> &str {
        "jsonl"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let first = done_rows(self.mark, rows);
        if first == rows.len() {
            return Ok(());
        }
        self.write_lines(rows, first).map_err(self.failed())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) || self.mark == Some(before) {
            return Ok(());
        }
        self.before = Some(before);
        self.flushes += 1;
        for lines in self.files.values_mut() {
            lines.flushed = lines.len;
        }
        if self.rhythm.is_due(self.rows, self.flushes, before) {
            return self.commit().map_err(self.failed());
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.commit().map_err(self.failed())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.commit().map_err(self.failed())
    }
}

impl Drop for JsonlSink {
    /// A run that was stopped: what was complete is made durable, what was not is cut off.
    fn drop(&mut self) {
        let _ = self.commit();
        for lines in self.files.values_mut() {
            let _ = lines.out.flush().and_then(|()| lines.out.get_ref().set_len(lines.flushed));
        }
    }
}
