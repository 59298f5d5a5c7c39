//! Ticks into a topic: the records of a feed, whatever it is, encoded and sent to the partitions of their
//! symbols, with heartbeats between them.
//!
//! ```text
//! feed (files, a simulator, a provider) -> partition by symbol, or in turn -> message of so many rows -> Kafka
//! ```
//! The feed is read as it is, before admission: a late trade, a duplicate and a gap stay what they are. A
//! heartbeat follows whatever came before it into its partition, and says the greatest time so far less
//! the lateness, so that it makes no trade late that would not have been. A partition where rows wait for
//! company in a message gets none: its rows will tell.

mod head;
mod outbox;

use head::Head;
use kafka::{KafkaError, Settings, TopicPlan, Topics};
use market::{DeadLetter, PartitionError, Sink, SinkError, Symbols, Time, TransType};
use outbox::Outbox;
use sources::{Codec, Decoded, EncodeError, Fed, Feed, Undecoded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Partitions of a topic that is made, where nothing else is said.
const PARTITIONS: i32 = 4;
/// How long ticks are kept in a topic that is made.
const RETENTION_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// Rows wait for company in a message for as much event time as lies between so many heartbeats, at most.
const COMPANY_BEATS: i64 = 60;
/// How long a wait lasts before progress and the stop are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a stopped run waits for what was sent to be acknowledged.
const STOP_WAIT: Duration = Duration::from_secs(30);

/// Where ticks go, and how.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// The brokers.
    pub settings: Settings,
    /// The topic; made when it is missing.
    pub topic: String,
    /// Its partitions: those of a topic that is made, and wanted of one that is there.
    pub partitions: Option<i32>,
    /// How trades stand in messages.
    pub codec: Codec,
    /// Rows of a message.
    pub batch: usize,
    /// Whether a symbol keeps its partition; otherwise each has its turn.
    pub keyed: bool,
    /// Rows a second at most.
    pub rate: Option<f64>,
    /// Whether rows that wait for company leave when the input pauses.
    pub prompt: bool,
    /// Event time between heartbeats; zero for none.
    pub heartbeats_ns: i64,
    /// How far heartbeats stay behind the greatest time.
    pub lateness_ns: i64,
    /// Whether every partition is told the greatest time when the input has ended.
    pub end_heartbeat: bool,
    /// Whether what cannot be decoded is passed on as it came.
    pub raw: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Whether the input has ended; otherwise it was stopped.
    pub complete: bool,
    /// Records read.
    pub read: u64,
    /// Trades sent.
    pub trades: u64,
    /// Records that could not be decoded, by reason.
    pub refused: std::collections::BTreeMap<market::Reason, u64>,
    /// Of them, those that were passed on as they came.
    pub passed_on: u64,
    /// Messages sent, heartbeats among them.
    pub messages: u64,
    /// Heartbeats sent.
    pub heartbeats: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Partitions of the topic.
    pub partitions: i32,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The topic has another number of partitions.
    #[error("topic {topic} has {found} partitions, --partitions {wanted} was given")]
    Partitions {
        /// The topic.
        topic: String,
        /// Those it has.
        found: i32,
        /// Those that were wanted.
        wanted: i32,
    },
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The input cannot be read on.
    #[error("{0}")]
    Read(#[from] PartitionError),
    /// Rows cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Refused records cannot be kept.
    #[error(transparent)]
    Letters(#[from] SinkError),
    /// It was stopped, and the brokers are away.
    #[error("stopped, and {0} messages were not acknowledged within 30 s")]
    Unacknowledged(u64),
}

impl IngestError {
    /// Whether it is for the caller to mend.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            IngestError::Partitions { .. } | IngestError::Read(PartitionError { usage: true, .. })
        )
    }
}

/// What a run looks at and tells meanwhile.
pub struct Attended<'a> {
    /// Set it to end the run.
    pub stop: &'a AtomicBool,
    /// Told of records read and the part of the input they are.
    pub progress: &'a mut dyn FnMut(u64, Option<f64>),
    /// Keeps what is refused.
    pub letters: Option<&'a mut dyn Sink>,
}

impl Ingest {
    /// Sends all that `feed` has, and returns when all is acknowledged.
    ///
    /// # Errors
    /// Fails when the input cannot be read, or a message can never be delivered.
    pub fn run(
        &self,
        mut feed: Box<dyn Feed>,
        symbols: &Symbols,
        mut attended: Attended<'_>,
    ) -> Result<Ingested, IngestError> {
        let partitions = self.topic()?;
        let mut run = Run {
            outbox: Outbox::open(self, partitions, symbols)?,
            head: Head::default(),
            beat: None,
            symbols,
            done: Ingested { partitions, ..Ingested::default() },
            began: now(),
            ingest: self,
        };
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        let stopped = || attended.stop.load(Ordering::Relaxed);
        while !stopped() {
            match feed.poll()? {
                Fed::Batch(batch) => {
                    let letters = run.take(&batch, &*feed, &stopped)?;
                    if let Some(sink) = attended.letters.as_mut().filter(|_| !letters.is_empty()) {
                        sink.write_letters(&letters)?;
                    }
                    feed.recycle(batch);
                }
                Fed::Pending => {
                    if self.prompt {
                        run.outbox.send_all()?;
                    }
                    std::thread::park_timeout(LOOK_EVERY);
                }
                Fed::End => {
                    run.done.complete = true;
                    break;
                }
            }
            (attended.progress)(run.done.read, feed.progress());
        }
        run.end(attended.stop)
    }

