//! A batch in parts: bars that a correction touched are folded again behind the last run of its part, so a part ends
//! where the next record could begin another epoch.
//!
//! ```text
//!   new new cancel new | new(next epoch) new new ...
//!   ------ part ------ | touched: one bar, folded again here, in the epoch of the cancel
//! ```
//! Where parts end changes nothing that is computed, and a batch without corrections is one.

use super::record::Record;
use super::waiting::Waiting;
use super::{Admission, Place};
use crate::{Decoded, Heartbeat, Order, Undecoded};
use market::{DeadLetter, Offset, Run, SharedTrades, SymbolId, Tick, Time, Touched, TransType};
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

/// What was made of a part.
#[derive(Debug, Default)]
pub struct Part {
    /// Admitted rows, in log order.
    pub runs: Vec<Run>,
    /// What was refused, in order of decision.
    pub letters: Vec<DeadLetter>,
    /// Bars to fold again.
    pub touched: Vec<Touched>,
}

/// What of a batch is not judged yet.
#[derive(Debug)]
pub struct Rest {
    row: usize,
    /// Rows of the batch when it came: those behind were appended.
    rows: usize,
    undecoded: Peekable<IntoIter<Undecoded>>,
    heartbeats: Peekable<IntoIter<Heartbeat>>,
    orders: Peekable<IntoIter<Order>>,
    /// Of the last record that was judged.
    last: Option<Offset>,
}

/// What stands between rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Broken,
    Beat,
    Order,
}

impl Rest {
    fn of(batch: &mut Decoded, first: usize) -> Self {
        Rest {
            row: first,
            rows: batch.trades.len(),
            undecoded: std::mem::take(&mut batch.undecoded).into_iter().peekable(),
            heartbeats: std::mem::take(&mut batch.heartbeats).into_iter().peekable(),
            orders: std::mem::take(&mut batch.orders).into_iter().peekable(),
            last: None,
        }
    }

    /// What comes next of what is no row: the row that it stands before, its position, and what it is.
    fn next(&mut self) -> Option<(u32, Offset, Kind)> {
        let broken = self.undecoded.peek().map(|one| (one.before_row, one.offset, Kind::Broken));
        let beat = self.heartbeats.peek().map(|one| (one.before_row, one.offset, Kind::Beat));
        let order = self.orders.peek().map(|one| (one.before_row, one.offset, Kind::Order));
        [broken, beat, order].into_iter().flatten().min()
    }
}

impl Admission {
    /// Judges a batch, all of its parts together: for who folds nothing. May append rows that had waited; takes the
    /// undecoded records and the heartbeats out of the batch.
    pub fn admit(&mut self, batch: &mut Decoded) -> Part {
        let rest = self.begin(batch);
        self.admit_all(batch, rest)
    }

    /// As [`Admission::admit`], of the records behind the one at [`Admission::position`]: those before it
    /// were judged by the run that this one goes on from, and are read again.
    pub fn admit_behind(&mut self, batch: &mut Decoded) -> Part {
        let rest = self.begin_behind(batch);
        self.admit_all(batch, rest)
    }

    fn admit_all(&mut self, batch: &mut Decoded, rest: Rest) -> Part {
        let (mut all, mut rest) = (Part::default(), Some(rest));
        while let Some(left) = rest {
            let part;
            (part, rest) = self.admit_part(batch, left);
            all.runs.extend(part.runs);
            all.letters.extend(part.letters);
            all.touched.extend(part.touched);
        }
        all
    }

    /// The whole of a batch, to be judged in parts.
    pub fn begin(&mut self, batch: &mut Decoded) -> Rest {
        Rest::of(batch, 0)
    }

    /// What of a batch lies behind the last record that was judged.
    pub fn begin_behind(&mut self, batch: &mut Decoded) -> Rest {
        let Some(after) = self.position else { return self.begin(batch) };
        batch.undecoded.retain(|record| record.offset > after);
        batch.heartbeats.retain(|beat| beat.offset > after);
        batch.orders.retain(|order| order.offset > after);
        let first = batch.trades.offset.partition_point(|offset| *offset <= after);
        Rest::of(batch, first)
    }

