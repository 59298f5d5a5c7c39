//! `tidemill replay`: files, or topics as far as they go now, through the graph. Its flags are the keys of one source.

use super::Failure;
use super::args::{LayoutFlags, ReplayArgs};
use super::run::{finish, lay, overrides, start, verdict};
use crate::config::{Config, Override};
use crate::engine::Engine;
use crate::observe::log_as;
use market::Time;
use operators::indicator::Registry;
use toml::{Table, Value};

/// Replays them.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Failure> {
    let config = configure(args)?;
    log_as(&config, 0).map_err(Failure::failed)?;
    let max_refused = config.max_refused();
    let (from, to) = range(args)?;
    let engine = Engine::new(config).store(args.run.replace).until_now().range(from, to);
    let summary = start(engine)?;
    finish(&summary, &args.run)?;
    Ok(verdict(&summary, max_refused, args.run.strict))
}

/// The times between which is read.
fn range(args: &ReplayArgs) -> Result<(Option<Time>, Option<Time>), Failure> {
    let time = |flag: &str, text: Option<&str>| {
        let wanted = |text| {
            format!("{flag} = {text:?}: a time in RFC 3339 is wanted, as 2024-01-02T14:30:00Z")
        };
        text.map(|text| Time::parse(text).map_err(|_| Failure::usage(wanted(text)))).transpose()
    };
    let (from, to) = (time("--from", args.from.as_deref())?, time("--to", args.to.as_deref())?);
    match from.zip(to) {
        Some((from, to)) if from >= to => {
            Err(Failure::usage(format!("--to = {to}: a time after --from is wanted")))
        }
        _ => Ok((from, to)),
    }
}

fn configure(args: &ReplayArgs) -> Result<Config, Failure> {
    let registry = Registry::standard();
    let mut list = overrides(&args.run);
    match &args.topic {
        None => source(&mut list, &args.files, &args.layout),
        Some(topics) => topics_of(&mut list, topics, args),
    }
    let excluded = args.exclusions.as_deref();
    lay(&mut list, "--exclusions", &["admission", "exclusions"], excluded);
    lay(&mut list, "--conditions", &["source", "conditions"], args.conditions.as_deref());
    lay(&mut list, "--order", &["source", "order"], args.order.as_deref());
    lay(&mut list, "--partition", &["source", "partition"], args.partition.as_deref());
    lay(&mut list, "--pace", &["source", "pace"], args.pace.as_deref());
    lay(&mut list, "--lateness", &["source", "lateness"], args.lateness.as_deref());
    lay(&mut list, "--horizon", &["source", "horizon"], args.horizon.as_deref());
    lay(&mut list, "--empty", &["bars", "empty"], args.empty.as_deref());
    if let Some(widths) = &args.widths {
        let path = &["bars", "widths"];
        list.push(Override { flag: "--widths", path, value: texts(&split(widths)) });
    }
    if let Some(indicators) = &args.indicators {
        let mut table = Table::new();
        table.insert("list".to_owned(), texts(&split(indicators)));
        let value = Value::Array(vec![table.into()]);
        list.push(Override { flag: "--indicators", path: &["indicators"], value });
    }
    if let Some(sinks) = &args.sink {
        let kind = |kind: &&str| Table::from_iter([("kind".to_owned(), Value::from(*kind))]);
        let value = split(sinks).iter().map(|text| Value::Table(kind(text))).collect();
        list.push(Override { flag: "--sink", path: &["sink"], value: Value::Array(value) });
    }
    match &args.config {
        Some(path) => Config::read(path, &list, &registry),
        None => Config::parse("flags", "", &list, &registry),
    }
    .map_err(Failure::usage)
}

/// One source of files in place of the configured ones; what its layout flags don't say is the default.
pub(super) fn source(list: &mut Vec<Override>, files: &[String], layout: &LayoutFlags) {
    let value = Value::Array(vec![Table::new().into()]);
    list.push(Override { flag: "", path: &["source"], value });
    let value = texts(&files.iter().map(String::as_str).collect::<Vec<_>>());
    list.push(Override { flag: "FILES", path: &["source", "files"], value });
    lay(list, "--columns", &["source", "columns"], layout.columns.as_deref());
    lay(list, "--where", &["source", "where"], layout.filter.as_deref());
    lay(list, "--delimiter", &["source", "delimiter"], layout.delimiter.as_deref());
    lay(list, "--comment", &["source", "comment"], layout.comment.as_deref());
    if layout.no_header {
        let path = &["source", "header"];
        list.push(Override { flag: "--no-header", path, value: false.into() });
    }
}

/// The first configured source with these topics from their beginning.
fn topics_of(list: &mut Vec<Override>, topics: &str, args: &ReplayArgs) {
    lay(list, "--topic", &["source", "kind"], Some("kafka"));
    list.push(Override {
        flag: "--topic",
        path: &["source", "topics"],
        value: texts(&split(topics)),
    });
    lay(list, "--topic", &["source", "start"], Some("earliest"));
    lay(list, "--brokers", &["source", "brokers"], args.brokers.as_deref());
    lay(list, "--codec", &["source", "codec"], args.codec.as_deref());
    lay(list, "--columns", &["source", "columns"], args.layout.columns.as_deref());
    lay(list, "--where", &["source", "where"], args.layout.filter.as_deref());
}

fn texts(list: &[&str]) -> Value {
    Value::Array(list.iter().map(|text| Value::from(*text)).collect())
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    })
    .map(str::trim)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_outside_parentheses() {
        assert_eq!(split("sma(20), macd(12,26,9),obv"), ["sma(20)", "macd(12,26,9)", "obv"]);
        assert_eq!(split("ema(20, of=volume)"), ["ema(20, of=volume)"]);
        assert_eq!(split("1min,,5min"), ["1min", "", "5min"]);
    }
}
