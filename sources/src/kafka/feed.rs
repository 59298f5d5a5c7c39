//! One partition of a topic as a feed: a thread of its own reads and decodes ahead, in order.
//!
//! ```text
//! librdkafka's queue (16 MB) -> messages -> decoder -> ready batches (READY_MAX) -> whoever polls
//! ```
//! A batch is handed on as soon as nobody has one to read, however small: what waits becomes one batch, and goes when
//! the one before it is taken. When as many
//! wait as may, the thread waits too, and librdkafka stops fetching the partition.

use super::control::{Control, end_of};
use super::source::LogPart;
use crate::codec::{Decoder, Message};
use crate::file::raw::printable;
use crate::{Decoded, Fed, Feed, Undecoded};
use ::kafka::{Arrived, PartitionReader};
use market::{Offset, PartitionError, Reason, Time, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Batches that are decoded ahead of whoever polls.
const READY_MAX: usize = 4;
/// Messages of a batch, however little is in them.
const MESSAGES_MAX: usize = 1 << 15;
/// Batches kept for their buffers.
const SPARE_MAX: usize = 8;
/// How long messages are waited for at once: so soon a thread whose feed is gone ends.
const WAIT: Duration = Duration::from_millis(100);
/// How long it is waited for that whoever polls has no others to read, before more messages are looked for.
const WAIT_WITH_ROWS: Duration = Duration::from_millis(1);

/// The schema that messages may name, in a header of that name.
const SCHEMA: &[u8] = b"trade/1";
const SCHEMA_HEADER: &std::ffi::CStr = c"schema";

/// What thread and feed share.
#[derive(Default)]
struct Desk {
    shelf: Mutex<Shelf>,
    /// Told when room was made, or the feed is gone.
    room: Condvar,
}

#[derive(Default)]
#[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
struct Shelf {
    ready: VecDeque<Box<Decoded>>,
    /// Batches that were put there.
    put: u64,
    /// So many of them are all that the log held at some moment.
    whole: Option<u64>,
    spare: Vec<Box<Decoded>>,
    /// How it ended, once it has.
    outcome: Option<Result<(), String>>,
    waker: Option<Waker>,
    /// Whether somebody found nothing and waits.
    awaited: bool,
    /// Whether the feed is gone.
    gone: bool,
    /// All before this offset is decoded and was put here, what is no record of ours too.
    passed: u64,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the shelf, and calls whoever waits.
    fn put(&self, change: impl FnOnce(&mut Shelf)) {
        let mut shelf = self.lock();
        change(&mut shelf);
        let waker = std::mem::take(&mut shelf.awaited).then(|| shelf.waker.clone()).flatten();
        drop(shelf);
        if let Some(waker) = waker {
            waker();
        }
    }
}

/// A partition of a topic before admission.
pub(super) struct KafkaFeed {
    desk: Arc<Desk>,
    part: LogPart,
    /// The offset behind the last batch that was handed out.
    next: u64,
    /// Batches that were handed out.
    taken: u64,
    is_at_end: bool,
}

impl KafkaFeed {
    /// Reads ahead from now on; with `joins`, the partition's watermark begins there, once that is written down.
    ///
    /// # Errors
    /// Fails when no thread starts.
    pub fn new(
        reader: PartitionReader,
        decoder: Decoder,
        part: LogPart,
        control: Option<Arc<Control>>,
        joins: Option<Time>,
    ) -> Result<Self, PartitionError> {
        let desk = Arc::<Desk>::default();
        let ahead = Ahead {
            desk: desk.clone(),
            decoder,
            batch: Box::default(),
            next: part.start,
            decided: part.decided.partition_point(|known| known.next < part.start),
            control,
            joins,
            quiet: None,
            asked: 0,
            part: part.clone(),
        };
        let name = format!("kafka-{}", part.partition);
        thread::Builder::new().name(name).spawn(move || ahead.run(reader)).map_err(|error| {
            PartitionError { what: format!("{}: no thread: {error}", part.name()), usage: false }
        })?;
        Ok(KafkaFeed { desk, next: part.start, part, taken: 0, is_at_end: false })
    }
}

impl Feed for KafkaFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        let mut shelf = self.desk.lock();
        // What was handed out before is folded by now.
        self.is_at_end |= shelf.whole.is_some_and(|whole| self.taken >= whole);
        if let Some(batch) = shelf.ready.pop_front() {
            self.taken += 1;
            drop(shelf);
            self.desk.room.notify_one();
            if let Some((offset, _)) = batch.end.and_then(Offset::message) {
                self.next = self.next.max(offset + 1);
            }
            return Ok(Fed::Batch(batch));
        }
        match &shelf.outcome {
            None => {
                shelf.awaited = true;
                self.next = self.next.max(shelf.passed);
            }
            Some(Ok(())) => return Ok(Fed::End),
            Some(Err(what)) => {
                return Err(PartitionError { what: what.clone(), usage: false });
            }
        }
        Ok(Fed::Pending)
    }

    fn recycle(&mut self, mut batch: Box<Decoded>) {
        batch.clear();
        let mut shelf = self.desk.lock();
        if shelf.spare.len() < SPARE_MAX {
            shelf.spare.push(batch);
        }
    }

    fn wake_by(&mut self, waker: Waker) {
        // What came before is not told again.
        self.desk.put(|shelf| {
            shelf.waker = Some(waker);
            shelf.awaited = true;
        });
    }

    fn source_of(&self, _: Offset) -> String {
        self.part.name()
    }

    fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    fn progress(&self) -> Option<f64> {
        let length = self.part.end?.saturating_sub(self.part.start);
        Some((self.next - self.part.start) as f64 / length.max(1) as f64)
    }

    fn next_offset(&self) -> Option<u64> {
        Some(self.next)
    }
}

