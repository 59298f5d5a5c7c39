//! From the raw form to the checked one: every rule of the configuration, each with its place.

use super::exclusions;
use super::folders::folder;
use super::kafka::kafka_of;
use super::layout::layout;
use super::observe::observe;
use super::raw::{self, Root};
use super::session::simulator;
use super::sinks::sinks;
use super::tree::{ConfigError, Tree};
use super::universe::read_universe;
use super::{
    CheckpointConfig, Config, FilesConfig, IndicatorConfig, Order, OutlierMode, Outliers,
    PartitionMode, SourceConfig, SourceKind, Timing, parse_duration, print_duration,
};
use market::{EpochLength, Time, Width, WidthError};
use operators::indicator::{Registry, Spec};
use sources::Tape;
use std::fmt::Display;
use std::path::Path;

const DAY_NS: i64 = Time::DAY;
const YEAR_NS: i64 = 366 * DAY_NS;
const PROCESSES_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 64;

type Checked<T> = Result<T, ConfigError>;

/// Checks everything, in the order of the file.
pub(super) fn check(tree: &Tree, root: &Root, registry: &Registry) -> Checked<Config> {
    if root.version != 1 {
        return Err(tree.error("version", "this program reads version 1"));
    }
    name(tree, "deployment.name", &root.deployment.name)?;
    if root.deployment.data.is_empty() {
        return Err(tree.error("deployment.data", "a folder is wanted"));
    }
    folder(tree, "deployment.data", root.deployment.data.as_ref())?;
    let processes = processes(tree, &root.cluster.processes)?;
    let workers = within(tree, "cluster.workers", root.cluster.workers, 1, 256)? as usize;
    let epoch = epoch(tree, &root.cluster.epoch)?;
    let checkpoints = checkpoints(tree, root)?;
    let sources = sources(tree, &root.source)?;
    let (widths, carry) = bars(tree, &root.bars, epoch)?;
    let indicators = indicators(tree, &root.indicators, &widths, registry)?;
    let (scales, listed_only) = read_universe(tree, &root.universe)?;
    Ok(Config {
        name: root.deployment.name.clone(),
        data: root.deployment.data.clone().into(),
        processes,
        workers,
        epoch,
        checkpoints,
        sources,
        outliers: outliers(tree, &root.admission)?,
        exclusions: exclusions::read(
            tree,
            "admission.exclusions",
            root.admission.exclusions.as_deref(),
        )?,
        max_refused: share(tree, "admission.max_refused", root.admission.max_refused)?,
        scales,
        listed_only,
        widths,
        carry,
        indicators,
        sinks: sinks(tree, &root.sink)?,
        observe: observe(tree, &root.observe)?,
        shown: tree.shown().clone(),
    })
}

pub(super) fn name(tree: &Tree, path: &str, text: &str) -> Checked<()> {
    match is_plain(text, NAME_BYTES_MAX) {
        true => Ok(()),
        false => Err(tree.error(path, "a name has 1 to 64 of a-z A-Z 0-9 . _ -")),
    }
}

/// Whether it is of the characters that names and topics have, and of so many at most.
pub(super) fn is_plain(text: &str, most: usize) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=most).contains(&text.len()) && text.chars().all(plain)
}

pub(super) fn within(tree: &Tree, path: &str, value: i64, least: i64, most: i64) -> Checked<i64> {
    if !(least..=most).contains(&value) {
        return Err(tree.error(path, format!("a whole number from {least} to {most} is wanted")));
    }
    Ok(value)
}

pub(super) fn share(tree: &Tree, path: &str, value: f64) -> Checked<f64> {
    if !(0.0..=1.0).contains(&value) {
        return Err(tree.error(path, "a share from 0 to 1 is wanted"));
    }
    Ok(value)
}

