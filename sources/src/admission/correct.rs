//! Corrections: records that take a trade back or edit one, by its symbol, venue and id.
//!
//! ```text
//!  named trade  in the horizon    taken back before   not there
//!  cancel       taken back        duplicate           waits for it, one horizon
//!  replace      edited            unmatched           waits for it, one horizon
//! ```
//! A trade is within the horizon by the time that it has now; an edited one must lie there with its old and its new time,
//! or nothing is done. Of several days the newest trade is meant. Corrections never move the watermark and are never
//! outliers: the venue has said them.

use super::horizon::{Found, Named, Sought, Values};
use super::pending::{PENDING_MAX, Pending};
use super::record::{Record, Refusal, raw_text};
use super::stream::day_ns;
use super::{Admission, BLANK_VENUE};
use crate::Decoded;
use market::{DeadLetter, Reason, SymbolId, Time, Touched, TradeId, Trades, TransType};

/// Days that a horizon may reach over.
const DAYS_MAX: usize = 368;

impl Admission {
    /// Judges row `row` of a batch, which corrects a trade.
    pub(super) fn judge_correction(&mut self, batch: &Decoded, record: &Record, row: u32) {
        let named = self.named(record);
        let now = (record.trans == TransType::Replace).then(|| record.values());
        if now.is_some_and(|now| now.ts < self.config.since.ns()) {
            self.counts.left_out += 1;
            return;
        }
        self.counts.read += 1;
        let found = self.check_correction(record, &named).and_then(|()| {
            let found = self.look_up(&batch.trades, &named)?;
            found.map(|found| self.check_found(&batch.trades, found, now)).transpose()
        });
        let raw = || raw_text(batch, row as usize, record, &self.symbols);
        match found {
            Ok(Some(found)) => self.correct(&found, named, now),
            Ok(None) => match self.check_pending(&named, now) {
                Ok(()) => {
                    let pending = Pending::new(named, now, record.offset, raw());
                    self.await_trade(record, pending);
                }
                Err(refusal) => self.refuse_row(batch, row, record, refusal),
            },
            Err(refusal) => self.refuse_row(batch, row, record, refusal),
        }
    }

    pub(super) fn named(&self, record: &Record) -> Named {
        let venue = record.venue.filter(|venue| *venue != self.blank);
        Named { symbol: record.symbol, venue, id: record.id }
    }

    /// What a correction tells by itself.
    fn check_correction(&self, record: &Record, named: &Named) -> Result<(), Refusal> {
        if let Some(source) = self.config.no_corrections() {
            let detail = format!("{}: {source} has none", record.trans.name());
            return Err(Refusal::new(Reason::TransType, detail));
        }
        if named.id == TradeId::NONE {
            let detail = format!("trade_id: a {} names its trade by it", record.trans.name());
            return Err(Refusal::new(Reason::Missing, detail));
        }
        match record.trans {
            TransType::Replace if record.ts > self.mark.leap() => {
                self.check_time(record.ts)?;
                Err(self.jump(record.ts))
            }
            TransType::Replace => self.check_values(record),
            _ => self.check_symbol(record.symbol),
        }
    }

    /// The trade of a name that was admitted last, unless it left early.
    fn look_up(&mut self, trades: &Trades, named: &Named) -> Result<Option<Found>, Refusal> {
        let floor = self.mark.floor();
        // What bars may still need is kept for longer, and says nothing here.
        let is_held =
            |found: &Found| found.own >= floor || found.now.is_some_and(|now| now.ts >= floor);
        let corrected = self.horizon.corrected(named).filter(is_held).max_by_key(|found| found.own);
        let is_newest = |ts: i64| corrected.is_none_or(|corrected| corrected.own <= ts);
        let times: Vec<i64> = self.times_of(named, floor).filter(|ts| is_newest(*ts)).collect();
        for ts in times {
            match self.horizon.seek(trades, &self.runs, named, ts) {
                Sought::Plain(found) => return Ok(Some(found)),
                Sought::Corrected => {}
                Sought::Lost => return Err(self.bar_left_early()),
            }
        }
        Ok(corrected)
    }

    /// The bar of a trade cannot be folded again.
    fn bar_left_early(&self) -> Refusal {
        let max = self.config.horizon_trades_max;
        let detail = format!("its bar holds trades that left early, beyond {max}");
        Refusal::new(Reason::Horizon, detail)
    }

