//! What the glue holds, as words: written symbol by symbol, so that it can be divided and put together.
//!
//! A cut stands between two epochs: everything before it was applied and settled, nothing after it. What
//! follows a restored cut is what would have followed it, bit for bit.

use super::SymbolIndex;
use market::{Bar, Epoch, Price, SymbolId, Time};
use operators::{Restore, Snapshot};

/// State that is kept by symbol.
pub trait Parts {
    /// Appends what is held of the symbols that `of` chooses once all before epoch `before` is settled;
    /// symbols by the ids of this process.
    fn snapshot(&self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot);

    /// Takes in the symbols of a part that [`Parts::snapshot`] wrote of one with the same parameters.
    fn restore(&mut self, from: &mut Restore<'_>);
}

/// What is written as words of a snapshot and read back.
pub trait Words: Sized {
    /// Appends it.
    fn save(&self, to: &mut Snapshot);
    /// Reads it back.
    fn load(from: &mut Restore<'_>) -> Self;
}

impl Words for Bar {
    fn save(&self, to: &mut Snapshot) {
        to.i64(self.ts_open.ns());
        to.i64s(&[self.open, self.high, self.low, self.close].map(Price::raw));
        to.u64(self.trade_count);
        to.i128(self.volume);
        to.i128(self.notional);
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let ts_open = Time::from_ns(from.i64());
        let [open, high, low, close] = [(); 4].map(|()| Price::from_raw(from.i64()));
        let trade_count = from.u64();
        let [volume, notional] = [(); 2].map(|()| from.i128());
        Bar { ts_open, open, high, low, close, trade_count, volume, notional }
    }
}

impl Words for Box<[f64]> {
    fn save(&self, to: &mut Snapshot) {
        to.u64(self.len() as u64);
        self.iter().for_each(|&value| to.f64(value));
    }

    fn load(from: &mut Restore<'_>) -> Self {
        (0..from.u64()).map(|_| from.f64()).collect()
    }
}

/// Appends how many symbols of `index` are chosen, then each with what `save` says of its place.
pub(super) fn save_symbols(
    index: &SymbolIndex,
    of: &dyn Fn(SymbolId) -> bool,
    to: &mut Snapshot,
    mut save: impl FnMut(usize, &mut Snapshot),
) {
    let symbols = || index.symbols().iter().enumerate().filter(|(_, symbol)| of(**symbol));
    to.u64(symbols().count() as u64);
    for (place, symbol) in symbols() {
        to.u64(symbol.index() as u64);
        save(place, to);
    }
}

/// Reads the id back that [`save_symbols`] puts before a symbol's part.
pub(super) fn load_symbol(from: &mut Restore<'_>) -> SymbolId {
    SymbolId::from_index(from.u64() as u32)
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
