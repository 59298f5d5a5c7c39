//! What becomes of the versions of a row that are not valid any more: they go to the past of its table.
//!
//! ```text
//! the first of a key in a transaction   the version that stood before, from the table to the past; a key that
//!                                       returns ends the time for which the past says that it was deleted
//! one that another one follows          straight to the past
//! a removal that nothing follows        out of the table, and to the past without an end
//! ```
//! A row of revision 0 that nothing follows has no past and costs nothing here.

use super::dialect::{Dialect, Sqlite};
use super::insert::bind_cells;
use super::schema::{KEY_COLUMNS, Table};
use market::{Change, Rows, Scales, Time};
use rusqlite::types::Null;
use rusqlite::{CachedStatement, Connection, Statement, params};

/// A row of a batch, and the text of its symbol.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    pub symbol: &'a str,
    pub scales: Scales,
    pub rows: &'a Rows,
    pub row: usize,
}

/// The past of a table that rows are written to.
pub(super) struct Past<'a> {
    db: &'a Connection,
    /// With the columns that the rows bring.
    table: &'a Table,
    /// With all columns there are.
    stands: &'a Table,
    statements: Option<Statements<'a>>,
    /// The greatest time of a row whose version before this is not there.
    unknown: Option<Time>,
}

/// Prepared when a row first has a past.
struct Statements<'a> {
    supersede: CachedStatement<'a>,
    returned: CachedStatement<'a>,
    keep: CachedStatement<'a>,
    remove: CachedStatement<'a>,
}

/// The statement that writes rows of `table`, NULL in the other columns of the table as it `stands`.
pub(super) fn upsert(table: &Table, stands: &Table) -> String {
    let mut upsert = table.upsert(&Sqlite);
    for (name, ..) in &stands.columns {
        if !table.columns.iter().any(|column| column.0 == *name) {
            upsert += &format!(", {} = NULL", Sqlite.quoted(name));
        }
    }
    upsert
}

impl<'a> Past<'a> {
    pub(super) fn new(db: &'a Connection, table: &'a Table, stands: &'a Table) -> Self {
        Past { db, table, stands, statements: None, unknown: None }
    }

    /// Takes a version; `is_first` of its key in this transaction, and followed by one that was known `until`
    /// then. Whether it is done with, and does not belong in the table.
    pub(super) fn take(
        &mut self,
        version: Version<'_>,
        is_first: bool,
        until: Option<Time>,
    ) -> rusqlite::Result<bool> {
        let key = version.rows.keys[version.row];
        let statements = match &mut self.statements {
            Some(known) => known,
            none => none.insert(Statements::prepare(self.db, self.table, self.stands)?),
        };
        if is_first && key.revision > 0 && !statements.settle(version)? {
            self.unknown = self.unknown.max(Some(version.rows.known_at[version.row]));
        }
        if until.is_some() || key.is_removed() {
            statements.keep(version, until)?;
        }
        if until.is_none() && key.is_removed() {
            bind_key(&mut statements.remove, version)?;
            statements.remove.raw_execute()?;
        }
        Ok(until.is_some() || key.is_removed())
    }

    /// Writes down since when the past is whole, where it was found not to be.
    pub(super) fn end(self) -> rusqlite::Result<()> {
        match self.unknown {
            Some(since) => keeps_since(self.db, &self.table.name, since),
            None => Ok(()),
        }
    }
}

/// Writes down that the past of a table is whole only since then.
pub(super) fn keeps_since(db: &Connection, table: &str, since: Time) -> rusqlite::Result<()> {
    let raise = Table::revisions_kept().raise(&Sqlite);
    db.prepare_cached(&raise)?.execute(params![table, since.ns()]).map(drop)
}

impl<'a> Statements<'a> {
    fn prepare(db: &'a Connection, table: &Table, stands: &Table) -> rusqlite::Result<Self> {
        let past = stands.revisions();
        Ok(Statements {
            supersede: db.prepare_cached(&stands.supersede(&Sqlite))?,
            returned: db.prepare_cached(&past.returned(&Sqlite))?,
            keep: db.prepare_cached(&upsert(&table.revisions(), &past))?,
            remove: db.prepare_cached(&table.remove(&Sqlite))?,
        })
    }

    /// Ends the version that was valid before this one; whether there was one.
    fn settle(&mut self, version: Version<'_>) -> rusqlite::Result<bool> {
        let put = match version.rows.keys[version.row].change {
            Change::Added => &mut self.returned,
            Change::Revised | Change::Removed => &mut self.supersede,
        };
        bind_key(put, version)?;
        put.raw_bind_parameter(KEY_COLUMNS + 1, version.rows.known_at[version.row].ns())?;
        Ok(put.raw_execute()? > 0)
    }

    /// Writes a version to the past.
    fn keep(&mut self, version: Version<'_>, until: Option<Time>) -> rusqlite::Result<()> {
        let Version { scales, rows, row, .. } = version;
        let (put, key) = (&mut self.keep, rows.keys[row]);
        bind_key(put, version)?;
        put.raw_bind_parameter(KEY_COLUMNS + 1, i64::from(key.revision))?;
        let first = KEY_COLUMNS + 2;
        let end = first + rows.table.columns.len();
        if key.is_removed() {
            (first..end).try_for_each(|at| put.raw_bind_parameter(at, Null))?;
        } else {
            bind_cells(put, first, rows, row, scales)?;
        }
        put.raw_bind_parameter(end, rows.known_at[row].ns())?;
        put.raw_bind_parameter(end + 1, until.map(Time::ns))?;
        put.raw_bind_parameter(end + 2, i64::from(key.is_removed()))?;
        put.raw_execute().map(drop)
    }
}

fn bind_key(put: &mut Statement<'_>, version: Version<'_>) -> rusqlite::Result<()> {
    let key = version.rows.keys[version.row];
    put.raw_bind_parameter(1, version.symbol)?;
    put.raw_bind_parameter(2, key.width.to_string())?;
    put.raw_bind_parameter(3, key.ts_open.ns())?;
    put.raw_bind_parameter(4, i64::from(key.seq))
}
