//! The tables as SQL text: CREATE, ADD COLUMN, upsert, and what moves a row that was revised to the past,
//! from one description for every dialect.
//!
//! A derived table is the key `(symbol, width, ts_open, seq)`, its value columns, `revision` and
//! `known_at`. An upsert names its own columns only, so a column that is no longer configured keeps
//! what it held.
//!
//! Beside it stands its past, `<table>_revisions`: every version that is not valid any more, and since when.
//! ```text
//! version r of a key   values   known_at   known_until = known_at of version r + 1   deleted 0
//! removed by r         NULL     known_at   the same, NULL while it has not returned  deleted 1
//! ```
//! What was known at T is, of table and past together, `known_at <= T < known_until` that is not deleted.

use super::dialect::Dialect;
use market::{ColumnKind, TableSpec};

/// A table of any kind: its columns, of which the first `key` are the primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Name, kind, and whether it may be NULL.
    pub columns: Vec<(String, ColumnKind, bool)>,
    /// Columns of the primary key, at the front.
    pub key: usize,
}

/// Columns of a derived table before its values.
pub(crate) const KEY_COLUMNS: usize = 4;
/// What the name of a derived table's past ends with.
pub(crate) const REVISIONS: &str = "_revisions";
/// The table that says since when each past is whole.
pub(crate) const KEPT: &str = "revisions_kept";

fn table(name: &str, key: usize, columns: &[(&str, ColumnKind)]) -> Table {
    let nullable = |at: usize| at >= key;
    let column = |(at, (name, kind)): (usize, &(&str, ColumnKind))| {
        ((*name).to_owned(), *kind, nullable(at))
    };
    let columns = columns.iter().enumerate().map(column).collect();
    Table { name: name.to_owned(), columns, key }
}

impl Table {
    /// The table of derived rows that `spec` describes.
    pub fn derived(spec: &TableSpec) -> Table {
        use ColumnKind::{Integer, Text, Time};
        let key = [("symbol", Text), ("width", Text), ("ts_open", Time), ("seq", Integer)];
        let mut made = table(&spec.name, KEY_COLUMNS, &key);
        made.columns.extend(spec.columns.iter().map(|c| (c.name.clone(), c.kind, true)));
        made.columns.push(("revision".to_owned(), Integer, false));
        made.columns.push(("known_at".to_owned(), Time, false));
        made
    }

    /// The past of this derived table. `revision` is part of its key, and so stands before the values.
    pub fn revisions(&self) -> Table {
        use ColumnKind::{Integer, Time};
        // Revision and time are the last columns of every derived table.
        let (key, others) = self.columns.split_at(self.key);
        let (values, ends) = others.split_at(others.len().saturating_sub(2));
        let mut columns = [key, &ends[..1], values, &ends[1..]].concat();
        columns.push(("known_until".to_owned(), Time, true));
        columns.push(("deleted".to_owned(), Integer, false));
        Table { name: self.revisions_name(), columns, key: self.key + 1 }
    }

    /// The name of this derived table's past.
    pub fn revisions_name(&self) -> String {
        format!("{}{REVISIONS}", self.name)
    }

    /// Since when the past of each derived table is whole: what was known earlier cannot be told.
    pub fn revisions_kept() -> Table {
        let columns = [("table_name", ColumnKind::Text), ("since", ColumnKind::Time)];
        table(KEPT, 1, &columns)
    }

    /// Refused records.
    pub fn dead_letters() -> Table {
        use ColumnKind::{Integer, Text, Time};
        let columns = [
            ("partition", Integer),
            ("offset", Integer),
            ("reason", Text),
            ("epoch", Integer),
            ("source", Text),
            ("symbol", Text),
            ("ts_event", Time),
            ("detail", Text),
            ("raw", Text),
        ];
        table("dead_letters", 3, &columns)
    }

    /// How far each sink came, by lineage and range of key groups.
    pub fn sink_progress() -> Table {
        use ColumnKind::{Integer, Text};
        let columns = [
            ("sink", Text),
            ("lineage", Text),
            ("first_group", Integer),
            ("last_group", Integer),
            ("epoch", Integer),
        ];
        table("sink_progress", 4, &columns)
    }

    /// Which generation may write.
    pub fn sink_owner() -> Table {
        let columns = [("sink", ColumnKind::Text), ("generation", ColumnKind::Integer)];
        table("sink_owner", 1, &columns)
    }

    /// CREATE TABLE, unless it is there.
    pub fn create(&self, dialect: &dyn Dialect) -> String {
        let column = |(name, kind, nullable): &(String, ColumnKind, bool)| {
            let null = if *nullable { "" } else { " NOT NULL" };
            format!("{} {}{null}", dialect.quoted(name), dialect.column_type(*kind))
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({}, PRIMARY KEY ({})){}",
            dialect.quoted(&self.name),
            columns.join(", "),
            self.names(dialect, 0..self.key),
            dialect.table_suffix(),
        )
    }

