//! What belongs to a symbol whose trades stand in several partitions: duplicates and outliers, judged where all of
//! them come together.
//!
//! What belongs to a partition, times and symbols, its own admission has judged ([`AdmissionConfig::is_pooled`]). All
//! state is a symbol's: its level, and the ids of the horizon by venue. So are the bounds: ids of a symbol and venue
//! beyond a sixteenth of `horizon_trades_max` leave early, and a symbol has at most [`VENUES_MAX`] venues.

use super::codec::{Reader, SnapshotError, Writer};
use super::duplicates::Duplicates;
use super::outlier::Level;
use super::record::{Record, Refusal};
use super::seam::Seam;
use super::stream::Stream;
use super::{AdmissionConfig, BLANK_VENUE};
use market::{Counts, EpochLength, Judge, PartitionError, Reason, Refused, SymbolId, Symbols};
use market::{Time, Trade, TradeId};

/// Venues of a symbol.
const VENUES_MAX: u32 = 1_024;

/// The share of a partition's ids that one symbol and venue may have of a pool's.
const SHARE_OF_IDS: u64 = 16;

/// What is known of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    level: Level,
    venues: u32,
    counted: Counted,
}

/// What was counted of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    flagged: u64,
    outliers: u64,
    duplicates: u64,
    /// Beyond the venues that it may have.
    beyond: u64,
}

/// The judge of the partitions of one source.
pub struct SymbolJudge {
    config: AdmissionConfig,
    length: EpochLength,
    symbols: Symbols,
    blank: Option<SymbolId>,
    /// By symbol id.
    cells: Vec<Cell>,
    ids: Duplicates,
    /// Of all symbols.
    counts: Counts,
}

impl SymbolJudge {
    /// Of partitions whose own admission has this configuration.
    pub fn new(config: AdmissionConfig, length: EpochLength, symbols: Symbols) -> Self {
        let ids = Duplicates::each((config.horizon_trades_max / SHARE_OF_IDS).max(1));
        let blank = symbols.intern(BLANK_VENUE).ok();
        let (cells, counts) = (Vec::new(), Counts::default());
        SymbolJudge { config, length, symbols, blank, cells, ids, counts }
    }

    fn cell(&mut self, symbol: SymbolId) -> &mut Cell {
        if self.cells.len() <= symbol.index() {
            self.cells.resize(symbol.index() + 1, Cell::default());
        }
        &mut self.cells[symbol.index()]
    }

    fn count(&mut self, symbol: SymbolId, more: Counted) {
        let counted = &mut self.cell(symbol).counted;
        counted.flagged += more.flagged;
        counted.outliers += more.outliers;
        counted.duplicates += more.duplicates;
        counted.beyond += more.beyond;
        self.counts.flagged += more.flagged;
        let refused = &mut self.counts.refused;
        refused[Reason::Outlier as usize] += more.outliers;
        refused[Reason::Duplicate as usize] += more.duplicates;
        refused[Reason::SymbolLimit as usize] += more.beyond;
    }

    fn check(&mut self, record: &Record, floor: i64) -> Result<(), Refusal> {
        let stream = match record.id {
            TradeId::NONE => None,
            id => {
                let stream = self.stream(record)?;
                if self.ids.holds(stream, id, record.ts, floor) {
                    return Err(Refusal::duplicate());
                }
                Some(stream)
            }
        };
        let cell = &mut self.cells[record.symbol.index()];
        if cell.level.is_known() {
            let rule = &self.config.outliers;
            if record.check_price(&mut cell.level, rule, &self.symbols)? {
                self.count(record.symbol, Counted { flagged: 1, ..Counted::default() });
            }
        } else {
            cell.level = Level::first(record.price.raw());
        }
        if let Some(stream) = stream {
            self.ids.keep(stream, record.id, record.ts, floor);
        }
        Ok(())
    }

