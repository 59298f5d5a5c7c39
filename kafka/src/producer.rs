//! An idempotent producer: records in order, acknowledged by all replicas, none lost and none doubled by a retry.
//!
//! A broker that is away is waited for without limit; what waits for it is bounded by the queue, and a
//! full queue blocks the caller. What can never be delivered (no right, no such topic, too large) fails
//! the next call. A thread serves what librdkafka has to tell.

use crate::{KafkaError, Settings};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Records that wait for the broker, at most.
const QUEUE_RECORDS_MAX: &str = "200000";
/// Their kilobytes, at most.
const QUEUE_KBYTES_MAX: &str = "65536";
/// How long is slept where there is nothing to do but wait for the broker.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// Headers of a record; clones share them.
#[derive(Clone, Debug)]
pub struct Headers(Arc<OwnedHeaders>);

impl Headers {
    /// Headers of these names and values.
    pub fn of(list: &[(&str, &str)]) -> Self {
        let add = |headers: OwnedHeaders, (key, value): &(&str, &str)| {
            headers.insert(Header { key, value: Some(*value) })
        };
        Headers(Arc::new(list.iter().fold(OwnedHeaders::new_with_capacity(list.len()), add)))
    }
}

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition; without one, Kafka's hash of the key chooses.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Option<&'a Headers>,
    /// Its time in milliseconds, where it is not that of the sending.
    pub timestamp_ms: Option<i64>,
}

/// What became of the records sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Records handed to the producer.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records that the broker has acknowledged.
    pub acknowledged: u64,
}

/// What librdkafka tells beside its answers.
#[derive(Default)]
pub(crate) struct Failures {
    count: AtomicU64,
    last: Mutex<Option<(Code, String)>>,
}

impl Failures {
    /// The last record that was not delivered: why, and its topic.
    pub(crate) fn last(&self) -> Option<(Code, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets it.
    pub(crate) fn clear(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Failures {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        crate::client::log(level, facility, text);
    }

    fn error(&self, _: Native, reason: &str) {
        tracing::warn!(target: "kafka", "{reason}");
    }
}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            self.count.fetch_add(1, Ordering::Relaxed);
            let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
            let last = Some((code, message.topic().to_owned()));
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
        }
    }
}

/// What both producers have in common: acknowledged by all, in order, compressed, told of failures only.
pub(crate) fn client(settings: &Settings, linger_ms: u32) -> ClientConfig {
    let mut config = settings.client();
    let bounds = [
        ("queue.buffering.max.messages", QUEUE_RECORDS_MAX),
        ("queue.buffering.max.kbytes", QUEUE_KBYTES_MAX),
    ];
    for (name, value) in bounds.into_iter().filter(|(name, _)| !settings.names(name)) {
        config.set(name, value);
    }
    if !settings.names("compression.type") && !settings.names("compression.codec") {
        config.set("compression.type", "zstd");
    }
    if !settings.names("linger.ms") && !settings.names("queue.buffering.max.ms") {
        config.set("linger.ms", linger_ms.to_string());
    }
    config.set("enable.idempotence", "true").set("delivery.report.only.error", "true");
    config
}

/// The producer itself, with its thread.
pub(crate) fn start(config: &ClientConfig) -> Result<ThreadedProducer<Failures>, KafkaError> {
    ThreadedProducer::from_config_and_context(config, Failures::default())
        .map_err(|error| KafkaError::of("kafka producer", error))
}

/// How an attempt to hand a record over ended.
pub(crate) enum Handed {
    /// It is in the queue.
    Over,
    /// The queue is full.
    Full,
    /// It was not taken.
    Refused(Native),
}

/// Hands a record to the queue.
pub(crate) fn hand(producer: &ThreadedProducer<Failures>, record: &Record<'_>) -> Handed {
    let handed = producer.send(BaseRecord {
        topic: record.topic,
        partition: record.partition,
        payload: record.value,
        key: record.key,
        timestamp: record.timestamp_ms,
        headers: record.headers.map(|headers| (*headers.0).clone()),
        delivery_opaque: (),
    });
    match handed {
        Ok(()) => Handed::Over,
        Err((Native::MessageProduction(Code::QueueFull), _)) => Handed::Full,
        Err((error, _)) => Handed::Refused(error),
    }
}

/// Whether what failed this way fails again however often it is tried.
pub(crate) fn is_permanent(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicOrPartition
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::PolicyViolation
            | Code::InvalidRequiredAcks
            | Code::UnsupportedForMessageFormat
            | Code::Fatal
    )
}

/// Writes records, each once.
pub struct Producer {
    inner: ThreadedProducer<Failures>,
    brokers: String,
    records: u64,
    bytes: u64,
}

impl Producer {
    /// A producer; it connects by and by. Compression is zstd, and records wait up to `linger_ms` for others
    /// to make a batch with, unless the settings say otherwise.
    ///
    /// # Errors
    /// Fails when a setting does not go with another.
    pub fn open(settings: &Settings, linger_ms: u32) -> Result<Self, KafkaError> {
        let mut config = client(settings, linger_ms);
        // Without a limit: a record that was given up would be missing among those that follow it.
        config.set("message.timeout.ms", "0");
        let brokers = settings.brokers().to_owned();
        Ok(Producer { inner: start(&config)?, brokers, records: 0, bytes: 0 })
    }

    /// Hands a record over; waits where the queue is full.
    ///
    /// # Errors
    /// Fails when this record or an earlier one can never be delivered.
    pub fn send(&mut self, record: &Record<'_>) -> Result<(), KafkaError> {
        loop {
            self.check()?;
            match hand(&self.inner, record) {
                Handed::Over => break,
                Handed::Full => std::thread::sleep(PAUSE),
                Handed::Refused(error) => return Err(self.failed(record.topic, error)),
            }
        }
        self.records += 1;
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
        self.bytes += len(record.key) + len(record.value);
        Ok(())
    }

    /// Whether everything sent was acknowledged, after waiting for it up to `wait`.
    ///
    /// # Errors
    /// Fails when a record can never be delivered.
    pub fn flush(&self, wait: Duration) -> Result<bool, KafkaError> {
        // Only a wait that is over is no answer; the failures themselves are told of one by one.
        let is_done = self.inner.flush(wait).is_ok();
        self.check()?;
        Ok(is_done)
    }

    /// What became of the records so far.
    pub fn sent(&self) -> Sent {
        let waiting = u64::try_from(self.inner.in_flight_count()).unwrap_or(0);
        let failed = self.inner.context().count.load(Ordering::Relaxed);
        let acknowledged = self.records.saturating_sub(waiting + failed);
        Sent { records: self.records, bytes: self.bytes, acknowledged }
    }

    fn check(&self) -> Result<(), KafkaError> {
        match self.inner.context().count.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => {
                let (code, topic) =
                    self.inner.context().last().unwrap_or((Code::Fail, String::new()));
                Err(self.failed(&topic, code))
            }
        }
    }

    fn failed(&self, topic: &str, error: impl std::fmt::Display) -> KafkaError {
        KafkaError::of(format!("kafka {}: cannot write to {topic}", self.brokers), error)
    }
}
