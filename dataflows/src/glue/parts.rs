//! What the glue holds, as words: written symbol by symbol, so that it can be divided and put together.
//!
//! A cut stands between two epochs: everything before it was applied and settled, nothing after it. What
//! follows a restored cut is what would have followed it, bit for bit.

use super::SymbolIndex;
use market::{Bar, Epoch, SymbolId};
use operators::bar::{load_bar, save_bar};
use operators::{Restore, Snapshot};

/// State that is kept by symbol.
pub trait Parts {
    /// Appends what is held of the symbols that `of` chooses once all before epoch `before` is settled;
    /// symbols by the ids of this process.
    fn snapshot(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot);

    /// Takes in the symbols that `of` chooses of a part that [`Parts::snapshot`] wrote of one with the same
    /// parameters.
    fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>);
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
        save_bar(self, to);
    }

    fn load(from: &mut Restore<'_>) -> Self {
        load_bar(from)
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

/// Appends how many symbols of `index` are chosen, then each with the length of what `save` says of its
/// place, so that it can be passed over, and that.
pub(super) fn save_symbols(
    index: &SymbolIndex,
    of: &dyn Fn(SymbolId) -> bool,
    to: &mut Snapshot,
    mut save: impl FnMut(usize, &mut Snapshot),
) {
    to.counted(|to| {
        let symbols = index.symbols().iter().enumerate().filter(|(_, symbol)| of(**symbol));
        let each = symbols.map(|(place, symbol)| {
            to.symbol(*symbol);
            to.measured(|to| save(place, to));
        });
        each.count() as u64
    });
}

/// Reads back what [`save_symbols`] wrote: `load` is called for each symbol that is chosen.
pub(super) fn load_symbols(
    of: &dyn Fn(SymbolId) -> bool,
    from: &mut Restore<'_>,
    mut load: impl FnMut(SymbolId, &mut Restore<'_>),
) {
    for _ in 0..from.u64() {
        let (symbol, length) = (from.symbol(), from.u64() as usize);
        if of(symbol) {
            load(symbol, from);
        } else {
            from.skip(length);
        }
    }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
