//! What differs between databases: types, placeholders, quoting. Everything else is one code.

use market::ColumnKind;

/// A database's way of saying things.
pub trait Dialect {
    /// The type of a column of `kind`.
    fn column_type(&self, kind: ColumnKind) -> &'static str;

    /// The placeholder of parameter `number`, from 1.
    fn placeholder(&self, number: usize) -> String;

    /// What follows the closing parenthesis of CREATE TABLE.
    fn table_suffix(&self) -> &'static str;

    /// An identifier, quoted: names of columns come from configuration.
    fn quoted(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// SQLite: times as integer nanoseconds, decimals as the nearest double. Rows are kept in the order of
/// their key (WITHOUT ROWID), so a table read from front to back is the same however it was written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqlite;

impl Dialect for Sqlite {
    fn column_type(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Text => "TEXT",
            ColumnKind::Integer | ColumnKind::Time => "INTEGER",
            ColumnKind::Decimal | ColumnKind::Float => "REAL",
        }
    }

    fn placeholder(&self, number: usize) -> String {
        format!("?{number}")
    }

    fn table_suffix(&self) -> &'static str {
        " WITHOUT ROWID"
    }
}

/// PostgreSQL: `timestamptz` has microseconds, so a sink passes times as text and the server casts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postgres;

impl Dialect for Postgres {
    fn column_type(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Text => "text",
            ColumnKind::Integer => "bigint",
            ColumnKind::Time => "timestamptz",
            ColumnKind::Decimal => "numeric",
            ColumnKind::Float => "double precision",
        }
    }

    fn placeholder(&self, number: usize) -> String {
        format!("${number}")
    }

    fn table_suffix(&self) -> &'static str {
        ""
    }
}
