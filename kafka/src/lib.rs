//! Kafka as sources and sinks need it, over librdkafka: settings, batched consumption, transactions, topics.

mod batch;
mod committed;
mod producer;
mod settings;
mod topics;
mod transaction;

pub use batch::Batch;
pub use committed::read_committed;
pub use producer::{Headers, Producer, Record, Sent};
pub use settings::{KafkaError, Settings};
pub use topics::{Topic, TopicPlan, Topics};
pub use transaction::Transactions;
