//! The configuration: `cluster.toml` and the flags over it, read twice.
//!
//! ```text
//! text + flags --tree--> raw form (types only) --check--> Config (nothing left that could be refused)
//! ```
//! What a key means is written once, in [`raw`](self): messages, defaults, `docs/configuration.md` and
//! the file of `tidemill init` come from the same place.

mod check;
mod collector;
mod document;
mod duration;
mod exclusions;
mod fingerprint;
mod folders;
mod history;
mod kafka;
mod layout;
mod observe;
mod raw;
mod schema;
mod session;
mod sinks;
mod substitute;
mod tree;
mod universe;
mod words;

pub use collector::Collector;
pub use document::{documentation, template};
pub use duration::{DurationError, parse_duration, print_duration};
pub use fingerprint::fingerprint;
pub(crate) use fingerprint::hash;
pub use kafka::KafkaConfig;
pub use observe::ObserveConfig;
pub(crate) use substitute::substitute;
pub use tree::{ConfigError, Override};
pub use words::{Order, OutlierMode, PartitionMode};

use market::{EpochLength, Scales, Time, Width};
use operators::indicator::{Registry, Spec};
use sources::{Exclusion, LayoutNames, Tape};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes a configuration file may have.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The checked configuration of a run.
#[derive(Clone, Debug)]
pub struct Config {
    name: String,
    data: PathBuf,
    processes: Vec<String>,
    workers: usize,
    epoch: EpochLength,
    checkpoints: Option<CheckpointConfig>,
    sources: Vec<SourceConfig>,
    outliers: Outliers,
    exclusions: Arc<[Arc<Exclusion>]>,
    max_refused: f64,
    scales: HashMap<String, Scales>,
    listed_only: bool,
    widths: Vec<Width>,
    carry: bool,
    indicators: Vec<IndicatorConfig>,
    sinks: Vec<SinkConfig>,
    observe: ObserveConfig,
    shown: toml::Table,
}

/// Where checkpoints are kept, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// Between two.
    pub every_ms: u64,
    /// A folder, or `s3://bucket/prefix`.
    pub to: String,
    /// How many.
    pub keep: usize,
}

/// How late, how far ahead and how far back a record of a source may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The watermark is the greatest event time less this.
    pub lateness_ns: i64,
    /// Corrections reach this far behind the watermark.
    pub horizon_ns: i64,
    /// Past a message's arrival, or in a file past the run's first start: refused as `future`.
    pub max_ahead_ns: i64,
    /// A jump beyond this waits for the next record to agree.
    pub max_jump_ns: i64,
}

/// What is done with outliers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outliers {
    /// Off, flag or refuse.
    pub mode: OutlierMode,
    /// How many running scales away an outlier is.
    pub scale: f64,
    /// Outliers in a row after which their level is the new one.
    pub patience: u32,
}

/// Where ticks come from.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name in messages.
    pub name: String,
    /// How fast it is replayed; nothing: as fast as it can be read.
    pub pace: Option<f64>,
    /// How late, ahead and back its records may lie.
    pub timing: Timing,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// Files.
    Files(FilesConfig),
    /// A simulated session.
    Simulator(SimulatorConfig),
    /// Topics of Kafka.
    Kafka(Box<KafkaConfig>),
}

/// Files and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesConfig {
    /// Files and globs.
    pub files: Vec<String>,
    /// The column map.
    pub columns: Option<String>,
    /// Which rows are records.
    pub filter: Option<String>,
    /// The tape by whose rules conditions are looked at.
    pub tape: Option<Tape>,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Between fields.
    pub delimiter: u8,
    /// Lines that begin with it are skipped.
    pub comment: Option<u8>,
    /// `time`, `log` or `any`.
    pub order: Order,
    /// `file` or `sequence`; nothing: decided from the files.
    pub partition: Option<PartitionMode>,
    /// What `columns`, `filter` and `tape` are called in errors.
    pub names: LayoutNames,
}

/// A simulated session.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatorConfig {
    /// Symbols.
    pub symbols: u32,
    /// Trades.
    pub trades: u64,
    /// Seed.
    pub seed: u64,
    /// Start of the session.
    pub start: Time,
    /// Its length.
    pub session_ns: i64,
    /// Share of late trades.
    pub late: f64,
    /// Share of trades that come twice.
    pub duplicate: f64,
    /// Share of bad records.
    pub bad: f64,
    /// Share of trades that are cancelled.
    pub cancel: f64,
    /// Share of trades that are replaced.
    pub replace: f64,
    /// Logs the symbols are spread over.
    pub partitions: u32,
}

