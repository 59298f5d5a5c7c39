//! Transactions: records that all appear to readers of what is committed, or none of them.
//!
//! A transaction begins with its first record and is sent as records come. They are kept until it is
//! committed, because a transaction that a broker gave up (it was away for longer than
//! `transaction.timeout.ms`, or one record was not delivered in time) is made again from them. A later
//! owner of the same transactional id fences this one: every call fails from then on.

use crate::producer::{
    Failures, Handed, Headers, PAUSE, Record, client, hand, is_permanent, start,
};
use crate::{KafkaError, Settings};
use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::producer::{Producer as _, ThreadedProducer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of records that are kept to make a transaction again. One that is larger is not kept: when it
/// is given up the run ends, and the next one makes it again from its checkpoint.
const KEPT_BYTES_MAX: usize = 256 << 20;
/// How long one call waits before it looks whether it should stop.
const WAIT: Duration = Duration::from_secs(1);
/// Waits for the brokers' first answer, in all.
const OPENING_WAITS_MAX: u32 = 60;
/// How long a record waits for others to make a batch with.
const LINGER_MS: u32 = 1;
/// Pauses after which a wait for deliveries looks whether the transaction was given up meanwhile.
const PAUSES_MAX: u32 = 100;
/// How long the end of a run waits for the open transaction to be given up.
const ABORT_WAIT: Duration = Duration::from_secs(5);

/// A transaction's records, one behind the other.
#[derive(Default)]
struct Kept {
    records: Vec<KeptRecord>,
    bytes: Vec<u8>,
}

struct KeptRecord {
    topic: Arc<str>,
    partition: Option<i32>,
    headers: Option<Headers>,
    timestamp_ms: Option<i64>,
    /// Where the key begins, where the value does, and where it ends.
    at: [usize; 3],
    has_key: bool,
    has_value: bool,
}

impl Kept {
    fn push(&mut self, record: &Record<'_>) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(record.key.unwrap_or_default());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(record.value.unwrap_or_default());
        // Neighbours share a topic's name more often than not.
        let topic = match self.records.last() {
            Some(last) if *last.topic == *record.topic => last.topic.clone(),
            _ => record.topic.into(),
        };
        self.records.push(KeptRecord {
            topic,
            partition: record.partition,
            headers: record.headers.cloned(),
            timestamp_ms: record.timestamp_ms,
            at: [from, middle, self.bytes.len()],
            has_key: record.key.is_some(),
            has_value: record.value.is_some(),
        });
    }

    fn record(&self, number: usize) -> Record<'_> {
        let kept = &self.records[number];
        let [from, middle, to] = kept.at;
        Record {
            topic: &kept.topic,
            partition: kept.partition,
            key: kept.has_key.then(|| &self.bytes[from..middle]),
            value: kept.has_value.then(|| &self.bytes[middle..to]),
            headers: kept.headers.as_ref(),
            timestamp_ms: kept.timestamp_ms,
        }
    }

    fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }
}

/// What to do about an error.
enum Answer {
    /// Nothing is lost: ask again.
    Again,
    /// The transaction is given up: make it again.
    Redo,
    /// It never succeeds.
    Fail(KafkaError),
}

/// A writer that owns its transactional id.
pub struct Transactions {
    inner: ThreadedProducer<Failures>,
    what: String,
    /// Set from outside: give up waiting.
    stop: Arc<AtomicBool>,
    kept: Kept,
    /// How many of the kept records the open transaction holds.
    sent: usize,
    is_open: bool,
    /// Whether the open transaction holds records that are no longer kept.
    is_beyond: bool,
    kept_bytes_max: usize,
}

impl Transactions {
    /// Takes possession of `id`: whoever had it is fenced and its open transaction given up, before this
    /// returns. `stop` ends every wait for a broker.
    ///
    /// # Errors
    /// Fails when a setting does not go with another, no broker answers within a minute, or the id may not
    /// be used.
    pub fn open(settings: &Settings, id: &str, stop: Arc<AtomicBool>) -> Result<Self, KafkaError> {
        // Rows come in bursts, and a commit waits for the last of them.
        let mut config = client(settings, LINGER_MS);
        config.set("transactional.id", id);
        let opened = Transactions {
            inner: start(&config)?,
            what: format!("kafka {}, writer {id}", settings.brokers()),
            stop,
            kept: Kept::default(),
            sent: 0,
            is_open: false,
            is_beyond: false,
            kept_bytes_max: KEPT_BYTES_MAX,
        };
        for _ in 0..OPENING_WAITS_MAX {
            match opened.inner.init_transactions(WAIT) {
                Ok(()) => return Ok(opened),
                Err(error) => match opened.answer(error) {
                    Answer::Again | Answer::Redo => opened.go_on()?,
                    Answer::Fail(error) => return Err(error),
                },
            }
        }
        Err(KafkaError::of(&opened.what, "no broker answered within a minute"))
    }

    /// Fences whoever writes under `id` and gives up its open transaction.
    ///
    /// # Errors
    /// As [`Transactions::open`].
    pub fn fence(settings: &Settings, id: &str, stop: Arc<AtomicBool>) -> Result<(), KafkaError> {
        Self::open(settings, id, stop).map(drop)
    }

    /// Keeps at most so many bytes to make a transaction again.
    #[must_use]
    pub fn kept_bytes_max(mut self, bytes: usize) -> Self {
        self.kept_bytes_max = bytes;
        self
    }

