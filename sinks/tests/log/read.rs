//! The contents of stores as text, in one form whatever they are kept in.

use market::{Cell, Time};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::record::Field;
use sinks::{MemoryKey, MemoryRow, MemorySink, cell_text};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

const TABLES: [&str; 2] = ["aggregated_data", "technical_indicators"];

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All that a store holds: bytes of its files (as numbers of their hash where they are no text), rows of
/// its tables. Without the generation, which counts runs.
pub fn content(folder: &Path) -> BTreeMap<String, String> {
    let mut content = BTreeMap::new();
    files(folder, folder, &mut content);
    content.insert("rows".to_owned(), sqlite_rows(folder));
    content.insert("past".to_owned(), sqlite_past(folder));
    content.insert("revisions_kept".to_owned(), select(folder, "revisions_kept"));
    content.insert("dead_letters".to_owned(), select(folder, "dead_letters"));
    content.insert("sink_progress".to_owned(), select(folder, "sink_progress"));
    content
}

fn files(root: &Path, folder: &Path, content: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            files(root, &path, content);
        } else if !name.starts_with("tidemill.sqlite") {
            let bytes = fs::read(&path).unwrap();
            content.insert(name, bytes.escape_ascii().to_string());
        }
    }
}

fn select(folder: &Path, table: &str) -> String {
    let mut answer = Vec::new();
    let sql = format!("SELECT * FROM {table}");
    sinks::query(folder, &sql, sinks::Format::Json, &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// The derived tables of the SQLite file as text.
pub fn sqlite_rows(folder: &Path) -> String {
    TABLES.iter().map(|table| sqlite(folder, &format!("SELECT * FROM {table}"))).collect()
}

/// The past of the derived tables likewise, the revision behind the values.
pub fn sqlite_past(folder: &Path) -> String {
    let values = ["ts_close, open, high, low, close, volume, vwap, trade_count", "sma_2"];
    let past = |(table, values): (&&str, &str)| {
        let key = "symbol, width, ts_open, seq";
        let ends = "revision, known_at, known_until, deleted";
        let sql = format!(
            "SELECT {key}, {values}, {ends} FROM {table}_revisions ORDER BY {key}, revision"
        );
        sqlite(folder, &sql)
    };
    TABLES.iter().zip(values).map(past).collect()
}

fn sqlite(folder: &Path, sql: &str) -> String {
    let db = rusqlite::Connection::open(folder.join("tidemill.sqlite")).unwrap();
    let mut out = String::new();
    let mut rows = db.prepare(sql).unwrap();
    let columns = rows.column_count();
    let mut rows = rows.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for at in 0..columns {
            let text = match row.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Null => String::new(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Real(value) => value.to_string(),
                other => other.as_str().unwrap().to_owned(),
            };
            write!(out, "{text}|").unwrap();
        }
        writeln!(out).unwrap();
    }
    out
}

/// The final tables of a memory sink in the same form.
pub fn memory_rows(sink: &MemorySink) -> String {
    let memory = sink.memory();
    let mut out = String::new();
    for table in memory.tables.values() {
        let mut rows: Vec<_> = table.rows.iter().collect();
        rows.sort_by_key(|(key, _)| place_of(key));
        for (key, row) in rows {
            writeln!(out, "{}", line(key, row, table.columns.len())).unwrap();
        }
    }
    out
}

/// What the past of its tables is, in the same form.
pub fn memory_past(sink: &MemorySink) -> String {
    let memory = sink.memory();
    let mut out = String::new();
    for table in memory.tables.values() {
        let mut versions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (key, row) in &table.changes {
            versions.entry(place_of(key)).or_default().push((key, row));
        }
        for versions in versions.values() {
            let nexts = versions.iter().skip(1).map(|(_, next)| Some(next)).chain([None]);
            for ((key, row), next) in versions.iter().zip(nexts) {
                let until = next.map(|next| next.known_at.ns().to_string());
                if until.is_some() || row.is_removed {
                    let (line, until) =
                        (line(key, row, table.columns.len()), until.unwrap_or_default());
                    writeln!(out, "{line}{until}|{}|", u8::from(row.is_removed)).unwrap();
                }
            }
        }
    }
    out
}

fn place_of(key: &MemoryKey) -> (String, String, Time, u32) {
    (key.0.to_string(), key.1.to_string(), key.2, key.3)
}

fn line((symbol, width, ts_open, seq): &MemoryKey, row: &MemoryRow, columns: usize) -> String {
    let mut out = format!("{symbol}|{width}|{}|{seq}|", ts_open.ns());
    for cell in &row.cells {
        let text = match cell {
            Cell::Time(time) => time.ns().to_string(),
            Cell::Decimal(value) => value.to_f64().to_string(),
            other => cell_text(other),
        };
        write!(out, "{text}|").unwrap();
    }
    if row.is_removed {
        assert!(row.cells.is_empty(), "what was removed has no values");
        out += &"|".repeat(columns);
    }
    write!(out, "{}|{}|", row.revision, row.known_at.ns()).unwrap();
    out
}

/// The folded files in the same form.
pub fn parquet_rows(folder: &Path) -> String {
    read_parquet(folder, true)
}

/// Of each key in any file the last revision, unless that removed it, in the same form.
pub fn last_parquet_rows(folder: &Path) -> String {
    read_parquet(folder, false)
}

fn read_parquet(folder: &Path, folded: bool) -> String {
    let mut out = String::new();
    for table in TABLES {
        let mut rows = BTreeMap::new();
        let Ok(dates) = fs::read_dir(folder.join("parquet").join(table)) else { continue };
        for date in dates {
            let files: Vec<_> = fs::read_dir(date.unwrap().path()).unwrap().collect();
            assert!(!folded || files.len() == 1, "a folded date is one file");
            for file in files {
                let file = fs::File::open(file.unwrap().path()).unwrap();
                // As Arrow too: the types that readers see.
                ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap()).unwrap();
                let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
                for row in reader {
                    let (place, row) = parquet_row(&row.unwrap());
                    assert!(!folded || !rows.contains_key(&place), "{place:?} is there twice");
                    assert!(!folded || row.1.is_some(), "{place:?} is there no more");
                    let last = rows.entry(place).or_insert((-1, None));
                    *last = row.max(std::mem::take(last));
                }
            }
        }
        for text in rows.values().filter_map(|(_, text)| text.as_ref()) {
            writeln!(out, "{text}").unwrap();
        }
    }
    out
}

type Place = (String, String, i64, i64);

/// A row's place; its revision, and its text where it is there.
fn parquet_row(row: &parquet::record::Row) -> (Place, (i64, Option<String>)) {
    let mut deleted = None;
    let mut texts: Vec<String> = Vec::new();
    for (_, field) in row.get_column_iter() {
        texts.push(match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Long(value) => value.to_string(),
            Field::Double(value) => value.to_string(),
            Field::Bool(value) => {
                deleted = Some(*value);
                continue;
            }
            other => panic!("{other:?}"),
        });
    }
    let deleted = deleted.expect("every file says whether rows were removed");
    let values = &texts[4..texts.len() - 2];
    assert!(!deleted || values.iter().all(String::is_empty), "what was removed has no values");
    let place =
        (texts[0].clone(), texts[1].clone(), texts[2].parse().unwrap(), texts[3].parse().unwrap());
    let revision = texts[texts.len() - 2].parse().unwrap();
    let text = (!deleted).then(|| texts.iter().fold(String::new(), |line, text| line + text + "|"));
    (place, (revision, text))
}
