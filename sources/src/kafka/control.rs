//! What is decided of partitions from outside their logs, written down before it is acted upon: the control topic.
//!
//! A partition where nothing comes holds everybody back. Its reader, at the end of it for `idle_after`, writes down
//! that it is moved on behind its last offset and, once that is committed, takes it for a heartbeat right there.
//! A partition that joins begins with such a heartbeat, before its first record. Every later reading finds them in
//! their places: at the start the topic is read to its end ([`super::recall`]).
//!
//! Of the positions behind a message those above [`RECORDS_MAX`] are for decisions, in the order they were made.

use super::asked::{Asked, Asking};
use super::recall::{Accepted, beat_record, excluded_record, gap_record};
use super::source::{KafkaSourceError, LogPart};
use crate::layout::Exclusion;
use ::kafka::{Batch, KafkaError, Record, Settings, TopicPlan, Topics, Transactions};
use market::{Offset, Time};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records that a message may have; the indices above are for what was decided behind it.
pub(crate) const RECORDS_MAX: u32 = 1 << 19;

/// What was decided of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Its watermark becomes at least this.
    Beat(Time),
    /// Trades are taken out from here on.
    Exclude(Arc<Exclusion>),
}

/// What was decided, before the message at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The offset of the message that it comes before.
    pub next: u64,
    /// Which of the decisions before that message it is.
    pub index: u32,
    /// What.
    pub what: Decided,
}

impl Decision {
    /// The time that a watermark is moved to.
    pub(super) fn time(&self) -> Option<Time> {
        match self.what {
            Decided::Beat(time) => Some(time),
            Decided::Exclude(_) => None,
        }
    }

    /// Its own place among the records of the partition.
    pub(super) fn offset(&self) -> Offset {
        let next = Offset::in_message(self.next, 0).raw();
        Offset::from_raw(next - u64::from(RECORDS_MAX) + u64::from(self.index.min(RECORDS_MAX - 1)))
    }
}

/// The place behind the last record of the message at `offset`, before what was decided behind it.
pub(super) fn end_of(offset: u64) -> Offset {
    Offset::in_message(offset, RECORDS_MAX - 1)
}

/// Where a partition is read on whose last judged record stood at `after`: at the message itself where more of its
/// records may follow, which admission knows to leave out. Nothing where no message was read yet.
pub fn resume_at(after: Offset) -> Option<u64> {
    let (offset, index) = after.message()?;
    Some(if index >= RECORDS_MAX - 1 { offset + 1 } else { offset })
}

/// What readers of quiet partitions ask, and write to. One for all partitions of a source in a process.
pub struct Control {
    topic: String,
    after: Option<Duration>,
    /// The greatest watermark of any partition anywhere, as the graph knows it.
    greatest: Arc<AtomicI64>,
    /// What it was, since when.
    seen: Mutex<(i64, Instant)>,
    writer: Mutex<Transactions>,
    /// Partitions whose joining is written down.
    joined: AtomicU64,
    /// What is to be excluded, as it was asked for.
    asked: Asking,
}

impl Control {
    /// Writes under the transactional id `writer`: whoever had it cannot write any more. Makes the topic where there
    /// is none. With `after`, partitions are moved on that were quiet for so long.
    ///
    /// # Errors
    /// Fails when no broker answers, or the topic or the id may not be used.
    #[expect(clippy::disallowed_methods, reason = "how long it is quiet, a source's clock counts")]
    pub fn open(
        settings: &Settings,
        topic: &str,
        writer: &str,
        after: Option<Duration>,
        greatest: Arc<AtomicI64>,
    ) -> Result<Self, KafkaSourceError> {
        let plan = TopicPlan {
            name: topic.to_owned(),
            partitions: 1,
            replication: -1,
            config: vec![("retention.ms", "-1".to_owned())],
        };
        Topics::open(settings)?.ensure(&[plan])?;
        let transactions = Transactions::open(settings, writer, Arc::new(AtomicBool::new(false)))?;
        Ok(Control {
            topic: topic.to_owned(),
            after,
            greatest,
            seen: Mutex::new((i64::MIN, Instant::now())),
            writer: Mutex::new(transactions),
            joined: AtomicU64::new(0),
            asked: Asked::of(settings, topic)?,
        })
    }

    /// Keeps whoever writes under `writer` from writing any more.
    ///
    /// # Errors
    /// Fails when no broker answers, or the id may not be used.
    pub fn fence(settings: &Settings, writer: &str) -> Result<(), KafkaSourceError> {
        Transactions::open(settings, writer, Arc::new(AtomicBool::new(false)))?;
        Ok(())
    }

    /// How long a partition is quiet before it is decided upon.
    pub(super) fn after(&self) -> Option<Duration> {
        self.after
    }

    /// The time that a quiet partition is moved to: the greatest watermark there is, and when all are quiet what the
    /// clock has counted since it moved.
    #[expect(clippy::disallowed_methods, reason = "how long it is quiet, a source's clock counts")]
    pub(super) fn time(&self) -> Option<Time> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let greatest = self.greatest.load(Ordering::SeqCst);
        if greatest > seen.0 {
            *seen = (greatest, Instant::now());
        }
        let since = seen.1.elapsed();
        let since_ns = if self.after.is_some_and(|after| since >= after) {
            since.as_nanos() as i64
        } else {
            0
        };
        (seen.0 > i64::MIN).then(|| Time::from_ns(seen.0.saturating_add(since_ns)))
    }

    /// Writes down that a quiet partition is moved on; it is durable when this returns.
    pub(super) fn move_on(&self, part: &LogPart, next: u64, time: Time) -> Result<(), KafkaError> {
        self.write(&part.name(), &beat_record("idle", part, next, time))
    }

    /// Writes down that a partition joins, whose watermark begins at `time`; it is durable when this returns.
    pub(super) fn join(&self, part: &LogPart, time: Time) -> Result<(), KafkaError> {
        self.write(&part.name(), &beat_record("join", part, part.start, time))?;
        self.joined.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// The exclusions that were asked for, behind the first `known`.
    pub(super) fn asked(&self, known: usize) -> Vec<Arc<Exclusion>> {
        self.asked.behind(known)
    }

    /// Writes down what is to be excluded; it is durable when this returns.
    ///
    /// # Errors
    /// Fails when the record can never be delivered.
    pub fn ask(&self, exclusion: &Exclusion) -> Result<(), KafkaError> {
        self.write(&exclusion.id, &exclusion.record())
    }

    /// Writes down where an exclusion begins in a partition; it is durable when this returns.
    pub(super) fn exclude(&self, part: &LogPart, next: u64, id: &str) -> Result<(), KafkaError> {
        self.write(&part.name(), &excluded_record(part, next, id))
    }

    /// How many partitions were let join so far.
    pub fn joined(&self) -> u64 {
        self.joined.load(Ordering::SeqCst)
    }

    /// Writes down that a gap was accepted; it is durable when this returns.
    ///
    /// # Errors
    /// Fails when the record can never be delivered, or another run has taken over.
    pub fn accept(&self, accepted: &Accepted) -> Result<(), KafkaError> {
        let name = format!("{}/{}", accepted.gap.topic, accepted.gap.partition);
        self.write(&name, &gap_record(accepted))
    }

    fn write(&self, key: &str, value: &Value) -> Result<(), KafkaError> {
        let value = value.to_string();
        let mut batch = Batch::default();
        batch.push(&Record {
            topic: &self.topic,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            headers: None,
            timestamp_ms: None,
        });
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.send(batch)?;
        writer.commit()
    }
}
