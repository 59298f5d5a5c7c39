//! Kafka as sources and sinks need it, over librdkafka: settings, batched consumption, transactions, topics.

mod admin;
mod client;
mod consumer;
mod raw;
mod settings;
pub mod trial;

pub use admin::{Admin, Bounds, PartitionName, Topic, TopicPlan};
pub use consumer::{Arrived, Consumer, Message, PartitionReader};
pub use settings::{KafkaError, Settings};
