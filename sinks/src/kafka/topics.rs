//! The topics a sink writes: their names, and how those that are missing are made.

use super::KafkaOptions;
use super::marks;
use kafka::{KafkaError, Topic, TopicPlan, Topics};
use market::{TableSpec, Width};
use std::collections::BTreeMap;

/// Where refused records go.
const LETTERS: &str = "dead_letter";
/// The table of bars has a topic for each width.
const BARS: &str = "aggregated_data";

/// The topic of the rows of `table` that are of `width`.
pub fn topic_of(prefix: &str, table: &str, width: Width) -> String {
    match table {
        BARS => format!("{prefix}{table}_{width}"),
        _ => format!("{prefix}{table}"),
    }
}

/// The topic of refused records.
pub fn letters_topic(prefix: &str) -> String {
    format!("{prefix}{LETTERS}")
}

/// Name and version of what a row of `table` is written as.
pub(super) fn schema_of(table: &str) -> String {
    let name = match table {
        BARS => "bar",
        "technical_indicators" => "indicator",
        other => other,
    };
    format!("{name}/1")
}

/// Every topic that a sink of these options writes, as it is made where it is missing.
pub fn plans(options: &KafkaOptions, tables: &[TableSpec]) -> Vec<TopicPlan> {
    let mut names: Vec<String> = Vec::new();
    for table in tables {
        for width in &options.widths {
            names.push(topic_of(&options.prefix, &table.name, *width));
        }
    }
    names.dedup();
    let config = |policy: &str| {
        vec![
            ("cleanup.policy", policy.to_owned()),
            ("compression.type", "zstd".to_owned()),
            ("retention.ms", options.retention_ms.to_string()),
        ]
    };
    let plan = |name, partitions, config| {
        let replication = options.replication.unwrap_or(-1);
        TopicPlan { name, partitions, replication, config }
    };
    let rows =
        names.into_iter().map(|name| plan(name, options.partitions, config("compact,delete")));
    let letters =
        plan(letters_topic(&options.prefix), options.partitions, config("compact,delete"));
    // Small segments: a start reads all that was not compacted yet, and what is being written never is.
    let marks = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.1"),
        ("delete.retention.ms", "60000"),
    ];
    let marks = marks.map(|(name, value)| (name, value.to_owned())).to_vec();
    rows.chain([letters, plan(marks::TOPIC.to_owned(), 1, marks)]).collect()
}

/// Makes what is missing; what there is, by name, and what about it is not as it was to be.
pub(super) fn ensure(
    topics: &Topics,
    plans: &[TopicPlan],
) -> Result<(BTreeMap<String, Topic>, Vec<String>), KafkaError> {
    let there = topics.ensure(plans)?;
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    let mut warnings = Vec::new();
    match topics.configs(&names) {
        Ok(configs) => {
            for plan in plans {
                let Some(config) = configs.get(&plan.name) else { continue };
                warnings.extend(differences(plan, config));
            }
        }
        Err(error) => warnings.push(format!("{error}; whether they are compacted is not known")),
    }
    Ok((there, warnings))
}

/// What readers would miss: a policy that removes what they look for, or a shorter retention.
fn differences(plan: &TopicPlan, config: &BTreeMap<String, String>) -> Vec<String> {
    let wanted = |name: &str| plan.config.iter().find(|(key, _)| *key == name).map(|(_, v)| v);
    let mut list = Vec::new();
    if let (Some(wanted), Some(given)) = (wanted("cleanup.policy"), config.get("cleanup.policy")) {
        let is_compacted = given.split(',').any(|policy| policy.trim() == "compact");
        if !is_compacted {
            list.push(format!("topic {}: cleanup.policy is {given}, not {wanted}", plan.name));
        }
    }
    if let (Some(wanted), Some(given)) = (wanted("retention.ms"), config.get("retention.ms")) {
        // Below zero is for ever.
        let span = |text: &str| text.parse().ok().filter(|ms| *ms >= 0).unwrap_or(i64::MAX);
        if span(given) < span(wanted) {
            list.push(format!("topic {}: retention.ms is {given}, not {wanted}", plan.name));
        }
    }
    list
}