    /// Judges the next part of a batch; what is left of it then.
    pub fn admit_part(&mut self, batch: &mut Decoded, mut rest: Rest) -> (Part, Option<Rest>) {
        self.horizon.leave(self.mark.floor());
        let is_whole = self.judge_part(batch, &mut rest);
        let mut last = rest.last;
        if is_whole {
            // What lies beyond where it is read to counts as read, and so does a message's end.
            let left = rest.undecoded.by_ref().map(|record| record.offset).last();
            let beats = rest.heartbeats.by_ref().map(|beat| beat.offset).last();
            let orders = rest.orders.by_ref().map(|order| order.offset).last();
            let row = batch.trades.offset[..rest.rows].last().copied();
            last = [last, left, beats, orders, row, batch.end].into_iter().flatten().max();
            self.waiting.iter_mut().for_each(Waiting::outlive_batch);
        }
        self.position = self.position.max(last);
        (self.end_part(&batch.trades, rest.rows), (!is_whole).then_some(rest))
    }

    /// The log has ended: what waits is admitted into `batch`, an empty one, unless the log goes on elsewhere. To be
    /// asked again as long as there are bars to fold again.
    pub fn finish(&mut self, batch: &mut Decoded) -> Part {
        self.horizon.leave(self.mark.floor());
        let until = self.config.until.filter(|_| !self.is_over());
        // Nobody has agreed with what jumped, and those behind would have to believe it.
        let is_agreed = self.config.place != Place::Ahead
            && until.is_none_or(|until| until.ns() > self.mark.leap());
        self.decide(batch, is_agreed);
        if self.touched.is_empty() {
            if let Some(until) = until.filter(|_| self.config.place != Place::Ahead) {
                self.beat(until, batch.trades.len() as u32);
            }
            self.give_up(i64::MAX);
            self.ended = true;
        }
        self.end_part(&batch.trades, 0)
    }

    fn end_part(&mut self, trades: &SharedTrades, told: usize) -> Part {
        let runs = std::mem::take(&mut self.runs);
        // Where nothing can be corrected nobody will ask for trades.
        let kept = if self.config.no_corrections().is_none() { &runs[..] } else { &[] };
        self.horizon.keep(trades, kept, told, self.mark.head);
        let (letters, touched) =
            (std::mem::take(&mut self.letters), std::mem::take(&mut self.touched));
        Part { runs, letters, touched }
    }

    /// Judges as much as belongs together; whether that was all.
    fn judge_part(&mut self, batch: &mut Decoded, rest: &mut Rest) -> bool {
        while let Some((before, offset, kind)) = rest.next().filter(|_| !self.is_over()) {
            let before = (before as usize).min(rest.rows).max(rest.row);
            if !self.judge_rows(batch, rest, before) {
                return false;
            }
            if self.is_over() {
                break;
            }
            match kind {
                Kind::Beat => {
                    let beat = rest.heartbeats.peek().copied();
                    if !beat.is_none_or(|beat| self.judge_heartbeat(batch, beat, rest.row as u32)) {
                        return false;
                    }
                    rest.heartbeats.next();
                }
                Kind::Broken => {
                    rest.undecoded.next().into_iter().for_each(|one| self.refuse_undecoded(one));
                }
                Kind::Order => {
                    let order = rest.orders.next();
                    order.iter().for_each(|one| self.exclude(&batch.trades, &one.exclusion));
                }
            }
            rest.last = rest.last.max(Some(offset));
        }
        self.judge_rows(batch, rest, rest.rows)
    }

    /// Judges rows up to `end`; whether it came there. Notes how far it is.
    fn judge_rows(&mut self, batch: &mut Decoded, rest: &mut Rest, end: usize) -> bool {
        let first = rest.row;
        rest.row = self.judge_to(batch, first..end);
        if rest.row > first {
            rest.last = rest.last.max(Some(batch.trades.offset[rest.row - 1]));
        }
        rest.row == end || self.is_over()
    }

