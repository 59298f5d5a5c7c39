//! Kafka as sources and sinks need it, over librdkafka: settings, batched consumption, transactions, topics.

mod settings;

pub use settings::{KafkaError, Settings};
