//! Records one behind the other, to be handed to a producer on another thread.

use crate::producer::{Headers, Record};

/// Records in the order they are to be written, their bytes side by side.
#[derive(Default)]
pub struct Batch {
    records: Vec<Kept>,
    bytes: Vec<u8>,
    /// The topics of the records: few, and looked for from the first.
    topics: Vec<String>,
}

struct Kept {
    topic: usize,
    partition: Option<i32>,
    headers: Option<Headers>,
    timestamp_ms: Option<i64>,
    /// Where the key begins, where the value does, and where it ends.
    at: [usize; 3],
    has_key: bool,
    has_value: bool,
}

impl Batch {
    /// Adds a record.
    pub fn push(&mut self, record: &Record<'_>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        let known = self.topics.iter().position(|topic| topic == record.topic);
        let topic = known.unwrap_or_else(|| {
            self.topics.push(record.topic.to_owned());
            self.topics.len() - 1
        });
        self.records.push(Kept {
            topic,
            partition: record.partition,
            headers: record.headers.cloned(),
            timestamp_ms: record.timestamp_ms,
            at: [from, middle, self.bytes.len()],
            has_key: record.key.is_some(),
            has_value: record.value.is_some(),
        });
    }

    /// Records in it.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of their keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Record `number`, as it was added.
    pub fn record(&self, number: usize) -> Record<'_> {
        let kept = &self.records[number];
        let [from, middle, to] = kept.at;
        Record {
            topic: &self.topics[kept.topic],
            partition: kept.partition,
            key: kept.has_key.then(|| &self.bytes[from..middle]),
            value: kept.has_value.then(|| &self.bytes[middle..to]),
            headers: kept.headers.as_ref(),
            timestamp_ms: kept.timestamp_ms,
        }
    }
}
