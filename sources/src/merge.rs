//! Several recorded logs as one, by event time: what a topic is fed from, when its partitions are others than
//! those of the input.
//!
//! The log whose next record is earliest goes on, up to the next record of the one behind it; within a log
//! the order stays. A record that lies ahead of the one after it counts as that one, so that a single wrong
//! time does not hold its log back. A correction has no say: it goes on with the record before it. Every log must
//! be there to say what is next: this is for recordings.

use crate::{Decoded, Fed, Feed};
use market::{Offset, PartitionError, TransType, Waker};

/// One log and what of it was not handed on yet.
struct Log {
    feed: Box<dyn Feed>,
    held: Option<Held>,
    ended: bool,
}

struct Held {
    batch: Box<Decoded>,
    row: usize,
}

/// Logs merged by event time.
pub struct MergedFeed {
    logs: Vec<Log>,
    /// Whose records were handed on last.
    last: usize,
}

impl MergedFeed {
    /// Merges `feeds`.
    pub fn new(feeds: Vec<Box<dyn Feed>>) -> Self {
        let log = |feed| Log { feed, held: None, ended: false };
        MergedFeed { logs: feeds.into_iter().map(log).collect(), last: 0 }
    }

    /// The two logs whose next records come first, the earlier one first.
    fn first_two(&self) -> [Option<(i64, usize)>; 2] {
        let (mut first, mut second) = (None, None);
        for (at, log) in self.logs.iter().enumerate() {
            let Some(held) = &log.held else { continue };
            let head = Some((held.key(), at));
            if first.is_none() || head < first {
                (first, second) = (head, first);
            } else if second.is_none() || head < second {
                second = head;
            }
        }
        [first, second]
    }
}

impl Held {
    /// When the next row is, or before all others what has no rows left, or a correction next.
    fn key(&self) -> i64 {
        let trades = &self.batch.trades;
        let Some(time) = trades.ts_event.get(self.row) else { return i64::MIN };
        let is_new = |row: &usize| trades.trans_of(*row) == TransType::New;
        if !is_new(&self.row) {
            return i64::MIN;
        }
        let next = (self.row + 1..trades.len()).find(is_new).map(|row| trades.ts_event[row]);
        next.map_or(*time, |next| next.min(*time)).ns()
    }

    /// What stands before row `to`, or all that is left: with it whatever stands between its rows.
    fn part(&mut self, to: usize) -> Box<Decoded> {
        let (from, rows) = (self.row, self.batch.trades.len());
        let mut part = Box::<Decoded>::default();
        part.trades.extend_from(&self.batch.trades, from..to);
        part.raw = self.batch.raw.part(from..to);
        let is_due = |row: u32| to == rows || (row as usize) < to;
        let place = |row: &mut u32| *row = row.saturating_sub(from as u32);
        let due = self.batch.undecoded.partition_point(|record| is_due(record.before_row));
        part.undecoded.extend(self.batch.undecoded.drain(..due));
        part.undecoded.iter_mut().for_each(|record| place(&mut record.before_row));
        let due = self.batch.heartbeats.partition_point(|beat| is_due(beat.before_row));
        part.heartbeats.extend(self.batch.heartbeats.drain(..due));
        part.heartbeats.iter_mut().for_each(|beat| place(&mut beat.before_row));
        self.row = to;
        part
    }
}