    /// When trades of a name were admitted that the horizon holds, the newest day first.
    fn times_of(&self, named: &Named, floor: i64) -> impl Iterator<Item = i64> + '_ {
        let named = *named;
        let (last, first) = (day_ns(self.mark.head.max(floor)), day_ns(floor));
        let days = (0..DAYS_MAX as i64).map(move |back| last - back * Time::DAY);
        let streams = self.streams_of(&named);
        days.take_while(move |day| *day >= first).flat_map(move |day| {
            let find = move |stream| self.duplicates.find(stream, named.id, day, floor);
            streams.into_iter().flatten().filter_map(find)
        })
    }

    /// The ids of a symbol at a venue; of none under both of its names.
    fn streams_of(&self, named: &Named) -> [Option<u32>; 2] {
        let blank = named.venue.is_none().then_some(Some(self.blank));
        let stream = |venue| self.duplicates.stream(named.symbol, venue);
        [stream(named.venue), blank.and_then(stream)]
    }

    /// Whether a trade that was found may become `now`.
    fn check_found(
        &self,
        trades: &Trades,
        found: Found,
        now: Option<Values>,
    ) -> Result<Found, Refusal> {
        let Some(before) = found.now else {
            return Err(match now {
                None => {
                    Refusal::new(Reason::Duplicate, "the trade was taken back before".to_owned())
                }
                Some(_) => Refusal::unmatched("the trade was taken back before"),
            });
        };
        let floor = self.mark.floor();
        if before.ts < floor {
            let (ts, floor) = (Time::from_ns(before.ts), Time::from_ns(floor));
            let detail =
                format!("a trade of {ts}, wanted one of {floor} or later: the correction horizon");
            return Err(Refusal::new(Reason::Horizon, detail));
        }
        if now == Some(before) {
            let detail = "the trade is that already, wanted another time, price or size".to_owned();
            return Err(Refusal::new(Reason::Duplicate, detail));
        }
        let is_lost = |values: Values| self.horizon.has_lost(values.ts, trades, &self.runs);
        if [Some(before), now].into_iter().flatten().any(is_lost) {
            return Err(self.bar_left_early());
        }
        Ok(found)
    }

    /// Whether a correction may wait for its trade.
    fn check_pending(&self, named: &Named, now: Option<Values>) -> Result<(), Refusal> {
        if self.pending.has(named, now) {
            let detail = "the same correction waits for its trade already".to_owned();
            return Err(Refusal::new(Reason::Duplicate, detail));
        }
        if self.pending.is_cancelled(named) {
            return Err(Refusal::unmatched("the trade is to be taken back"));
        }
        match self.pending.is_full() {
            true => Err(Refusal::unmatched(&format!("{PENDING_MAX} corrections wait already"))),
            false => Ok(()),
        }
    }

    /// Lets a correction wait, and has every id of its symbol and venue looked up as long as it does.
    fn await_trade(&mut self, record: &Record, pending: Pending) {
        let Some(stream) = self.duplicates.stream_or_new(record.symbol, record.venue) else {
            return self.refuse_pending(pending, Refusal::unmatched("too many symbols and venues"));
        };
        self.duplicates.streams[stream as usize].awaited += 1;
        let watermark = self.mark.head.saturating_sub(self.config.lateness_ns);
        let watermark = if self.mark.head == i64::MIN { i64::MIN } else { watermark };
        self.pending.add(watermark, pending);
    }

    /// Applies what waited for a trade that was admitted just now.
    pub(super) fn meet(&mut self, trades: &Trades, record: &Record) {
        let named = self.named(record);
        let waited = self.pending.take(&named);
        self.release(&named, waited.len() as u32);
        for pending in waited {
            let now = pending.now;
            let is_timely = now.is_none_or(|now| now.ts >= self.mark.floor());
            let found = self.look_up(trades, &named).and_then(|found| {
                let found = found.filter(|_| is_timely);
                found.map(|found| self.check_found(trades, found, now)).transpose()
            });
            match found {
                Ok(Some(found)) => self.correct(&found, named, now),
                Err(refusal) => self.refuse_pending(pending, refusal),
                Ok(None) => {
                    let detail =
                        "its new time lies before the correction horizon by now".to_owned();
                    self.refuse_pending(pending, Refusal::new(Reason::Horizon, detail));
                }
            }
        }
    }

    /// As many corrections less wait for trades of a name.
    fn release(&mut self, named: &Named, count: u32) {
        for stream in self.streams_of(named).into_iter().flatten() {
            let awaited = &mut self.duplicates.streams[stream as usize].awaited;
            *awaited = awaited.saturating_sub(count);
        }
    }

    /// An epoch has begun: gives up what waited for a horizon that now begins at `floor`.
    pub(super) fn give_up(&mut self, floor: i64) {
        self.forget_excluded(floor);
        let watermark = self.mark.head.saturating_sub(self.config.lateness_ns);
        for pending in self.pending.expire(floor, watermark) {
            self.release(&pending.named, 1);
            self.refuse_pending(pending, Refusal::unmatched("no such trade came within a horizon"));
        }
    }

    /// Makes what waits known to the ids again, behind a restore.
    pub(super) fn await_again(&mut self) {
        let names: Vec<Named> = self.pending.names().copied().collect();
        for named in names {
            for stream in self.streams_of(&named).into_iter().flatten() {
                self.duplicates.streams[stream as usize].awaited += 1;
            }
        }
    }

    /// A trade becomes `now`, or is taken back.
    fn correct(&mut self, found: &Found, named: Named, now: Option<Values>) {
        self.horizon.edit(found, named, now);
        self.counts.used += 1;
        match now {
            None => self.counts.cancelled += 1,
            Some(_) => self.counts.replaced += 1,
        }
        for values in [found.now, now].into_iter().flatten() {
            let ts = Time::from_ns(values.ts);
            self.touched.push(Touched { symbol: named.symbol, ts });
        }
    }

    fn refuse_pending(&mut self, pending: Pending, refusal: Refusal) {
        let Pending { named, now, offset, raw, .. } = pending;
        self.counts.refused[refusal.reason as usize] += 1;
        self.letters.push(DeadLetter {
            epoch: self.mark.epoch,
            partition: self.partition,
            source: String::new(),
            offset,
            reason: refusal.reason,
            detail: refusal.detail,
            raw,
            symbol: Some(self.symbols.text(named.symbol).as_ref().to_owned()),
            ts_event: now.map(|now| Time::from_ns(now.ts)),
        });
    }
}

impl Record {
    fn values(&self) -> Values {
        let Record { ts, price, size, updates, .. } = *self;
        Values { ts, price, size, updates }
    }
}

impl Refusal {
    fn unmatched(detail: &str) -> Self {
        Refusal::new(Reason::Unmatched, detail.to_owned())
    }
}

/// What stands for no venue, as the columns have it.
pub(super) fn blank(symbols: &market::Symbols) -> SymbolId {
    symbols.intern(BLANK_VENUE).expect("a printable text is a symbol")
}
