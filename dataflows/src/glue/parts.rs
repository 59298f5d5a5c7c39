//! What the glue holds, as words: written symbol by symbol, so that it can be divided and put together.
//!
//! A cut stands between two epochs: everything before it was applied and settled, nothing after it. What
//! follows a restored cut is what would have followed it, bit for bit.

use super::{At, Entry, SymbolIndex};
use market::{Bar, Epoch, SymbolId, Time};
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

/// A key's part of its timeline: a state, and the inputs since.
pub(crate) struct Line<I> {
    /// Where the newest input stands, kept or not, there or not.
    pub newest: Time,
    /// The kernel's state before the first entry.
    pub state: Vec<u64>,
    /// The inputs since, those that were removed among them.
    pub entries: Vec<Entry<I>>,
}

impl<I: At> Words for Line<I> {
    fn save(&self, to: &mut Snapshot) {
        to.i64(self.newest.ns());
        measured(to, |to| to.u64s(&self.state));
        to.u64(self.entries.len() as u64);
        self.entries.iter().for_each(|entry| entry.save(to));
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let newest = Time::from_ns(from.i64());
        let mut state = vec![0; from.u64() as usize];
        from.u64s(&mut state);
        let entries = (0..from.u64()).map(|_| Entry::load(from)).collect();
        Line { newest, state, entries }
    }
}

/// Appends lines as [`save_symbols`] appends what is held of symbols.
pub(crate) fn save_lines<I: At>(lines: &[(SymbolId, Line<I>)], to: &mut Snapshot) {
    to.u64(lines.len() as u64);
    for (symbol, line) in lines {
        to.symbol(*symbol);
        measured(to, |to| line.save(to));
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
            measured(to, |to| save(place, to));
        });
        each.count() as u64
    });
}

/// Appends what `save` does, behind the number of its words.
pub(super) fn measured(to: &mut Snapshot, save: impl FnOnce(&mut Snapshot)) {
    to.counted(|to| {
        let before = to.words().len();
        save(to);
        (to.words().len() - before) as u64
    });
}

/// Reads back what [`save_symbols`] wrote: `load` is called for each symbol that is chosen.
pub(crate) fn load_symbols(
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
