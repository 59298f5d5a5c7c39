//! A feed released by event time against the clock: as fast as it happened, or by a factor.
//!
//! Rows are held back until their time has come, counted from the first row; the order and the content
//! stay. Gaps of more than an hour are not waited for. What falls back in time is released with what it follows. A thread wakes who waits; it ends with
//! the feed.

use crate::{Decoded, Fed, Feed, Heartbeat, Undecoded};
use market::{Offset, PartitionError, Time, TransType, Waker};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Rows are released at least this far apart, so that a slow pace is not a batch a row.
const RELEASE_EVERY: Duration = Duration::from_millis(10);

/// What lies further ahead is not waited for: one such row is an error that admission judges, two in a row
/// are the end of a session's gap, and the clock goes on from there.
const GAP_MAX_NS: i64 = 3_600 * Time::SECOND;

/// How fast event time passes: a factor above zero, 1 for real time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(f64);

/// Why a pace was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("pace {0}: wanted 0.001 to 1000000 times real time")]
pub struct PaceError(f64);

impl Pace {
    /// A factor of real time.
    ///
    /// # Errors
    /// Refuses what is not between a thousandth and a million.
    pub fn new(factor: f64) -> Result<Self, PaceError> {
        (0.001..=1e6).contains(&factor).then_some(Pace(factor)).ok_or(PaceError(factor))
    }
}

/// A feed whose rows wait for their time.
pub struct PacedFeed {
    feed: Box<dyn Feed>,
    pace: f64,
    /// When the first row was released, and its time.
    origin: Option<(Instant, i64)>,
    /// The greatest time released so far.
    reached: i64,
    /// The last row released lay beyond a gap.
    leapt: bool,
    held: Option<Held>,
    waker: Arc<Mutex<Option<Waker>>>,
    alarm: SyncSender<Instant>,
}

/// A batch partly released.
struct Held {
    batch: Box<Decoded>,
    row: usize,
    undecoded: VecDeque<Undecoded>,
    heartbeats: VecDeque<Heartbeat>,
}

impl PacedFeed {
    /// Releases `feed` at `pace`.
    ///
    /// # Errors
    /// Fails when no thread can be started.
    pub fn new(feed: Box<dyn Feed>, pace: Pace) -> Result<Self, PartitionError> {
        let waker = Arc::new(Mutex::new(None));
        let (alarm, alarms) = sync_channel(1);
        let theirs = Arc::clone(&waker);
        std::thread::Builder::new()
            .name("pace".to_owned())
            .spawn(move || wake_in_time(&alarms, &theirs))
            .map_err(|error| PartitionError { what: format!("pace: {error}"), usage: false })?;
        Ok(PacedFeed {
            feed,
            pace: pace.0,
            origin: None,
            reached: i64::MIN,
            leapt: false,
            held: None,
            waker,
            alarm,
        })
    }

    /// When a row of time `ts` is due; none when it is now.
    fn due(&mut self, ts: i64, now: Instant) -> Option<Instant> {
        let leaps = self.origin.is_some() && ts > self.reached.saturating_add(GAP_MAX_NS);
        if leaps && !self.leapt {
            self.leapt = true;
            return None;
        }
        if leaps || self.origin.is_none() {
            self.origin = Some((now, ts));
            self.reached = ts;
        }
        let (start, first) = self.origin?;
        let into = ts.max(self.reached).saturating_sub(first) as f64 / self.pace;
        let due = start.checked_add(Duration::from_nanos(into as u64)).filter(|&due| due > now);
        if due.is_none() {
            self.leapt = false;
            self.reached = self.reached.max(ts);
        }
        due
    }

    /// What of the held batch is due; none when its first row is not.
    fn release(&mut self, mut held: Held) -> Fed {
        let now = now();
        let start = held.row;
        let rows = held.batch.trades.len();
        let mut wake_at = None;
        while held.row < rows {
            // A correction comes with the record before it: it has no time of its own.
            if held.batch.trades.trans_of(held.row) == TransType::New {
                wake_at = self.due(held.batch.trades.ts_event[held.row].ns(), now);
            }
            if wake_at.is_some() {
                break;
            }
            held.row += 1;
        }
        let mut part = Box::<Decoded>::default();
        let last = held.row == rows;
        part.trades.extend_from(&held.batch.trades, start..held.row);
        part.raw = held.batch.raw.part(start..held.row);
        let is_due = |row: u32| last || (row as usize) < held.row;
        while held.undecoded.front().is_some_and(|record| is_due(record.before_row))
            && let Some(mut record) = held.undecoded.pop_front()
        {
            record.before_row = record.before_row.saturating_sub(start as u32);
            part.undecoded.push(record);
        }
        while held.heartbeats.front().is_some_and(|beat| is_due(beat.before_row))
            && let Some(mut beat) = held.heartbeats.pop_front()
        {
            beat.before_row = beat.before_row.saturating_sub(start as u32);
            part.heartbeats.push(beat);
        }
        if last {
            held.batch.trades.clear();
            self.feed.recycle(held.batch);
        } else {
            self.held = Some(held);
        }
        let is_empty = part.trades.is_empty() && part.undecoded.is_empty();
        if is_empty && part.heartbeats.is_empty() {
            if let Some(due) = wake_at {
                self.wake_at(due.max(now + RELEASE_EVERY));
            }
            return Fed::Pending;
        }
        Fed::Batch(part)
    }