pub(super) fn duration(tree: &Tree, path: &str, text: &str, least: i64, most: i64) -> Checked<i64> {
    let ns = parse_duration(text).map_err(|rule| tree.error(path, rule))?;
    if !(least..=most).contains(&ns) {
        let (least, most) = (print_duration(least), print_duration(most));
        return Err(tree.error(path, format!("a duration from {least} to {most} is wanted")));
    }
    Ok(ns)
}

pub(super) fn choice<T: Copy>(
    tree: &Tree,
    path: &str,
    text: &str,
    words: &[(&str, T)],
) -> Checked<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        tree.error(path, format!("one of {} is wanted", words.join(", ")))
    })
}

fn processes(tree: &Tree, list: &[String]) -> Checked<Vec<String>> {
    if list.len() > PROCESSES_MAX {
        return Err(tree.error("cluster.processes", "at most 64 processes"));
    }
    for (index, address) in list.iter().enumerate() {
        let path = format!("cluster.processes[{index}]");
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.and_then(|(_, port)| port.parse::<u16>().ok()).is_none_or(|port| port == 0) {
            return Err(tree.error(&path, "an address is host:port"));
        }
        if list[..index].contains(address) {
            return Err(tree.error(&path, "every process has an address of its own"));
        }
    }
    Ok(list.to_vec())
}

fn epoch(tree: &Tree, text: &str) -> Checked<EpochLength> {
    let ns = parse_duration(text).map_err(|rule| tree.error("cluster.epoch", rule))?;
    EpochLength::from_ns(ns)
        .map_err(|_| tree.error("cluster.epoch", "an epoch is at least 1ms and divides a day"))
}

/// None are kept of files and simulators where none were asked for.
fn checkpoints(tree: &Tree, root: &Root) -> Checked<Option<CheckpointConfig>> {
    let raw = &root.cluster.checkpoints;
    let keep = within(tree, "cluster.checkpoints.keep", raw.keep, 1, 1000)? as usize;
    let is_live = root.source.iter().any(|source| source.kind == "kafka");
    let usual = is_live.then_some("5s");
    let Some(every) = raw.every.as_deref().or(usual) else { return Ok(None) };
    const MS: i64 = 1_000_000;
    let every_ns = duration(tree, "cluster.checkpoints.every", every, 10 * MS, DAY_NS)?;
    let to = match &raw.to {
        None => format!("{}/checkpoints", root.deployment.data),
        // What nearly names a bucket would be a folder of that name.
        Some(to) if to.is_empty() || to.starts_with("s3:") && !to.starts_with("s3://") => {
            let rule = "a folder is wanted, or s3://bucket/prefix";
            return Err(tree.error("cluster.checkpoints.to", rule));
        }
        Some(to) => to.clone(),
    };
    if !to.starts_with("s3://") {
        let key = raw.to.as_ref().map_or("deployment.data", |_| "cluster.checkpoints.to");
        folder(tree, key, &Path::new(&to).join(&root.deployment.name))?;
    }
    Ok(Some(CheckpointConfig { every_ms: (every_ns / MS) as u64, to, keep }))
}

fn timing(tree: &Tree, raw: &raw::Source, path: &dyn Fn(&str) -> String) -> Checked<Timing> {
    let span = |key: &str, text: &str, least, most| duration(tree, &path(key), text, least, most);
    Ok(Timing {
        lateness_ns: span("lateness", &raw.lateness, 0, DAY_NS)?,
        horizon_ns: span("horizon", &raw.horizon, 0, 7 * DAY_NS)?,
        max_ahead_ns: span("max_ahead", &raw.max_ahead, 0, YEAR_NS)?,
        max_jump_ns: span("max_jump", &raw.max_jump, Time::SECOND, YEAR_NS)?,
    })
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            lateness_ns: 2 * Time::SECOND,
            horizon_ns: 900 * Time::SECOND,
            max_ahead_ns: 60 * Time::SECOND,
            max_jump_ns: 3600 * Time::SECOND,
        }
    }
}

