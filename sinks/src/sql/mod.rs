//! Tables in databases: one description of them, a dialect for each database, SQLite as the embedded one.

mod as_of;
mod declare;
mod dialect;
mod insert;
mod past;
mod query;
mod schema;
mod sqlite;

pub use dialect::{Dialect, Postgres, Sqlite};
pub use query::{Format, QueryError, query, query_as_of};
pub(crate) use query::{csv_field, read_only};
pub use schema::Table;
pub(crate) use schema::{KEPT, REVISIONS};
pub use sqlite::SqliteSink;