    /// Adds column number `at`, NULL in the rows that are there.
    pub fn add_column(&self, dialect: &dyn Dialect, at: usize) -> String {
        let (name, kind, _) = &self.columns[at];
        let (table, column) = (dialect.quoted(&self.name), dialect.quoted(name));
        format!("ALTER TABLE {table} ADD COLUMN {column} {}", dialect.column_type(*kind))
    }

    /// Inserts a row or replaces the values of the one with its key.
    pub fn upsert(&self, dialect: &dyn Dialect) -> String {
        format!("{} {}", self.insert(dialect), self.or_replace(dialect))
    }

    /// Inserts a row unless there is one with its key.
    pub fn insert_new(&self, dialect: &dyn Dialect) -> String {
        let key = self.names(dialect, 0..self.key);
        format!("{} ON CONFLICT ({key}) DO NOTHING", self.insert(dialect))
    }

    /// Of a derived table: copies the row of a key to the past, where it was valid until parameter 5.
    pub fn supersede(&self, dialect: &dyn Dialect) -> String {
        let past = self.revisions();
        format!(
            "INSERT INTO {} ({}) SELECT {}, {}, 0 FROM {} WHERE {} {}",
            dialect.quoted(&past.name),
            past.names(dialect, 0..past.columns.len()),
            past.names(dialect, 0..past.columns.len() - 2),
            dialect.placeholder(self.key + 1),
            dialect.quoted(&self.name),
            self.is_of(dialect, self.key),
            past.or_replace(dialect),
        )
    }

    /// Removes the row of a key.
    pub fn remove(&self, dialect: &dyn Dialect) -> String {
        let name = dialect.quoted(&self.name);
        format!("DELETE FROM {name} WHERE {}", self.is_of(dialect, self.key))
    }

    /// Removes all rows.
    pub fn clear(&self, dialect: &dyn Dialect) -> String {
        format!("DELETE FROM {}", dialect.quoted(&self.name))
    }

    /// Inserts a row, or replaces the one with its key where that is less in the column behind the key.
    pub fn raise(&self, dialect: &dyn Dialect) -> String {
        let (name, column) =
            (dialect.quoted(&self.name), dialect.quoted(&self.columns[self.key].0));
        format!("{} WHERE {name}.{column} < excluded.{column}", self.upsert(dialect))
    }

    /// Of the past of a derived table: the key that was removed is there again since parameter 5.
    pub fn returned(&self, dialect: &dyn Dialect) -> String {
        let (name, until) = (dialect.quoted(&self.name), dialect.quoted("known_until"));
        let (at, key) = (dialect.placeholder(self.key), self.is_of(dialect, self.key - 1));
        format!("UPDATE {name} SET {until} = {at} WHERE {key} AND {until} IS NULL")
    }

    /// Of the past of a derived table: forgets versions that were not valid any more at parameter 1.
    pub fn forget(&self, dialect: &dyn Dialect) -> String {
        let (name, until) = (dialect.quoted(&self.name), dialect.quoted("known_until"));
        format!("DELETE FROM {name} WHERE {until} < {}", dialect.placeholder(1))
    }

    /// Of the past of a derived table: until when the newest of those versions was valid.
    pub fn newest_before(&self, dialect: &dyn Dialect) -> String {
        let (name, until) = (dialect.quoted(&self.name), dialect.quoted("known_until"));
        format!("SELECT max({until}) FROM {name} WHERE {until} < {}", dialect.placeholder(1))
    }

    /// Of a derived table: its rows as they were known `at`, which is an expression; of the table and, where there
    /// is one, of its past, both in `schema`.
    pub fn as_of(&self, dialect: &dyn Dialect, schema: &str, at: &str, has_past: bool) -> String {
        let columns = self.names(dialect, 0..self.columns.len());
        let from = |name: &str| format!("{}.{}", dialect.quoted(schema), dialect.quoted(name));
        let [known, until] = ["known_at", "known_until"].map(|name| dialect.quoted(name));
        let newest = format!("SELECT {columns} FROM {} WHERE {known} <= {at}", from(&self.name));
        if !has_past {
            return newest;
        }
        let (past, deleted) = (from(&self.revisions_name()), dialect.quoted("deleted"));
        format!(
            "{newest} UNION ALL SELECT {columns} FROM {past} \
             WHERE {known} <= {at} AND {until} > {at} AND {deleted} = 0"
        )
    }

