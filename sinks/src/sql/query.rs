//! `tidemill query`: one read-only statement over a store's SQLite file, as it is or as it was known at a time.

use super::as_of::look_back;
use crate::terminal::render_table;
use market::Time;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Rows that a table on the terminal shows; CSV and JSON have no such end.
const TABLE_ROWS_MAX: usize = 10_000;
/// Nothing is written by this connection from now on.
const QUERY_ONLY: &str = "PRAGMA query_only = ON";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned text.
    Table,
    /// RFC 4180, with a header.
    Csv,
    /// An array of objects; numbers as they are stored.
    Json,
}

impl FromStr for Format {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        match text {
            "table" => Ok(Format::Table),
            "csv" => Ok(Format::Csv),
            "json" => Ok(Format::Json),
            _ => Err(QueryError::Format(text.to_owned())),
        }
    }
}

/// Why a question had no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// There is no store.
    #[error(
        "no store at {0}: run `tidemill replay` or `tidemill demo` first, or name its folder with --data"
    )]
    NoStore(PathBuf),
    /// The statement is wrong, or names what is not there.
    #[error("query: {0}")]
    Sql(#[from] rusqlite::Error),
    /// The statement would write.
    #[error("query: a store is only read, and this statement would write")]
    Writes,
    /// More than one statement, or none.
    #[error("query: one SQL statement is wanted, not {0}")]
    Count(&'static str),
    /// What was known then cannot be told any more.
    #[error(
        "--as-of {at}: lies before {since}, up to which versions of {table} that were revised later are not kept"
    )]
    Forgotten {
        /// The time asked for.
        at: Time,
        /// The table.
        table: String,
        /// The first time that can be asked for.
        since: Time,
    },
    /// No such format.
    #[error("format \"{0}\": wanted table, csv or json")]
    Format(String),
    /// The answer could not be written.
    #[error("query: cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
}

impl QueryError {
    /// Whether the question was wrong, rather than the answering.
    pub fn is_usage(&self) -> bool {
        !matches!(self, QueryError::Output(_))
    }
}

/// Opens a file of tables that is only read, a writer beside it waited for.
pub(crate) fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let db = open(path)?;
    db.execute_batch(QUERY_ONLY)?;
    Ok(db)
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.execute_batch("PRAGMA busy_timeout = 5000")?;
    Ok(db)
}

/// Answers `sql` from the store at `folder`; how many rows there were.
///
/// # Errors
/// Fails without a store, for a wrong or writing statement, and when `out` does.
pub fn query(
    folder: &Path,
    sql: &str,
    format: Format,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    query_as_of(folder, sql, None, format, out)
}

/// As [`query`], the derived tables as they were known at a time.
///
/// # Errors
/// As [`query`], and where it cannot be told any more what a table was then.
pub fn query_as_of(
    folder: &Path,
    sql: &str,
    at: Option<Time>,
    format: Format,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    let path = folder.join(crate::store::SQLITE_FILE);
    if !path.is_file() {
        return Err(QueryError::NoStore(folder.to_owned()));
    }
    let db = open(&path)?;
    if let Some(at) = at {
        look_back(&db, at, sql)?;
    }
    // Views are made by writing, to no file of the store.
    db.execute_batch(QUERY_ONLY)?;
    answer(&db, sql, format, out)
}

fn answer(
    db: &Connection,
    sql: &str,
    format: Format,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    let mut batch = rusqlite::Batch::new(db, sql);
    let mut statement = batch.next()?.ok_or(QueryError::Count("none"))?;
    if !statement.readonly() {
        return Err(QueryError::Writes);
    }
    if !matches!(batch.next(), Ok(None)) {
        return Err(QueryError::Count("more"));
    }
    if statement.column_count() == 0 {
        return Err(QueryError::Writes);
    }
    let headers: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    match format {
        Format::Table => as_table(&headers, &mut rows, out),
        Format::Csv => as_csv(&headers, &mut rows, out),
        Format::Json => as_json(&headers, &mut rows, out),
    }
}

fn as_table(
    headers: &[String],
    rows: &mut rusqlite::Rows<'_>,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    let mut shown = Vec::new();
    let mut count = 0u64;
    while let Some(row) = rows.next()? {
        count += 1;
        if shown.len() < TABLE_ROWS_MAX {
            let cell = |at| Ok::<_, rusqlite::Error>(text_of(row.get_ref(at)?));
            shown.push((0..headers.len()).map(cell).collect::<Result<Vec<_>, _>>()?);
        }
    }
    out.write_all(render_table(headers, &shown).as_bytes())?;
    if count > shown.len() as u64 {
        writeln!(out, "... {} of {count} rows; --format csv writes them all", shown.len())?;
    }
    Ok(count)
}

fn as_csv(
    headers: &[String],
    rows: &mut rusqlite::Rows<'_>,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    let header: Vec<String> = headers.iter().map(|name| csv_field(name)).collect();
    writeln!(out, "{}", header.join(","))?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        count += 1;
        for at in 0..headers.len() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}{}", csv_field(&text_of(row.get_ref(at)?)))?;
        }
        writeln!(out)?;
    }
    Ok(count)
}

fn as_json(
    headers: &[String],
    rows: &mut rusqlite::Rows<'_>,
    out: &mut dyn Write,
) -> Result<u64, QueryError> {
    write!(out, "[")?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        write!(out, "{}\n  {{", if count == 0 { "" } else { "," })?;
        count += 1;
        for (at, name) in headers.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let name = serde_json::Value::from(name.as_str());
            write!(out, "{comma}{name}: {}", json_of(row.get_ref(at)?))?;
        }
        write!(out, "}}")?;
    }
    writeln!(out, "{}]", if count == 0 { "" } else { "\n" })?;
    Ok(count)
}

fn text_of(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// JSON of a value; what JSON has no number for (an infinity) is null.
fn json_of(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) if value.is_finite() => value.to_string(),
        ValueRef::Real(_) => "null".to_owned(),
        other => serde_json::Value::from(text_of(other)).to_string(),
    }
}

/// A CSV field, quoted where it must be.
pub(crate) fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
