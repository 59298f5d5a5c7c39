//! Admission: which records of a partition are used, judged one after the other in log order.
//!
//! ```text
//! decoded -> time -> universe -> ranges -> horizon -> jump -> symbol limit -> duplicate -> outlier -> admitted
//! ```
//!
//! A pure state machine: runs (rows with their epoch) and letters are a function of the records alone,
//! however the log is cut into batches. Only admitted trades and heartbeats move the watermark; a
//! record's epoch is that of the watermark after the record itself moved it, and never falls.
//!
//! **A jump** past the greatest time so far by more than `max_jump` waits for the next record that passes
//! what stands before it: it is admitted, before that one, when that one lies beyond the jump too or when
//! the log ends, and refused when that one falls back. A copy of it has no word. Heartbeats wait and
//! decide like trades. An admitted record that waited is judged, and its letter written, when it is
//! decided; where its batch is gone its row is appended to the batch at hand and named first.
//!
//! **Cost.** One pass over columns. Within an epoch a row is compared with two bounds of time fixed at the
//! start of the stretch, its ranges are one multiplication, its symbol one load; ids add one compare and one
//! append, outliers about ten instructions. What leaves the calm is judged row by row.

mod calm;
mod codec;
mod config;
mod correct;
#[cfg(test)]
mod correct_laws;
mod duplicates;
mod exclude;
mod fold;
mod horizon;
mod judge;
#[cfg(test)]
mod judge_tests;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod laws;
mod outlier;
mod parts;
mod pending;
mod poured;
mod record;
mod seam;
#[cfg(test)]
mod seam_tests;
mod snapshot;
mod stream;
#[cfg(test)]
mod tests;
mod values;
mod waiting;
mod watermark;

pub use codec::SnapshotError;
pub use config::{AdmissionConfig, AdmissionConfigError, OutlierMode, OutlierRule, Place};
pub use judge::SymbolJudge;
pub use parts::{Part, Rest};
pub use seam::Seam;

use crate::{Decoded, Heartbeat, Undecoded};
use correct::blank;
use duplicates::{Duplicates, STREAMS_PER_SYMBOL_MAX};
use exclude::Excluded;
use horizon::Horizon;
use market::{
    Counts, DeadLetter, Epoch, EpochLength, Offset, Reason, Run, SymbolId, Symbols, Tick,
};
use market::{Time, Touched, TradeId};
use outlier::Level;
use pending::Pendings;
use record::{Record, Refusal, raw_text};
use std::ops::Range;
use std::sync::Arc;
use waiting::{COPIES_MAX, Waiting};
use watermark::Watermark;

/// The venue of a record without one, in a batch whose others have one; as files have it.
const BLANK_VENUE: &[u8] = b"-";

/// The admission of one partition: all that its verdicts depend on.
pub struct Admission {
    config: AdmissionConfig,
    symbols: Symbols,
    partition: u32,
    mark: Watermark,
    /// By symbol id; a symbol is known once its first trade passed.
    levels: Vec<Level>,
    known: u32,
    duplicates: Duplicates,
    /// A record that jumped, and copies of it.
    waiting: Vec<Waiting>,
    counts: Counts,
    /// Of the last record that was judged, if any was.
    position: Option<Offset>,
    runs: Vec<Run>,
    letters: Vec<DeadLetter>,
    /// Bars that corrections touched since the last part.
    touched: Vec<Touched>,
    /// What corrections may name.
    horizon: Horizon,
    /// Corrections whose trade has not come.
    pending: Pendings,
    /// What is not to be traded.
    excluded: Vec<Excluded>,
    /// The venue of a record without one, where others have one.
    blank: SymbolId,
    /// Lent to who folds a bar again.
    ticks: Vec<Tick>,
    /// What the log before has left, as long as it can hold what comes here.
    behind: Option<Arc<Seam>>,
    /// The epoch in which nothing is judged any more.
    until: Epoch,
    ended: bool,
}

impl Admission {
    /// Admission of the first record of partition number `partition`.
    pub fn new(
        config: AdmissionConfig,
        length: EpochLength,
        symbols: Symbols,
        partition: u32,
    ) -> Self {
        let streams_max = (config.symbols_max as usize).saturating_mul(STREAMS_PER_SYMBOL_MAX);
        Admission {
            mark: Watermark::new(&config, length),
            until: config.until.map_or(Epoch::MAX, |until| length.of(until)),
            duplicates: Duplicates::new(config.horizon_trades_max, streams_max),
            partition,
            levels: Vec::new(),
            known: 0,
            waiting: Vec::new(),
            counts: Counts::default(),
            position: None,
            runs: Vec::new(),
            letters: Vec::new(),
            touched: Vec::new(),
            horizon: Horizon::new(config.horizon_trades_max, config.bar_ns, blank(&symbols)),
            pending: Pendings::default(),
            excluded: config.exclusions.iter().map(|one| Excluded::of(one, &symbols)).collect(),
            blank: blank(&symbols),
            ticks: Vec::new(),
            config,
            symbols,
            behind: None,
            ended: false,
        }
    }

    /// Of the last record that was judged, if any was.
    pub fn position(&self) -> Option<Offset> {
        self.position
    }

    /// What was read, used and refused so far. A record that waits is read and neither.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The partition's epoch; `Epoch::MIN` before the first admitted record.
    pub fn epoch(&self) -> Epoch {
        self.mark.epoch
    }

