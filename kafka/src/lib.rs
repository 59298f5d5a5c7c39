//! Kafka as sources and sinks need it, over librdkafka: settings, batched consumption, transactions, topics.

mod producer;
mod settings;
mod transaction;

pub use producer::{Headers, Producer, Record, Sent};
pub use settings::{KafkaError, Settings};
pub use transaction::Transactions;
