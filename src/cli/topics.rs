//! `tidemill topics`: the topics of a configuration, listed, made and described.

use super::Failure;
use super::brokers::configuration;
use super::output::{complain, print, print_json};
use super::topic_args::{TopicsAction, TopicsArgs};
use crate::config::{Config, KafkaTarget, SinkKind, SourceConfig, SourceKind};
use crate::engine::{group, grouped, kafka_options, kafka_source, table};
use kafka::{Admin, Group, PartitionName, Settings, Topic, TopicPlan, Topics};
use market::TableSpec;
use serde_json::{Value, json};
use sources::KafkaSourceError;
use std::collections::BTreeMap;

/// Configuration that `describe` shows of a topic.
const SHOWN: [&str; 4] =
    ["cleanup.policy", "retention.ms", "compression.type", "min.insync.replicas"];

/// The topics of one sink, and its brokers.
pub(super) struct Written {
    pub target: KafkaTarget,
    pub plans: Vec<TopicPlan>,
}

/// The topics of one source, and its brokers.
struct Taken {
    settings: Settings,
    names: Vec<String>,
    /// Where it writes what it decides, if it does.
    control: Option<String>,
}

/// A topic with what its brokers say of it.
struct Found {
    name: String,
    /// Whether it is read.
    is_read: bool,
    topic: Option<Topic>,
    records: u64,
    lag: Option<u64>,
}

/// Lists, makes or describes them.
pub(super) fn topics(args: &TopicsArgs) -> Result<u8, Failure> {
    match &args.action {
        TopicsAction::List(flags) => list(&configuration(&flags.config)?, flags.json),
        TopicsAction::Create(flags) => create(&configuration(&flags.config)?, flags.json),
        TopicsAction::Describe(flags) => describe(&configuration(&flags.config)?, flags.json),
    }?;
    Ok(0)
}

/// What the sources read. A pattern that matches nothing stands for itself.
fn taken(config: &Config) -> Result<Vec<Taken>, Failure> {
    let mut all = Vec::new();
    for source in config.sources() {
        let SourceKind::Kafka(kafka) = &source.kind else { continue };
        let names = match kafka_source(kafka).names() {
            Ok(names) => names.into_iter().collect(),
            Err(KafkaSourceError::NoTopic(_)) => {
                kafka.topics.iter().map(ToString::to_string).collect()
            }
            Err(error) => return Err(Failure::failed(error)),
        };
        let control = kafka.idle_after.map(|_| kafka.control.clone());
        all.push(Taken { settings: kafka.settings.clone(), names, control });
    }
    Ok(all)
}

/// What the sinks write.
pub(super) fn written(config: &Config) -> Vec<Written> {
    let mut names = vec!["aggregated_data"];
    if !config.indicators().is_empty() {
        names.push("technical_indicators");
    }
    let mut all = Vec::new();
    for sink in config.sinks() {
        let SinkKind::Kafka(target) = &sink.kind else { continue };
        let wanted = |name: &&&str| {
            sink.tables.is_empty() || sink.tables.iter().any(|table| table == **name)
        };
        let tables: Vec<TableSpec> =
            names.iter().filter(wanted).map(|name| TableSpec::floats(name, &[])).collect();
        let options = kafka_options(config, target, String::new(), Default::default());
        all.push(Written {
            target: (**target).clone(),
            plans: sinks::topic_plans(&options, &tables),
        });
    }
    all
}

/// The same where there is anything of Kafka's to look at.
fn written_or_read(config: &Config) -> Result<Vec<Written>, Failure> {
    let written = written(config);
    let is_read = |source: &SourceConfig| matches!(source.kind, SourceKind::Kafka(_));
    if written.is_empty() && !config.sources().iter().any(is_read) {
        return Err(Failure::usage("the configuration has no source or sink of kind kafka"));
    }
    Ok(written)
}

fn list(config: &Config, as_json: bool) -> Result<(), Failure> {
    let (mut found, written) = (Vec::new(), written_or_read(config)?);
    for taken in taken(config)? {
        found.extend(look(&taken.settings, &group(config), &taken.names, true)?);
    }
    for written in written {
        let names: Vec<String> = written.plans.iter().map(|plan| plan.name.clone()).collect();
        found.extend(look(&written.target.settings, &group(config), &names, false)?);
    }
    if as_json {
        let document: Vec<Value> = found
            .iter()
            .map(|one| {
                json!({
                    "topic": one.name,
                    "direction": if one.is_read { "in" } else { "out" },
                    "exists": one.topic.is_some(),
                    "partitions": one.topic.as_ref().map(|topic| topic.partitions),
                    "replication": one.topic.as_ref().map(|topic| topic.replication),
                    "records": one.records,
                    "lag": one.lag,
                })
            })
            .collect();
        return print_json(&json!({ "group": group(config), "topics": document }));
    }
    let rows: Vec<Vec<String>> = found
        .into_iter()
        .map(|one| {
            let partitions = one.topic.map_or("missing".to_owned(), |t| t.partitions.to_string());
            vec![
                one.name,
                if one.is_read { "in" } else { "out" }.to_owned(),
                partitions,
                grouped(one.records),
                one.lag.map_or("-".to_owned(), grouped),
            ]
        })
        .collect();
    print(&table(&["topic", "", "partitions", "offsets", "lag"], &rows))
}