impl Feed for MergedFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        for log in self.logs.iter_mut().filter(|log| log.held.is_none() && !log.ended) {
            match log.feed.poll()? {
                Fed::Batch(batch) => log.held = Some(Held { batch, row: 0 }),
                Fed::Pending => return Ok(Fed::Pending),
                Fed::End => log.ended = true,
            }
        }
        let [Some((_, at)), next] = self.first_two() else { return Ok(Fed::End) };
        self.last = at;
        let log = &mut self.logs[at];
        let Some(mut held) = log.held.take() else { return Ok(Fed::Pending) };
        let rows = held.batch.trades.len();
        let Some((until, _)) = next.filter(|_| held.row < rows) else {
            if held.row == 0 {
                return Ok(Fed::Batch(held.batch));
            }
            let part = held.part(rows);
            log.feed.recycle(held.batch);
            return Ok(Fed::Batch(part));
        };
        let mut probe = Held { batch: held.batch, row: held.row + 1 };
        while probe.row < rows && probe.key() <= until {
            probe.row += 1;
        }
        let to = probe.row;
        held = Held { batch: probe.batch, row: held.row };
        let part = held.part(to);
        match to == rows {
            true => log.feed.recycle(held.batch),
            false => log.held = Some(held),
        }
        Ok(Fed::Batch(part))
    }

    fn recycle(&mut self, batch: Box<Decoded>) {
        self.logs[self.last].feed.recycle(batch);
    }

    fn wake_by(&mut self, waker: Waker) {
        self.logs.iter_mut().for_each(|log| log.feed.wake_by(waker.clone()));
    }

    /// Of the log whose records were handed on last.
    fn source_of(&self, offset: Offset) -> String {
        self.logs.get(self.last).map_or_else(String::new, |log| log.feed.source_of(offset))
    }

    fn progress(&self) -> Option<f64> {
        let parts: Option<Vec<f64>> = self.logs.iter().map(|log| log.feed.progress()).collect();
        parts.filter(|parts| !parts.is_empty()).map(|p| p.iter().sum::<f64>() / p.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryFeed, Undecoded};
    use market::{Price, Reason, Size, SymbolId, Time, Trades};

    fn log(symbol: u32, seconds: &[i64]) -> MemoryFeed {
        let mut trades = Trades::default();
        for (row, second) in seconds.iter().enumerate() {
            trades.ts_event.push(Time::from_ns(second * Time::SECOND));
            trades.symbol.push(SymbolId::from_index(symbol));
            trades.price.push(Price::from_raw(1));
            trades.size.push(Size::from_raw(1));
            trades.offset.push(Offset::in_file(symbol, row as u64));
        }
        MemoryFeed::new(trades)
    }

    #[test]
    fn a_correction_goes_on_with_the_record_before_it() {
        let corrected = |symbol: u32, records: &[(i64, TransType)]| {
            let mut trades = Trades::default();
            for (row, &(second, trans)) in records.iter().enumerate() {
                trades.ts_event.push(Time::from_ns(second * Time::SECOND));
                trades.symbol.push(SymbolId::from_index(symbol));
                trades.price.push(Price::from_raw(1));
                trades.size.push(Size::from_raw(1));
                trades.offset.push(Offset::in_file(symbol, row as u64));
                trades.trans.push(trans);
            }
            MemoryFeed::new(trades)
        };
        let (new, cancel, replace) = (TransType::New, TransType::Cancel, TransType::Replace);
        let first = [(1, new), (5, new), (0, cancel), (1, replace), (9, new), (0, cancel)];
        let second = [(0, cancel), (2, new), (4, new), (2, replace), (7, new)];
        for cut in [1, 2, 100] {
            let feeds: Vec<Box<dyn Feed>> = vec![
                Box::new(corrected(0, &first).cut(&[cut])),
                Box::new(corrected(1, &second).cut(&[cut])),
            ];
            let expected = [
                (1, 0),
                (0, 1),
                (1, 2),
                (1, 4),
                (1, 2),
                (0, 5),
                (0, 0),
                (0, 1),
                (1, 7),
                (0, 9),
                (0, 0),
            ];
            assert_eq!(drain(MergedFeed::new(feeds)).0, expected, "{cut}");
        }
    }

    /// Rows as their log and second; undecoded records as the row they came before and their own number.
    type Drained = (Vec<(usize, i64)>, Vec<(usize, u64)>);

    fn drain(mut feed: MergedFeed) -> Drained {
        let (mut rows, mut undecoded) = (Vec::new(), Vec::new());
        loop {
            match feed.poll().unwrap() {
                Fed::End => return (rows, undecoded),
                Fed::Pending => panic!("a log in memory is always there"),
                Fed::Batch(batch) => {
                    let base = rows.len();
                    let told = batch.undecoded.iter();
                    undecoded.extend(told.map(|u| (base + u.before_row as usize, u.offset.row())));
                    let trades = &batch.trades;
                    let times = trades.ts_event.iter().map(|time| time.ns() / Time::SECOND);
                    rows.extend(trades.symbol.iter().map(|id| id.index()).zip(times));
                }
            }
        }
    }

    #[test]
    fn the_earliest_goes_first_and_each_log_keeps_its_order() {
        for cut in [1, 2, 100] {
            let record = Undecoded {
                before_row: 2,
                offset: Offset::in_file(0, 77),
                reason: Reason::Malformed,
                detail: String::new(),
                raw: String::new(),
                symbol: None,
                ts_event: None,
            };
            // The second log's 9000 is a wrong time; the first is late once.
            let first = log(0, &[1, 5, 4, 6]).with_undecoded(vec![record]).cut(&[cut]);
            let second = log(1, &[2, 9_000, 3, 8]).cut(&[cut]);
            let third = log(2, &[]);
            let feeds: Vec<Box<dyn Feed>> =
                vec![Box::new(first), Box::new(second), Box::new(third)];
            let (rows, undecoded) = drain(MergedFeed::new(feeds));
            let of = |log: usize| -> Vec<i64> {
                rows.iter().filter(|row| row.0 == log).map(|row| row.1).collect()
            };
            assert_eq!((of(0), of(1)), (vec![1, 5, 4, 6], vec![2, 9_000, 3, 8]), "{cut}");
            assert_eq!((rows[0], rows[1]), ((0, 1), (1, 2)));
            assert_eq!(undecoded.len(), 1);
            if cut == 100 {
                let expected = [(0, 1), (1, 2), (1, 9_000), (1, 3), (0, 5), (0, 4), (0, 6), (1, 8)];
                assert_eq!(rows, expected);
                assert_eq!(undecoded, [(5, 77)]);
            }
        }
    }
}
