//! The rules of `[[sink]]`.

use super::check::{choice, duration, name, within};
use super::raw;
use super::tree::{ConfigError, Tree};
use super::{KafkaTarget, SinkConfig, SinkKind};
use kafka::Settings;
use market::Time;

type Checked<T> = Result<T, ConfigError>;

/// A hundred years, longer than which nothing is kept.
const FOR_EVER_NS: i64 = 36_500 * Time::DAY;

/// What the word of a kind stands for.
#[derive(Clone, Copy)]
enum Word {
    Sqlite,
    Parquet,
    JsonLines,
    Kafka,
    None,
}

/// Every sink, one of a kind in a store, and any number of Kafka's with names of their own.
pub(super) fn sinks(tree: &Tree, list: &[raw::Sink]) -> Checked<Vec<SinkConfig>> {
    let words = [
        ("sqlite", Word::Sqlite),
        ("parquet", Word::Parquet),
        ("jsonl", Word::JsonLines),
        ("kafka", Word::Kafka),
        ("none", Word::None),
    ];
    let tables = [("aggregated_data", ()), ("technical_indicators", ())];
    let mut sinks: Vec<SinkConfig> = Vec::new();
    for (at, raw) in list.iter().enumerate() {
        let path = |key: &str| format!("sink[{at}].{key}");
        for (index, table) in raw.tables.iter().enumerate() {
            choice(tree, &path(&format!("tables[{index}]")), table, &tables)?;
        }
        let kind = match choice(tree, &path("kind"), &raw.kind, &words)? {
            Word::Sqlite => SinkKind::Sqlite,
            Word::Parquet => SinkKind::Parquet,
            Word::JsonLines => SinkKind::JsonLines,
            Word::Kafka => SinkKind::Kafka(Box::new(target(tree, raw, &path)?)),
            Word::None => continue,
        };
        if sinks.iter().any(|sink| sink.kind.name() == kind.name()) {
            return Err(match kind {
                SinkKind::Kafka(_) => {
                    tree.error(&path("name"), "every kafka sink has its own name")
                }
                _ => tree.error(&path("kind"), "there is one sink of a kind in a store"),
            });
        }
        let keep_revisions_ns = match &raw.keep_revisions {
            Some(text) if kind == SinkKind::Sqlite => {
                Some(duration(tree, &path("keep_revisions"), text, 0, FOR_EVER_NS)?)
            }
            Some(_) => {
                let rule = "only a sink of kind sqlite keeps values that were revised";
                return Err(tree.error(&path("keep_revisions"), rule));
            }
            None => None,
        };
        sinks.push(SinkConfig { kind, tables: raw.tables.clone(), keep_revisions_ns });
    }
    Ok(sinks)
}

fn target(tree: &Tree, raw: &raw::Sink, path: &dyn Fn(&str) -> String) -> Checked<KafkaTarget> {
    name(tree, &path("name"), &raw.name)?;
    if !raw.topics_prefix.is_empty() {
        name(tree, &path("topics_prefix"), &raw.topics_prefix)?;
    }
    let Some(brokers) = &raw.brokers else {
        return Err(tree.error(&path("brokers"), "host:port,host:port is wanted"));
    };
    let settings = Settings::new(brokers, raw.kafka.clone())
        .map_err(|error| tree.error(&path("kafka"), error))?;
    let partitions = within(tree, &path("partitions"), raw.partitions, 1, 1024)? as i32;
    let replication = raw.replication.map(|count| within(tree, &path("replication"), count, 1, 15));
    let hour = 3600 * Time::SECOND;
    let retention = duration(tree, &path("retention"), &raw.retention, hour, FOR_EVER_NS)?;
    Ok(KafkaTarget {
        name: raw.name.clone(),
        settings,
        partitions,
        replication: replication.transpose()?.map(|count| count as i32),
        retention_ms: retention / 1_000_000,
        prefix: raw.topics_prefix.clone(),
    })
}
