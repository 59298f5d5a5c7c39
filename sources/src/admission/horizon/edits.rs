//! What corrections made of trades of the horizon: few among many, so they lie beside the blocks, which never change.

use crate::admission::codec::{Reader, SnapshotError, Writer};
use crate::admission::fold::FoldState;
use market::{Offset, Price, Size, SymbolId, Symbols, Tick, Time, TradeId, Updates};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What names a trade within its day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::admission) struct Named {
    pub symbol: SymbolId,
    pub venue: Option<SymbolId>,
    pub id: TradeId,
}

/// What of a trade a correction may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admission) struct Values {
    pub ts: i64,
    pub price: Price,
    pub size: Size,
    pub updates: Updates,
}

/// A trade that was corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub named: Named,
    /// Its position.
    pub at: Offset,
    /// Its time as it was admitted.
    pub own: i64,
    /// When it last was, the latest of all.
    pub last: i64,
    /// What it is now; nothing where it was taken back.
    pub now: Option<Values>,
}

/// The corrected trades by their numbers.
#[derive(Default)]
pub(super) struct Edits {
    all: BTreeMap<u64, Edit>,
    by_name: HashMap<Named, Vec<u64>, FoldState>,
    by_symbol: HashMap<SymbolId, Vec<u64>, FoldState>,
    /// By when they are nothing any more.
    leaving: BTreeSet<(i64, u64)>,
}

impl Edits {
    /// The one of a number.
    pub fn of(&self, ordinal: u64) -> Option<&Edit> {
        self.all.get(&ordinal)
    }

    /// Those of a name, oldest first.
    pub fn named(&self, named: &Named) -> impl DoubleEndedIterator<Item = (u64, &Edit)> {
        let ordinals = self.by_name.get(named).into_iter().flatten();
        ordinals.filter_map(|ordinal| Some((*ordinal, self.all.get(ordinal)?)))
    }

    /// Whether trades of a symbol were corrected.
    pub fn touch(&self, symbol: SymbolId) -> bool {
        self.by_symbol.contains_key(&symbol)
    }

    /// The edited trades of a symbol in a span of time.
    pub fn ticks(&self, symbol: SymbolId, from: i64, to: i64) -> impl Iterator<Item = Tick> + '_ {
        let ordinals = self.by_symbol.get(&symbol).into_iter().flatten();
        ordinals.filter_map(move |ordinal| {
            let edit = self.all.get(ordinal)?;
            let Values { ts, price, size, updates } =
                edit.now.filter(|now| from <= now.ts && now.ts < to)?;
            Some(Tick { ts: Time::from_ns(ts), at: edit.at, price, size, updates })
        })
    }

    /// Those that lie in a span of time now.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = (u64, &Edit)> {
        let all = self.all.iter().map(|(ordinal, edit)| (*ordinal, edit));
        all.filter(move |(_, edit)| edit.now.is_some_and(|now| from <= now.ts && now.ts < to))
    }

    /// Takes a correction of the trade of a number.
    pub fn put(&mut self, ordinal: u64, edit: Edit) {
        let (named, last) = (edit.named, edit.last);
        match self.all.insert(ordinal, edit) {
            Some(before) => drop(self.leaving.remove(&(before.last, ordinal))),
            None => {
                self.by_name.entry(named).or_default().push(ordinal);
                self.by_symbol.entry(named.symbol).or_default().push(ordinal);
            }
        }
        self.leaving.insert((last, ordinal));
    }

    /// Forgets trades that never lay later than `until`.
    pub fn expire(&mut self, until: i64) {
        while self.leaving.first().is_some_and(|(last, _)| *last <= until) {
            let Some((_, ordinal)) = self.leaving.pop_first() else { return };
            let Some(Edit { named, .. }) = self.all.remove(&ordinal) else { continue };
            forget(&mut self.by_name, &named, ordinal);
            forget(&mut self.by_symbol, &named.symbol, ordinal);
        }
    }

    pub fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.u64(self.all.len() as u64);
        for (ordinal, edit) in &self.all {
            to.u64(*ordinal);
            edit.named.save(to, symbols);
            to.u64(edit.at.raw());
            to.i64(edit.own);
            to.i64(edit.last);
            to.u64(u64::from(edit.now.is_some()));
            edit.now.iter().for_each(|now| now.save(to));
        }
    }

    pub fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut edits = Edits::default();
        for _ in 0..from.count()? {
            let (ordinal, named) = (from.u64()?, Named::load(from)?);
            let (at, own, last) = (Offset::from_raw(from.u64()?), from.i64()?, from.i64()?);
            let now = if from.u64()? == 1 { Some(Values::load(from)?) } else { None };
            edits.put(ordinal, Edit { named, at, own, last, now });
        }
        Ok(edits)
    }
}

impl Named {
    pub(in crate::admission) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.text(&symbols.text(self.symbol));
        to.text(self.venue.map(|venue| symbols.text(venue)).as_deref().unwrap_or_default());
        to.u128(self.id.raw());
    }

    pub(in crate::admission) fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (symbol, venue) = (from.symbol()?, from.optional_symbol()?);
        Ok(Named { symbol, venue, id: TradeId::from_raw(from.u128()?) })
    }
}

impl Values {
    pub(in crate::admission) fn save(&self, to: &mut Writer) {
        [self.ts, self.price.raw(), self.size.raw()].into_iter().for_each(|word| to.i64(word));
        to.u64(u64::from(self.updates.code()));
    }

    pub(in crate::admission) fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let (ts, price, size) = (from.i64()?, from.i64()?, from.i64()?);
        let updates = Updates::of_code(from.u64()?).ok_or(from.corrupt())?;
        Ok(Values { ts, price: Price::from_raw(price), size: Size::from_raw(size), updates })
    }
}

fn forget<K: std::hash::Hash + Eq>(
    map: &mut HashMap<K, Vec<u64>, FoldState>,
    key: &K,
    ordinal: u64,
) {
    if let Some(ordinals) = map.get_mut(key) {
        ordinals.retain(|other| *other != ordinal);
        if ordinals.is_empty() {
            map.remove(key);
        }
    }
}