/// What the brokers say of topics.
fn look(
    settings: &Settings,
    group: &str,
    names: &[String],
    is_read: bool,
) -> Result<Vec<Found>, Failure> {
    let topics = Topics::open(settings).map_err(Failure::failed)?;
    let there = topics.list().map_err(Failure::failed)?;
    let admin = Admin::new(settings).map_err(Failure::failed)?;
    let group = Group::new(settings, group).map_err(Failure::failed)?;
    let mut found = Vec::new();
    for name in names {
        let topic = there.get(name).cloned();
        let count = topic.as_ref().map_or(0, |topic| topic.partitions);
        let partitions: Vec<PartitionName> =
            (0..count.cast_unsigned()).map(|partition| (name.clone(), partition)).collect();
        let (mut records, mut lag) = (0, None);
        if !partitions.is_empty() {
            let bounds = admin.bounds(&partitions).map_err(Failure::failed)?;
            let read = group.committed(&partitions).map_err(Failure::failed)?;
            for (bounds, read) in bounds.iter().zip(read) {
                records += bounds.end - bounds.first;
                let behind = read.map(|next| bounds.end.saturating_sub(next));
                lag = behind.map_or(lag, |behind| Some(lag.unwrap_or(0) + behind));
            }
        }
        found.push(Found { name: name.clone(), is_read, topic, records, lag });
    }
    Ok(found)
}

fn create(config: &Config, as_json: bool) -> Result<(), Failure> {
    let (mut made, mut known) = (Vec::new(), Vec::new());
    for written in written_or_read(config)? {
        let topics = Topics::open(&written.target.settings).map_err(Failure::failed)?;
        let before = topics.list().map_err(Failure::failed)?;
        topics.ensure(&written.plans).map_err(Failure::failed)?;
        for plan in written.plans {
            match before.contains_key(&plan.name) {
                true => known.push(plan.name),
                false => made.push(plan.name),
            }
        }
    }
    if as_json {
        return print_json(&json!({ "made": made, "there": known }));
    }
    if made.is_empty() {
        complain("every topic was there");
    }
    print(&made.iter().map(|name| format!("made {name}\n")).collect::<String>())
}

fn describe(config: &Config, as_json: bool) -> Result<(), Failure> {
    let (mut text, mut documents, mut lines) = (String::new(), Vec::new(), Vec::new());
    for written in written_or_read(config)? {
        let topics = Topics::open(&written.target.settings).map_err(Failure::failed)?;
        let there = topics.list().map_err(Failure::failed)?;
        let names: Vec<&str> = written.plans.iter().map(|plan| plan.name.as_str()).collect();
        let known: Vec<&str> =
            names.iter().filter(|name| there.contains_key(**name)).copied().collect();
        let configs = topics.configs(&known).map_err(Failure::failed)?;
        for name in &names {
            let shown: BTreeMap<&str, &String> =
                configs.get(*name).map_or_else(BTreeMap::new, |c| {
                    SHOWN.iter().filter_map(|key| Some((*key, c.get(*key)?))).collect()
                });
            documents.push(
                json!({ "topic": name, "exists": there.contains_key(*name), "config": shown }),
            );
            let state = if there.contains_key(*name) { "" } else { " (missing)" };
            text += &format!("{name}{state}\n");
            text.extend(shown.iter().map(|(key, value)| format!("  {key}={value}\n")));
        }
        lines.extend(acls(config, &written));
    }
    for taken in taken(config)? {
        lines.extend(acls_of(config, &taken));
    }
    if as_json {
        return print_json(&json!({ "topics": documents, "acls": lines }));
    }
    text += "\nRights that are needed, for the principal User:tidemill:\n";
    text.extend(lines.iter().map(|line| format!("{line}\n")));
    print(&text)
}

/// A right as the tool of Kafka takes it.
fn acl(settings: &Settings, rights: &[&str], of: &str) -> String {
    let brokers = settings.brokers();
    let rights: String = rights.iter().map(|right| format!(" --operation {right}")).collect();
    format!(
        "kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:tidemill{rights} {of}"
    )
}

/// What a source may have to be allowed.
fn acls_of(config: &Config, taken: &Taken) -> Vec<String> {
    let line = |rights: &[&str], of: &str| acl(&taken.settings, rights, of);
    let read =
        taken.names.iter().map(|name| line(&["Describe", "Read"], &format!("--topic {name}")));
    let mut lines: Vec<String> = read.collect();
    lines.push(line(&["Describe", "Read"], &format!("--group {}", group(config))));
    if let Some(control) = &taken.control {
        lines.push(line(&["Create", "Describe", "Read", "Write"], &format!("--topic {control}")));
        let ids = format!("tidemill-{}-control-", config.name());
        let ids = format!("--transactional-id {ids} --resource-pattern-type prefixed");
        lines.push(line(&["Describe", "Write"], &ids));
    }
    lines
}

/// What a sink may have to be allowed.
fn acls(config: &Config, written: &Written) -> Vec<String> {
    let line = |rights: &[&str], of: &str| acl(&written.target.settings, rights, of);
    let topic = |plan: &TopicPlan| {
        let rights = ["Create", "Describe", "DescribeConfigs", "Write"];
        let is_read = plan.name == sinks::PROGRESS_TOPIC;
        let rights: Vec<&str> = rights.into_iter().chain(is_read.then_some("Read")).collect();
        line(&rights, &format!("--topic {}", plan.name))
    };
    let ids = format!("tidemill-{}-{}-", config.name(), written.target.name);
    let writers = format!("--transactional-id {ids} --resource-pattern-type prefixed");
    let own = [line(&["Describe", "Write"], &writers), line(&["IdempotentWrite"], "--cluster")];
    written.plans.iter().map(topic).chain(own).collect()
}
