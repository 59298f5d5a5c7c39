//! The tables as SQL text: CREATE, ADD COLUMN and upsert, from one description for every dialect.
//!
//! A derived table is the key `(symbol, width, ts_open, seq)`, its value columns, `revision` and
//! `known_at`. An upsert names its own columns only, so a column that is no longer configured keeps
//! what it held.

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
        let set = |(name, _, _): &(String, ColumnKind, bool)| {
            let name = dialect.quoted(name);
            format!("{name} = excluded.{name}")
        };
        let sets: Vec<String> = self.columns[self.key..].iter().map(set).collect();
        format!("{} DO UPDATE SET {}", self.insert(dialect), sets.join(", "))
    }

    /// Inserts a row unless there is one with its key.
    pub fn insert_new(&self, dialect: &dyn Dialect) -> String {
        format!("{} DO NOTHING", self.insert(dialect))
    }

    fn insert(&self, dialect: &dyn Dialect) -> String {
        let count = self.columns.len();
        let values: Vec<String> = (1..=count).map(|number| dialect.placeholder(number)).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({})",
            dialect.quoted(&self.name),
            self.names(dialect, 0..count),
            values.join(", "),
            self.names(dialect, 0..self.key),
        )
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
}
