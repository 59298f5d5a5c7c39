//! The flags of the commands that look into topics.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Which brokers.
#[derive(Args, Debug)]
pub(super) struct BrokerFlags {
    /// Configuration that names them
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Brokers instead, as host:port,host:port
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
    /// A setting for these as librdkafka names it, as security.protocol=SSL; ${NAME} is the environment's
    #[arg(long = "kafka", value_name = "NAME=VALUE", requires = "brokers")]
    pub settings: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// Topic
    #[arg(value_name = "TOPIC")]
    pub topic: String,
    #[command(flatten)]
    pub brokers: BrokerFlags,
    /// earliest, latest, or the time of the first record
    #[arg(long, value_name = "WHERE", default_value = "latest")]
    pub from: String,
    /// End after so many records
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// End with the last record there is now
    #[arg(long)]
    pub until_end: bool,
    /// Only this partition
    #[arg(long, value_name = "N")]
    pub partition: Option<u32>,
    /// Only records of this key or symbol
    #[arg(long, value_name = "SYMBOL")]
    pub key: Option<String>,
    /// Print one JSON document a line
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub(super) struct TopicsArgs {
    #[command(subcommand)]
    pub action: TopicsAction,
}

/// Of which configuration.
#[derive(Args, Debug)]
pub(super) struct TopicsFlags {
    /// Configuration
    #[arg(long, value_name = "FILE", default_value = "cluster.toml")]
    pub config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum TopicsAction {
    /// Partitions, offsets between first and end, and how far the deployment is behind
    #[command(after_help = "Example: tidemill topics list --json")]
    List(TopicsFlags),
    /// Make those that are missing
    #[command(after_help = "Example: tidemill topics create --config cluster.toml")]
    Create(TopicsFlags),
    /// Their configuration, and the rights that are needed as lines for kafka-acls.sh
    #[command(after_help = "Example: tidemill topics describe")]
    Describe(TopicsFlags),
}