    /// A record jumped ahead: it waits for the next one's word.
    fn wait(&mut self, batch: &Decoded, record: Record, row: u32) {
        if self.waiting.len() > COPIES_MAX {
            return self.refuse_row(batch, row, &record, self.jump(record.ts));
        }
        let raw = raw_text(batch, row as usize, &record, &self.symbols);
        self.waiting.push(Waiting::Trade { record, row: Some(row), raw });
    }

    /// The watermark becomes at least `time`, before row `row`.
    fn beat(&mut self, time: Time, row: u32) {
        let before = self.mark.epoch;
        self.mark.heartbeat(time.ns());
        if self.mark.epoch != before {
            self.runs.push(Run { epoch: self.mark.epoch, rows: row..row });
            self.give_up(self.mark.floor());
        }
    }

    /// The next record has spoken: what waits is admitted or refused.
    fn decide(&mut self, batch: &mut Decoded, confirmed: bool) {
        if self.waiting.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Trade { record, row, raw } if confirmed => {
                    self.settle(batch, &record, row, Some(raw));
                }
                Waiting::Trade { record, raw, .. } => {
                    self.refuse(&record, self.jump(record.ts), raw);
                }
                Waiting::Heartbeat { time, .. } if confirmed => {
                    self.beat(time, batch.trades.len() as u32);
                }
                Waiting::Heartbeat { time, offset } => {
                    let heartbeat = Heartbeat { before_row: 0, offset, time };
                    self.refuse_heartbeat(heartbeat, self.jump(time.ns()));
                }
            }
        }
    }

    /// Judges a record whose time has been accepted, and admits or refuses it.
    fn settle(
        &mut self,
        batch: &mut Decoded,
        record: &Record,
        row: Option<u32>,
        raw: Option<String>,
    ) {
        if let Err(refusal) = self.check_history(record) {
            let text = |row| raw_text(batch, row as usize, record, &self.symbols);
            let raw = raw.or_else(|| row.map(text)).unwrap_or_default();
            return self.refuse(record, refusal, raw);
        }
        let row = row.unwrap_or_else(|| record.append_to(&mut batch.trades, self.blank));
        let before = self.mark.epoch;
        self.mark.trade(record.ts);
        if self.mark.epoch != before {
            self.give_up(self.mark.floor());
        }
        // Of a pooled partition there is no stream: its ids are kept by who judges them.
        if record.id != TradeId::NONE
            && let Some(stream) = self.duplicates.stream(record.symbol, record.venue)
        {
            self.duplicates.keep(stream, record.id, record.ts, self.mark.floor());
        }
        self.counts.used += 1;
        self.extend_run(row..row + 1);
        if self.pending.has_some() && record.id != TradeId::NONE {
            self.meet(&batch.trades, record);
        }
    }

    /// Symbol limit, duplicate, outlier: what the partition's earlier trades say.
    fn check_history(&mut self, record: &Record) -> Result<(), Refusal> {
        let at = record.symbol.index();
        if self.levels.len() <= at {
            self.levels.resize(at + 1, Level::default());
        }
        let limit = self.config.symbols_max;
        if !self.levels[at].is_known() && self.known >= limit {
            let detail = format!("symbol number {}, wanted at most {limit}", u64::from(limit) + 1);
            return Err(Refusal::new(Reason::SymbolLimit, detail));
        }
        if record.id != TradeId::NONE {
            self.check_duplicate(record)?;
        }
        let level = &mut self.levels[at];
        if !level.is_known() {
            *level = Level::first(record.price.raw());
            self.known += 1;
            return Ok(());
        }
        if self.config.is_pooled {
            return Ok(());
        }
        let is_flagged = record.check_price(level, &self.config.outliers, &self.symbols)?;
        self.counts.flagged += u64::from(is_flagged);
        Ok(())
    }

    fn extend_run(&mut self, rows: Range<u32>) {
        match self.runs.last_mut() {
            Some(run) if run.epoch == self.mark.epoch && run.rows.end == rows.start => {
                run.rows.end = rows.end;
            }
            _ => self.runs.push(Run { epoch: self.mark.epoch, rows }),
        }
    }

    fn refuse(&mut self, record: &Record, refusal: Refusal, raw: String) {
        self.counts.refused[refusal.reason as usize] += 1;
        let place = (self.mark.epoch, self.partition);
        self.letters.push(record.letter(refusal, place, raw, &self.symbols));
    }

    fn refuse_row(&mut self, batch: &Decoded, row: u32, record: &Record, refusal: Refusal) {
        let raw = raw_text(batch, row as usize, record, &self.symbols);
        self.refuse(record, refusal, raw);
    }

    fn refuse_heartbeat(&mut self, heartbeat: Heartbeat, refusal: Refusal) {
        self.refuse_undecoded(Undecoded {
            before_row: heartbeat.before_row,
            offset: heartbeat.offset,
            reason: refusal.reason,
            detail: refusal.detail,
            raw: format!("{{\"heartbeat\":{}}}", heartbeat.time.ns()),
            symbol: None,
            ts_event: Some(heartbeat.time),
        });
    }

    fn refuse_undecoded(&mut self, record: Undecoded) {
        if record.ts_event.is_some_and(|time| time < self.config.since) {
            self.counts.left_out += 1;
            return;
        }
        self.counts.read += 1;
        self.counts.refused[record.reason as usize] += 1;
        self.letters.push(DeadLetter {
            epoch: self.mark.epoch,
            partition: self.partition,
            source: String::new(),
            offset: record.offset,
            reason: record.reason,
            detail: record.detail,
            raw: record.raw,
            symbol: record.symbol.map(|id| self.symbols.text(id).as_ref().to_owned()),
            ts_event: record.ts_event,
        });
    }
}
