//! Changes to the outside: SQLite, Parquet, JSON lines, memory, the terminal, and the file of refused
//! records. A [`Store`] is the folder they share. Every sink is exactly once: what it holds after a
//! kill and a rerun is, byte for byte, what a run that nothing stopped would have left.

mod batch;
mod diff;
mod jsonl;
mod kafka;
mod letters;
mod marks;
mod memory;
mod names;
mod parquet;
mod sql;
mod store;
mod stored;
mod terminal;

pub use batch::Rhythm;
pub use diff::{DiffOptions, RowDiff, Side, TableDiff, diff};
pub use jsonl::JsonlSink;
pub use kafka::{
    KafkaOptions, KafkaSink, PROGRESS_TOPIC, letters_topic, plans as topic_plans, topic_of,
};
pub use letters::{Filter, Letter, LetterError, LetterLimits, LetterSink, Letters, Summary};
pub use memory::{Memory, MemoryKey, MemoryRow, MemorySink, MemoryTable};
pub use parquet::{ParquetOptions, ParquetSink};
pub use sql::{
    Dialect, Format, Postgres, QueryError, Sqlite, SqliteSink, Table, query, query_as_of,
};
pub use store::{Identity, Store, StoreError, difference};
pub use stored::{EachBar, StoredBars};
pub use terminal::{TerminalSink, cell_text, render_table};
