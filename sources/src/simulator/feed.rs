//! A simulated session as the log of a partition.

use super::{Flaw, Simulation, SimulationError, Tick, Ticks};
use crate::{Decoded, Fed, Feed, Undecoded};
use market::{Offset, PartitionError, Price, Reason, Scale, Scales, Size, SymbolId, Symbols};
use market::{TradeId, TransType, Waker, parse_fixed};

/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;

/// Batches kept for reuse.
const SPARE_MAX: usize = 4;

/// Names of the venues.
pub(super) const VENUES: [&str; 4] = ["XNAS", "ARCX", "BATS", "IEXG"];

/// One partition of a simulated session, generated as it is read.
pub struct SimulatedFeed {
    ticks: Ticks,
    name: String,
    /// Ids by symbol number, and by venue number.
    symbols: Vec<SymbolId>,
    venues: Vec<SymbolId>,
    scales: Vec<Scales>,
    row: u64,
    #[expect(clippy::vec_box, reason = "the boxes are handed on as they are")]
    spare: Vec<Box<Decoded>>,
}

impl SimulatedFeed {
    /// The log of partition number `partition` of `partitions`, which share the symbols out.
    ///
    /// # Errors
    /// As [`Simulation::check`].
    pub fn new(
        simulation: &Simulation,
        symbols: &Symbols,
        partition: u32,
        partitions: u32,
    ) -> Result<Self, SimulationError> {
        let ticks = Ticks::new(simulation, partition, partitions)?;
        let intern = |name: &str| symbols.intern(name.as_bytes()).expect("names are symbols");
        let ids: Vec<SymbolId> = ticks.names().iter().map(|name| intern(name)).collect();
        Ok(SimulatedFeed {
            scales: ids.iter().map(|&id| symbols.scales(id)).collect(),
            symbols: ids,
            venues: VENUES[..simulation.venues as usize].iter().map(|name| intern(name)).collect(),
            name: format!("simulator seed {} partition {partition}", simulation.seed),
            ticks,
            row: 0,
            spare: Vec::new(),
        })
    }

    fn push(&self, tick: Tick, batch: &mut Decoded) {
        let offset = Offset::in_file(0, self.row);
        let tick = match self.scaled(tick) {
            Ok(tick) => tick,
            Err((reason, detail)) => {
                batch.undecoded.push(Undecoded {
                    before_row: batch.trades.len() as u32,
                    offset,
                    reason,
                    detail,
                    raw: self.json(&tick),
                    symbol: self.symbol(&tick),
                    ts_event: Some(tick.ts_event),
                });
                return;
            }
        };
        let trades = &mut *batch.trades;
        if tick.trans != TransType::New || !trades.trans.is_empty() {
            trades.trans.resize(trades.ts_event.len(), TransType::New);
            trades.trans.push(tick.trans);
        }
        trades.ts_event.push(tick.ts_event);
        trades.symbol.push(self.symbols[tick.symbol as usize]);
        trades.price.push(tick.price);
        trades.size.push(tick.size);
        trades.offset.push(offset);
        trades.trade_id.push(TradeId::from_number(tick.trade_id));
        trades.side.push(tick.side);
        if let Some(venue) = tick.venue {
            trades.venue.push(self.venues[venue as usize]);
        }
    }

    fn symbol(&self, tick: &Tick) -> Option<SymbolId> {
        (tick.flaw != Some(Flaw::Symbol)).then(|| self.symbols[tick.symbol as usize])
    }

    /// The record at the scales of its symbol, or why it cannot be had.
    fn scaled(&self, tick: Tick) -> Result<Tick, (Reason, String)> {
        if tick.flaw == Some(Flaw::Symbol) {
            return Err((Reason::Missing, "symbol is missing, wanted text".to_owned()));
        }
        let scales = self.scales[tick.symbol as usize];
        if scales == Scales::default() || tick.trans == TransType::Cancel {
            return Ok(tick);
        }
        let to = |raw: i64, scale| {
            let decimal = Price::from_raw(raw).decimal(Scale::NANO).to_string();
            parse_fixed(decimal.as_bytes(), scale).map_err(|error| format!("{decimal}: {error}"))
        };
        let price = to(tick.price.raw(), scales.price).map_err(|text| (Reason::Price, text))?;
        let size = to(tick.size.raw(), scales.size).map_err(|text| (Reason::Size, text))?;
        Ok(Tick { price: Price::from_raw(price), size: Size::from_raw(size), ..tick })
    }

    fn json(&self, tick: &Tick) -> String {
        let symbol = match tick.flaw {
            Some(Flaw::Symbol) => String::new(),
            _ => format!("\"symbol\":\"{}\",", self.ticks.names()[tick.symbol as usize]),
        };
        let trans = match tick.trans {
            TransType::New => String::new(),
            trans => format!(",\"trans_type\":\"{}\"", trans.name()),
        };
        format!(
            "{{{symbol}\"ts_event\":{},\"price\":{},\"size\":{},\"trade_id\":\"{}\"{trans}}}",
            tick.ts_event.ns(),
            tick.price.decimal(Scale::NANO),
            tick.size.decimal(Scale::NANO),
            tick.trade_id,
        )
    }
}

impl Feed for SimulatedFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        let mut batch = self.spare.pop().unwrap_or_default();
        for _ in 0..BATCH_ROWS {
            let Some(tick) = self.ticks.next() else { break };
            self.push(tick, &mut batch);
            self.row += 1;
        }
        if batch.trades.is_empty() && batch.undecoded.is_empty() {
            return Ok(Fed::End);
        }
        Ok(Fed::Batch(batch))
    }

    fn recycle(&mut self, mut batch: Box<Decoded>) {
        batch.clear();
        if self.spare.len() < SPARE_MAX {
            self.spare.push(batch);
        }
    }

    fn wake_by(&mut self, _: Waker) {}

    fn source_of(&self, _: Offset) -> String {
        self.name.clone()
    }

    fn progress(&self) -> Option<f64> {
        Some(self.ticks.progress())
    }
}
