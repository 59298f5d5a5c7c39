//! Ticks from Kafka: partitions that are named, each read and decoded ahead by a thread of its own.

mod behind;
mod control;
mod feed;
mod source;

pub use behind::Behind;
pub(crate) use control::RECORDS_MAX;
pub use control::{Control, Decision, recall, resume_at};
pub use source::{Gap, KafkaSource, KafkaSourceError, KafkaStart, LogPart, PartOpener};