    /// The partitions of the topic, which is made when it is missing.
    fn topic(&self) -> Result<i32, IngestError> {
        let plan = TopicPlan {
            name: self.topic.clone(),
            partitions: self.partitions.unwrap_or(PARTITIONS),
            // As many as the brokers make of topics by default.
            replication: -1,
            config: vec![("retention.ms", RETENTION_MS.to_string())],
        };
        let topics = Topics::open(&self.settings)?.ensure(&[plan])?;
        let found = topics.get(&self.topic).map_or(0, |topic| topic.partitions);
        match self.partitions {
            Some(wanted) if wanted != found => {
                Err(IngestError::Partitions { topic: self.topic.clone(), found, wanted })
            }
            _ => Ok(found.max(1)),
        }
    }
}

struct Run<'a> {
    ingest: &'a Ingest,
    outbox: Outbox,
    head: Head,
    /// The time that was told last, in heartbeats.
    beat: Option<i64>,
    symbols: &'a Symbols,
    done: Ingested,
    began: Instant,
}

impl Run<'_> {
    /// Sends the records of a batch in their order; returns what is refused.
    fn take(
        &mut self,
        batch: &Decoded,
        feed: &dyn Feed,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<DeadLetter>, IngestError> {
        let mut letters = Vec::new();
        let mut undecoded = batch.undecoded.iter().peekable();
        let mut heartbeats = batch.heartbeats.iter().peekable();
        for row in 0..=batch.trades.len() {
            while let Some(record) = undecoded.next_if(|u| u.before_row as usize <= row) {
                self.refuse(record, feed, &mut letters)?;
            }
            while let Some(beat) = heartbeats.next_if(|b| b.before_row as usize <= row) {
                self.tell(beat.time, Time::from_ns(i64::MAX))?;
            }
            if row == batch.trades.len() {
                break;
            }
            self.keep_rate(stopped)?;
            if stopped() {
                break;
            }
            self.outbox.push(&batch.trades, row)?;
            self.done.read += 1;
            self.done.trades += 1;
            // A cancel has no time, and the one of a replace is its trade's.
            if batch.trades.trans_of(row) == TransType::New {
                self.head.see(batch.trades.ts_event[row].ns());
            }
            self.beat()?;
        }
        Ok(letters)
    }

    fn refuse(
        &mut self,
        record: &Undecoded,
        feed: &dyn Feed,
        letters: &mut Vec<DeadLetter>,
    ) -> Result<(), IngestError> {
        self.done.read += 1;
        *self.done.refused.entry(record.reason).or_default() += 1;
        if self.ingest.raw {
            self.done.passed_on += 1;
            return self.outbox.pass_on(record);
        }
        letters.push(DeadLetter {
            epoch: 0,
            partition: 0,
            source: feed.source_of(record.offset),
            offset: record.offset,
            reason: record.reason,
            detail: record.detail.clone(),
            raw: record.raw.clone(),
            symbol: record.symbol.map(|id| self.symbols.text(id).as_ref().to_owned()),
            ts_event: record.ts_event,
        });
        Ok(())
    }

    /// Waits until another row may be sent.
    fn keep_rate(&mut self, stopped: &dyn Fn() -> bool) -> Result<(), IngestError> {
        let Some(rate) = self.ingest.rate else { return Ok(()) };
        let due = Duration::from_secs_f64(self.done.trades as f64 / rate);
        while let Some(wait) = due.checked_sub(self.began.elapsed()).filter(|_| !stopped()) {
            if wait > Duration::from_millis(1) {
                self.outbox.send_all()?;
            }
            std::thread::sleep(wait.min(LOOK_EVERY));
        }
        Ok(())
    }

    /// A heartbeat, where one is due.
    fn beat(&mut self) -> Result<(), IngestError> {
        let every = self.ingest.heartbeats_ns;
        if every == 0 {
            return Ok(());
        }
        let Some(greatest) = self.head.greatest() else { return Ok(()) };
        let due = greatest.saturating_sub(self.ingest.lateness_ns).div_euclid(every) * every;
        match self.beat {
            Some(last) if due <= last => Ok(()),
            _ => {
                self.beat = Some(due);
                let since = due.saturating_sub(every.saturating_mul(COMPANY_BEATS));
                self.tell(Time::from_ns(due), Time::from_ns(since))
            }
        }
    }

    fn tell(&mut self, time: Time, since: Time) -> Result<(), IngestError> {
        self.done.heartbeats += self.outbox.heartbeat(time, since)?;
        Ok(())
    }

    /// Sends what waits and the last heartbeat, and waits for all to be acknowledged.
    fn end(mut self, stop: &AtomicBool) -> Result<Ingested, IngestError> {
        self.outbox.send_all()?;
        self.head.end();
        if let (true, true, Some(greatest)) =
            (self.done.complete, self.ingest.end_heartbeat, self.head.greatest())
        {
            self.tell(Time::from_ns(greatest), Time::from_ns(i64::MAX))?;
        }
        let mut stopped_at = None;
        while !self.outbox.is_acknowledged(LOOK_EVERY)? {
            if stop.load(Ordering::Relaxed) {
                let since: &mut Instant = stopped_at.get_or_insert_with(now);
                if since.elapsed() > STOP_WAIT {
                    let sent = self.outbox.sent();
                    return Err(IngestError::Unacknowledged(sent.records - sent.acknowledged));
                }
            }
        }
        let sent = self.outbox.sent();
        (self.done.messages, self.done.bytes) = (sent.records, sent.bytes);
        Ok(self.done)
    }
}

#[expect(clippy::disallowed_methods, reason = "a rate and a wait are the clock's")]
fn now() -> Instant {
    Instant::now()
}