    fn insert(&self, dialect: &dyn Dialect) -> String {
        let count = self.columns.len();
        let values: Vec<String> = (1..=count).map(|number| dialect.placeholder(number)).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({})",
            dialect.quoted(&self.name),
            self.names(dialect, 0..count),
            values.join(", "),
        )
    }

    /// What follows an INSERT that replaces the values of a row with the same key.
    fn or_replace(&self, dialect: &dyn Dialect) -> String {
        let set = |(name, _, _): &(String, ColumnKind, bool)| {
            let name = dialect.quoted(name);
            format!("{name} = excluded.{name}")
        };
        let sets: Vec<String> = self.columns[self.key..].iter().map(set).collect();
        let key = self.names(dialect, 0..self.key);
        format!("ON CONFLICT ({key}) DO UPDATE SET {}", sets.join(", "))
    }

    /// That the first `count` columns are the first parameters.
    fn is_of(&self, dialect: &dyn Dialect, count: usize) -> String {
        let is = |(at, (name, _, _)): (usize, &(String, ColumnKind, bool))| {
            format!("{} = {}", dialect.quoted(name), dialect.placeholder(at + 1))
        };
        let all: Vec<String> = self.columns[..count].iter().enumerate().map(is).collect();
        all.join(" AND ")
    }

    fn names(&self, dialect: &dyn Dialect, range: std::ops::Range<usize>) -> String {
        let names: Vec<String> = self.columns[range].iter().map(|c| dialect.quoted(&c.0)).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::{Postgres, Sqlite};
    use super::*;

    #[test]
    fn one_description_two_dialects() {
        let table = Table::derived(&TableSpec::floats("factors", &["a\"b".to_owned()]));
        assert_eq!(
            table.create(&Sqlite),
            "CREATE TABLE IF NOT EXISTS \"factors\" (\"symbol\" TEXT NOT NULL, \"width\" TEXT NOT NULL, \
             \"ts_open\" INTEGER NOT NULL, \"seq\" INTEGER NOT NULL, \"a\"\"b\" REAL, \"revision\" INTEGER NOT NULL, \
             \"known_at\" INTEGER NOT NULL, PRIMARY KEY (\"symbol\", \"width\", \"ts_open\", \"seq\")) WITHOUT ROWID"
        );
        assert_eq!(
            Table::sink_owner().upsert(&Postgres),
            "INSERT INTO \"sink_owner\" (\"sink\", \"generation\") VALUES ($1, $2) \
             ON CONFLICT (\"sink\") DO UPDATE SET \"generation\" = excluded.\"generation\""
        );
        assert_eq!(
            table.add_column(&Postgres, 4),
            "ALTER TABLE \"factors\" ADD COLUMN \"a\"\"b\" double precision"
        );
    }

    #[test]
    fn a_table_and_its_past() {
        let table = Table::derived(&TableSpec::floats("factors", &["x".to_owned()]));
        let past = table.revisions();
        assert_eq!(
            past.create(&Postgres),
            "CREATE TABLE IF NOT EXISTS \"factors_revisions\" (\"symbol\" text NOT NULL, \"width\" text NOT NULL, \
             \"ts_open\" timestamptz NOT NULL, \"seq\" bigint NOT NULL, \"revision\" bigint NOT NULL, \
             \"x\" double precision, \"known_at\" timestamptz NOT NULL, \"known_until\" timestamptz, \
             \"deleted\" bigint NOT NULL, \
             PRIMARY KEY (\"symbol\", \"width\", \"ts_open\", \"seq\", \"revision\"))"
        );
        let key = "\"symbol\" = $1 AND \"width\" = $2 AND \"ts_open\" = $3 AND \"seq\" = $4";
        assert_eq!(
            table.supersede(&Postgres),
            format!(
                "INSERT INTO \"factors_revisions\" (\"symbol\", \"width\", \"ts_open\", \"seq\", \"revision\", \
                 \"x\", \"known_at\", \"known_until\", \"deleted\") SELECT \"symbol\", \"width\", \"ts_open\", \
                 \"seq\", \"revision\", \"x\", \"known_at\", $5, 0 FROM \"factors\" WHERE {key} \
                 ON CONFLICT (\"symbol\", \"width\", \"ts_open\", \"seq\", \"revision\") DO UPDATE SET \
                 \"x\" = excluded.\"x\", \"known_at\" = excluded.\"known_at\", \
                 \"known_until\" = excluded.\"known_until\", \"deleted\" = excluded.\"deleted\""
            )
        );
        assert_eq!(
            past.returned(&Postgres),
            format!(
                "UPDATE \"factors_revisions\" SET \"known_until\" = $5 WHERE {key} AND \"known_until\" IS NULL"
            )
        );
        assert_eq!(table.remove(&Postgres), format!("DELETE FROM \"factors\" WHERE {key}"));
        assert_eq!(
            table.as_of(&Sqlite, "main", "7", true),
            "SELECT \"symbol\", \"width\", \"ts_open\", \"seq\", \"x\", \"revision\", \"known_at\" \
             FROM \"main\".\"factors\" WHERE \"known_at\" <= 7 UNION ALL SELECT \"symbol\", \"width\", \
             \"ts_open\", \"seq\", \"x\", \"revision\", \"known_at\" FROM \"main\".\"factors_revisions\" \
             WHERE \"known_at\" <= 7 AND \"known_until\" > 7 AND \"deleted\" = 0"
        );
    }
}