fn sources(tree: &Tree, list: &[raw::Source]) -> Checked<Vec<SourceConfig>> {
    let one = |(index, source): (usize, &raw::Source)| {
        let path = |key: &str| format!("source[{index}].{key}");
        name(tree, &path("name"), &source.name)?;
        choice(tree, &path("record"), &source.record, &[("trades", ())])?;
        if !source.history.files.is_empty() && source.kind != "kafka" {
            return Err(
                tree.error(&path("history.files"), "only a source of kind kafka has history")
            );
        }
        if source.repartition && source.kind != "kafka" {
            let rule =
                "only topics are read so: a file is one log, and a simulator's symbols keep theirs";
            return Err(tree.error(&path("repartition"), rule));
        }
        let tape = tape(tree, source, &path)?;
        let kinds = [("files", 0), ("simulator", 1), ("kafka", 2)];
        let kind = match choice(tree, &path("kind"), &source.kind, &kinds)? {
            0 => SourceKind::Files(files_of(tree, source, tape, &path)?),
            1 => SourceKind::Simulator(simulator(tree, &source.simulator, &path)?),
            _ => SourceKind::Kafka(Box::new(kafka_of(tree, source, tape, &path)?)),
        };
        Ok(SourceConfig {
            name: source.name.clone(),
            pace: pace(tree, &path("pace"), &source.pace)?,
            timing: timing(tree, source, &path)?,
            kind,
        })
    };
    let stores = |source: &raw::Source| source.history.store.is_some();
    let stores: Vec<usize> = (0..list.len()).filter(|at| stores(&list[*at])).collect();
    if let Some(at) =
        stores.iter().copied().find(|at| stores[0] != *at || list[*at].kind != "kafka")
    {
        let rule = "only of one source, and only where kind is kafka";
        return Err(tree.error(&format!("source[{at}].history.store"), rule));
    }
    list.iter().enumerate().map(one).collect()
}

fn pace(tree: &Tree, path: &str, text: &str) -> Checked<Option<f64>> {
    if text == "max" {
        return Ok(None);
    }
    let factor = text.strip_suffix('x').and_then(|factor| factor.parse::<f64>().ok());
    match factor.filter(|factor| (0.001..=1e6).contains(factor)) {
        Some(factor) => Ok(Some(factor)),
        None => Err(tree.error(path, "a pace is max, or a factor from 0.001x to 1000000x as 10x")),
    }
}

/// Simulated trades have no conditions.
fn tape(tree: &Tree, source: &raw::Source, path: &dyn Fn(&str) -> String) -> Checked<Option<Tape>> {
    let words = [("none", None), ("cta", Some(Tape::Cta)), ("utp", Some(Tape::Utp))];
    let tape = choice(tree, &path("conditions"), &source.conditions, &words)?;
    if tape.is_some() && source.kind == "simulator" {
        let rule = "only files and topics have conditions: none is wanted for a simulator";
        return Err(tree.error(&path("conditions"), rule));
    }
    Ok(tape)
}

