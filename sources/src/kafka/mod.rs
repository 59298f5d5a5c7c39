//! Ticks from Kafka: partitions that are named, each read and decoded ahead by a thread of its own.

mod feed;
mod source;

pub use source::{Gap, KafkaSource, KafkaSourceError, KafkaStart, LogPart, resume_at};
