//! Transactions: records that all appear to readers of what is committed, or none of them.
//!
//! A transaction begins with its first record and is sent as records come. They are kept until it is
//! committed, because a transaction that was given up (a record was not delivered in time) is made again
//! from them. A later owner of the same transactional id fences this one: every call fails from then on.
//! So it does when the broker itself ended a transaction after `transaction.timeout.ms`, for it does not tell
//! the two apart: the next run makes that transaction again.

use crate::batch::Batch;
use crate::producer::{Failures, Handed, PAUSE, client, hand, is_permanent, start};
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
/// How much longer the brokers are waited for once the end was asked for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a transaction is made again while the brokers answer. A client to which a partition was without a leader
/// for a moment may never find it again (librdkafka's issue 5430, in 2.12.1 and 2.14.1): the next run's client does.
const REDOS_MAX: u32 = 1;
/// How long the end of a run waits for the open transaction to be given up.
const ABORT_WAIT: Duration = Duration::from_secs(5);

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
    /// Set from outside: wait no longer than that takes.
    stop: Arc<AtomicBool>,
    patience: Duration,
    /// What the transaction is to hold, unless it grew too large.
    kept: Vec<Batch>,
    bytes: usize,
    /// How far it holds it: a batch and a record of it.
    sent: (usize, usize),
    is_open: bool,
    /// How often it was given up.
    redone: u32,
    /// Whether it holds records that are no longer kept.
    is_beyond: bool,
    kept_bytes_max: usize,
}

impl Transactions {
    /// Takes possession of `id`: whoever had it is fenced and its open transaction given up, before this
    /// returns. `stop` ends every wait for a broker within seconds.
    ///
    /// # Errors
    /// Fails when a setting does not go with another, no broker answers within a minute, or the id may not
    /// be used.
    pub fn open(settings: &Settings, id: &str, stop: Arc<AtomicBool>) -> Result<Self, KafkaError> {
        // Rows come in bursts, and a commit waits for the last of them.
        let mut config = client(settings, LINGER_MS);
        config.set("transactional.id", id);
        let mut opened = Transactions {
            inner: start(&config)?,
            what: format!("kafka {}, writer {id}", settings.brokers()),
            stop,
            patience: PATIENCE,
            kept: Vec::new(),
            bytes: 0,
            sent: (0, 0),
            is_open: false,
            redone: 0,
            is_beyond: false,
            kept_bytes_max: KEPT_BYTES_MAX,
        };
        // Asked before a broker is connected, the id's coordinator is looked for again only half a second later.
        let _unknown = opened.inner.client().fetch_cluster_id(WAIT);
        for _ in 0..OPENING_WAITS_MAX {
            match opened.inner.init_transactions(WAIT) {
                Ok(()) => return Ok(opened),
                Err(error) => match opened.answer(error) {
                    Answer::Again | Answer::Redo => opened.waited(WAIT)?,
                    Answer::Fail(error) => return Err(error),
                },
            }
        }
        Err(KafkaError::of(&opened.what, "no broker answered within a minute"))
    }

    /// Keeps at most so many bytes to make a transaction again.
    #[must_use]
    pub fn kept_bytes_max(mut self, bytes: usize) -> Self {
        self.kept_bytes_max = bytes;
        self
    }

    /// Bytes of keys and values in the transaction.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds records to the transaction; waits where the queue is full.
    ///
    /// # Errors
    /// Fails when one can never be delivered, or another run has taken over.
    pub fn send(&mut self, batch: Batch) -> Result<(), KafkaError> {
        self.bytes += batch.bytes();
        self.kept.push(batch);
        self.forward()?;
        if self.bytes > self.kept_bytes_max {
            self.kept.clear();
            (self.sent, self.is_beyond) = ((0, 0), true);
        }
        Ok(())
    }

