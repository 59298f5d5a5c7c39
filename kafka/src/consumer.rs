//! Reading partitions that are named: no group, no rebalance; where a reader begins, its caller knows.
//!
//! A partition has a queue of its own inside librdkafka, which stops fetching it when 16 MB wait there: who reads
//! slowly holds nobody up but himself. Messages are lent, many at a call, and nothing is allocated for one.

use crate::client::{Client, failed};
use crate::raw::{Queue, Raw};
use crate::settings::{KafkaError, Settings};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::ffi::CStr;
use std::time::Duration;

/// A connection that partitions are read over.
#[derive(Clone)]
pub struct Consumer {
    client: Client,
}

/// One partition, read in order.
pub struct PartitionReader {
    queue: Queue,
    client: Client,
    name: String,
}

/// A message, lent for the time of a call.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    raw: Raw<'a>,
}

/// What a call brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Messages handed out.
    pub messages: usize,
    /// The partition had no more committed messages before this offset, behind all that was handed out.
    pub end: Option<u64>,
}

impl Consumer {
    /// Connects in the background: brokers that are away are no error, reading waits for them.
    ///
    /// # Errors
    /// Fails where the settings do not go together.
    pub fn new(settings: &Settings) -> Result<Self, KafkaError> {
        Ok(Consumer { client: Client::new(settings, &[])? })
    }

    /// Reads a partition from `offset` on.
    ///
    /// # Errors
    /// Fails where the name is none, or the partition is read over this connection already.
    pub fn read(
        &self,
        topic: &str,
        partition: u32,
        offset: u64,
    ) -> Result<PartitionReader, KafkaError> {
        let number = |what: &str| KafkaError::of(format!("reading {topic}/{partition}"), what);
        let partition_ = i32::try_from(partition).map_err(|_| number("no such partition"))?;
        let offset = i64::try_from(offset).map_err(|_| number("no such offset"))?;
        let queue = Queue::start(&self.client, topic, partition_, offset)?;
        Ok(PartitionReader {
            queue,
            client: self.client.clone(),
            name: format!("{topic}/{partition}"),
        })
    }
}

impl PartitionReader {
    /// Hands out the messages that are there, in order; where there is none waits for one, `wait` at most.
    ///
    /// # Errors
    /// Fails when the partition cannot be read on: it or what stood at the offset is gone, or nobody lets us.
    pub fn poll(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Message<'_>),
    ) -> Result<Arrived, KafkaError> {
        let mut arrived = Arrived::default();
        for raw in self.queue.poll(wait).messages() {
            match raw.error() {
                None => {
                    each(Message { raw });
                    arrived.messages += 1;
                    arrived.end = None;
                }
                Some(Code::PartitionEOF) => arrived.end = u64::try_from(raw.offset()).ok(),
                Some(code) => heed(&self.name, code, raw)?,
            }
        }
        match self.client.fatal() {
            Some(error) => Err(KafkaError::of(format!("reading {}", self.name), error)),
            None => Ok(arrived),
        }
    }
}

impl<'a> Message<'a> {
    /// Its place in the partition.
    pub fn offset(self) -> u64 {
        u64::try_from(self.raw.offset()).unwrap_or_default()
    }

    /// Its key.
    pub fn key(self) -> Option<&'a [u8]> {
        self.raw.key()
    }

    /// Its value; none is a tombstone.
    pub fn payload(self) -> Option<&'a [u8]> {
        self.raw.payload()
    }

    /// When it was made or appended, in milliseconds since 1970.
    pub fn timestamp_ms(self) -> Option<i64> {
        self.raw.timestamp_ms()
    }

    /// The value of the last header of a name. Costs more than the rest of the message.
    pub fn header(self, name: &CStr) -> Option<&'a [u8]> {
        self.raw.header(name)
    }
}

/// What is said of the partition: some of it passes by itself.
fn heed(name: &str, code: Code, raw: Raw<'_>) -> Result<(), KafkaError> {
    let text = String::from_utf8_lossy(raw.payload().unwrap_or_default());
    let offset = raw.offset();
    match code {
        // librdkafka reads on behind what it could not understand: that would be lost.
        Code::BadMessage
        | Code::BadCompression
        | Code::NotImplemented
        | Code::Underflow
        | Code::MessageSizeTooLarge
        | Code::AutoOffsetReset
        | Code::OffsetOutOfRange
        | Code::UnknownPartition
        | Code::UnknownTopic
        | Code::UnknownTopicOrPartition
        | Code::UnknownTopicId
        | Code::TopicAuthorizationFailed => {
            Err(failed(format!("reading {name} at offset {offset}: {text}"), code))
        }
        _ => {
            tracing::warn!(target: "kafka", partition = name, "{text}");
            Ok(())
        }
    }
}
