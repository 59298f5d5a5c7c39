//! What a record tells by itself and the watermark: its time, its symbol, the ranges of price and size.

use super::Admission;
use super::calm::fits;
use super::outlier::Level;
use super::record::{Record, Refusal};
use super::watermark::{GREATEST, LEAST};
use crate::Decoded;
use market::{Reason, SymbolId, Time};

/// Rows whose times of arrival are looked at together: the earliest of them bounds the calm.
const ARRIVALS_AT_ONCE: usize = 1_024;

impl Admission {
    /// The partition's watermark; none before the first admitted record.
    pub fn watermark(&self) -> Option<Time> {
        let head = self.mark.head;
        let watermark = head.saturating_sub(self.config.lateness_ns);
        (head > i64::MIN).then(|| Time::from_ns(watermark))
    }

    /// Counts the future from when rows from `at` on came; the row up to where that holds, `end` at most.
    pub(super) fn arrive(&mut self, batch: &Decoded, at: usize, end: usize) -> usize {
        if batch.arrived.is_empty() {
            return end;
        }
        let (end, offsets) = (end.min(at + ARRIVALS_AT_ONCE), &batch.trades.offset);
        let came = batch.arrival_of(offsets[at], offsets[end - 1]);
        came.into_iter().for_each(|time| self.mark.arrive(time));
        end
    }

    /// Time, universe, ranges, horizon: what a record tells by itself and the watermark.
    pub(super) fn check_values(&self, record: &Record) -> Result<(), Refusal> {
        let is_timely = (self.mark.floor()..=self.mark.latest()).contains(&record.ts);
        let fit = fits(record.price.raw(), record.size.raw());
        let is_free = self.excluded.is_empty() || self.check_excluded(record).is_ok();
        if is_timely && fit && is_free && self.is_welcome(record.symbol) {
            return Ok(());
        }
        self.explain_values(record)
    }

    /// Whether a symbol may be traded at all. One that was admitted before needs no look at the table.
    fn is_welcome(&self, symbol: SymbolId) -> bool {
        !self.config.listed_only
            || self.levels.get(symbol.index()).is_some_and(Level::is_known)
            || self.symbols.is_listed(symbol)
    }

    /// Whether a time is one that a record can have, and not the future.
    pub(super) fn check_time(&self, ts: i64) -> Result<(), Refusal> {
        let given = Time::from_ns(ts);
        if !(LEAST..=GREATEST).contains(&ts) {
            let (least, greatest) = (Time::LEAST, Time::GREATEST);
            let detail = format!("time {given}, wanted {least} to {greatest}");
            return Err(Refusal::new(Reason::Time, detail));
        }
        let latest = self.mark.latest();
        if ts > latest {
            // Which time that is, a clock decided: no output says so.
            let detail = format!("time {given}, wanted one before its arrival and max_ahead");
            return Err(Refusal::new(Reason::Future, detail));
        }
        Ok(())
    }

    /// Whether a symbol may be traded at all.
    pub(super) fn check_symbol(&self, symbol: SymbolId) -> Result<(), Refusal> {
        if self.is_welcome(symbol) {
            return Ok(());
        }
        let detail = format!("symbol {}, wanted one of the universe", self.symbols.text(symbol));
        Err(Refusal::new(Reason::UnknownSymbol, detail))
    }

    #[cold]
    fn explain_values(&self, record: &Record) -> Result<(), Refusal> {
        self.check_time(record.ts)?;
        self.check_symbol(record.symbol)?;
        let scales = self.symbols.scales(record.symbol);
        let (price, size) = (record.price.decimal(scales.price), record.size.decimal(scales.size));
        if record.price.raw() <= 0 {
            let detail = format!("price {price}, wanted more than 0");
            return Err(Refusal::new(Reason::Price, detail));
        }
        if record.size.raw() <= 0 {
            return Err(Refusal::new(Reason::Size, format!("size {size}, wanted more than 0")));
        }
        if !fits(record.price.raw(), record.size.raw()) {
            let detail =
                format!("price {price} times size {size}, wanted less than 2^103 raw units");
            return Err(Refusal::new(Reason::Notional, detail));
        }
        let floor = self.mark.floor();
        if record.ts < floor {
            let (ts, floor) = (Time::from_ns(record.ts), Time::from_ns(floor));
            let detail = format!("time {ts}, wanted {floor} or later: the correction horizon");
            return Err(Refusal::new(Reason::Horizon, detail));
        }
        self.check_excluded(record)
    }

    pub(super) fn jump(&self, ts: i64) -> Refusal {
        let (ts, leap) = (Time::from_ns(ts), Time::from_ns(self.mark.leap()));
        let detail =
            format!("time {ts}, wanted {leap} or earlier, or a next record beyond: max_jump");
        Refusal::new(Reason::Jump, detail)
    }
}