    fn wake_at(&self, due: Instant) {
        // A full channel holds an alarm that wakes earlier; the poll after it sets the next.
        if let Err(TrySendError::Disconnected(_)) = self.alarm.try_send(due) {
            wake(&self.waker);
        }
    }
}

impl Feed for PacedFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        if let Some(held) = self.held.take() {
            return Ok(self.release(held));
        }
        match self.feed.poll()? {
            Fed::Batch(mut batch) => {
                let undecoded = std::mem::take(&mut batch.undecoded).into();
                let heartbeats = std::mem::take(&mut batch.heartbeats).into();
                let held = Held { batch, row: 0, undecoded, heartbeats };
                Ok(self.release(held))
            }
            other => Ok(other),
        }
    }

    fn recycle(&mut self, _: Box<Decoded>) {}

    fn wake_by(&mut self, waker: Waker) {
        if let Ok(mut mine) = self.waker.lock() {
            *mine = Some(Arc::clone(&waker));
        }
        self.feed.wake_by(waker);
    }

    fn source_of(&self, offset: Offset) -> String {
        self.feed.source_of(offset)
    }

    fn progress(&self) -> Option<f64> {
        self.feed.progress()
    }
}

#[expect(clippy::disallowed_methods, reason = "pace is the clock's; it never changes content")]
fn now() -> Instant {
    Instant::now()
}

fn wake_in_time(alarms: &Receiver<Instant>, waker: &Mutex<Option<Waker>>) {
    while let Ok(mut due) = alarms.recv() {
        loop {
            match alarms.recv_timeout(due.saturating_duration_since(now())) {
                Ok(earlier) => due = due.min(earlier),
                Err(RecvTimeoutError::Timeout) => break wake(waker),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn wake(waker: &Mutex<Option<Waker>>) {
    let waker = waker.lock().ok().and_then(|waker| waker.clone());
    if let Some(waker) = waker {
        waker();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryFeed, SimulatedFeed, Simulation};
    use market::{Symbols, Time, Trades};
    use std::sync::mpsc::channel;

    /// All that a feed delivers, one after the other: offsets of rows and of what was not decoded.
    fn drain(mut feed: impl Feed) -> (Vec<u64>, Vec<u64>, usize) {
        let (woken, wakes) = channel();
        feed.wake_by(Arc::new(move || woken.send(()).unwrap_or_default()));
        let (mut rows, mut undecoded, mut batches) = (Vec::new(), Vec::new(), 0);
        loop {
            match feed.poll().unwrap() {
                Fed::End => return (rows, undecoded, batches),
                Fed::Pending => wakes.recv().unwrap(),
                Fed::Batch(batch) => {
                    batches += 1;
                    rows.extend(batch.trades.offset.iter().map(|offset| offset.row()));
                    undecoded.extend(batch.undecoded.iter().map(|record| record.offset.row()));
                    feed.recycle(batch);
                }
            }
        }
    }

    #[test]
    fn a_pace_cuts_and_never_changes_content() {
        let session_ns = 200 * Time::SECOND;
        let simulation = Simulation { session_ns, bad: 0.01, ..Simulation::new(5, 3_000, 1) };
        let feed = || SimulatedFeed::new(&simulation, &Symbols::default(), 0, 1).unwrap();
        let (rows, undecoded, batches) = drain(feed());
        let paced = PacedFeed::new(Box::new(feed()), Pace::new(1e6).unwrap()).unwrap();
        let (paced_rows, paced_undecoded, _) = drain(paced);
        assert_eq!((rows, undecoded, batches), (paced_rows, paced_undecoded, 1));
    }

    #[test]
    fn rows_wait_for_their_time() {
        let mut trades = Trades::default();
        for (row, second) in [0, 3_000, 6_000].into_iter().enumerate() {
            trades.ts_event.push(Time::from_ns(second * Time::SECOND));
            trades.symbol.push(market::SymbolId::default());
            trades.price.push(market::Price::from_raw(1));
            trades.size.push(market::Size::from_raw(1));
            trades.offset.push(Offset::in_file(0, row as u64));
        }
        let feed = Box::new(MemoryFeed::new(trades));
        let (rows, _, batches) = drain(PacedFeed::new(feed, Pace::new(1e5).unwrap()).unwrap());
        assert_eq!((rows, batches), (vec![0, 1, 2], 3));
    }

    #[test]
    fn corrections_come_with_the_record_before_them() {
        let mut trades = Trades::default();
        // A cancel has no time, and the one of a replace may be long ago or ahead: no trade waits for them, and they
        // for none.
        let (new, cancel, replace) = (TransType::New, TransType::Cancel, TransType::Replace);
        let records = [(0, cancel), (3_000, new), (0, cancel), (5_000, replace), (6_000, new)];
        for (row, (second, trans)) in records.into_iter().enumerate() {
            trades.ts_event.push(Time::from_ns(second * Time::SECOND));
            trades.symbol.push(market::SymbolId::default());
            trades.price.push(market::Price::from_raw(1));
            trades.size.push(market::Size::from_raw(1));
            trades.offset.push(Offset::in_file(0, row as u64));
            trades.trans.push(trans);
        }
        let feed = Box::new(MemoryFeed::new(trades));
        let (rows, _, batches) = drain(PacedFeed::new(feed, Pace::new(1e5).unwrap()).unwrap());
        assert_eq!((rows, batches), (vec![0, 1, 2, 3, 4], 2));
    }

    #[test]
    fn a_pace_is_a_factor() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
            assert!(Pace::new(factor).is_err(), "{factor}");
        }
    }
}
