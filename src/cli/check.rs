//! `tidemill check`: a configuration, or the first rows of a data file as understood.

use super::Failure;
use super::args::CheckArgs;
use super::brokers::configuration;
use super::output::{print, print_json};
use crate::config::{Config, SourceKind};
use crate::depot::ObjectDepot;
use crate::engine::{Changes, Outlook, outlook};
use dataflows::checkpoint::{Entry, SequenceError, entries};
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
    let mut unseen = None;
    let outlook = match args.print && !args.json {
        true => Outlook::default(),
        false => changed(&config, &mut unseen)?,
    };
    let Changes { refused, added, removed } = &outlook.changes;
    let code = if refused.is_empty() { 0 } else { super::USAGE };
    if args.json {
        let facts: serde_json::Map<_, _> =
            config.facts().into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut document = json!({
            "ok": refused.is_empty(), "fingerprint": fingerprint, "facts": facts,
            "refused": refused, "added": added, "removed": removed, "warms_up_from": outlook.from,
            "unseen": unseen,
        });
        if args.print {
            document["configuration"] = config.print().into();
        }
        print_json(&document)?;
        return Ok(code);
    }
    if args.print {
        print(&format!("{}\n# fingerprint {fingerprint}\n", config.print()))?;
        return Ok(0);
    }
    let unseen = unseen.map(|error| format!("what changed is not known: checkpoints: {error}\n"));
    let said = lines(&outlook) + &unseen.unwrap_or_default();
    print(&format!("{}: valid\n{}{said}", args.config.display(), outline(&config)))?;
    Ok(code)
}

/// What changed since the deployment's newest checkpoint, where there is one; why that is not known, where its store
/// cannot be looked into from here.
fn changed(config: &Config, unseen: &mut Option<String>) -> Result<Outlook, Failure> {
    // A store that a run would make is not made here.
    let is_there = |to: &str| to.starts_with("s3://") || std::path::Path::new(to).is_dir();
    let Some(given) = config.checkpoints().filter(|given| is_there(&given.to)) else {
        return Ok(Outlook::default());
    };
    let depot = ObjectDepot::open(&given.to, config.name()).map_err(Failure::failed)?;
    let entries = match entries(&depot) {
        Ok((entries, _)) => entries,
        Err(SequenceError::Depot(error)) => {
            *unseen = Some(error.to_string());
            return Ok(Outlook::default());
        }
        Err(error) => return Err(Failure::usage(error)),
    };
    let newest = entries.into_iter().rev().find_map(|(_, entry)| match entry {
        Entry::Manifest(manifest) => Some(manifest),
        Entry::Claim { .. } => None,
    });
    newest.map_or(Ok(Outlook::default()), |manifest| {
        outlook(config, &manifest).map_err(Failure::failed)
    })
}

/// What a run would do about it, a line each.
fn lines(outlook: &Outlook) -> String {
    let mut lines = Vec::new();
    for refused in &outlook.changes.refused {
        lines.push(format!(
            "refused: the checkpoints were made with {refused}: give --replace to begin anew, or another \
             deployment.name to run beside them"
        ));
    }
    let from = outlook.from.as_deref().unwrap_or("the inputs as they are read");
    for added in &outlook.changes.added {
        lines.push(format!("added: {added}, NULL in the rows before, warms up from {from}"));
    }
    for removed in &outlook.changes.removed {
        lines.push(format!(
            "removed: {removed}: rows before keep what they have, it is NULL in those from then on"
        ));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What would run, in a few lines.
fn outline(config: &Config) -> String {
    let mut lines = vec![format!(
        "would run {} process(es) of {} worker(s)",
        config.processes().len().max(1),
        config.workers()
    )];
    let names = |list: Vec<String>| list.join(", ");
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
                let topics = names(kafka.topics.iter().map(ToString::to_string).collect());
                let brokers = kafka.settings.brokers();
                let files = kafka.history.as_ref();
                let files = files.map(|files| format!("history {}, then ", files.files.join(", ")));
                let files = files.unwrap_or_default();
                let store = kafka.history_store.as_ref().map_or_else(String::new, |store| {
                    format!(", indicators warmed up from the bars stored in {}", store.display())
                });
                let from = if kafka.repartition { ", symbols in any partition" } else { "" };
                format!(
                    "read \"{}\": {files}topics {topics} of {brokers}{from}{store}",
                    source.name
                )
            }
        });
    }
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
