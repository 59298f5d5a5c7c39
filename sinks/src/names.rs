//! A sink's own copy of the symbols: dense ids that stay the same whatever table a batch came with,
//! and scales and texts without a lock a cell. As large as the process's symbols, which sources bound.

use market::{Scales, SymbolId, Symbols};
use std::collections::HashMap;
use std::sync::Arc;

/// Symbols a sink has met.
#[derive(Default)]
pub(crate) struct Names {
    texts: Vec<Arc<str>>,
    scales: Vec<Scales>,
    by_text: HashMap<Arc<str>, u32>,
    source: Option<Symbols>,
    ids: Vec<u32>,
}

impl Names {
    /// Takes in what `symbols` knows and this does not. Once a batch.
    pub(crate) fn learn(&mut self, symbols: &Symbols) {
        if !self.source.as_ref().is_some_and(|known| known.same_table(symbols)) {
            self.source = Some(symbols.clone());
            self.ids.clear();
        }
        for text in symbols.texts_from(self.ids.len()) {
            let index = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let scales = symbols.scales(SymbolId::from_index(index));
            let id = match self.by_text.get(&text) {
                Some(&id) => id,
                None => self.add(text),
            };
            self.scales[id as usize] = scales;
            self.ids.push(id);
        }
    }

    /// Gives a symbol that is not known the next id.
    pub(crate) fn add(&mut self, text: Arc<str>) -> u32 {
        let id = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.by_text.insert(text.clone(), id);
        self.texts.push(text);
        self.scales.push(Scales::default());
        id
    }

    /// How many ids there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The sink's id of a symbol of the batch learnt last.
    pub(crate) fn id(&self, symbol: SymbolId) -> u32 {
        self.ids[symbol.index()]
    }

    /// The text of an id this gave.
    pub(crate) fn text(&self, id: u32) -> &Arc<str> {
        &self.texts[id as usize]
    }

    /// The texts of the ids from `first` on.
    pub(crate) fn texts_from(&self, first: usize) -> &[Arc<str>] {
        &self.texts[first.min(self.texts.len())..]
    }

    /// The scales of an id this gave.
    pub(crate) fn scales(&self, id: u32) -> Scales {
        self.scales[id as usize]
    }

    /// The ids in the order of their texts, and for each id its place in that order.
    pub(crate) fn order(&self) -> (Vec<u32>, Vec<u32>) {
        let mut order: Vec<u32> = (0..self.texts.len() as u32).collect();
        order.sort_unstable_by_key(|&id| self.text(id));
        let mut ranks = vec![0; order.len()];
        for (rank, &id) in order.iter().enumerate() {
            ranks[id as usize] = rank as u32;
        }
        (order, ranks)
    }
}
