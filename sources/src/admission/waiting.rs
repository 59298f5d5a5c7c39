//! A record that jumped ahead and waits for the next one's word, with copies of it.

use super::codec::{Reader, SnapshotError, Writer};
use super::record::Record;
use market::{Offset, Price, Side, Size, SymbolId, Symbols, Time, TradeId, TransType, Updates};

/// Copies of a waiting record that wait with it; one more is refused as a jump.
pub(super) const COPIES_MAX: usize = 1_024;

#[derive(Clone, Debug)]
pub(super) enum Waiting {
    Trade {
        record: Record,
        /// Its row in the batch at hand; none once that batch is gone.
        row: Option<u32>,
        /// Its text, for a letter.
        raw: String,
    },
    Heartbeat {
        time: Time,
        offset: Offset,
    },
}

impl Waiting {
    pub(super) fn is_copied_by_trade(&self, other: &Record) -> bool {
        matches!(self, Waiting::Trade { record, .. } if other.is_copy_of(record))
    }

    pub(super) fn is_copied_by_heartbeat(&self, other: Time) -> bool {
        matches!(self, Waiting::Heartbeat { time, .. } if *time == other)
    }

    /// The batch at hand is handed on.
    pub(super) fn outlive_batch(&mut self) {
        if let Waiting::Trade { row, .. } = self {
            *row = None;
        }
    }

    pub(super) fn snapshot(&self, to: &mut Writer, symbols: &Symbols) {
        match self {
            Waiting::Heartbeat { time, offset } => {
                to.u64(0);
                to.i64(time.ns());
                to.u64(offset.raw());
            }
            Waiting::Trade { record, raw, .. } => {
                to.u64(1);
                to.i64(record.ts);
                to.u64(record.offset.raw());
                to.text(&symbols.text(record.symbol));
                to.i64(record.price.raw());
                to.i64(record.size.raw());
                to.u128(record.id.raw());
                to.text(record.venue.map(|id| symbols.text(id)).as_deref().unwrap_or_default());
                to.u64(record.side as u64 | u64::from(record.updates.code()) << 8);
                to.text(raw);
            }
        }
    }

    pub(super) fn restore(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let is_trade = from.u64()? == 1;
        let (ts, offset) = (from.i64()?, Offset::from_raw(from.u64()?));
        if !is_trade {
            return Ok(Waiting::Heartbeat { time: Time::from_ns(ts), offset });
        }
        let symbol: SymbolId = from.symbol()?;
        let (price, size) = (Price::from_raw(from.i64()?), Size::from_raw(from.i64()?));
        let id = TradeId::from_raw(from.u128()?);
        let venue = from.optional_symbol()?;
        let packed = from.u64()?;
        let side = Side::of_code(packed & 0xff).ok_or(from.corrupt())?;
        let updates = Updates::of_code(packed >> 8).ok_or(from.corrupt())?;
        let trans = TransType::New;
        let record = Record { ts, symbol, price, size, offset, id, venue, side, trans, updates };
        Ok(Waiting::Trade { record, row: None, raw: from.text()?.to_owned() })
    }
}
