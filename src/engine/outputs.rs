//! The configured sinks of a store folder, each given the tables it is configured for.

use crate::config::{Config, KafkaTarget, SinkConfig, SinkKind, SourceConfig, SourceKind};
use dataflows::Plan;
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec};
use sinks::{KafkaOptions, KafkaSink, LetterLimits, ParquetOptions, Store};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Opens them; refused records always go to the store's file too.
pub(super) fn open(
    config: &Config,
    plan: &Plan,
    store: &Store,
    (generation, stop): (u64, &Arc<AtomicBool>),
) -> Result<Vec<Box<dyn Sink>>, SinkError> {
    let tables: Vec<TableSpec> = plan.tables().iter().map(|table| (**table).clone()).collect();
    let mut opened: Vec<Box<dyn Sink>> = vec![Box::new(store.letters(LetterLimits::default())?)];
    for sink in config.sinks() {
        let own = own_tables(sink, &tables);
        let inner: Box<dyn Sink> = match &sink.kind {
            SinkKind::Sqlite => {
                let opened = store.sqlite(&own)?;
                Box::new(match sink.keep_revisions_ns {
                    Some(ns) => opened.keep_revisions_for(ns),
                    None => opened,
                })
            }
            SinkKind::Parquet => Box::new(store.parquet(parquet(config))?),
            SinkKind::JsonLines => Box::new(store.jsonl()?),
            SinkKind::Kafka(target) => {
                let lineage = store.fingerprint().to_owned();
                let options = kafka_options(config, target, lineage, stop.clone());
                let options = KafkaOptions { generation, ..options };
                let opened = KafkaSink::open(options, &own)?;
                let sink = &*target.name;
                opened.warnings().iter().for_each(|warning| tracing::warn!(sink, "{warning}"));
                Box::new(opened)
            }
        };
        opened.push(match sink.tables.is_empty() {
            true => inner,
            false => Box::new(Chosen { tables: sink.tables.clone(), inner }),
        });
    }
    Ok(opened)
}

/// The tables that a sink is configured for.
fn own_tables(sink: &SinkConfig, tables: &[TableSpec]) -> Vec<TableSpec> {
    let wanted = |name: &str| sink.tables.is_empty() || sink.tables.iter().any(|t| t == name);
    tables.iter().filter(|table| wanted(&table.name)).cloned().collect()
}

/// A configured Kafka sink as the sink takes it.
pub(crate) fn kafka_options(
    config: &Config,
    target: &KafkaTarget,
    lineage: String,
    stop: Arc<AtomicBool>,
) -> KafkaOptions {
    KafkaOptions {
        settings: target.settings.clone(),
        deployment: config.name().to_owned(),
        name: target.name.clone(),
        lineage,
        generation: 0,
        writers: vec![0],
        prefix: target.prefix.clone(),
        partitions: target.partitions,
        replication: target.replication,
        retention_ms: target.retention_ms,
        widths: config.widths().to_vec(),
        stop,
    }
}

/// Files that are not held back to a pace end soon, and what they make is written once.
pub(super) fn parquet(config: &Config) -> ParquetOptions {
    let is_live = |source: &SourceConfig| {
        source.pace.is_some() || matches!(source.kind, SourceKind::Kafka(_))
    };
    if config.sources().iter().any(is_live) {
        ParquetOptions::default()
    } else {
        ParquetOptions::replay(config.epoch())
    }
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
