//! `tidemill topics`: the topics of a configuration, listed, made and described.

use super::Failure;
use super::brokers::configuration;
use super::output::{complain, print, print_json};
use super::topic_args::{TopicsAction, TopicsArgs};
use crate::config::{Config, KafkaTarget, SinkKind};
use crate::engine::{grouped, kafka_options, table};
use kafka::{Admin, PartitionName, Settings, Topic, TopicPlan, Topics};
use market::TableSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Configuration that `describe` shows of a topic.
const SHOWN: [&str; 4] =
    ["cleanup.policy", "retention.ms", "compression.type", "min.insync.replicas"];

/// The topics of one sink, and its brokers.
struct Written {
    target: KafkaTarget,
    plans: Vec<TopicPlan>,
}

/// A topic with what its brokers say of it.
struct Found {
    name: String,
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

/// The consumer group that a deployment's positions are shown under.
fn group(config: &Config) -> String {
    format!("tidemill-{}", config.name())
}

fn written(config: &Config) -> Result<Vec<Written>, Failure> {
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
    if all.is_empty() {
        return Err(Failure::usage("the configuration has no source or sink of kind kafka"));
    }
    Ok(all)
}

fn list(config: &Config, as_json: bool) -> Result<(), Failure> {
    let mut found = Vec::new();
    for written in written(config)? {
        let names: Vec<String> = written.plans.iter().map(|plan| plan.name.clone()).collect();
        found.extend(look(&written.target.settings, &group(config), &names)?);
    }
    if as_json {
        let document: Vec<Value> = found
            .iter()
            .map(|one| {
                json!({
                    "topic": one.name,
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
                partitions,
                grouped(one.records),
                one.lag.map_or("-".to_owned(), grouped),
            ]
        })
        .collect();
    print(&table(&["topic", "partitions", "offsets", "lag"], &rows))
}

/// What the brokers say of topics.
fn look(settings: &Settings, group: &str, names: &[String]) -> Result<Vec<Found>, Failure> {
    let topics = Topics::open(settings).map_err(Failure::failed)?;
    let there = topics.list().map_err(Failure::failed)?;
    let admin = Admin::new(settings).map_err(Failure::failed)?;
    let mut found = Vec::new();
    for name in names {
        let topic = there.get(name).cloned();
        let count = topic.as_ref().map_or(0, |topic| topic.partitions);
        let partitions: Vec<PartitionName> =
            (0..count.cast_unsigned()).map(|partition| (name.clone(), partition)).collect();
        let (mut records, mut lag) = (0, None);
        if !partitions.is_empty() {
            let bounds = admin.bounds(&partitions).map_err(Failure::failed)?;
            let read = admin.committed(group, &partitions).map_err(Failure::failed)?;
            for (bounds, read) in bounds.iter().zip(read) {
                records += bounds.end - bounds.first;
                let behind = read.map(|next| bounds.end.saturating_sub(next));
                lag = behind.map_or(lag, |behind| Some(lag.unwrap_or(0) + behind));
            }
        }
        found.push(Found { name: name.clone(), topic, records, lag });
    }
    Ok(found)
}

fn create(config: &Config, as_json: bool) -> Result<(), Failure> {
    let (mut made, mut known) = (Vec::new(), Vec::new());
    for written in written(config)? {
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
    for written in written(config)? {
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
    if as_json {
        return print_json(&json!({ "topics": documents, "acls": lines }));
    }
    text += "\nRights that are needed, for the principal User:tidemill:\n";
    text.extend(lines.iter().map(|line| format!("{line}\n")));
    print(&text)
}

/// What a sink may have to be allowed, as the tool of Kafka takes it.
fn acls(config: &Config, written: &Written) -> Vec<String> {
    let brokers = written.target.settings.brokers();
    let line = |rights: &[&str], of: &str| {
        let rights: String = rights.iter().map(|right| format!(" --operation {right}")).collect();
        format!(
            "kafka-acls.sh --bootstrap-server {brokers} --add --allow-principal User:tidemill{rights} {of}"
        )
    };
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
