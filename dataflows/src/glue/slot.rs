//! One bar of a symbol: what it is folded from, and what was handed out of it.
//!
//! The bar is that of its partials, one a partition, as long as one of them has a price. Without one there is
//! no bar, but where one is carried on. A slot without a bar stays while it can change: its bar may return.

use super::Words;
use super::output::change_of;
use crate::tick::{Course, PartialRow};
use market::{Bar, Epoch, Price, RowKey, SymbolId, Time, Width};
use operators::bar::{Partial, fold_partials};
use operators::{Restore, Snapshot};

/// One bar of a symbol.
pub(super) struct Slot {
    /// The partial of the first partition that brought one; empty where none has trades of it.
    first: Partial,
    /// Those of other partitions, where a symbol is spread.
    more: Option<Box<Spread>>,
    /// The close that a carried bar repeats.
    carried: Price,
    partition: u32,
    /// How often it was handed out, removals included.
    said: u32,
    /// Whether a carried bar stands here where no partial has a price.
    is_due: bool,
}

/// The partials of all partitions but the first, each with its partition's number.
type Spread = Vec<(u32, Partial)>;

/// What putting a partial into a slot did.
pub(super) struct Put {
    pub changed: bool,
    /// Whether it is the first of one more partition.
    pub more: bool,
}

impl Slot {
    /// That of the bar at `ts_open`, without one yet.
    pub fn new(ts_open: Time) -> Self {
        let (first, carried) = (Partial::new(ts_open), Price::from_raw(0));
        Slot { first, more: None, carried, partition: 0, said: 0, is_due: false }
    }

    /// Start of its bar.
    pub fn ts_open(&self) -> Time {
        self.first.ts_open()
    }

    /// Whether some partition holds a price of it.
    pub fn has_price(&self) -> bool {
        let more = self.more.as_deref().map_or(&[][..], Vec::as_slice);
        self.first.has_price() || more.iter().any(|(_, partial)| partial.has_price())
    }

    /// The close that is carried on here where no partial has a price.
    pub fn carried(&self) -> Option<Price> {
        self.is_due.then_some(self.carried)
    }

    /// Carries this close on, or none.
    pub fn carry(&mut self, close: Option<Price>) {
        self.is_due = close.is_some();
        self.carried = close.unwrap_or(Price::from_raw(0));
    }

    /// Takes what a partition holds now in place of what it held before.
    #[inline]
    pub fn put(&mut self, row: &PartialRow) -> Put {
        let (partition, partial) = (row.partition, &row.partial);
        if partial.is_empty() {
            return Put { changed: self.leave(partition), more: false };
        }
        if self.first.is_empty() || self.partition == partition {
            let changed = self.first != *partial;
            (self.partition, self.first) = (partition, *partial);
            return Put { changed, more: false };
        }
        let more = self.more.get_or_insert_default();
        match more.iter_mut().find(|(other, _)| *other == partition) {
            Some((_, known)) => {
                let changed = std::mem::replace(known, *partial) != *partial;
                Put { changed, more: false }
            }
            None => {
                more.push((partition, *partial));
                Put { changed: true, more: true }
            }
        }
    }

    /// Takes a partition's partial out; whether there was one.
    #[cold]
    fn leave(&mut self, partition: u32) -> bool {
        let more = self.more.as_deref_mut();
        let was_there = if !self.first.is_empty() && self.partition == partition {
            let next = more.and_then(Vec::pop);
            (self.partition, self.first) = next.unwrap_or((0, Partial::new(self.ts_open())));
            true
        } else {
            let at = more.as_ref().and_then(|more| more.iter().position(|it| it.0 == partition));
            more.zip(at).map(|(more, at)| more.swap_remove(at)).is_some()
        };
        self.more.take_if(|more| more.is_empty());
        was_there
    }

    /// Whether several partitions hold trades of it, those before others not counted.
    pub fn is_spread(&self, course: &Course) -> bool {
        let more = self.more.iter().flat_map(|more| more.iter().map(|(partition, _)| *partition));
        let all = std::iter::once(self.partition).chain(more);
        all.filter(|&partition| !course.leads(partition)).count() > 1
    }

    /// Its bar, if it has one.
    #[inline]
    pub fn bar(&self) -> Option<Bar> {
        // Nearly every one.
        if self.more.is_none() && self.first.has_price() {
            return Some(self.first.bar());
        }
        self.merged().or_else(|| Some(Bar::carried(self.ts_open(), self.carried()?)))
    }

    /// The bar that the partials of all partitions make.
    fn merged(&self) -> Option<Bar> {
        let more = self.more.iter().flat_map(|more| more.iter());
        let more = more.map(|(partition, partial)| (*partition, partial));
        fold_partials(std::iter::once((self.partition, &self.first)).chain(more))
    }

    /// The bar as it was handed out last, if it is there for those it was handed out to; of a slot that was not
    /// changed since.
    #[inline]
    pub fn shown(&self) -> Option<Bar> {
        if self.said == 0 { None } else { self.bar() }
    }

    /// Hands out what is to be handed out now, where `before` is shown.
    #[inline]
    pub fn settle(
        &mut self,
        before: Option<&Bar>,
        (epoch, symbol, width): (Epoch, SymbolId, Width),
        emit: impl FnOnce(RowKey, &Bar),
    ) {
        let ts_open = self.ts_open();
        let now = self.bar();
        let Some(change) = change_of(before, now.as_ref()) else { return };
        let revision = self.said;
        self.said += 1;
        let key = RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change };
        match &now {
            Some(bar) => emit(key, bar),
            None => emit(key, &Bar::carried(ts_open, Price::from_raw(0))),
        }
    }
}

impl Words for Slot {
    fn save(&self, to: &mut Snapshot) {
        let more = self.more.as_deref().map_or(&[][..], Vec::as_slice);
        to.u64(u64::from(self.said) << 1 | u64::from(self.is_due));
        to.i64(self.carried.raw());
        to.u64(more.len() as u64);
        for (partition, partial) in std::iter::once(&(self.partition, self.first)).chain(more) {
            to.u64(u64::from(*partition));
            partial.snapshot(to);
        }
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let word = from.u64();
        let (said, is_due) = ((word >> 1) as u32, word & 1 == 1);
        let carried = Price::from_raw(from.i64());
        let others = from.u64();
        let mut part = || (from.u64() as u32, Partial::restore(from));
        let (partition, first) = part();
        let more: Spread = (0..others).map(|_| part()).collect();
        let more = (!more.is_empty()).then(|| Box::new(more));
        Slot { first, more, carried, partition, said, is_due }
    }
}