impl Drop for KafkaFeed {
    fn drop(&mut self) {
        self.desk.lock().gone = true;
        self.desk.room.notify_one();
    }
}

/// What the thread holds.
pub(super) struct Ahead {
    desk: Arc<Desk>,
    decoder: Decoder,
    pub(super) part: LogPart,
    pub(super) batch: Box<Decoded>,
    /// Offset of the message that is read next.
    pub(super) next: u64,
    /// Of what was decided, how much is behind.
    pub(super) decided: usize,
    pub(super) control: Option<Arc<Control>>,
    /// Where the watermark is to begin of a partition that joins.
    pub(super) joins: Option<Time>,
    /// Since when nothing comes, at the end of the partition.
    pub(super) quiet: Option<Instant>,
    /// Exclusions that were asked for and are settled here.
    pub(super) asked: usize,
}

impl Ahead {
    fn run(mut self, mut reader: PartitionReader) {
        let outcome = self.read(&mut reader);
        // Stops the fetching before anybody hears of the end.
        drop(reader);
        self.hand_on();
        self.desk.put(|shelf| shelf.outcome = Some(outcome));
    }

    /// Reads until the end, the feed is gone, or an error.
    fn read(&mut self, reader: &mut PartitionReader) -> Result<(), String> {
        self.join()?;
        self.heed_decisions(self.next);
        while !self.is_over() {
            let wait = if self.batch.end.is_some() { Duration::ZERO } else { WAIT };
            let arrived = reader.poll(wait, |message| self.take(message));
            let arrived = arrived.map_err(|error| {
                format!(
                    "{error}; where the log no longer holds it, --accept-gap goes on behind the gap"
                )
            })?;
            self.next = self.next.max(arrived.end.unwrap_or(0));
            self.heed_decisions(self.next);
            self.obey()?;
            self.decide(arrived)?;
            if self.is_awaited(arrived) {
                self.hand_on();
                self.desk.lock().passed = self.next;
            }
            if arrived.end.is_some() && self.batch.end.is_none() {
                self.desk.put(|shelf| shelf.whole = shelf.whole.or(Some(shelf.put)));
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.part.end.is_some_and(|end| self.next >= end) || self.desk.lock().gone
    }

    fn take(&mut self, message: ::kafka::Message<'_>) {
        let offset = message.offset();
        if self.part.end.is_some_and(|end| offset >= end) {
            self.next = self.next.max(offset);
            return;
        }
        self.heed_decisions(offset);
        self.next = offset + 1;
        let timestamp_ms = message.timestamp_ms();
        let place = Offset::in_message(offset, 0);
        // Without a time of its own, a message is bounded by what came before it alone.
        let came =
            timestamp_ms.map_or(Time::GREATEST, |ms| Time::from_ns(ms.saturating_mul(1_000_000)));
        self.batch.arrived.push((place, came));
        self.batch.end = Some(end_of(offset));
        self.batch.read.get_or_insert_with(now);
        match message.header(SCHEMA_HEADER) {
            Some(schema) if schema != SCHEMA => self.batch.undecoded.push(Undecoded {
                before_row: 0,
                offset: place,
                reason: Reason::Malformed,
                detail: format!("schema {}, wanted trade/1", printable(schema)),
                raw: printable(message.payload().unwrap_or_default()),
                symbol: None,
                ts_event: None,
            }),
            _ => {
                let (key, payload) = (message.key(), message.payload());
                let topic = &self.part.topic;
                let message = Message { key, payload, topic, timestamp_ms, offset };
                self.decoder.decode(&message, &mut self.batch);
            }
        }
        if self.decoder.is_full(&self.batch) || self.batch.arrived.len() >= MESSAGES_MAX {
            self.hand_on();
        }
    }

    /// Whether nobody has a batch to read. Where rows wait for that and no message does, it is waited for a while.
    fn is_awaited(&self, arrived: Arrived) -> bool {
        let shelf = self.desk.lock();
        if shelf.ready.is_empty() || arrived.messages > 0 || self.batch.end.is_none() {
            return shelf.ready.is_empty();
        }
        let is_there = |shelf: &mut Shelf| !shelf.ready.is_empty() && !shelf.gone;
        let waited = self.desk.room.wait_timeout_while(shelf, WAIT_WITH_ROWS, is_there);
        waited.unwrap_or_else(PoisonError::into_inner).0.ready.is_empty()
    }

    /// Makes the batch whole and puts it where it is polled, when there is room.
    fn hand_on(&mut self) {
        if self.batch.end.is_none() {
            return;
        }
        self.decoder.finish(&mut self.batch);
        let mut shelf = self.desk.lock();
        while shelf.ready.len() >= READY_MAX && !shelf.gone {
            shelf = self.desk.room.wait(shelf).unwrap_or_else(PoisonError::into_inner);
        }
        let fresh = shelf.spare.pop().unwrap_or_default();
        drop(shelf);
        let batch = std::mem::replace(&mut self.batch, fresh);
        self.desk.put(|shelf| {
            shelf.ready.push_back(batch);
            shelf.put += 1;
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a batch is under way is measured")]
fn now() -> Instant {
    Instant::now()
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // Without an outcome, the decoder panicked: whoever polls would wait for ever.
        let what = format!("{}: the decoder gave up at offset {}", self.part.name(), self.next);
        self.desk.put(|shelf| {
            shelf.outcome.get_or_insert(Err(what));
        });
    }
}
