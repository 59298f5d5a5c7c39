//! `tidemill exclude`: trades are taken out of the log from outside, where every later run finds that written down.

use super::brokers::configuration;
use super::output::{print, print_json};
use super::{Failure, store_folder};
use crate::config::{Config, KafkaConfig, SourceKind};
use clap::Args;
use market::Time;
use serde_json::{Value, json};
use sinks::{Format, query};
use sources::{Control, Exclusion};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args, Debug)]
pub(super) struct ExcludeArgs {
    /// Which trades: conditions on symbol, venue, trade_id (=, in) and ts_event (=, <, <=, >, >=), joined by and
    #[arg(long = "where", value_name = "CONDITION")]
    pub filter: String,
    /// File with trade ids, one a line: only these of them
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only say what the store holds of it
    #[arg(long)]
    pub dry_run: bool,
    /// Append to this file instead of the control topics of the configuration
    #[arg(long, value_name = "FILE")]
    pub exclusions: Option<PathBuf>,
    /// Configuration of the deployment
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Store folder that is looked into [default: that of cluster.toml where there is one, else tidemill-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Writes the exclusion down.
pub(super) fn exclude(args: &ExcludeArgs) -> Result<u8, Failure> {
    let ids = args.ids.as_deref().map(read_ids).transpose()?.unwrap_or_default();
    if args.reason.trim().is_empty() {
        return Err(Failure::usage("--reason = \"\": a reason is wanted"));
    }
    let exclusion = Exclusion::parse(&new_id(), &args.filter, &ids, &args.reason);
    let exclusion = exclusion.map_err(Failure::usage)?;
    let holds = stored(&store_folder(args.data.as_deref())?, &exclusion);
    let written = match (args.dry_run, &args.exclusions) {
        (true, _) => Vec::new(),
        (false, Some(file)) => vec![append(file, &exclusion)?],
        (false, None) => ask(&configuration(&args.config)?, &exclusion)?,
    };
    say(args, &exclusion, &holds, &written)
}

fn say(
    args: &ExcludeArgs,
    exclusion: &Exclusion,
    holds: &[Held],
    written: &[String],
) -> Result<u8, Failure> {
    if args.json {
        let bars = |one: &Held| json!({"width": one.width, "bars": one.bars, "trades": one.trades});
        let stored: Vec<Value> = holds.iter().map(bars).collect();
        let record = exclusion.record();
        print_json(&json!({"exclusion": record["exclude"], "stored": stored, "written": written}))?;
        return Ok(0);
    }
    let mut text = String::new();
    for Held { width, bars, trades } in holds {
        text +=
            &format!("the store holds {bars} bars of {width} there, of {trades} trades in all\n");
    }
    if holds.is_empty() {
        text += "the store holds no bars there\n";
    }
    text += &match written.is_empty() {
        true => "nothing is written down: --dry-run\n".to_owned(),
        false => format!("exclusion {} is written down in {}\n", exclusion.id, written.join(", ")),
    };
    if args.exclusions.is_none() && !args.dry_run {
        text += "running processes begin it where they are; what lies before the horizon by then stays\n";
    }
    print(&text)?;
    Ok(0)
}

/// A name that no other exclusion has.
#[expect(clippy::disallowed_methods, reason = "it is named after when it was asked for")]
fn new_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("x{:x}", since.as_nanos())
}

fn read_ids(file: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("--ids = \"{}\": {error}", file.display())))?;
    let ids: Vec<String> =
        text.lines().map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    match ids.is_empty() {
        true => Err(Failure::usage(format!("--ids = \"{}\": no id in it", file.display()))),
        false => Ok(ids),
    }
}

/// Appends the record to a file; its name.
fn append(file: &Path, exclusion: &Exclusion) -> Result<String, Failure> {
    let name = file.display().to_string();
    let line = format!("{}\n", exclusion.record());
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let written =
        opened.and_then(|mut to| to.write_all(line.as_bytes()).and_then(|()| to.sync_all()));
    written.map(|()| name.clone()).map_err(|error| Failure::failed(format!("{name}: {error}")))
}

/// Writes the record into the control topic of every source that has one; their names.
fn ask(config: &Config, exclusion: &Exclusion) -> Result<Vec<String>, Failure> {
    let kafka = |kind: &SourceKind| match kind {
        SourceKind::Kafka(kafka) => Some(kafka.clone()),
        _ => None,
    };
    let topics: Vec<Box<KafkaConfig>> =
        config.sources().iter().filter_map(|source| kafka(&source.kind)).collect();
    if topics.is_empty() {
        let wanted = "no source of kind kafka; --exclusions names a file for replays of files";
        return Err(Failure::usage(wanted));
    }
    let writer = format!("tidemill-{}-exclude", config.name());
    let mut written: Vec<String> = Vec::new();
    for kafka in topics.iter().filter(|kafka| !kafka.repartition) {
        if written.contains(&kafka.control) {
            continue;
        }
        let control = Control::open(&kafka.settings, &kafka.control, &writer, None, Arc::default());
        let asked = control.map_err(Failure::failed)?.ask(exclusion);
        asked.map_err(Failure::failed)?;
        written.push(kafka.control.clone());
    }
    match written.is_empty() {
        true => Err(Failure::usage("a source with repartition = true has no exclusions")),
        false => Ok(written),
    }
}

/// Bars of a width that the store holds where trades are excluded.
struct Held {
    width: String,
    bars: u64,
    trades: u64,
}

/// What the store holds there; nothing where there is no store.
fn stored(folder: &Path, exclusion: &Exclusion) -> Vec<Held> {
    let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
    let of = exclusion.symbols.as_ref().map_or_else(String::new, |symbols| {
        let list: Vec<String> = symbols.iter().map(quoted).collect();
        format!(" AND symbol IN ({})", list.join(", "))
    });
    let Exclusion { from, to, .. } = exclusion;
    let (from, to) = (from.max(&Time::LEAST).ns(), to.min(&Time::GREATEST).ns());
    let sql = format!(
        "SELECT width, count(*) AS bars, sum(trade_count) AS trades FROM aggregated_data \
         WHERE ts_open < {to} AND ts_close > {from}{of} GROUP BY width ORDER BY min(ts_close - ts_open)"
    );
    let mut answer = Vec::new();
    if query(folder, &sql, Format::Json, &mut answer).is_err() {
        return Vec::new();
    }
    let rows: Vec<Value> = serde_json::from_slice(&answer).unwrap_or_default();
    let held = |row: &Value| {
        let width = row["width"].as_str()?.to_owned();
        Some(Held { width, bars: row["bars"].as_u64()?, trades: row["trades"].as_u64()? })
    };
    rows.iter().filter_map(held).collect()
}
