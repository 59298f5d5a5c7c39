//! What corrections made of trades of the horizon: few among many, so they lie beside the blocks, which never change.

use crate::admission::codec::{Reader, SnapshotError, Writer};
use crate::admission::fold::FoldState;
use market::{Offset, Price, Size, SymbolId, Symbols, Tick, Time, TradeId, Updates};
use std::collections::{BTreeSet, HashMap};

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
    /// Asked for every trade that is folded again, so not in order.
    all: HashMap<u64, Edit, FoldState>,
    by_name: HashMap<Named, Vec<u64>, FoldState>,
    /// How many are of a symbol.
    by_symbol: HashMap<SymbolId, u64, FoldState>,
    /// Those that are there still, by the time that they have now.
    by_time: BTreeSet<(SymbolId, i64, u64)>,
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
        let within = (symbol, from, 0)..(symbol, to.max(from), 0);
        self.by_time.range(within).filter_map(move |(_, _, ordinal)| {
            let edit = self.all.get(ordinal)?;
            let Values { ts, price, size, updates } = edit.now?;
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
        let (named, last, now) = (edit.named, edit.last, edit.now);
        match self.all.insert(ordinal, edit) {
            Some(before) => {
                self.leaving.remove(&(before.last, ordinal));
                self.take_out(&before, ordinal);
            }
            None => {
                self.by_name.entry(named).or_default().push(ordinal);
                *self.by_symbol.entry(named.symbol).or_default() += 1;
            }
        }
        self.leaving.insert((last, ordinal));
        self.by_time.extend(now.map(|now| (named.symbol, now.ts, ordinal)));
    }

    /// Forgets trades that never lay later than `until`.
    pub fn expire(&mut self, until: i64) {
        while self.leaving.first().is_some_and(|(last, _)| *last <= until) {
            let Some((_, ordinal)) = self.leaving.pop_first() else { return };
            let Some(edit) = self.all.remove(&ordinal) else { continue };
            self.take_out(&edit, ordinal);
            forget(&mut self.by_name, &edit.named, ordinal);
            let symbol = edit.named.symbol;
            if self.by_symbol.get(&symbol) == Some(&1) {
                self.by_symbol.remove(&symbol);
            } else if let Some(count) = self.by_symbol.get_mut(&symbol) {
                *count -= 1;
            }
        }
    }

    /// It does not have that time any more.
    fn take_out(&mut self, edit: &Edit, ordinal: u64) {
        if let Some(now) = edit.now {
            self.by_time.remove(&(edit.named.symbol, now.ts, ordinal));
        }
    }

    pub fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.u64(self.all.len() as u64);
        let mut all: Vec<(&u64, &Edit)> = self.all.iter().collect();
        all.sort_unstable_by_key(|(ordinal, _)| **ordinal);
        for (ordinal, edit) in all {
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

fn forget(by_name: &mut HashMap<Named, Vec<u64>, FoldState>, named: &Named, ordinal: u64) {
    if let Some(ordinals) = by_name.get_mut(named) {
        ordinals.retain(|other| *other != ordinal);
        if ordinals.is_empty() {
            by_name.remove(named);
        }
    }
}
