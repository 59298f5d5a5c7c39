//! Tables in databases: one description of them, a dialect for each database, SQLite as the embedded one.

mod dialect;
mod insert;
mod query;
mod schema;
mod sqlite;

pub use dialect::{Dialect, Postgres, Sqlite};
pub use query::{Format, QueryError, query};
pub(crate) use query::{csv_field, read_only};
pub use schema::Table;
pub use sqlite::SqliteSink;
