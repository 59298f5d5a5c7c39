//! The keys of a source of kind kafka, checked.

use super::FilesConfig;
use super::check::{duration, is_plain};
use super::history::history_of;
use super::layout::layout;
use super::raw;
use super::tree::{ConfigError, Tree};
use ::kafka::Settings;
use market::Time;
use sources::{Codec, KafkaStart, LayoutNames, Tape, TopicName};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of the name of a topic, as brokers take it.
const TOPIC_BYTES_MAX: usize = 249;
/// A decision is a transaction; they are not made more often.
const IDLE_LEAST_NS: i64 = 100_000_000;

/// Topics, and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaConfig {
    /// Brokers, and how they are spoken to.
    pub settings: Settings,
    /// Names and patterns.
    pub topics: Vec<TopicName>,
    /// How trades stand in messages.
    pub codec: Codec,
    /// The column map.
    pub columns: Option<String>,
    /// Which records are used.
    pub filter: Option<String>,
    /// The tape by whose rules conditions are looked at.
    pub tape: Option<Tape>,
    /// What these are called in errors.
    pub names: LayoutNames,
    /// Whether symbols are spread over the partitions.
    pub repartition: bool,
    /// What is read before the topics.
    pub history: Option<FilesConfig>,
    /// Where a partition is begun that no checkpoint knows.
    pub start: KafkaStart,
    /// How long a partition is quiet until it is moved on.
    pub idle_after: Option<Duration>,
    /// The control topic.
    pub control: String,
    /// A store whose older bars warm up the indicators of a deployment that begins.
    pub history_store: Option<PathBuf>,
}

/// Checks them.
pub(super) fn kafka_of(
    tree: &Tree,
    source: &raw::Source,
    tape: Option<Tape>,
    path: &dyn Fn(&str) -> String,
) -> Result<KafkaConfig, ConfigError> {
    if source.brokers.trim().is_empty() {
        return Err(tree.error(&path("brokers"), "host:port is wanted, or a list of them"));
    }
    if source.topics.is_empty() {
        return Err(tree.error(&path("topics"), "at least one topic is wanted"));
    }
    let topic = |(index, text): (usize, &String)| {
        topic_of(tree, source, text, &path(&format!("topics[{index}]")))
    };
    let topics = source.topics.iter().enumerate().map(topic).collect::<Result<_, _>>()?;
    let settings = Settings::new(&source.brokers, source.kafka.clone())
        .map_err(|error| tree.error(&path("kafka"), error))?;
    let codec = source.codec.parse();
    let idle_after = source.idle_after.as_deref().map(|text| {
        let ns = duration(tree, &path("idle_after"), text, IDLE_LEAST_NS, Time::DAY)?;
        Ok(Duration::from_nanos(ns.unsigned_abs()))
    });
    if source.control.is_empty() {
        return Err(tree.error(&path("control"), "the name of a topic is wanted"));
    }
    let history = history_of(tree, &source.history, tape, path)?;
    Ok(KafkaConfig {
        settings,
        topics,
        codec: codec.map_err(|error| tree.error(&path("codec"), error))?,
        columns: source.columns.clone(),
        filter: source.r#where.clone(),
        tape,
        names: layout(tree, path, (&source.columns, &source.r#where))?,
        repartition: source.repartition,
        start: start(source.start.as_deref(), history.is_some()).ok_or_else(|| {
            let wanted = "earliest, latest or a time in RFC 3339, as 2024-01-02T14:30:00Z";
            tree.error(&path("start"), format!("{wanted}, is wanted"))
        })?,
        history,
        idle_after: idle_after.transpose()?,
        control: source.control.clone(),
        history_store: source.history.store.as_ref().map(PathBuf::from),
    })
}

/// A name, or a pattern that begins with `^`.
fn topic_of(
    tree: &Tree,
    source: &raw::Source,
    text: &str,
    at: &str,
) -> Result<TopicName, ConfigError> {
    let topic = TopicName::parse(text)
        .map_err(|why| tree.error(at, format!("a regular expression is wanted: {why}")))?;
    if topic.is_pattern() {
        return Ok(topic);
    }
    if !is_plain(text, TOPIC_BYTES_MAX) {
        let rule = "the name of a topic is wanted, 1 to 249 of a-z A-Z 0-9 . _ -";
        return Err(tree.error(at, rule));
    }
    if text == source.control {
        let rule = "the control topic of this source holds decisions, another one is wanted";
        return Err(tree.error(at, rule));
    }
    Ok(topic)
}

/// Of what is kept, history leaves out what it holds.
fn start(text: Option<&str>, has_history: bool) -> Option<KafkaStart> {
    match text {
        None if has_history => Some(KafkaStart::Earliest),
        None | Some("latest") => Some(KafkaStart::Latest),
        Some("earliest") => Some(KafkaStart::Earliest),
        Some(time) => Time::parse(time).ok().map(KafkaStart::At),
    }
}
