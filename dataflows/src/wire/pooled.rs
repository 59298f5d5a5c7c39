//! Trades on their way to who judges their symbol, as another process reads them.

use super::bytes::{Reader, Writer};
use super::{Pooled, Stamped};
use market::{Offset, Price, Side, Size, SymbolId, Time, Trade, TradeId, TransType, Updates};

/// The symbols and venues in it.
pub(super) fn symbols(pooled: &[Pooled]) -> impl Iterator<Item = SymbolId> {
    let trades = pooled.iter().flat_map(|pooled| &pooled.trades);
    trades.flat_map(|stamped| [stamped.trade.symbol].into_iter().chain(stamped.trade.venue))
}

/// Makes its symbols those of `ids`.
pub(super) fn adopt(pooled: &mut [Pooled], ids: &[SymbolId]) {
    for Stamped { trade, .. } in pooled.iter_mut().flat_map(|pooled| &mut pooled.trades) {
        trade.symbol = ids[trade.symbol.index()];
        trade.venue = trade.venue.map(|venue| ids[venue.index()]);
    }
}

/// Appends it; `place` is where a symbol stands in the message's dictionary.
pub(super) fn write(pooled: &Pooled, place: &dyn Fn(SymbolId) -> u64, to: &mut Writer) {
    to.u64(u64::from(pooled.pool));
    to.u64(u64::from(pooled.partition));
    to.text(&pooled.source);
    to.u64(pooled.trades.len() as u64);
    for Stamped { epoch, trade } in &pooled.trades {
        to.i64(*epoch);
        to.i64(trade.ts_event.ns());
        to.u64(place(trade.symbol));
        to.i64(trade.price.raw());
        to.i64(trade.size.raw());
        to.u64(trade.offset.raw());
        to.i128(trade.trade_id.raw().cast_signed());
        // Nought stands for no venue.
        to.u64(trade.venue.map_or(0, |venue| place(venue) + 1));
        let (trans, updates) = (trade.trans as u64, u64::from(trade.updates.code()));
        to.u64(trade.side as u64 | trans << 8 | updates << 16);
    }
}

/// Reads back what [`write`] appended.
pub(super) fn read(from: &mut Reader) -> Pooled {
    let (pool, partition) = (from.u64() as u32, from.u64() as u32);
    let source = from.text().into();
    let trades = (0..from.len()).map(|_| stamped(from)).collect();
    Pooled { pool, partition, source, trades }
}

fn stamped(from: &mut Reader) -> Stamped {
    let epoch = from.i64();
    let symbol_of = |place: u64| SymbolId::from_index(place as u32);
    let mut trade = Trade {
        ts_event: Time::from_ns(from.i64()),
        symbol: symbol_of(from.u64()),
        price: Price::from_raw(from.i64()),
        size: Size::from_raw(from.i64()),
        offset: Offset::from_raw(from.u64()),
        trade_id: TradeId::from_raw(from.i128().cast_unsigned()),
        venue: from.u64().checked_sub(1).map(symbol_of),
        side: Side::Unknown,
        trans: TransType::New,
        updates: Updates::ALL,
    };
    let packed = from.u64();
    trade.side = Side::of_code(packed & 0xff).expect("a side was written");
    trade.trans = TransType::of_code(packed >> 8 & 0xff).expect("a transaction type was written");
    trade.updates = Updates::of_code(packed >> 16).expect("what it counts for was written");
    Stamped { epoch, trade }
}
