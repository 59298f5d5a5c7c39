//! A worker's own dense numbering of the symbols it holds state for.

use market::SymbolId;

/// Symbols of the process to places 0, 1, ... in this worker's tables, by first sight.
#[derive(Clone, Debug, Default)]
pub struct SymbolIndex {
    places: Vec<u32>,
    symbols: Vec<SymbolId>,
}

const NOWHERE: u32 = u32::MAX;

impl SymbolIndex {
    /// The place of `symbol`, new or known.
    #[inline]
    pub fn place(&mut self, symbol: SymbolId) -> usize {
        match self.places.get(symbol.index()) {
            Some(&place) if place != NOWHERE => place as usize,
            _ => self.add(symbol),
        }
    }

    #[cold]
    fn add(&mut self, symbol: SymbolId) -> usize {
        if self.places.len() <= symbol.index() {
            self.places.resize(symbol.index() + 1, NOWHERE);
        }
        self.places[symbol.index()] = self.symbols.len() as u32;
        self.symbols.push(symbol);
        self.symbols.len() - 1
    }

    /// The symbols by place.
    pub fn symbols(&self) -> &[SymbolId] {
        &self.symbols
    }
}
