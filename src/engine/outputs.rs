//! The configured sinks of a store folder, each given the tables it is configured for.

use crate::config::{Config, SinkKind};
use dataflows::Plan;
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec};
use sinks::{LetterLimits, ParquetOptions, Store};

/// Opens them; refused records always go to the store's file too.
pub(super) fn open(
    config: &Config,
    plan: &Plan,
    store: &Store,
) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    let tables: Vec<TableSpec> = plan.tables().iter().map(|table| (**table).clone()).collect();
    let mut opened: Vec<Box<dyn Sink>> = vec![Box::new(store.letters(LetterLimits::default())?)];
    for sink in config.sinks() {
        let wanted = |name: &str| sink.tables.is_empty() || sink.tables.iter().any(|t| t == name);
        let inner: Box<dyn Sink> = match sink.kind {
            SinkKind::Sqlite => {
                let own: Vec<_> =
                    tables.iter().filter(|table| wanted(&table.name)).cloned().collect();
                Box::new(store.sqlite(&own)?)
            }
            SinkKind::Parquet => Box::new(store.parquet(parquet(config))?),
            SinkKind::JsonLines => Box::new(store.jsonl()?),
        };
        opened.push(match sink.tables.is_empty() {
            true => inner,
            false => Box::new(Chosen { tables: sink.tables.clone(), inner }),
        });
    }
    Ok(opened)
}

/// Input that is not held back to a pace ends soon, and what it makes is written once.
fn parquet(config: &Config) -> ParquetOptions {
    let is_paced = config.sources().iter().any(|source| source.pace.is_some());
    if is_paced { ParquetOptions::default() } else { ParquetOptions::replay(config.epoch()) }
}

/// A sink that is given some of the tables.
struct Chosen {
    tables: Vec<String>,
    inner: Box<dyn Sink>,
}

impl Sink for Chosen {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn takes(&self, table: &TableSpec) -> bool {
        self.tables.contains(&table.name) && self.inner.takes(table)
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        self.inner.write(rows)
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.inner.write_letters(letters)
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.inner.flush(before)
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        self.inner.sync()
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.inner.finish()
    }
}
