//! Bars of one base width from the partials of all partitions, beyond the exchange.
//!
//! One partial is kept for each (bar, partition) of the horizon. A change replaces it or takes it away, and the
//! bar is folded from them again, because a least or greatest cannot be taken away. A bar is handed out once an
//! epoch, when the epoch is complete and if it differs from what was handed out before: as one that is there no
//! more, where no partial of it has a price any more and none is carried on in its place. What is there in the
//! end is what would be if trades that were taken back had never come.

use super::carry::Last;
use super::grid::Grid;
use super::parts::{Parts, load_symbols, save_symbols};
use super::slot::Slot;
use super::{Clockwork, SymbolIndex, Words};
use crate::tick::{Course, PartialRow};
use market::{Bar, Epoch, RowKey, SymbolId, Time, Width};
use operators::{Restore, Snapshot};

/// What becomes of an interval in which a symbol does not trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// It has no bar.
    #[default]
    Skip,
    /// Its bar carries the close before on, with no volume, for at most seven days after a trade.
    Carry,
}

/// What is known of a symbol beside its bars.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    /// Its newest bar, where empty intervals carry it on.
    pub last: Option<Last>,
    /// The bar before those that can change, where empty intervals carry it on.
    pub before: Option<Last>,
    spread: bool,
}

/// The bars of one base width that a worker holds.
pub struct BarBook {
    pub(super) width: Width,
    pub(super) clock: Clockwork,
    pub(super) empty: Empty,
    course: Course,
    pub(super) index: SymbolIndex,
    pub(super) heads: Vec<Head>,
    pub(super) bars: Grid<Slot>,
    /// Bars that were changed since they were handed out, as they were then: by the symbol's place and the start.
    shown: Vec<(usize, Time, Bar)>,
    pub(super) reach: Time,
    /// End of the last interval that carried bars were made for.
    pub(super) carried: Time,
    spread: u64,
}

const NEVER: Time = Time::from_ns(i64::MIN);

impl BarBook {
    /// No bars yet.
    pub fn new(width: Width, clock: Clockwork, empty: Empty) -> Self {
        BarBook {
            width,
            clock,
            empty,
            course: Course::default(),
            index: SymbolIndex::default(),
            heads: Vec::new(),
            bars: Grid::default(),
            shown: Vec::new(),
            reach: NEVER,
            carried: NEVER,
            spread: 0,
        }
    }

    /// Bars to which the partitions of a course bring their parts.
    #[must_use]
    pub fn on(mut self, course: &Course) -> Self {
        self.course = course.clone();
        self
    }

    /// The width of its bars.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// Symbols of which more than one partition held trades of the same bar.
    pub fn spread_symbols(&self) -> u64 {
        self.spread
    }

    /// One of them.
    pub(crate) fn spread_symbol(&self) -> Option<SymbolId> {
        let mut known = self.index.symbols().iter().zip(&self.heads);
        known.find(|(_, head)| head.spread).map(|(symbol, _)| *symbol)
    }

    /// The bars of each symbol that were handed out, are there and can still change, in order of time. Nothing may
    /// wait for a settling.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (SymbolId, Vec<Bar>)> + '_ {
        self.index.symbols().iter().enumerate().map(|(place, symbol)| {
            (*symbol, self.bars.cells_from(NEVER, place).filter_map(Slot::shown).collect())
        })
    }

    /// Takes a change of the epoch that is being applied.
    #[inline]
    pub fn apply(&mut self, row: &PartialRow) {
        let place = self.place(row.symbol);
        let start = row.partial.ts_open();
        if row.partial.is_empty() && !self.bars.has(start, place) {
            return;
        }
        let column = self.bars.column(start);
        let slot = self.bars.cell_or(column, place, || Slot::new(start));
        let shown = slot.shown();
        let put = slot.put(row);
        let is_spread = put.more && slot.is_spread(&self.course);
        if put.changed {
            self.touch((column, start), place, shown);
        }
        if is_spread && !std::mem::replace(&mut self.heads[place].spread, true) {
            self.spread += 1;
        }
    }

    /// Notes that the slot of a symbol in a column was changed, and what had been shown of it by then.
    #[inline]
    pub(super) fn touch(
        &mut self,
        (column, start): (usize, Time),
        place: usize,
        shown: Option<Bar>,
    ) {
        if self.bars.touch(column, place)
            && let Some(bar) = shown
        {
            self.shown.push((place, start, bar));
        }
    }

    #[inline]
    fn place(&mut self, symbol: SymbolId) -> usize {
        let place = self.index.place(symbol);
        if place == self.heads.len() {
            self.heads.push(Head::default());
        }
        place
    }

    /// `epoch` is complete: hands out every bar that it changed, symbol by symbol in order of time.
    pub fn settle(&mut self, epoch: Epoch, mut emit: impl FnMut(RowKey, &Bar)) {
        if self.empty == Empty::Carry {
            self.carry(epoch);
        }
        let (width, symbols) = (self.width, self.index.symbols());
        self.shown.sort_unstable_by_key(|(place, start, _)| (*place, *start));
        let mut shown = &self.shown[..];
        self.bars.drain_touched(|place, start, slot| {
            let before = shown.split_first().filter(|it| (it.0.0, it.0.1) == (place, start));
            shown = before.map_or(shown, |(_, rest)| rest);
            let before = before.map(|((.., bar), _)| bar);
            slot.settle(before, (epoch, symbols[place], width), &mut emit);
        });
        self.shown.clear();
        let over = self.clock.floor(epoch).ns().saturating_sub(width.ns());
        let (heads, carry) = (&mut self.heads, self.empty == Empty::Carry);
        self.bars.forget(Time::from_ns(over), |place, slot| {
            if carry {
                heads[place].keep(slot);
            }
        });
    }
}

impl Parts for BarBook {
    /// Nothing may wait for a settling.
    fn snapshot(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        // What later epochs said of the log's head is said again when they are read again.
        to.i64(self.reach.min(self.clock.epoch.start(before)).ns());
        to.i64(self.carried.ns());
        save_symbols(&self.index, of, to, |place, to| {
            self.heads[place].save(to);
            to.counted(|to| {
                let slots = self.bars.cells_from(NEVER, place);
                slots.map(|slot| slot.save(to)).count() as u64
            });
        });
    }

    fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.reach = self.reach.max(Time::from_ns(from.i64()));
        self.carried = self.carried.max(Time::from_ns(from.i64()));
        load_symbols(of, from, |symbol, from| {
            let place = self.place(symbol);
            let head = Head::load(from);
            self.heads[place] = head;
            self.spread += u64::from(head.spread);
            for _ in 0..from.u64() {
                let slot = Slot::load(from);
                let column = self.bars.column(slot.ts_open());
                self.bars.cell_or(column, place, || slot);
            }
        });
    }
}

impl Head {
    /// Keeps of a bar that is forgotten what the ones after it carry on.
    fn keep(&mut self, slot: &Slot) {
        if let Some(bar) = slot.bar() {
            self.before = Some(Last::after(self.before, &bar, slot.has_price()));
        }
    }
}

impl Words for Head {
    fn save(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.spread));
        for last in [self.last, self.before] {
            to.u64(u64::from(last.is_some()));
            last.iter().for_each(|last| last.save(to));
        }
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let spread = from.u64() == 1;
        let [last, before] = [(); 2].map(|()| (from.u64() == 1).then(|| Last::load(from)));
        Head { last, before, spread }
    }
}
