//! Kafka as sources and sinks need it, over librdkafka: settings, batched consumption, transactions, topics.

mod admin;
mod batch;
mod client;
mod committed;
mod consumer;
mod group;
mod producer;
mod raw;
mod settings;
mod topics;
mod transaction;
pub mod trial;

pub use admin::{ANSWERS_MAX, Admin, Bounds, Described, PartitionName};
pub use batch::Batch;
pub use committed::read_committed;
pub use consumer::{Arrived, Consumer, Message, PartitionReader};
pub use group::Group;
pub use producer::{Headers, Producer, Record, Sent};
pub use settings::{KafkaError, Settings};
pub use topics::{Topic, TopicPlan, Topics};
pub use transaction::Transactions;
