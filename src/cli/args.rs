//! The command line in types. Values are checked where they mean something: by the configuration.

use super::exclude::ExcludeArgs;
use super::session_args::{SessionFlags, SimulateArgs};
use super::store_args::{CheckpointArgs, DiffArgs, LetterArgs};
use super::topic_args::{TailArgs, TopicsArgs};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A market-data dataflow engine: ticks in, bars and indicators out, revised exactly.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, about, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Simulate a session, compute and store it, print it and write a report
    #[command(after_help = "Example: tidemill demo --data /tmp/demo")]
    Demo(DemoArgs),
    /// Run the engine as cluster.toml says
    #[command(after_help = "Example: tidemill run --config cluster.toml --process 0")]
    Run(RunArgs),
    /// Run every process of this machine, and start them again when one is lost
    #[command(after_help = "Example: tidemill up --config cluster.toml -- --json")]
    Up(UpArgs),
    /// Files, or topics of Kafka, through the graph into a store
    #[command(after_help = "Example: tidemill replay 'trades-*.csv.gz' --widths 1min,5min \
        --indicators \"sma(20),rsi(14)\" --sink sqlite,parquet")]
    Replay(Box<ReplayArgs>),
    /// Write a seeded session to a file: CSV or Parquet by its name
    #[command(
        after_help = "Examples: tidemill simulate --out trades.csv --symbols 100 --trades 1000000 --late 0.01\n          \
        tidemill simulate --out corrected.parquet --cancel 0.002 --replace 0.005\n\nCorrections come 1 to 60 s after their \
        trade, as many between 1 and 2 s as between 30 and 60. One replace in eight is\nreplaced once more and one in eight \
        cancelled; one cancel in fifty comes before its trade, one in fifty with another of an\nunknown id, and one \
        correction in fifty comes twice."
    )]
    Simulate(SimulateArgs),
    /// Files or a simulated session into a Kafka topic
    #[command(
        after_help = "Example: tidemill ingest 'trades-*.parquet' --brokers localhost:9092 --topic tick_data \
        --codec arrow --batch 1000"
    )]
    Ingest(Box<IngestArgs>),
    /// The topics of the configuration: listed with lag, made, described with the rights needed
    #[command(after_help = "Example: tidemill topics list --config cluster.toml")]
    Topics(TopicsArgs),
    /// Print the records of a topic as they come, decoded
    #[command(
        after_help = "Example: tidemill tail aggregated_data_1min --brokers localhost:9092 --from earliest \
        --max 10 --key NVDA"
    )]
    Tail(TailArgs),
    /// Ask the embedded store
    #[command(after_help = "Examples: tidemill query \"SELECT symbol, close FROM aggregated_data \
        WHERE width = '1min' LIMIT 5\" --format csv\n          tidemill query --as-of 2024-01-02T14:31:00Z \
        \"SELECT symbol, close FROM aggregated_data WHERE width = '1min'\"")]
    Query(QueryArgs),
    /// Take trades out of the log, where every later run finds that written down
    #[command(
        after_help = "Examples: tidemill exclude --where \"symbol='NVDA' and ts_event>='2024-01-02T14:30:00Z' \
        and ts_event<'2024-01-02T14:31:00Z'\" --reason \"bad prints\" --dry-run\n          tidemill exclude --exclusions \
        excluded.jsonl --where \"venue='XADF'\" --reason \"halted venue\""
    )]
    Exclude(ExcludeArgs),
    /// Compare what two deployments wrote: two stores, or the topics of two configurations
    #[command(after_help = "Examples: tidemill diff tidemill-data other-data\n          \
        tidemill diff --config blue.toml --config green.toml --from 2024-01-02T15:00:00Z")]
    Diff(DiffArgs),
    /// Validate a configuration and say what a start would do, or show the first rows of a data file as understood
    #[command(
        after_help = "Examples: tidemill check --connect\n          tidemill check --print\n          tidemill check \
        trades.csv --columns \"ts_event=t:ms\"\n\nLooks at the files, the store and the checkpoints of this machine, \
        and says what a start would do; ends with 2 where\nsomething would stop it. Only with --connect is anybody asked \
        over a network: brokers and buckets."
    )]
    Check(CheckArgs),
    /// Write a commented cluster.toml
    #[command(after_help = "Example: tidemill init --config cluster.toml")]
    Init(InitArgs),
    /// What was refused, and why
    #[command(after_help = "Example: tidemill dead-letters list --reason duplicate")]
    DeadLetters(LetterArgs),
    /// How a run is: who holds it back, lag, checkpoints, refusals, sinks, and what to read where something is wrong
    #[command(after_help = "Example: tidemill status --config cluster.toml")]
    Status(StatusArgs),
    /// Checkpoints that are kept: list them, verify them, remove what is no longer needed
    #[command(after_help = "Example: tidemill checkpoints list --config cluster.toml")]
    Checkpoints(CheckpointArgs),
}