    /// The ids of its symbol and venue.
    fn stream(&mut self, record: &Record) -> Result<u32, Refusal> {
        let (symbol, venue) = (record.symbol, record.venue);
        if let Some(stream) = self.ids.stream(symbol, venue) {
            return Ok(stream);
        }
        let cell = &mut self.cells[symbol.index()];
        let made = match cell.venues {
            VENUES_MAX.. => None,
            _ => self.ids.stream_or_new(symbol, venue),
        };
        let detail = || format!("a venue more than the {VENUES_MAX} of its symbol");
        let made = made.ok_or_else(|| Refusal::new(Reason::SymbolLimit, detail()))?;
        cell.venues += 1;
        Ok(made)
    }

    fn read(
        &mut self,
        of: &dyn Fn(SymbolId) -> bool,
        from: &mut Reader<'_>,
    ) -> Result<(), SnapshotError> {
        for _ in 0..from.count()? {
            let symbol = from.symbol()?;
            let level = Level { level: from.i64()?, spread: from.i64()?, streak: from.i64()? };
            let venues = u32::try_from(from.u64()?).map_err(|_| from.corrupt())?;
            let [flagged, outliers] = [from.u64()?, from.u64()?];
            let [duplicates, beyond] = [from.u64()?, from.u64()?];
            if of(symbol) {
                *self.cell(symbol) = Cell { level, venues, counted: Counted::default() };
                self.count(symbol, Counted { flagged, outliers, duplicates, beyond });
            }
        }
        for _ in 0..from.count()? {
            let stream = Stream::restore(from)?;
            if of(stream.symbol) {
                self.ids.put(stream);
            }
        }
        from.end()
    }
}

impl Judge for SymbolJudge {
    fn judge(&mut self, trade: &Trade, floor: Time) -> Result<(), Refused> {
        // Batches without a column of venues say none, others a blank one.
        let venue = trade.venue.filter(|venue| Some(*venue) != self.blank);
        let record = Record { venue, ..Record::of(trade) };
        self.cell(record.symbol);
        let Err(refusal) = self.check(&record, floor.ns()) else { return Ok(()) };
        let counted = match refusal.reason {
            Reason::Duplicate => Counted { duplicates: 1, ..Counted::default() },
            Reason::Outlier => Counted { outliers: 1, ..Counted::default() },
            _ => Counted { beyond: 1, ..Counted::default() },
        };
        self.count(record.symbol, counted);
        let raw = Record::of(trade).json(&self.symbols);
        Err(Refused { reason: refusal.reason, detail: refusal.detail, raw })
    }

    fn follow(&mut self, left: &[u8], of: &dyn Fn(SymbolId) -> bool) -> Result<(), PartitionError> {
        let seam = Seam::read(self.config.clone(), self.length, &self.symbols, left);
        for (symbol, level) in seam.map_err(failed)?.levels().filter(|(symbol, _)| of(*symbol)) {
            let cell = self.cell(symbol);
            if !cell.level.is_known() {
                cell.level = level;
            }
        }
        Ok(())
    }

    fn snapshot(&self, of: &dyn Fn(SymbolId) -> bool) -> Vec<u8> {
        let mut to = Writer::default();
        let known = || {
            let all = (0..).map(SymbolId::from_index).zip(&self.cells);
            all.filter(|(symbol, cell)| **cell != Cell::default() && of(*symbol))
        };
        to.u64(known().count() as u64);
        for (symbol, cell) in known() {
            to.text(&self.symbols.text(symbol));
            let level = cell.level;
            [level.level, level.spread, level.streak].into_iter().for_each(|word| to.i64(word));
            let Counted { flagged, outliers, duplicates, beyond } = cell.counted;
            [u64::from(cell.venues), flagged, outliers, duplicates, beyond]
                .into_iter()
                .for_each(|word| to.u64(word));
        }
        to.u64(self.ids.streams_of(of).count() as u64);
        self.ids.streams_of(of).for_each(|stream| stream.snapshot(&mut to, &self.symbols));
        to.bytes
    }

    fn restore(
        &mut self,
        of: &dyn Fn(SymbolId) -> bool,
        from: &[u8],
    ) -> Result<(), PartitionError> {
        let symbols = self.symbols.clone();
        self.read(of, &mut Reader::new(from, &symbols)).map_err(failed)
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }
}

fn failed(error: SnapshotError) -> PartitionError {
    PartitionError { what: error.to_string(), usage: false }
}
