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

/// Old bars are forgotten this many intervals at a time: one walk along memory instead of many steps.
const FORGET_EVERY: i64 = 16;

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
pub(super) struct Book {
    pub slots: VecDeque<Slot>,
    /// Start of the newest bar.
    newest: Time,
    /// Start of the oldest bar.
    oldest: Time,
    /// Slots before this one were not touched.
    untouched: u32,
    dirty: bool,
    spread: bool,
    /// What lies before the oldest, where empty bars carry it on.
    pub before: Option<Box<Before>>,
}

/// The bar before the oldest that can change.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub bar: Bar,
    /// Start of the last bar up to it in which something traded.
    pub traded: Option<Time>,
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
            self.books.push(Book::new());
        }
        let book = &mut self.books[place];
        let start = row.partial.ts_open();
        let at = book.slot(start);
        book.untouched = book.untouched.min(at as u32);
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
        let carry = self.empty == Empty::Carry;
        let closed = self.last_closed(epoch);
        let book = &mut self.books[place];
        if carry {
            book.fill(width, closed);
        }
        let from = if carry { 0 } else { book.untouched as usize };
        for slot in book.slots.range_mut(from..).filter(|slot| slot.touched) {
            emit(slot.settle(epoch, symbol, width), &slot.bar());
        }
        let over = floor.ns().saturating_sub(width.ns());
        if book.oldest.ns() <= over.saturating_sub(FORGET_EVERY * width.ns()) {
            while book.oldest.ns() <= over && book.slots.len() > 1 {
                book.forget_oldest(carry);
            }
        }
        book.untouched = book.slots.len() as u32;
    }
}

impl Book {
    fn new() -> Self {
        Book {
            slots: VecDeque::new(),
            newest: Time::from_ns(i64::MIN),
            oldest: Time::from_ns(i64::MAX),
            untouched: 0,
            dirty: false,
            spread: false,
            before: None,
        }
    }

    /// The place of the slot that starts at `start`, new or known.
    fn slot(&mut self, start: Time) -> usize {
        let empty = Slot::carried(start, Price::from_raw(0));
        if start > self.newest || self.slots.is_empty() {
            self.oldest = self.oldest.min(start);
            self.newest = start;
            self.slots.push_back(empty);
            return self.slots.len() - 1;
        }
        let at = self.slots.partition_point(|slot| slot.ts_open() < start);
        if self.slots[at].ts_open() != start {
            self.insert(at, empty);
        }
        at
    }

    /// Puts a slot before that at `at`.
    pub(super) fn insert(&mut self, at: usize, slot: Slot) {
        self.oldest = self.oldest.min(slot.ts_open());
        self.newest = self.newest.max(slot.ts_open());
        self.slots.insert(at, slot);
    }

    fn forget_oldest(&mut self, carry: bool) {
        let Some(slot) = self.slots.pop_front() else { return };
        self.oldest = self.slots.front().map_or(Time::from_ns(i64::MAX), Slot::ts_open);
        if carry {
            let before = self.before.as_ref().and_then(|before| before.traded);
            let traded = if slot.is_carried() { before } else { Some(slot.ts_open()) };
            self.before = Some(Box::new(Before { bar: slot.bar(), traded }));
        }
    }
}
