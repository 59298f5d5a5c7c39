//! Makes the tables what rows need: a table and its past, with every column that rows bring or brought.

use super::dialect::{Dialect, Sqlite};
use super::schema::Table;
use market::{ColumnKind, TableSpec, Time};
use rusqlite::{Connection, params};

/// Makes the table of `spec` and its past where they are missing, and adds the columns that they lack; the
/// table as it stands then. With `anew` its past is that of another lineage, and nobody's.
pub(super) fn declare(db: &Connection, spec: &TableSpec, anew: bool) -> rusqlite::Result<Table> {
    let mut table = Table::derived(spec);
    db.execute_batch(&table.create(&Sqlite))?;
    let there = columns(db, &table.name)?;
    add_missing(db, &table, &there)?;
    let had_past = !columns(db, &table.revisions_name())?.is_empty();
    if anew || !had_past {
        begin(db, &table, had_past)?;
    }
    for (name, kind) in there {
        if !table.columns.iter().any(|column| column.0 == name) {
            // Behind the values stand the revision and the time.
            table.columns.insert(table.columns.len() - 2, (name, kind, true));
        }
    }
    let past = table.revisions();
    db.execute_batch(&past.create(&Sqlite))?;
    add_missing(db, &past, &columns(db, &past.name)?)?;
    Ok(table)
}

/// The columns of a table that is there, and what they hold; none where it is not there.
pub(super) fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<(String, ColumnKind)>> {
    let kind = |of: &str| match of {
        "TEXT" => ColumnKind::Text,
        "INTEGER" => ColumnKind::Integer,
        _ => ColumnKind::Float,
    };
    // Of the store alone: what else the connection has may be of the same name.
    let mut known = db.prepare("SELECT name, type FROM pragma_table_info(?1, 'main')")?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, kind(row.get_ref(1)?.as_str().unwrap_or_default())))
    };
    known.query_map([table], column)?.collect()
}

fn add_missing(
    db: &Connection,
    table: &Table,
    there: &[(String, ColumnKind)],
) -> rusqlite::Result<()> {
    for (at, (name, _, _)) in table.columns.iter().enumerate() {
        if !there.iter().any(|known| known.0 == *name) {
            db.execute_batch(&table.add_column(&Sqlite, at))?;
        }
    }
    Ok(())
}

/// The past of a table begins. What rows that were revised already were before is not in it, which is written
/// down before it is made: a run that is killed between the two does it again.
fn begin(db: &Connection, table: &Table, had_past: bool) -> rusqlite::Result<()> {
    let kept = Table::revisions_kept();
    db.execute_batch(&kept.create(&Sqlite))?;
    let since = whole_since(db, &table.name)?;
    db.execute(&kept.remove(&Sqlite), [&table.name])?;
    if let Some(since) = since {
        db.execute(&kept.raise(&Sqlite), params![table.name, since.ns()])?;
    }
    match had_past {
        true => db.execute_batch(&table.revisions().clear(&Sqlite)),
        false => Ok(()),
    }
}

/// Since when a table without a past says by itself what was known; always, where nothing was revised.
pub(super) fn whole_since(db: &Connection, table: &str) -> rusqlite::Result<Option<Time>> {
    let table = Sqlite.quoted(table);
    let sql = format!("SELECT max(known_at) FROM main.{table} WHERE revision > 0");
    db.query_row(&sql, [], |row| Ok(row.get::<_, Option<i64>>(0)?.map(Time::from_ns)))
}