/// Flags of every command that runs the graph.
#[derive(Args, Debug)]
pub(super) struct RunFlags {
    /// Store folder [default: the file's deployment.data, else tidemill-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Worker threads, and as many decoder threads
    #[arg(long, value_name = "N")]
    pub workers: Option<i64>,
    /// Begin a store anew that was made with something else
    #[arg(long)]
    pub replace: bool,
    /// Exit with code 3 when any record was refused
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Port of the live page; accepted, and used once there is one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Symbols, the 12 instruments first
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub symbols: i64,
    /// Trades of the session
    #[arg(long, value_name = "N", default_value_t = 400_000)]
    pub trades: i64,
    /// End with the summary; there is no live page yet, so it always does
    #[arg(long)]
    pub no_serve: bool,
    #[command(flatten)]
    pub run: RunFlags,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// Configuration
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Number of this process among cluster.processes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub process: usize,
    /// Go on where a topic no longer keeps what was to be read next
    #[arg(long)]
    pub accept_gap: bool,
    /// End when standard input does: with the supervisor that holds its other end
    #[arg(long, hide = true)]
    pub supervised: bool,
    #[command(flatten)]
    pub run: RunFlags,
}

#[derive(Args, Debug)]
pub(super) struct UpArgs {
    /// Configuration
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Flags of every `tidemill run`
    #[arg(last = true, value_name = "FLAGS")]
    pub run: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Configuration of the run
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// How a file's rows are understood.
#[derive(Args, Debug)]
pub(super) struct LayoutFlags {
    /// Where the fields of a trade are, as "ts_event=t:ms, price=px*0.01, symbol='NVDA'"
    #[arg(long, value_name = "MAP")]
    pub columns: Option<String>,
    /// Rows that are records, as "type in (4,5)"
    #[arg(long = "where", value_name = "CONDITION")]
    pub filter: Option<String>,
    /// The first line is a row; columns are c1, c2, ...
    #[arg(long)]
    pub no_header: bool,
    /// Character between fields
    #[arg(long, value_name = "CHAR", allow_hyphen_values = true)]
    pub delimiter: Option<String>,
    /// Skip lines that begin with this character
    #[arg(long, value_name = "CHAR", allow_hyphen_values = true)]
    pub comment: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// Files and globs: CSV (plain, .gz, .zst) or Parquet
    #[arg(required_unless_present = "topic", value_name = "FILES")]
    pub files: Vec<String>,
    /// Topics instead of files, up to where they end now: names, or a pattern that begins with ^
    #[arg(long, value_name = "TOPICS", conflicts_with_all = ["files", "order", "partition"])]
    pub topic: Option<String>,
    /// Leave out what is timed before, as 2024-01-02T14:30:00Z
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Read until every watermark has come to this time; what is open then stays open
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Kafka's brokers [default: those of the configuration's first source]
    #[arg(long, value_name = "HOST:PORT", requires = "topic")]
    pub brokers: Option<String>,
    /// How trades stand in messages: json or arrow
    #[arg(long, value_name = "CODEC", requires = "topic")]
    pub codec: Option<String>,
    #[command(flatten)]
    pub layout: LayoutFlags,
    /// File of trades that are taken out, as tidemill exclude writes it
    #[arg(long, value_name = "FILE")]
    pub exclusions: Option<String>,
    /// Tape by whose rules sale conditions decide what of a bar a trade counts for: cta (A and B), utp (C) or none [default: none]
    #[arg(long, value_name = "TAPE")]
    pub conditions: Option<String>,
    /// Order of the records: time, log or any
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
    /// Each file a log, or one log of all: file or sequence
    #[arg(long, value_name = "MODE")]
    pub partition: Option<String>,
    /// Configuration whose sources are replaced by the files, or its first source's topics by these
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Widths of bars, as 1min,5min
    #[arg(long, value_name = "LIST")]
    pub widths: Option<String>,
    /// Bars without trades: skip or carry
    #[arg(long, value_name = "MODE")]
    pub empty: Option<String>,
    /// Indicators, as "sma(20),ema(12),rsi(14)"
    #[arg(long, value_name = "LIST")]
    pub indicators: Option<String>,
    /// How much later than the latest a record may come without being late
    #[arg(long, value_name = "DURATION")]
    pub lateness: Option<String>,
    /// How long a trade can still come late
    #[arg(long, value_name = "DURATION")]
    pub horizon: Option<String>,
    /// Speed against event time: max, 1x, 10x
    #[arg(long, value_name = "PACE")]
    pub pace: Option<String>,
    /// Where rows go: sqlite, parquet, jsonl, none
    #[arg(long, value_name = "LIST")]
    pub sink: Option<String>,
    #[command(flatten)]
    pub run: RunFlags,
}

