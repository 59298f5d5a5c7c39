//! Flags of simulated sessions.

use clap::Args;
use std::path::PathBuf;

/// A simulated session.
#[derive(Args, Debug)]
pub(super) struct SessionFlags {
    /// Symbols, the 12 demo instruments first
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub symbols: i64,
    /// Trades of the session
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub trades: i64,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: i64,
    /// Start of the session in RFC 3339
    #[arg(long, value_name = "TIME", default_value = "2024-01-02T14:30:00Z")]
    pub start: String,
    /// Length of the session
    #[arg(long, value_name = "DURATION", default_value = "390min")]
    pub session: String,
    /// Share of trades that come late
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub late: f64,
    /// Share of trades that come twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub duplicate: f64,
    /// Share of records that are bad
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub bad: f64,
    /// Share of trades that are cancelled
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub cancel: f64,
    /// Share of trades that are replaced
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub replace: f64,
}

#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// File to write: .csv, .csv.gz, .csv.zst or .parquet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub session: SessionFlags,
    /// Columns of the file: all, or required (symbol, ts_event, price, size: without corrections)
    #[arg(long, value_name = "SET", default_value = "all")]
    pub columns: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
