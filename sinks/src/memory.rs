//! The memory sink: final tables by key and every change in order, removals among them, for laws over
//! whole graphs.
//!
//! Its dump is text that is the same, byte for byte, whenever the tables are: decimals exact, doubles as
//! the shortest text that reads back the same bits.

use market::{Cell, DeadLetter, Epoch, Rows, Sink, SinkError, Time, Width};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};

/// A row's identity: symbol, width, start, seq.
pub type MemoryKey = (Arc<str>, Width, Time, u32);

/// A row as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryRow {
    /// The epoch of the change.
    pub epoch: Epoch,
    /// Corrections of the key so far.
    pub revision: u32,
    /// When it would have been known.
    pub known_at: Time,
    /// Whether the row is not there any more.
    pub is_removed: bool,
    /// One cell a column; none where it was removed.
    pub cells: Vec<Cell>,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryTable {
    /// Names of the value columns.
    pub columns: Vec<String>,
    /// The last row of each key that is there.
    pub rows: BTreeMap<MemoryKey, MemoryRow>,
    /// Every row in the order it came.
    pub changes: Vec<(MemoryKey, MemoryRow)>,
}

/// Everything that was written.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Tables by name.
    pub tables: BTreeMap<String, MemoryTable>,
    /// Refused records in the order they came.
    pub letters: Vec<DeadLetter>,
    /// The last flush.
    pub before: Option<Epoch>,
    /// Whether the input ended.
    pub finished: bool,
}

impl Memory {
    /// The final tables and the letters.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        for (name, table) in &self.tables {
            let rows = table.rows.iter();
            dump_table(&mut out, name, &table.columns, rows);
        }
        self.dump_letters(&mut out);
        out
    }

    /// The tables as they were known at a time.
    #[must_use]
    pub fn as_of(&self, at: Time) -> Memory {
        let mut known = Memory::default();
        for (name, table) in &self.tables {
            let changes = table.changes.iter().filter(|(_, row)| row.known_at <= at);
            for (key, row) in changes {
                let own = known.tables.entry(name.clone()).or_default();
                own.columns.clone_from(&table.columns);
                match row.is_removed {
                    true => drop(own.rows.remove(key)),
                    false => drop(own.rows.insert(key.clone(), row.clone())),
                }
            }
        }
        known
    }

    /// Every change in order, table by table, and the letters.
    pub fn dump_changes(&self) -> String {
        let mut out = String::new();
        for (name, table) in &self.tables {
            let changes = table.changes.iter().map(|(key, row)| (key, row));
            dump_table(&mut out, name, &table.columns, changes);
        }
        self.dump_letters(&mut out);
        out
    }

    fn dump_letters(&self, out: &mut String) {
        for letter in &self.letters {
            let _ = writeln!(out, "refused {letter:?}");
        }
    }
}

fn dump_table<'a>(
    out: &mut String,
    name: &str,
    columns: &[String],
    rows: impl Iterator<Item = (&'a MemoryKey, &'a MemoryRow)>,
) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "{name}: symbol width ts_open seq | {}", columns.join(" "));
    for ((symbol, width, ts_open, seq), row) in rows {
        let _ = write!(out, "{symbol} {width} {} {seq} |", ts_open.ns());
        for cell in &row.cells {
            let _ = match cell {
                Cell::Null => write!(out, " null"),
                Cell::Integer(value) => write!(out, " {value}"),
                Cell::Decimal(value) => write!(out, " {value}"),
                Cell::Float(value) => write!(out, " {value:?}"),
                Cell::Time(value) => write!(out, " {}", value.ns()),
            };
        }
        // Cells of a row that was removed say nothing, so it has none.
        let _ = write!(out, "{}", if row.is_removed { " removed |" } else { " |" });
        let (revision, known_at, epoch) = (row.revision, row.known_at.ns(), row.epoch);
        let _ = writeln!(out, " revision {revision} known_at {known_at} epoch {epoch}");
    }
}

/// Keeps everything; clones share it. As large as what is written, so for tests and small runs.
#[derive(Clone, Default)]
pub struct MemorySink {
    memory: Arc<Mutex<Memory>>,
}

impl MemorySink {
    /// An empty one.
    pub fn new() -> Self {
        MemorySink::default()
    }

    /// A look at what was written so far.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic elsewhere leaves whole rows behind: pushes are the only writes.
        self.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The final tables and the letters as text.
    pub fn dump(&self) -> String {
        self.memory().dump()
    }

    /// Every change in order and the letters as text.
    pub fn dump_changes(&self) -> String {
        self.memory().dump_changes()
    }
}

impl Sink for MemorySink {
    fn name(&self) -> &str {
        "memory"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let mut memory = self.memory();
        let table = memory.tables.entry(rows.table.name.clone()).or_default();
        table.columns = rows.table.columns.iter().map(|column| column.name.clone()).collect();
        for (row, key) in rows.keys.iter().enumerate() {
            let is_removed = key.is_removed();
            let columns = if is_removed { 0..0 } else { 0..rows.table.columns.len() };
            let made = MemoryRow {
                epoch: key.epoch,
                revision: key.revision,
                known_at: rows.known_at[row],
                is_removed,
                cells: columns.map(|column| rows.cell(row, column)).collect(),
            };
            let key = (rows.symbols.text(key.symbol), key.width, key.ts_open, key.seq);
            match is_removed {
                true => drop(table.rows.remove(&key)),
                false => drop(table.rows.insert(key.clone(), made.clone())),
            }
            table.changes.push((key, made));
        }
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.memory().letters.extend_from_slice(letters);
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.memory().before = Some(before);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.memory().finished = true;
        Ok(())
    }
}
