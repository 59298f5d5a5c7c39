//! `--order time`: a file is in time order but for stragglers, or it is refused.
//!
//! A record is a straggler when it lies more than the lateness behind the greatest time of its file so
//! far. More than one in a hundred stop the run, judged at every straggler after the first thousand
//! records and at the end of the file; so the verdict does not depend on batches. A time that jumps more
//! than an hour ahead raises the greatest only when the next record agrees, as admission has it: one
//! wrong time does not make stragglers of all that follow. A file's first time is such a jump, too: it is
//! dropped, and counts as nothing, when the second lies more than an hour before it. Corrections are in no order:
//! they come when they come, a cancel has no time, and the one of a replace is its trade's.

use market::{PartitionError, Time, Trades, TransType};
use std::path::Path;

/// Records that are read before a file is judged.
const JUDGED_FROM: u64 = 1_000;
/// A straggler in so many records is too much.
const ONE_IN: u64 = 100;
/// A jump ahead that the next record must confirm.
const JUMP_NS: i64 = 3_600 * Time::SECOND;

/// The check of one partition's files, one after the other.
#[derive(Clone, Debug)]
pub(super) struct OrderCheck {
    lateness_ns: i64,
    greatest: Option<i64>,
    /// A time that waits for the next record to agree.
    jumped: Option<i64>,
    records: u64,
    stragglers: u64,
    /// The last straggler's row, with its time.
    last: Option<(u64, Time)>,
}

impl OrderCheck {
    pub(super) fn new(lateness_ns: i64) -> Self {
        let (greatest, jumped, last) = (None, None, None);
        OrderCheck { lateness_ns, greatest, jumped, records: 0, stragglers: 0, last }
    }

    /// Looks at the next records of a file.
    pub(super) fn check(&mut self, path: &Path, trades: &Trades) -> Result<(), PartitionError> {
        for (k, time) in trades.ts_event.iter().enumerate() {
            if trades.trans_of(k) != TransType::New {
                continue;
            }
            let ns = time.ns();
            let greatest = self.greatest_before(ns);
            self.records += 1;
            let step = ns.saturating_sub(greatest);
            if (0..=JUMP_NS).contains(&step) && self.jumped.is_none() {
                self.greatest = Some(ns);
            } else {
                self.unusual(ns, greatest);
            }
            if ns < greatest.saturating_sub(self.lateness_ns) {
                self.stragglers += 1;
                self.last = Some((trades.offset.get(k).map_or(0, |offset| offset.row()), *time));
                if self.records >= JUDGED_FROM {
                    self.judge(path)?;
                }
            } else if self.records == JUDGED_FROM {
                self.judge(path)?;
            }
        }
        Ok(())
    }

    /// The greatest time so far; the second record has a word on whether the first counts.
    fn greatest_before(&self, ns: i64) -> i64 {
        let greatest = self.greatest.unwrap_or(ns);
        let jumped = self.records == 1 && ns < greatest.saturating_sub(JUMP_NS);
        if jumped { ns } else { greatest }
    }

    /// A time behind the greatest, or one far ahead.
    fn unusual(&mut self, ns: i64, greatest: i64) {
        let bound = greatest.saturating_add(JUMP_NS);
        if let Some(jumped) = self.jumped.take()
            && ns > bound
        {
            self.greatest = Some(ns.max(jumped));
        } else if ns > bound {
            self.jumped = Some(ns);
        } else {
            self.greatest = Some(greatest.max(ns));
        }
    }

    /// Judges the file as a whole and forgets it.
    pub(super) fn end_file(&mut self, path: &Path) -> Result<(), PartitionError> {
        self.judge(path)?;
        *self = OrderCheck::new(self.lateness_ns);
        Ok(())
    }

    fn judge(&self, path: &Path) -> Result<(), PartitionError> {
        let Some((row, time)) = self.last else { return Ok(()) };
        if self.stragglers * ONE_IN <= self.records {
            return Ok(());
        }
        let what = format!(
            "{}: not in time order: {} of {} records, record {row} ({time}) the last of them, lie more \
             than the lateness of {} behind the greatest time before them; --order any sorts the file, \
             --order log takes it as the order of arrival, --lateness allows more",
            path.display(),
            self.stragglers,
            self.records,
            seconds(self.lateness_ns),
        );
        Err(PartitionError { what, usage: true })
    }
}

fn seconds(ns: i64) -> String {
    format!("{}s", ns as f64 / Time::SECOND as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use market::Offset;

    fn check(seconds: impl Iterator<Item = i64>, cut: usize) -> Option<String> {
        check_all(seconds.map(|s| (s, TransType::New)), cut)
    }

    fn check_all(records: impl Iterator<Item = (i64, TransType)>, cut: usize) -> Option<String> {
        let records: Vec<(usize, (i64, TransType))> = records.enumerate().collect();
        let mut order = OrderCheck::new(2 * Time::SECOND);
        let path = Path::new("f.csv");
        for part in records.chunks(cut) {
            let mut trades = Trades::default();
            for &(row, (seconds, trans)) in part {
                trades.ts_event.push(Time::from_ns(seconds * Time::SECOND));
                trades.offset.push(Offset::in_file(0, row as u64));
                trades.trans.push(trans);
            }
            if let Err(error) = order.check(path, &trades) {
                assert!(error.usage);
                return Some(error.what);
            }
        }
        order.end_file(path).err().map(|error| error.what)
    }

    #[test]
    fn stragglers_are_tolerated_up_to_one_in_a_hundred() {
        for cut in [1, 7, 10_000] {
            let straggling = |every: i64| {
                (0..5_000).map(move |s| if s % every == every - 1 { s - 60 } else { s })
            };
            assert_eq!(check(straggling(101), cut), None);
            let error = check(straggling(50), cut).expect("one in fifty is too much");
            assert!(error.contains("20 of 1000 records, record 999"), "{error}");
            assert!(check((0..900).rev(), cut).is_some());
            assert_eq!(check(0..900, cut), None);
            assert_eq!(check(std::iter::empty(), cut), None);
        }
    }

    #[test]
    fn corrections_are_no_stragglers() {
        // Every other record corrects: without a time, or with the time of a trade of a minute ago.
        let records = |corrects: bool| {
            (0..5_000).map(move |s| match s % 4 {
                1 if corrects => (0, TransType::Cancel),
                3 if corrects => (s - 60, TransType::Replace),
                1 => (0, TransType::New),
                3 => (s - 60, TransType::New),
                _ => (s, TransType::New),
            })
        };
        for cut in [1, 7, 10_000] {
            assert_eq!(check_all(records(true), cut), None);
            assert!(check_all(records(false), cut).is_some());
        }
    }

    #[test]
    fn one_time_of_the_far_future_is_no_order() {
        let far = |s| if s == 2_000 { 4_000_000_000 } else { s };
        assert_eq!(check((0..5_000).map(far), 64), None);
        // Nor is it when it comes first, at the very end of time.
        for first in [9_223_372_036, 7_200 + 5_000, -9_223_372_036] {
            for cut in [1, 64] {
                assert_eq!(check(std::iter::once(first).chain(0..5_000), cut), None);
                let error = check(std::iter::once(first).chain((0..900).rev()), cut);
                assert!(error.is_some_and(|error| error.contains("of 901 records")));
            }
        }
        // A gap of a night is one.
        assert_eq!(check((0..2_000).chain(90_000..92_000), 64), None);
    }
}
