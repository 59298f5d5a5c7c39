//! What is decided of partitions from outside their logs, written down before it is acted upon: the control topic.
//!
//! A partition where nothing comes holds everybody back. Its reader, at the end of it for `idle_after`, writes
//! `{"idle":{"topic":T,"partition":P,"after_offset":N,"watermark":NS}}` and, once that is committed, takes it for a
//! heartbeat right behind offset N. Every later reading finds it there: at the start the topic is read to its end.
//!
//! Of the positions behind a message those above [`RECORDS_MAX`] are for decisions, in the order they were made.

use super::source::{KafkaSourceError, LogPart};
use ::kafka::{
    Batch, KafkaError, PartitionName, Record, Settings, TopicPlan, Topics, Transactions,
    read_committed,
};
use market::{Offset, Time};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Records that a message may have; the indices above are for what was decided behind it.
pub(crate) const RECORDS_MAX: u32 = 1 << 19;
/// Decisions that a control topic may hold of one partition.
const DECISIONS_MAX: usize = 1 << 20;

/// A partition's watermark becomes at least this, before the message at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The offset of the message that it comes before.
    pub next: u64,
    /// Which of the decisions before that message it is.
    pub index: u32,
    /// The time.
    pub time: Time,
}

impl Decision {
    /// Its own place among the records of the partition.
    pub(super) fn offset(self) -> Offset {
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

/// Puts what was decided of `parts` into them, from the control topic; makes the topic where there is none. Whoever
/// may write to it must be fenced before.
///
/// # Errors
/// Fails when no broker answers, and at a decision that cannot be understood.
pub fn recall(
    settings: &Settings,
    topic: &str,
    parts: &mut [LogPart],
) -> Result<(), KafkaSourceError> {
    let plan = TopicPlan {
        name: topic.to_owned(),
        partitions: 1,
        replication: -1,
        config: vec![("retention.ms", "-1".to_owned())],
    };
    Topics::open(settings)?.ensure(&[plan])?;
    let mut found: BTreeMap<PartitionName, Vec<Decision>> = BTreeMap::new();
    let mut wrong = None;
    read_committed(settings, topic, 0, |_, value| match parse(value.unwrap_or_default()) {
        Ok(Some((part, next, time))) => {
            let list = found.entry(part).or_default();
            match list.len() {
                ..DECISIONS_MAX => list.push(Decision { next, index: 0, time }),
                _ => wrong = Some(format!("more than {DECISIONS_MAX} decisions of a partition")),
            }
        }
        Ok(None) => {}
        Err(what) => wrong = Some(what),
    })?;
    if let Some(what) = wrong {
        return Err(KafkaError { what: format!("{topic}: {what}") }.into());
    }
    for part in parts {
        let mut list = found.remove(&(part.topic.clone(), part.partition)).unwrap_or_default();
        list.sort_by_key(|decision| decision.next);
        for place in list.chunk_by_mut(|one, other| one.next == other.next) {
            place.iter_mut().zip(0..).for_each(|(decision, index)| decision.index = index);
        }
        part.decided = list;
    }
    Ok(())
}

/// The partition of an idle decision, the offset of the message it comes before, and its time.
type Idle = (PartitionName, u64, Time);

/// An idle decision; nothing where another kind is decided.
fn parse(value: &[u8]) -> Result<Option<Idle>, String> {
    let text = || String::from_utf8_lossy(value).into_owned();
    let record: Value = serde_json::from_slice(value).map_err(|e| format!("{}: {e}", text()))?;
    let Some(idle) = record.get("idle") else { return Ok(None) };
    let read = || {
        let partition = u32::try_from(idle["partition"].as_u64()?).ok()?;
        let next = u64::try_from(idle["after_offset"].as_i64()? + 1).ok()?;
        let time = Time::from_ns(idle["watermark"].as_i64()?);
        Some(((idle["topic"].as_str()?.to_owned(), partition), next, time))
    };
    read().map(Some).ok_or_else(|| format!("{}: this is no idle decision", text()))
}

/// What readers of quiet partitions ask, and write to. One for all partitions of a process.
pub struct Control {
    topic: String,
    after: Duration,
    /// The greatest watermark of any partition anywhere, as the graph knows it.
    greatest: Arc<AtomicI64>,
    /// What it was, since when.
    seen: Mutex<(i64, Instant)>,
    writer: Mutex<Transactions>,
}

impl Control {
    /// Decides once a partition was quiet `after` so long, and writes under the transactional id `writer`: whoever had
    /// it cannot write any more.
    ///
    /// # Errors
    /// Fails when no broker answers.
    #[expect(clippy::disallowed_methods, reason = "how long it is quiet, a source's clock counts")]
    pub fn open(
        settings: &Settings,
        topic: &str,
        writer: &str,
        after: Duration,
        greatest: Arc<AtomicI64>,
    ) -> Result<Self, KafkaSourceError> {
        let transactions = Transactions::open(settings, writer, Arc::new(AtomicBool::new(false)))?;
        Ok(Control {
            topic: topic.to_owned(),
            after,
            greatest,
            seen: Mutex::new((i64::MIN, Instant::now())),
            writer: Mutex::new(transactions),
        })
    }

    /// How long a partition is quiet before it is decided upon.
    pub(super) fn after(&self) -> Duration {
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
        let since_ns = if since >= self.after { since.as_nanos() as i64 } else { 0 };
        (seen.0 > i64::MIN).then(|| Time::from_ns(seen.0.saturating_add(since_ns)))
    }

    /// Writes a decision down; it is durable when this returns.
    pub(super) fn decide(&self, part: &LogPart, decision: Decision) -> Result<(), KafkaError> {
        let value = json!({"idle": {
            "topic": part.topic, "partition": part.partition,
            "after_offset": decision.next as i64 - 1, "watermark": decision.time.ns(),
        }});
        let (key, value) = (part.name(), value.to_string());
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
