//! Changes to the outside: SQLite, Parquet, JSON lines, memory, the terminal.
