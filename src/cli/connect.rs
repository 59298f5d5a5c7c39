//! `tidemill check --connect`: whether the brokers of a configuration are there, and which topics.

use super::Failure;
use super::topics::written;
use crate::config::{Config, KafkaConfig, SourceConfig, SourceKind};
use crate::engine::kafka_source;
use kafka::{Admin, KafkaError, Settings, Topic, Topics};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long brokers may take to answer.
const WAIT: Duration = Duration::from_secs(5);

/// What brokers said.
#[derive(Default)]
pub(super) struct Asked {
    /// What is there, and what a start would make, a line each.
    pub does: Vec<String>,
    /// What is not there that a start cannot make.
    pub stops: Vec<String>,
    /// Brokers that did not answer.
    pub silent: Vec<String>,
    /// The topics, for machines.
    pub topics: Vec<Value>,
}

/// Asks those of every source and sink.
pub(super) fn ask(config: &Config) -> Result<Asked, Failure> {
    let mut asked = Asked::default();
    for source in config.sources() {
        if let SourceKind::Kafka(kafka) = &source.kind {
            let of = format!("source \"{}\"", source.name);
            match listed(&kafka.settings) {
                Ok(there) => asked.source(&of, source, kafka, &there),
                Err(error) => asked.silent.push(format!("{of}: {error}")),
            }
        }
    }
    for written in written(config) {
        let of = format!("sink \"{}\"", written.target.name);
        match listed(&written.target.settings) {
            Ok(there) => {
                for plan in &written.plans {
                    asked.made(&of, &plan.name, there.get(&plan.name));
                }
            }
            Err(error) => asked.silent.push(format!("{of}: {error}")),
        }
    }
    Ok(asked)
}

/// Every topic that may be seen, from brokers that answer soon.
fn listed(settings: &Settings) -> Result<BTreeMap<String, Topic>, KafkaError> {
    Admin::new(settings)?.look(WAIT)?;
    Topics::open(settings)?.list()
}

impl Asked {
    fn source(
        &mut self,
        of: &str,
        source: &SourceConfig,
        kafka: &KafkaConfig,
        there: &BTreeMap<String, Topic>,
    ) {
        let reads = kafka_source(kafka);
        for given in &kafka.topics {
            let found: Vec<(&String, &Topic)> =
                there.iter().filter(|(name, _)| reads.means(given, name)).collect();
            let topic = |(name, topic): &(&String, &Topic)| {
                format!("{name} with {} partition(s)", topic.partitions)
            };
            let words: Vec<String> = found.iter().map(topic).collect();
            match (words.is_empty(), given.is_pattern()) {
                (true, true) => self.stops.push(format!("{of}: \"{given}\" matches no topic")),
                (true, false) => self.stops.push(format!("{of}: there is no topic \"{given}\"")),
                (false, true) => {
                    self.does.push(format!(
                        "read \"{}\": {given} matches {}",
                        source.name,
                        words.join(", ")
                    ));
                }
                (false, false) => self.does.push(format!("read \"{}\": {}", source.name, words[0])),
            }
            let names: Vec<&String> = found.iter().map(|(name, _)| *name).collect();
            self.topics.push(json!({ "of": of, "given": given.text(), "found": names }));
        }
        self.made(of, &kafka.control, there.get(&kafka.control));
    }

    /// A topic that a start makes where it is missing.
    fn made(&mut self, of: &str, name: &str, topic: Option<&Topic>) {
        let state = match topic {
            Some(topic) => format!("is there with {} partition(s)", topic.partitions),
            None => "is made".to_owned(),
        };
        self.does.push(format!("write {of}: topic {name}, which {state}"));
        let found: Vec<&str> = topic.map(|_| name).into_iter().collect();
        self.topics.push(json!({ "of": of, "given": name, "found": found }));
    }
}