    /// Makes everything sent since the last commit visible at once; waits for the broker.
    ///
    /// # Errors
    /// Fails when a record can never be delivered, or another run has taken over.
    pub fn commit(&mut self) -> Result<(), KafkaError> {
        while self.is_open || self.sent.0 < self.kept.len() {
            self.forward()?;
            self.deliver()?;
            match self.inner.commit_transaction(WAIT) {
                Ok(()) => {
                    self.is_open = false;
                    self.forget();
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
        self.forget();
        self.give_up()
    }

    fn forget(&mut self) {
        self.kept.clear();
        (self.bytes, self.sent, self.is_beyond, self.redone) = (0, (0, 0), false, 0);
    }

    /// Hands over what the transaction does not hold yet.
    fn forward(&mut self) -> Result<(), KafkaError> {
        while let Some(batch) = self.kept.get(self.sent.0) {
            if self.sent.1 == batch.len() {
                self.sent = (self.sent.0 + 1, 0);
            } else if !self.is_open {
                match self.inner.begin_transaction() {
                    Ok(()) => self.is_open = true,
                    Err(error) => self.recover(error)?,
                }
            } else {
                match hand(&self.inner, &batch.record(self.sent.1)) {
                    Handed::Over => self.sent.1 += 1,
                    Handed::Full => self.deliver_some()?,
                    Handed::Refused(error) => self.recover(error)?,
                }
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
        self.waited(PAUSE * PAUSES_MAX)?;
        self.probe()
    }

    /// Waits until the queue has room.
    fn deliver_some(&mut self) -> Result<(), KafkaError> {
        std::thread::sleep(PAUSE);
        self.waited(PAUSE)?;
        self.probe()
    }

    /// Looks whether the transaction was given up: its records would never leave the queue.
    fn probe(&mut self) -> Result<(), KafkaError> {
        // Refused in every state, with the reason where it was given up.
        match self.inner.begin_transaction() {
            Err(Native::Transaction(native)) if native.txn_requires_abort() => {
                self.recover(Native::Transaction(native))
            }
            _ => Ok(()),
        }
    }

    /// Waits, makes the transaction ready to be made again, or fails.
    fn recover(&mut self, error: Native) -> Result<(), KafkaError> {
        match self.answer(error) {
            Answer::Again => self.waited(WAIT),
            Answer::Redo => self.give_up(),
            Answer::Fail(error) => Err(error),
        }
    }

    /// Ends the open transaction without a trace; its records are to be sent again.
    fn give_up(&mut self) -> Result<(), KafkaError> {
        if self.is_beyond {
            let why = format!("a transaction of {} bytes was given up by the broker", self.bytes);
            return Err(KafkaError::of(&self.what, why));
        }
        while self.is_open {
            match self.inner.abort_transaction(WAIT) {
                Ok(()) => self.is_open = false,
                Err(error) => match self.answer(error) {
                    Answer::Again | Answer::Redo => self.waited(WAIT)?,
                    Answer::Fail(error) => return Err(error),
                },
            }
        }
        let undelivered = self.inner.context().last();
        self.sent = (0, 0);
        self.redone += 1;
        if self.redone > REDOS_MAX
            && let Some((code, topic)) = undelivered
        {
            let what = format!("{}: topic {topic}, tried {} times", self.what, self.redone);
            return Err(KafkaError::of(what, code));
        }
        self.inner.context().clear();
        Ok(())
    }

    /// That so long was waited is in order, unless the end was asked for and that is some time ago.
    fn waited(&mut self, time: Duration) -> Result<(), KafkaError> {
        if self.stop.load(Ordering::Relaxed) {
            self.patience = self.patience.saturating_sub(time);
            if self.patience.is_zero() {
                return Err(KafkaError::of(&self.what, "stopped while waiting for the brokers"));
            }
        }
        Ok(())
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
        let what = "another run has taken over this writer, or its transaction timed out";
        KafkaError::of(&self.what, format!("{what}: {why}"))
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
