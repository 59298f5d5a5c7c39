//! Ticks from Kafka: partitions that are named, each read and decoded ahead by a thread of its own.

mod asked;
mod behind;
mod control;
mod deciding;
mod feed;
mod name;
mod recall;
mod source;

pub use behind::Behind;
pub(crate) use control::RECORDS_MAX;
pub use control::{Control, Decided, Decision, resume_at};
pub use name::TopicName;
pub use recall::{Accepted, Joined, Recalled, recall};
pub use source::{Begin, Gap, KafkaSource, KafkaSourceError, KafkaStart, LogPart, PartOpener};