    /// Bytes of keys and values in the transaction.
    pub fn bytes(&self) -> usize {
        self.kept.bytes.len()
    }

    /// Adds a record to the transaction; waits where the queue is full.
    ///
    /// # Errors
    /// Fails when the record can never be delivered, or another run has taken over.
    pub fn send(&mut self, record: &Record<'_>) -> Result<(), KafkaError> {
        self.kept.push(record);
        self.forward()?;
        if self.kept.bytes.len() > self.kept_bytes_max {
            self.kept.clear();
            (self.sent, self.is_beyond) = (0, true);
        }
        Ok(())
    }

    /// Makes everything sent since the last commit visible at once; waits for the broker.
    ///
    /// # Errors
    /// Fails when a record can never be delivered, or another run has taken over.
    pub fn commit(&mut self) -> Result<(), KafkaError> {
        while self.is_open || !self.kept.records.is_empty() {
            self.forward()?;
            self.deliver()?;
            match self.inner.commit_transaction(WAIT) {
                Ok(()) => {
                    self.kept.clear();
                    (self.sent, self.is_open, self.is_beyond) = (0, false, false);
                }
                Err(error) => self.recover(error)?,
            }
        }
        Ok(())
    }

    /// Gives up everything sent since the last commit.
    ///
    /// # Errors
    /// Fails when another run has taken over.
    pub fn abort(&mut self) -> Result<(), KafkaError> {
        self.kept.clear();
        self.is_beyond = false;
        self.give_up()
    }

    /// Hands over what the transaction does not hold yet.
    fn forward(&mut self) -> Result<(), KafkaError> {
        while self.sent < self.kept.records.len() {
            if !self.is_open {
                match self.inner.begin_transaction() {
                    Ok(()) => self.is_open = true,
                    Err(error) => self.recover(error)?,
                }
                continue;
            }
            match hand(&self.inner, &self.kept.record(self.sent)) {
                Handed::Over => self.sent += 1,
                Handed::Full => {
                    self.go_on()?;
                    std::thread::sleep(PAUSE);
                }
                Handed::Refused(error) => self.recover(error)?,
            }
        }
        Ok(())
    }

    /// Waits for what was handed over, for a while: the wrapper's own wait looks every 100 ms only.
    fn deliver(&mut self) -> Result<(), KafkaError> {
        for _ in 0..PAUSES_MAX {
            if self.inner.in_flight_count() == 0 {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
        self.go_on()?;
        // Refused in every state, with the reason where the transaction was given up: its records would
        // never leave the queue.
        match self.inner.begin_transaction() {
            Err(Native::Transaction(native)) if native.txn_requires_abort() => self.give_up(),
            _ => Ok(()),
        }
    }

    /// Waits, makes the transaction ready to be made again, or fails.
    fn recover(&mut self, error: Native) -> Result<(), KafkaError> {
        match self.answer(error) {
            Answer::Again => self.go_on(),
            Answer::Redo => self.give_up(),
            Answer::Fail(error) => Err(error),
        }
    }

    /// Ends the open transaction without a trace; its records are to be sent again.
    fn give_up(&mut self) -> Result<(), KafkaError> {
        if self.is_beyond {
            let bytes = self.kept_bytes_max;
            let why =
                format!("a transaction of more than {bytes} bytes was given up by the broker");
            return Err(KafkaError::of(&self.what, why));
        }
        while self.is_open {
            match self.inner.abort_transaction(WAIT) {
                Ok(()) => self.is_open = false,
                Err(error) => match self.answer(error) {
                    Answer::Again | Answer::Redo => self.go_on()?,
                    Answer::Fail(error) => return Err(error),
                },
            }
        }
        self.sent = 0;
        self.inner.context().clear();
        Ok(())
    }

    fn go_on(&self) -> Result<(), KafkaError> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(KafkaError::of(&self.what, "stopped while waiting for the brokers")),
            false => Ok(()),
        }
    }

    fn answer(&self, error: Native) -> Answer {
        let code = error.rdkafka_error_code().unwrap_or(Code::Fail);
        if let Some((_, why)) = self.inner.client().fatal_error() {
            return Answer::Fail(self.fatal(&why));
        }
        let undelivered = self.inner.context().last();
        if let Some((code, topic)) = undelivered.filter(|(code, _)| is_permanent(*code)) {
            return Answer::Fail(KafkaError::of(format!("{}: topic {topic}", self.what), code));
        }
        match &error {
            _ if is_permanent(code) => Answer::Fail(KafkaError::of(&self.what, error)),
            Native::Transaction(native) if native.is_fatal() => {
                Answer::Fail(self.fatal(&native.string()))
            }
            Native::Transaction(native) if native.txn_requires_abort() => Answer::Redo,
            Native::Transaction(native) if native.is_retriable() => Answer::Again,
            Native::Flush(_) => Answer::Again,
            // The transaction is in a state that takes no records: it must be aborted.
            Native::MessageProduction(Code::State) => Answer::Redo,
            _ => Answer::Fail(KafkaError::of(&self.what, error)),
        }
    }

    fn fatal(&self, why: &str) -> KafkaError {
        KafkaError::of(
            &self.what,
            format!("another run has taken over, or the broker says so: {why}"),
        )
    }
}

impl Drop for Transactions {
    /// What was not committed is given up at once, or readers would wait for its time-out.
    fn drop(&mut self) {
        if self.is_open {
            let _ = self.inner.abort_transaction(ABORT_WAIT);
        }
    }
}
