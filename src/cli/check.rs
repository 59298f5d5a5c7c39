//! `tidemill check`: a configuration, or the first rows of a data file as understood.

use super::Failure;
use super::args::CheckArgs;
use super::brokers::configuration;
use super::connect::{Asked, ask};
use super::output::{print, print_json};
use crate::config::{Config, SourceKind};
use crate::engine::{Changes, EngineError, Outlook, Prospect, look};
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
    if args.print && !args.json {
        print(&format!("{}\n# fingerprint {fingerprint}\n", config.print()))?;
        return Ok(0);
    }
    let failed = |error: EngineError| Failure::of(error.is_usage(), error);
    let Prospect { outlook, unseen, mut does, mut stops, .. } =
        look(&config, args.connect).map_err(failed)?;
    let asked = args.connect.then(|| ask(&config)).transpose()?;
    let Asked { silent, topics, .. } = asked.map_or_else(Asked::default, |mut asked| {
        does.append(&mut asked.does);
        stops.append(&mut asked.stops);
        asked
    });
    let Changes { refused, added, removed } = &outlook.changes;
    let answered = silent.is_empty() && !(args.connect && unseen.is_some());
    let code = match (refused.is_empty() && stops.is_empty(), answered) {
        (true, true) => 0,
        (true, false) => super::FAILED,
        (false, _) => super::USAGE,
    };
    stops.extend(silent);
    if args.json {
        let facts: serde_json::Map<_, _> =
            config.facts().into_iter().map(|(name, value)| (name, value.into())).collect();
        let mut document = json!({
            "ok": code == 0, "fingerprint": fingerprint, "facts": facts,
            "refused": refused, "added": added, "removed": removed, "warms_up_from": outlook.from,
            "unseen": unseen, "does": does, "stops": stops, "topics": args.connect.then_some(topics),
        });
        if args.print {
            document["configuration"] = config.print().into();
        }
        print_json(&document)?;
        return Ok(code);
    }
    let unseen = unseen.map(|error| format!("what changed is not known: checkpoints: {error}\n"));
    let line = |word: &str, lines: &[String]| -> String {
        lines.iter().map(|line| format!("{word}: {line}\n")).collect()
    };
    let said = lines(&outlook) + &unseen.unwrap_or_default();
    let said = said + &line("a start would", &does) + &line("would stop it", &stops);
    print(&format!("{}: valid\n{}{said}", args.config.display(), outline(&config)))?;
    Ok(code)
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
    let usual = match outlook.unasked {
        true => "older bars, of which --connect says where they are",
        false => "the inputs as they are read",
    };
    let from = outlook.from.as_deref().unwrap_or(usual);
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
