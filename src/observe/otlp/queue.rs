//! What waits for the collector: so many records and bytes at most, whatever becomes of it.

use super::form::Record;
use crate::observe::measures::held;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Records that wait.
const RECORDS_MAX: usize = 8_192;
/// Their bytes.
const BYTES_MAX: usize = 4 << 20;
/// Records that are sent at once.
const BATCH_MAX: usize = 512;
/// How long the first of them waits for others.
const GATHER_WAIT: Duration = Duration::from_secs(1);

/// Filled by every thread, emptied by one.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when there is something to send, and when the end has come.
    news: Condvar,
    /// Told when all is sent or given up.
    over: Condvar,
    /// Records that the collector took.
    pub sent: AtomicU64,
    /// Records that it never got.
    pub dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Record>,
    bytes: usize,
    /// Nothing comes any more.
    ends: bool,
    /// Nothing is sent any more.
    is_over: bool,
}

impl Queue {
    /// Puts a record behind the others, or counts it where it does not fit.
    pub fn put(&self, record: Record) {
        let mut waiting = held(&self.waiting);
        let bytes = waiting.bytes + record.bytes();
        if waiting.ends || waiting.records.len() >= RECORDS_MAX || bytes > BYTES_MAX {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes = bytes;
        waiting.records.push_back(record);
        // Between the first record and a whole batch there is nothing to wake up for.
        if matches!(waiting.records.len(), 1 | BATCH_MAX) {
            self.news.notify_one();
        }
    }

    /// The next batch, as soon as it is whole or its first record has waited; empty once the end has come and all was
    /// taken.
    pub fn take(&self) -> Vec<Record> {
        let waiting = held(&self.waiting);
        let some = self.news.wait_while(waiting, |w| w.records.is_empty() && !w.ends);
        let some = some.unwrap_or_else(PoisonError::into_inner);
        let is_short = |w: &mut Waiting| w.records.len() < BATCH_MAX && !w.ends;
        let whole = self.news.wait_timeout_while(some, GATHER_WAIT, is_short);
        let (mut waiting, _) = whole.unwrap_or_else(PoisonError::into_inner);
        let count = waiting.records.len().min(BATCH_MAX);
        let batch: Vec<Record> = waiting.records.drain(..count).collect();
        waiting.bytes -= batch.iter().map(Record::bytes).sum::<usize>();
        batch
    }

    /// Waits so long, or until the end comes; whether it has.
    pub fn rest(&self, time: Duration) -> bool {
        let rested = self.news.wait_timeout_while(held(&self.waiting), time, |w| !w.ends);
        rested.unwrap_or_else(PoisonError::into_inner).0.ends
    }

    /// Takes nothing any more, and waits until what it holds is sent or given up, but no longer than so long.
    pub fn end(&self, wait: Duration) {
        let mut waiting = held(&self.waiting);
        waiting.ends = true;
        self.news.notify_all();
        // What comes later than that is lost with the process.
        let _late = self.over.wait_timeout_while(waiting, wait, |w| !w.is_over);
    }

    /// Says that all is sent or given up.
    pub fn close(&self) {
        held(&self.waiting).is_over = true;
        self.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropped(queue: &Queue) -> u64 {
        queue.dropped.load(Ordering::Relaxed)
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue::default();
        for _ in 0..RECORDS_MAX + 3 {
            queue.put(Record::of_text("small"));
        }
        assert_eq!(dropped(&queue), 3);
        assert_eq!(queue.take().len(), BATCH_MAX);
        // What was taken made room again, and not for ever.
        for _ in 0..BATCH_MAX + 1 {
            queue.put(Record::of_text("small"));
        }
        assert_eq!(dropped(&queue), 4);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = Queue::default();
        let large = "x".repeat(BYTES_MAX / 4);
        for _ in 0..6 {
            queue.put(Record::of_text(&large));
        }
        // Four would fit but for what a record is made of besides its text.
        assert_eq!(dropped(&queue), 3);
        assert!(held(&queue.waiting).bytes <= BYTES_MAX);
        queue.end(Duration::ZERO);
        assert_eq!((queue.take().len(), held(&queue.waiting).bytes), (3, 0));
    }

    #[test]
    fn the_end_leaves_what_waits_and_takes_nothing_more() {
        let queue = Queue::default();
        queue.put(Record::of_text("before"));
        assert!(!queue.rest(Duration::ZERO));
        queue.end(Duration::ZERO);
        queue.put(Record::of_text("after"));
        assert!(queue.rest(Duration::MAX));
        assert_eq!((queue.take().len(), queue.take().len(), dropped(&queue)), (1, 0, 1));
        queue.close();
        queue.end(Duration::MAX);
    }
}
