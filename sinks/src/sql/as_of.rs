//! The derived tables of a store as they were known at a time, under their own names: views that only one
//! connection has, and that stand before the tables.
//!
//! A view is the rows of the table that were known by then, and of its past the versions that were valid then.
//! Where versions that were valid then are not kept (they were removed, or were never written down: by a
//! program that kept none, by a sink that was added later), a question that names the table is refused.
//! Tables that are not derived, refused records among them, stay as they are.

use super::declare::{columns, whole_since};
use super::dialect::{Dialect, Sqlite};
use super::query::QueryError;
use super::schema::{KEPT, KEY_COLUMNS, REVISIONS, Table};
use market::Time;
use rusqlite::{Connection, OptionalExtension};

/// What every derived table has.
const OF_DERIVED: [&str; 6] = ["symbol", "width", "ts_open", "seq", "revision", "known_at"];

/// Makes the views for the question `sql`, and begins a transaction, so that what it reads is what was looked at.
pub(super) fn look_back(db: &Connection, at: Time, sql: &str) -> Result<(), QueryError> {
    db.execute_batch("PRAGMA temp_store = MEMORY; BEGIN")?;
    let sql = sql.to_lowercase();
    for table in derived(db)? {
        let has_past = !columns(db, &table.revisions_name())?.is_empty();
        let since = since(db, &table.name, has_past)?;
        if let Some(since) = since.filter(|since| *since > at && sql.contains(&table.name)) {
            return Err(QueryError::Forgotten { at, table: table.name, since });
        }
        let name = Sqlite.quoted(&table.name);
        let rows = table.as_of(&Sqlite, "main", &at.ns().to_string(), has_past);
        db.execute_batch(&format!("CREATE TEMP VIEW {name} AS {rows}"))?;
    }
    Ok(())
}

/// The derived tables of a store.
fn derived(db: &Connection) -> rusqlite::Result<Vec<Table>> {
    let mut names =
        db.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY 1")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut tables = Vec::new();
    for name in names.into_iter().filter(|name| !name.ends_with(REVISIONS)) {
        let columns: Vec<_> =
            columns(db, &name)?.into_iter().map(|(name, kind)| (name, kind, true)).collect();
        if OF_DERIVED.iter().all(|wanted| columns.iter().any(|column| column.0 == *wanted)) {
            tables.push(Table { name, columns, key: KEY_COLUMNS });
        }
    }
    Ok(tables)
}

/// Since when a table and its past say what was known; nothing where they always do.
fn since(db: &Connection, table: &str, has_past: bool) -> rusqlite::Result<Option<Time>> {
    if !has_past {
        return whole_since(db, table);
    }
    let sql = format!("SELECT since FROM main.{KEPT} WHERE table_name = ?1");
    let since: Option<i64> = db.query_row(&sql, [table], |row| row.get(0)).optional()?;
    Ok(since.map(Time::from_ns))
}