#[derive(Args, Debug)]
pub(super) struct IngestArgs {
    /// Files and globs: CSV (plain, .gz, .zst) or Parquet
    #[arg(required_unless_present = "simulate", value_name = "FILES")]
    pub files: Vec<String>,
    /// A simulated session instead of files
    #[arg(long, conflicts_with = "files")]
    pub simulate: bool,
    /// Brokers, as host:port,host:port
    #[arg(long, value_name = "LIST")]
    pub brokers: String,
    /// Topic; made when it is missing
    #[arg(long, value_name = "NAME")]
    pub topic: String,
    /// A setting as librdkafka names it, as security.protocol=SSL; ${NAME} is the environment's
    #[arg(long = "kafka", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Partitions of a topic that is made [default: 4], and wanted of one that is there
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: Option<i32>,
    /// How trades stand in messages: json or arrow
    #[arg(long, value_name = "CODEC", default_value = "json")]
    pub codec: String,
    /// Trades of a message; one has its symbol as its key
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// To every partition in turn and without keys, whatever the symbol: for sources with repartition
    #[arg(long)]
    pub no_keys: bool,
    /// Speed against event time: max, 1x, 10x
    #[arg(long, value_name = "PACE", default_value = "max")]
    pub pace: String,
    /// Trades a second at most
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Event time between heartbeats to every partition; 0s for none
    #[arg(long, value_name = "DURATION", default_value = "1s")]
    pub heartbeats: String,
    /// How far heartbeats stay behind the latest trade
    #[arg(long, value_name = "DURATION", default_value = "2s")]
    pub lateness: String,
    /// Leave out the last heartbeat, which says that nothing earlier follows
    #[arg(long)]
    pub no_end_heartbeat: bool,
    /// Pass on what cannot be decoded, as it came
    #[arg(long)]
    pub raw: bool,
    /// Folder for what cannot be decoded
    #[arg(long, value_name = "DIR", default_value = "tidemill-ingest")]
    pub data: PathBuf,
    /// Order of the records of a file: time, log or any
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
    #[command(flatten)]
    pub layout: LayoutFlags,
    #[command(flatten)]
    pub session: SessionFlags,
    /// Exit with code 3 when any record could not be decoded
    #[arg(long)]
    pub strict: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct QueryArgs {
    /// One SQL statement that reads
    #[arg(value_name = "SQL")]
    pub sql: String,
    /// Answer with what was known then: rows before later corrections, none of later bars
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub as_of: Option<String>,
    /// Store folder [default: that of cluster.toml where there is one, else tidemill-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// table, csv or json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// A data file to look into
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// Configuration
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Print the effective configuration and its fingerprint
    #[arg(long)]
    pub print: bool,
    /// Ask the brokers too: whether they answer, which topics are there, what patterns match; and look into buckets
    #[arg(long, conflicts_with = "file")]
    pub connect: bool,
    #[command(flatten)]
    pub layout: LayoutFlags,
    /// Rows to show of a data file
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rows: usize,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Overwrite it
    #[arg(long)]
    pub replace: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