/// Indicators on the bars of some widths.
#[derive(Clone, Debug)]
pub struct IndicatorConfig {
    /// The widths.
    pub widths: Vec<Width>,
    /// The indicators.
    pub list: Vec<Spec>,
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// What it is.
    pub kind: SinkKind,
    /// Tables it gets; empty: all.
    pub tables: Vec<String>,
    /// How long the embedded tables keep values that were revised; nothing: for ever.
    pub keep_revisions_ns: Option<i64>,
}

/// What a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkKind {
    /// The embedded tables.
    Sqlite,
    /// A change log by date, folded at the end.
    Parquet,
    /// JSON lines.
    JsonLines,
    /// Topics.
    Kafka(Box<KafkaTarget>),
}

impl SinkKind {
    /// Its name in messages.
    pub fn name(&self) -> &str {
        match self {
            SinkKind::Sqlite => "sqlite",
            SinkKind::Parquet => "parquet",
            SinkKind::JsonLines => "jsonl",
            SinkKind::Kafka(target) => &target.name,
        }
    }
}

/// Where a sink of kind kafka writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTarget {
    /// Its name within the deployment.
    pub name: String,
    /// The brokers, and how they are spoken to.
    pub settings: ::kafka::Settings,
    /// Partitions of topics that are made.
    pub partitions: i32,
    /// Copies of each; nothing: as the brokers are configured.
    pub replication: Option<i32>,
    /// How long they keep rows.
    pub retention_ms: i64,
    /// Before the names of topics.
    pub prefix: String,
}

impl Config {
    /// Reads `path` and lays `flags` over it; indicators are looked up in `registry`.
    ///
    /// # Errors
    /// One line that names the file or flag, the key, what was given and what was wanted.
    pub fn read(path: &Path, flags: &[Override], registry: &Registry) -> Result<Self, ConfigError> {
        use std::io::Read;
        let file = path.display().to_string();
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
            .map_err(|error| {
                ConfigError::of(
                    &file,
                    format!("cannot be read: {error}; `tidemill init` writes one"),
                )
            })?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let rule = format!("a configuration has at most {FILE_BYTES_MAX} bytes");
            return Err(ConfigError::of(file, rule));
        }
        Config::parse(&file, &text, flags, registry)
    }

    /// Like [`Config::read`], from text; `file` names it in messages.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(
        file: &str,
        text: &str,
        flags: &[Override],
        registry: &Registry,
    ) -> Result<Self, ConfigError> {
        let (tree, root) = tree::Tree::read(file, text, flags)?;
        check::check(&tree, &root, registry)
    }

    /// Name of the deployment.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// `host:port` of every process; empty: one process.
    pub fn processes(&self) -> &[String] {
        &self.processes
    }

    /// Worker threads of a process.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Length of an epoch.
    pub fn epoch(&self) -> EpochLength {
        self.epoch
    }

    /// Where checkpoints are kept, if any are.
    pub fn checkpoints(&self) -> Option<&CheckpointConfig> {
        self.checkpoints.as_ref()
    }

    /// Where ticks come from; may be empty, for an engine with sources in memory.
    pub fn sources(&self) -> &[SourceConfig] {
        &self.sources
    }

    /// How late, ahead and back trades in memory may lie: as those of the first source, or the defaults.
    pub fn timing(&self) -> Timing {
        self.sources.first().map(|source| source.timing).unwrap_or_default()
    }

    /// What is done with outliers.
    pub fn outliers(&self) -> Outliers {
        self.outliers
    }

    /// What is taken out of every log from its beginning on.
    pub fn exclusions(&self) -> &Arc<[Arc<Exclusion>]> {
        &self.exclusions
    }

    /// Share of refused records beyond which a run fails.
    pub fn max_refused(&self) -> f64 {
        self.max_refused
    }

    /// The instruments that the universe names, with their scales.
    pub fn scales(&self) -> &HashMap<String, Scales> {
        &self.scales
    }

    /// Whether symbols that the universe does not name are refused.
    pub fn listed_only(&self) -> bool {
        self.listed_only
    }

    /// Widths of bars, narrowest first.
    pub fn widths(&self) -> &[Width] {
        &self.widths
    }

    /// Whether bars without trades carry the last close on.
    pub fn carry(&self) -> bool {
        self.carry
    }

    /// Indicators.
    pub fn indicators(&self) -> &[IndicatorConfig] {
        &self.indicators
    }

    /// Sinks.
    pub fn sinks(&self) -> &[SinkConfig] {
        &self.sinks
    }

    /// The effective configuration as TOML: flags laid over, defaults filled in, secrets as written.
    pub fn print(&self) -> String {
        document::effective(&self.shown)
    }

    /// What the results depend on besides the input itself, fact by fact.
    pub fn facts(&self) -> Vec<(String, String)> {
        fingerprint::facts(self)
    }

    /// A stable hash of everything the results depend on besides the input itself.
    pub fn fingerprint(&self) -> String {
        fingerprint::fingerprint(&self.facts())
    }
}