    fn judge_to(&mut self, batch: &mut Decoded, rows: Range<usize>) -> usize {
        let (mut at, mut next) = (rows.start, None);
        while at < rows.end && !self.is_over() {
            if self.waiting.is_empty() {
                let end = self.arrive(batch, at, rows.end);
                // Looked for once, however many stretches lie before it.
                let found = next.filter(|next| *next >= at);
                let found =
                    found.unwrap_or_else(|| next_correction(&batch.trades.trans, at..rows.end));
                next = Some(found);
                let end = end.min(found);
                let calm = self.admit_calm(&batch.trades, at..end);
                if calm > at {
                    self.counts.read += (calm - at) as u64;
                    self.counts.used += (calm - at) as u64;
                    self.extend_run(at as u32..calm as u32);
                    at = calm;
                    continue;
                }
            }
            self.arrive(batch, at, at + 1);
            match self.judge_row(batch, at as u32) {
                Judged::Done => at += 1,
                Judged::Again => {}
                Judged::Barred => break,
            }
        }
        at
    }

    fn judge_row(&mut self, batch: &mut Decoded, row: u32) -> Judged {
        let record = Record::at(&batch.trades, row as usize);
        if record.trans != TransType::New {
            self.judge_correction(batch, &record, row);
            return Judged::Done;
        }
        // What belongs to the epoch so far is handed on before another one begins.
        let may_move = !self.waiting.is_empty() || !self.mark.stays(record.ts);
        if may_move && !self.touched.is_empty() {
            return Judged::Barred;
        }
        if self.is_left_out(&record) {
            self.counts.left_out += 1;
            return Judged::Done;
        }
        if let Err(refusal) = self.check_values(&record) {
            self.counts.read += 1;
            self.refuse_row(batch, row, &record, refusal);
            return Judged::Done;
        }
        let jumps = record.ts > self.mark.leap();
        let is_copy = self.waiting.first().is_some_and(|first| first.is_copied_by_trade(&record));
        if !is_copy && !self.waiting.is_empty() {
            // What waited may have moved the watermark, and the horizon with it.
            self.decide(batch, jumps);
            return Judged::Again;
        }
        self.counts.read += 1;
        if !is_copy && !jumps {
            self.settle(batch, &record, Some(row), None);
            return Judged::Done;
        }
        self.wait(batch, record, row);
        Judged::Done
    }

    /// Judges a heartbeat, unless bars are to be folded again before; whether it did.
    fn judge_heartbeat(&mut self, batch: &mut Decoded, heartbeat: Heartbeat, row: u32) -> bool {
        if !self.touched.is_empty() {
            return false;
        }
        let Heartbeat { time, offset, .. } = heartbeat;
        batch.arrival(offset).into_iter().for_each(|came| self.mark.arrive(came));
        if let Err(refusal) = self.check_time(time.ns()) {
            self.refuse_heartbeat(heartbeat, refusal);
            return true;
        }
        let jumps = time.ns() > self.mark.leap();
        if self.waiting.first().is_some_and(|first| first.is_copied_by_heartbeat(time)) {
            return true;
        }
        self.decide(batch, jumps);
        if !self.touched.is_empty() {
            return false;
        }
        if time.ns() > self.mark.leap() {
            self.waiting.push(Waiting::Heartbeat { time, offset });
        } else {
            self.beat(time, row);
        }
        true
    }

    /// Columns that have left the horizon, to be filled again.
    pub fn spare_columns(&mut self) -> market::Trades {
        self.horizon.spare()
    }

    /// The horizon's trades of a symbol, of all parts so far.
    pub fn ticks(&mut self, symbol: SymbolId, from: Time, to: Time) -> &[Tick] {
        self.ticks.clear();
        self.horizon.ticks(symbol, from.ns(), to.ns(), &mut self.ticks);
        &self.ticks
    }
}

/// What became of a row.
enum Judged {
    Done,
    /// Something before it was decided.
    Again,
    /// A part ends before it.
    Barred,
}

/// The first row of `rows` that takes back or edits a trade; where they end if there is none.
fn next_correction(trans: &[TransType], rows: Range<usize>) -> usize {
    let none = rows.end;
    let own = trans.get(rows.clone()).unwrap_or_default();
    own.iter().position(|trans| *trans != TransType::New).map_or(none, |at| rows.start + at)
}
