//! Bars of one base width from the partials of all partitions, beyond the exchange.
//!
//! One partial is kept for each (bar, partition) of the horizon. A change replaces it, and the bar is
//! folded from them again, because a least or greatest cannot be taken away. A bar is handed out once an
//! epoch, when the epoch is complete and if it differs from what was handed out before.

use super::{Clockwork, SymbolIndex};
use crate::tick::PartialRow;
use market::{Bar, Epoch, Price, RowKey, SymbolId, Time, Width};
use operators::bar::{Partial, fold_partials};
use std::collections::VecDeque;

/// What becomes of an interval in which a symbol does not trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// It has no bar.
    #[default]
    Skip,
    /// Its bar carries the close before on, with no volume, for at most seven days after a trade.
    Carry,
}

/// One bar of a symbol: what it is folded from.
pub(super) struct Slot {
    /// The partial of the first partition that brought one; empty for a carried bar.
    first: Partial,
    /// Those of other partitions, where a symbol is spread.
    more: Option<Box<Spread>>,
    /// The close that a carried bar repeats.
    carried: Price,
    partition: u32,
    pub revision: u32,
    /// Whether it was ever handed out.
    pub shown: bool,
    /// Whether it changed since.
    pub touched: bool,
}

/// The partials of all partitions but the first, each with its partition's number.
type Spread = Vec<(u32, Partial)>;

impl Slot {
    /// The bar at `ts_open` that carries `close` on, until a partial comes.
    pub(super) fn carried(ts_open: Time, close: Price) -> Self {
        Slot {
            first: Partial::new(ts_open),
            more: None,
            carried: close,
            partition: 0,
            revision: 0,
            shown: false,
            touched: true,
        }
    }

    #[inline]
    pub(super) fn ts_open(&self) -> Time {
        self.first.ts_open()
    }

    pub(super) fn is_carried(&self) -> bool {
        self.first.is_empty()
    }

    /// Carries another close on.
    pub(super) fn carry(&mut self, close: Price) {
        self.touched |= self.carried != close;
        self.carried = close;
    }

    /// Takes a partition's partial; whether it is the first of another partition.
    fn put(&mut self, partition: u32, partial: &Partial) -> bool {
        if self.is_carried() || self.partition == partition {
            self.touched |= self.first != *partial;
            (self.partition, self.first) = (partition, *partial);
            return false;
        }
        self.touched = true;
        let more = self.more.get_or_insert_default();
        match more.iter_mut().find(|(other, _)| *other == partition) {
            Some(slot) => slot.1 = *partial,
            None => more.push((partition, *partial)),
        }
        more.len() == 1
    }

    /// The bar that its partials make.
    pub(super) fn bar(&self) -> Bar {
        if self.is_carried() {
            return Bar::carried(self.ts_open(), self.carried);
        }
        let Some(more) = &self.more else { return self.first.bar() };
        let more = more.iter().map(|(part, partial)| (*part, partial));
        let all = std::iter::once((self.partition, &self.first)).chain(more);
        fold_partials(all).unwrap_or_else(|| self.first.bar())
    }

    /// The key of what is to be handed out now.
    fn settle(&mut self, epoch: Epoch, symbol: SymbolId, width: Width) -> RowKey {
        self.revision += u32::from(self.shown);
        (self.shown, self.touched) = (true, false);
        let (ts_open, revision) = (self.ts_open(), self.revision);
        RowKey { epoch, ts_open, symbol, width, seq: 0, revision }
    }
}

/// The bars of one symbol that can still change.
#[derive(Default)]
pub(super) struct Book {
    pub slots: VecDeque<Slot>,
    /// The bar before them, which cannot.
    pub before: Option<Bar>,
    /// Start of the last bar before them in which something traded.
    pub before_traded: Option<Time>,
    /// Slots before this one were not touched.
    pub untouched: usize,
    dirty: bool,
    spread: bool,
}

/// The bars of one base width that a worker holds.
pub struct BarBook {
    pub(super) width: Width,
    pub(super) clock: Clockwork,
    pub(super) empty: Empty,
    pub(super) index: SymbolIndex,
    pub(super) books: Vec<Book>,
    pub(super) reach: Time,
    /// End of the last interval that carried bars were made for.
    pub(super) carried: Time,
    dirty: Vec<u32>,
    spread: u64,
}

impl BarBook {
    /// No bars yet.
    pub fn new(width: Width, clock: Clockwork, empty: Empty) -> Self {
        let never = Time::from_ns(i64::MIN);
        BarBook {
            width,
            clock,
            empty,
            index: SymbolIndex::default(),
            books: Vec::new(),
            reach: never,
            carried: never,
            dirty: Vec::new(),
            spread: 0,
        }
    }

    /// Symbols of which more than one partition held trades of the same bar.
    pub fn spread_symbols(&self) -> u64 {
        self.spread
    }

    /// Takes a change of the epoch that is being applied.
    pub fn apply(&mut self, row: &PartialRow) {
        let place = self.index.place(row.symbol);
        if place == self.books.len() {
            self.books.push(Book::default());
        }
        let book = &mut self.books[place];
        let start = row.partial.ts_open();
        let at = book.slots.iter().rposition(|slot| slot.ts_open() <= start);
        let at = match at {
            Some(at) if book.slots[at].ts_open() == start => at,
            at => {
                let at = at.map_or(0, |at| at + 1);
                book.slots.insert(at, Slot::carried(start, Price::from_raw(0)));
                at
            }
        };
        book.untouched = book.untouched.min(at);
        let spread = book.slots[at].put(row.partition, &row.partial);
        if spread && !std::mem::replace(&mut book.spread, true) {
            self.spread += 1;
        }
        if !std::mem::replace(&mut book.dirty, true) {
            self.dirty.push(place as u32);
        }
    }

    /// `epoch` is complete: hands out every bar that it changed, symbol by symbol in order of time.
    pub fn settle(&mut self, epoch: Epoch, mut emit: impl FnMut(RowKey, &Bar)) {
        let dirty = std::mem::take(&mut self.dirty);
        for &place in &dirty {
            self.books[place as usize].dirty = false;
            self.settle_book(place as usize, epoch, &mut emit);
        }
        let closed = self.last_closed(epoch);
        if self.empty == Empty::Carry && closed > self.carried {
            self.carried = closed;
            for place in 0..self.books.len() {
                self.settle_book(place, epoch, &mut emit);
            }
        }
        self.dirty = dirty;
        self.dirty.clear();
    }

    fn settle_book(&mut self, place: usize, epoch: Epoch, emit: &mut impl FnMut(RowKey, &Bar)) {
        let symbol = self.index.symbols()[place];
        let (width, floor) = (self.width, self.clock.floor(epoch));
        if self.empty == Empty::Carry {
            let closed = self.last_closed(epoch);
            self.books[place].fill(width, closed);
            self.books[place].untouched = 0;
        }
        let book = &mut self.books[place];
        for slot in book.slots.range_mut(book.untouched.min(book.slots.len())..) {
            if slot.touched {
                emit(slot.settle(epoch, symbol, width), &slot.bar());
            }
        }
        book.evict(floor, width);
        book.untouched = book.slots.len();
    }
}

impl Book {
    fn evict(&mut self, floor: Time, width: Width) {
        while self.slots.len() > 1 {
            let slot = &self.slots[0];
            if slot.ts_open().ns().saturating_add(width.ns()) > floor.ns() {
                return;
            }
            if !slot.is_carried() {
                self.before_traded = Some(slot.ts_open());
            }
            self.before = Some(slot.bar());
            self.slots.pop_front();
        }
    }
}