fn files_of(
    tree: &Tree,
    source: &raw::Source,
    tape: Option<Tape>,
    path: &dyn Fn(&str) -> String,
) -> Checked<FilesConfig> {
    if source.files.is_empty() {
        return Err(tree.error(&path("files"), "at least one file is wanted"));
    }
    if let Some(index) = source.files.iter().position(String::is_empty) {
        return Err(tree.error(&path(&format!("files[{index}]")), "the name of a file is wanted"));
    }
    let partition = source.partition.as_deref();
    Ok(FilesConfig {
        files: source.files.clone(),
        columns: source.columns.clone(),
        filter: source.r#where.clone(),
        tape,
        header: source.header,
        delimiter: character(tree, &path("delimiter"), &source.delimiter)?,
        comment: source
            .comment
            .as_deref()
            .map(|text| character(tree, &path("comment"), text))
            .transpose()?,
        order: choice(tree, &path("order"), &source.order, Order::WORDS)?,
        partition: partition
            .map(|text| choice(tree, &path("partition"), text, PartitionMode::WORDS))
            .transpose()?,
        names: layout(tree, path, (&source.columns, &source.r#where))?,
    })
}

pub(super) fn character(tree: &Tree, path: &str, text: &str) -> Checked<u8> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        &[byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"' | 0) => Ok(byte),
        _ => Err(tree.error(
            path,
            "one ASCII character is wanted (\\t for a tab), not a quote or a newline",
        )),
    }
}

fn outliers(tree: &Tree, raw: &raw::Admission) -> Checked<Outliers> {
    if !(1.0..=1000.0).contains(&raw.outliers.scale) {
        return Err(tree.error("admission.outliers.scale", "a number from 1 to 1000 is wanted"));
    }
    Ok(Outliers {
        mode: choice(tree, "admission.outliers.mode", &raw.outliers.mode, OutlierMode::WORDS)?,
        scale: raw.outliers.scale,
        patience: within(tree, "admission.outlier_patience", raw.outlier_patience, 1, 1000)? as u32,
    })
}

fn width(tree: &Tree, path: &str, text: &str) -> Checked<Width> {
    text.parse::<Width>().map_err(|error| match error {
        WidthError::Uneven(_) => tree.error(path, "a width must divide a day evenly"),
        WidthError::Malformed(_) => {
            tree.error(path, "a width is a number and a unit (1s, 1min, 1h, 1d) or session")
        }
    })
}

fn bars(tree: &Tree, list: &[raw::Bars], epoch: EpochLength) -> Checked<(Vec<Width>, bool)> {
    let mut widths = Vec::new();
    let mut empty = None;
    for (at, bars) in list.iter().enumerate() {
        if bars.widths.is_empty() {
            return Err(tree.error(&format!("bars[{at}].widths"), "at least one width is wanted"));
        }
        for (index, text) in bars.widths.iter().enumerate() {
            let path = format!("bars[{at}].widths[{index}]");
            let width = width(tree, &path, text)?;
            if widths.contains(&width) {
                return Err(tree.error(&path, format!("the width {width} is there already")));
            }
            if width.ns() % epoch.ns() != 0 {
                let epoch = print_duration(epoch.ns());
                return Err(
                    tree.error(&path, format!("the epoch of {epoch} must divide every width"))
                );
            }
            widths.push(width);
        }
        let path = format!("bars[{at}].empty");
        let carry = choice(tree, &path, &bars.empty, &[("skip", false), ("carry", true)])?;
        if *empty.get_or_insert(carry) != carry {
            return Err(tree.error(&path, "must be the same for all bars"));
        }
    }
    widths.sort();
    match empty {
        Some(carry) => Ok((widths, carry)),
        None => Err(tree.error("bars", "at least one [[bars]] is wanted")),
    }
}

fn indicators(
    tree: &Tree,
    list: &[raw::Indicators],
    bars: &[Width],
    registry: &Registry,
) -> Checked<Vec<IndicatorConfig>> {
    let mut plans = Vec::new();
    for (at, raw) in list.iter().enumerate() {
        let mut widths = Vec::new();
        for (index, text) in raw.widths.iter().enumerate() {
            let path = format!("indicators[{at}].widths[{index}]");
            let width = width(tree, &path, text)?;
            if !bars.contains(&width) {
                let names = join(bars);
                return Err(tree.error(&path, format!("not a width of bars, which are {names}")));
            }
            widths.push(width);
        }
        let widths = if widths.is_empty() { bars.to_vec() } else { widths };
        let mut specs: Vec<Spec> = Vec::new();
        for (index, text) in raw.list.iter().enumerate() {
            let path = format!("indicators[{at}].list[{index}]");
            let spec = registry.parse(text).map_err(|error| tree.error_from(&path, error))?;
            if specs.iter().any(|known| known.outputs() == spec.outputs()) {
                return Err(tree.error(&path, "is in the list already"));
            }
            specs.push(spec);
        }
        if !specs.is_empty() {
            plans.push(IndicatorConfig { widths, list: specs });
        }
    }
    Ok(plans)
}

fn join<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
