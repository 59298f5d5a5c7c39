//! Flags of the commands that look into what runs left: dead letters, checkpoints, two stores side by side.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct LetterArgs {
    #[command(subcommand)]
    pub action: LetterAction,
}

/// Which letters of which store.
#[derive(Args, Debug)]
pub(super) struct LetterFilter {
    /// Store folder [default: that of cluster.toml where there is one, else tidemill-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Only those of a reason, as duplicate
    #[arg(long, value_name = "REASON")]
    pub reason: Option<String>,
    /// Only those of a symbol
    #[arg(long, value_name = "SYMBOL")]
    pub symbol: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum LetterAction {
    /// Counts by reason, source and symbol
    #[command(after_help = "Example: tidemill dead-letters list --symbol NVDA")]
    List(LetterFilter),
    /// One letter with everything that is known of it
    #[command(after_help = "Example: tidemill dead-letters show 3")]
    Show {
        /// Its number, from 1
        number: u64,
        #[command(flatten)]
        filter: LetterFilter,
    },
    /// Every letter, to a file or standard output: CSV or JSON
    #[command(after_help = "Example: tidemill dead-letters export --out refused.csv")]
    Export {
        #[command(flatten)]
        filter: LetterFilter,
        /// File to write; .json for JSON, else CSV [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// Two store folders
    #[arg(
        value_name = "DIR",
        num_args = 2,
        required_unless_present = "config",
        conflicts_with = "config"
    )]
    pub stores: Vec<PathBuf>,
    /// A configuration whose output topics are compared with another's: given twice
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Also compare revisions, the times at which rows were known, and columns that one side lacks
    #[arg(long)]
    pub exact: bool,
    /// Only bars that start at this time or later
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Only bars that start before this time
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Differing rows of a table to print, of each kind: of one side alone, of other values, revised otherwise
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rows: usize,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CheckpointArgs {
    #[command(subcommand)]
    pub action: CheckpointAction,
}

/// Whose checkpoints.
#[derive(Args, Debug)]
pub(super) struct CheckpointStore {
    /// Configuration that says where they are
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointAction {
    /// Claims and manifests in the order they were written
    #[command(after_help = "Example: tidemill checkpoints list --json")]
    List(CheckpointStore),
    /// Read every object that a manifest names; exits with 1 when one is missing or damaged
    #[command(after_help = "Example: tidemill checkpoints verify --config cluster.toml")]
    Verify(CheckpointStore),
    /// Remove what the newest manifests do not need
    #[command(after_help = "Example: tidemill checkpoints prune --keep 2")]
    Prune {
        #[command(flatten)]
        store: CheckpointStore,
        /// Manifests to keep [default: cluster.checkpoints.keep]
        #[arg(long, value_name = "N")]
        keep: Option<usize>,
    },
}
