//! `tidemill check`: a configuration, or the first rows of a data file as understood.

use super::Failure;
use super::args::CheckArgs;
use super::brokers::configuration;
use super::output::{print, print_json};
use crate::config::{Config, SourceKind};
use serde_json::json;

/// Checks it.
pub(super) fn check(args: &CheckArgs) -> Result<u8, Failure> {
    match &args.file {
        Some(file) => super::preview::preview(file, args),
        None => check_config(args),
    }
}

fn check_config(args: &CheckArgs) -> Result<u8, Failure> {
    let config = configuration(&args.config)?;
    let fingerprint = config.fingerprint();
    if args.json {
        let facts: serde_json::Map<_, _> =
            config.facts().into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut document = json!({"ok": true, "fingerprint": fingerprint, "facts": facts});
        if args.print {
            document["configuration"] = config.print().into();
        }
        print_json(&document)?;
        return Ok(0);
    }
    if args.print {
        print(&format!("{}\n# fingerprint {fingerprint}\n", config.print()))?;
        return Ok(0);
    }
    print(&format!("{}: valid\n{}", args.config.display(), outline(&config)))?;
    Ok(0)
}

/// What would run, in a few lines.
fn outline(config: &Config) -> String {
    let mut lines = vec![format!(
        "would run {} process(es) of {} worker(s)",
        config.processes().len().max(1),
        config.workers()
    )];
    for source in config.sources() {
        lines.push(match &source.kind {
            SourceKind::Files(files) => {
                format!("read \"{}\": {}", source.name, files.files.join(", "))
            }
            SourceKind::Simulator(session) => {
                format!(
                    "simulate \"{}\": {} trades of {} symbols",
                    source.name, session.trades, session.symbols
                )
            }
            SourceKind::Kafka(kafka) => {
                let (brokers, topics) = (kafka.settings.brokers(), kafka.topics.join(", "));
                let before = kafka.history.as_ref();
                let before =
                    before.map(|files| format!("history {}, then ", files.files.join(", ")));
                let before = before.unwrap_or_default();
                format!("read \"{}\": {before}topics {topics} of {brokers}", source.name)
            }
        });
    }
    let names = |list: Vec<String>| list.join(", ");
    lines.push(format!(
        "bars of {}",
        names(config.widths().iter().map(ToString::to_string).collect())
    ));
    for plan in config.indicators() {
        let list = names(plan.list.iter().map(ToString::to_string).collect());
        let widths = names(plan.widths.iter().map(ToString::to_string).collect());
        lines.push(format!("indicators {list} on {widths}"));
    }
    let sinks = names(config.sinks().iter().map(|sink| sink.kind.name().to_owned()).collect());
    let sinks = if sinks.is_empty() { "nothing".to_owned() } else { sinks };
    lines.push(format!("store {sinks} in {}", config.data().display()));
    lines.push(format!("fingerprint {}", config.fingerprint()));
    lines.iter().map(|line| format!("{line}\n")).collect()
}
