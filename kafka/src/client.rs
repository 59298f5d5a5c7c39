//! A connection to the brokers that readers and administrators share, and what it has to say.

use crate::settings::{KafkaError, Settings};
use rdkafka::ClientContext;
use rdkafka::bindings::rd_kafka_t;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Logs and errors that one call takes from librdkafka at most.
const EVENTS_MAX: usize = 64;

/// What is set where the user sets nothing else.
const DEFAULTS: &[(&str, &str)] = &[
    // A full queue is looked at again so soon; librdkafka's second throttles a fast reader tenfold.
    ("fetch.queue.backoff.ms", "2"),
    // Brokers that come back are found within a second instead of ten.
    ("reconnect.backoff.max.ms", "1000"),
    // Of each partition.
    ("queued.max.messages.kbytes", "16384"),
    ("socket.nagle.disable", "true"),
];

/// What is always set: where a reader is, is its own to say.
const ALWAYS: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
];

/// An error in words that say what was being done.
pub(crate) fn failed(doing: impl std::fmt::Display, code: RDKafkaErrorCode) -> KafkaError {
    KafkaError::of(doing, code)
}

/// What a client says beside messages.
#[derive(Default)]
pub(crate) struct Context {
    /// What ends every read: it does not go away by waiting.
    fatal: Mutex<Option<KafkaError>>,
}

/// Passes on a line of librdkafka's log. What is an error comes as one too.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Debug => tracing::trace!(target: "kafka", facility, "{text}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
            tracing::debug!(target: "kafka", facility, "{text}");
        }
        _ => tracing::info!(target: "kafka", facility, "{text}"),
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let is_fatal =
            matches!(code, Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Authentication));
        tracing::warn!(target: "kafka", "{reason}");
        if is_fatal {
            let error = KafkaError { what: reason.to_owned() };
            *self.fatal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

impl ConsumerContext for Context {}

/// One connection for any number of partitions; clones share it.
#[derive(Clone)]
pub(crate) struct Client(Arc<BaseConsumer<Context>>);

impl Client {
    /// Connects in the background; `more` goes over the settings.
    pub fn new(settings: &Settings, more: &[(&str, &str)]) -> Result<Self, KafkaError> {
        let mut config = settings.client();
        for (name, value) in DEFAULTS {
            if config.get(name).is_none() {
                config.set(*name, *value);
            }
        }
        for (name, value) in ALWAYS.iter().chain(more) {
            config.set(*name, *value);
        }
        let consumer = BaseConsumer::from_config_and_context(&config, Context::default())
            .map_err(|error| KafkaError::of(format!("brokers {}", settings.brokers()), error))?;
        Ok(Client(Arc::new(consumer)))
    }

    pub fn consumer(&self) -> &BaseConsumer<Context> {
        &self.0
    }

    pub fn native(&self) -> *mut rd_kafka_t {
        self.0.client().native_ptr()
    }

    /// Takes what librdkafka wants to say: logs, and errors that belong to no partition. Without it they pile up.
    pub fn serve(&self) {
        for _ in 0..EVENTS_MAX {
            // Errors went to the context; a message cannot come here, each partition has a queue of its own.
            if self.0.poll(Duration::ZERO).is_none() {
                return;
            }
        }
    }

    /// An error, with what the connection said for good: why nobody answers.
    pub fn explain(&self, doing: String, error: &rdkafka::error::KafkaError) -> KafkaError {
        self.serve();
        match self.fatal() {
            Some(fatal) => KafkaError::of(doing, fatal),
            None => KafkaError::of(doing, error),
        }
    }

    /// What went wrong for good.
    pub fn fatal(&self) -> Option<KafkaError> {
        self.0.context().fatal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
