//! `tidemill diff`: what two deployments wrote, compared key by key. Exits with 1 where it differs.

use super::Failure;
use super::brokers::configuration;
use super::output::{print, print_json};
use super::store_args::DiffArgs;
use crate::config::SinkKind;
use crate::engine::{grouped, kafka_options};
use kafka::{KafkaError, Settings, Topics, read_committed};
use market::{TableSpec, Time};
use serde_json::{Value, json};
use sinks::{DiffOptions, PROGRESS_TOPIC, RowDiff, Side, TableDiff, topic_plans};
use std::path::Path;
use std::sync::Arc;

/// Compares them.
pub(super) fn diff(args: &DiffArgs) -> Result<u8, Failure> {
    let time = |flag: &str, given: &Option<String>| {
        let parse = |text: &String| {
            let wanted = format!("{flag}: wanted a time as 2024-01-02T14:30:00Z");
            Time::parse(text).map_err(|_| Failure::usage(wanted))
        };
        given.as_ref().map(parse).transpose()
    };
    let (from, to) = (time("--from", &args.from)?, time("--to", &args.to)?);
    let options = DiffOptions { exact: args.exact, from, to, shown: args.rows };
    let sides = match (&args.stores[..], &args.config[..]) {
        ([one, other], _) => [store(one)?, store(other)?],
        (_, [one, other]) => [topics(one)?, topics(other)?],
        _ => return Err(Failure::usage("two store folders are wanted, or --config twice")),
    };
    let tables = sinks::diff(&sides, &options).map_err(|error| Failure::failed(error.what))?;
    let is_same = tables.iter().all(|table| table.is_same(&options));
    if args.json {
        let tables: Vec<Value> = tables.iter().map(|table| document(table, &options)).collect();
        print_json(&json!({"same": is_same, "tables": tables}))?;
    } else {
        print(&tables.iter().map(|table| text(table, &options)).collect::<String>())?;
    }
    Ok(u8::from(!is_same))
}

fn store(folder: &Path) -> Result<Side, Failure> {
    Side::store(folder).map_err(|error| Failure::usage(error.what))
}

/// The last record of each key of the topics that a configuration's first kafka sink writes.
fn topics(file: &Path) -> Result<Side, Failure> {
    let config = configuration(file)?;
    let target = config.sinks().iter().find_map(|sink| match &sink.kind {
        SinkKind::Kafka(target) => Some(target),
        _ => None,
    });
    let Some(target) = target else {
        return Err(Failure::usage(format!("{}: no sink of kind kafka", file.display())));
    };
    let options = kafka_options(&config, target, String::new(), Arc::default());
    let tables = [TableSpec::bars(), TableSpec::floats("technical_indicators", &[])];
    let mut side = Side::gathered(config.name()).map_err(|error| Failure::failed(error.what))?;
    let gathered = Topics::open(&target.settings).and_then(|topics| topics.list());
    let there = gathered.map_err(Failure::failed)?;
    for plan in topic_plans(&options, &tables).iter().filter(|plan| plan.name != PROGRESS_TOPIC) {
        let Some(topic) = there.get(&plan.name) else { continue };
        let table = &plan.name[target.prefix.len()..];
        for partition in 0..topic.partitions as u32 {
            let from = (plan.name.as_str(), partition);
            gather(&target.settings, from, table, &mut side).map_err(Failure::failed)?;
        }
    }
    Ok(side)
}

/// Puts what is committed in a partition of a topic into a side, as rows of `table`.
fn gather(
    settings: &Settings,
    (topic, partition): (&str, u32),
    table: &str,
    side: &mut Side,
) -> Result<(), KafkaError> {
    let mut failed = None;
    read_committed(settings, topic, partition, |key, value| {
        let [key, value] = [key, value].map(|bytes| bytes.map(String::from_utf8_lossy));
        let key = key.as_deref().unwrap_or_default();
        let put = side.put(table, key, at(key), value.as_deref());
        failed = failed.take().or(put.err());
    })?;
    failed.map_or(Ok(()), |error| Err(KafkaError { what: error.what }))
}

/// When the bar of a record starts.
fn at(key: &str) -> Option<i64> {
    serde_json::from_str::<Value>(key).ok()?.get("ts_open")?.as_i64()
}

/// What is found of a table, in lines.
fn text(table: &TableDiff, options: &DiffOptions) -> String {
    let [one, other] = table.rows.map(grouped);
    let mut lines = vec![format!("{}: {one} and {other} rows", table.table)];
    let [one, other] = table.only;
    match (one, other, table.differing) {
        (0, 0, 0) if table.is_same(options) => lines[0] += ", the same",
        (0, 0, 0) => lines[0] += ", the same but for columns that one side lacks",
        (one, other, differing) => {
            let [one, other, differing] = [one, other, differing].map(grouped);
            lines[0] += &format!(", {differing} differ, {one} only here, {other} only there");
        }
    }
    if !table.by_column.is_empty() {
        let column = |(name, count): (&String, &u64)| format!("{name} ({})", grouped(*count));
        let columns: Vec<String> = table.by_column.iter().map(column).collect();
        lines.push(format!("  rows differ in {}", columns.join(", ")));
    }
    for (columns, side) in table.columns.iter().zip(["first", "second"]) {
        if !columns.is_empty() {
            let names = columns.iter().cloned().collect::<Vec<_>>().join(", ");
            lines.push(format!("  only the {side} has the columns {names}"));
        }
    }
    lines.extend(table.first.iter().map(row));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn row(row: &RowDiff) -> String {
    match row.only {
        Some(side) => format!("  {}: only the {}", row.key, ["first", "second"][side.min(1)]),
        None => {
            let cell = |(name, one, other): &(String, String, String)| {
                format!("{name} = {one} and {other}")
            };
            let cells: Vec<String> = row.cells.iter().map(cell).collect();
            format!("  {}: {}", row.key, cells.join(", "))
        }
    }
}

fn document(table: &TableDiff, options: &DiffOptions) -> Value {
    let row = |row: &RowDiff| {
        let cell = |(column, one, other): &(String, String, String)| json!({"column": column, "values": [one, other]});
        let cells: Vec<Value> = row.cells.iter().map(cell).collect();
        json!({"key": row.key, "only": row.only, "cells": cells})
    };
    json!({
        "table": table.table, "same": table.is_same(options), "rows": table.rows,
        "only": table.only, "differing": table.differing, "by_column": table.by_column,
        "columns_only": table.columns,
        "first": table.first.iter().map(row).collect::<Vec<_>>(),
    })
}
