//! Bars of one base width from the partials of all partitions, beyond the exchange.
//!
//! One partial is kept for each (bar, partition) of the horizon. A change replaces it, and the bar is
//! folded from them again, because a least or greatest cannot be taken away. A bar is handed out once an
//! epoch, when the epoch is complete and if it differs from what was handed out before.

use super::grid::Grid;
use super::parts::{Parts, load_symbols, save_symbols};
use super::{Clockwork, SymbolIndex, Words};
use crate::tick::{Course, PartialRow};
use market::{Bar, Change, Epoch, Price, RowKey, SymbolId, Time, Width};
use operators::bar::{Partial, fold_partials};
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

/// One bar of a symbol: what it is folded from.
pub(super) struct Slot {
    /// The partial of the first partition that brought one; empty for a carried bar.
    first: Partial,
    /// Those of other partitions, where a symbol is spread.
    more: Option<Box<Spread>>,
    /// The close that a carried bar repeats.
    carried: Price,
    partition: u32,
    revision: u32,
    /// Whether it was ever handed out.
    shown: bool,
}

/// The partials of all partitions but the first, each with its partition's number.
type Spread = Vec<(u32, Partial)>;

/// What putting a partial into a slot did.
struct Put {
    changed: bool,
    /// Whether it is the first of one more partition.
    more: bool,
}

impl Slot {
    /// The bar at `ts_open` that carries `close` on, until a partial comes.
    pub(super) fn carried(ts_open: Time, close: Price) -> Self {
        let first = Partial::new(ts_open);
        Slot { first, more: None, carried: close, partition: 0, revision: 0, shown: false }
    }

    pub(super) fn is_carried(&self) -> bool {
        self.first.is_empty()
    }

    /// Carries another close on; whether it is another.
    pub(super) fn carry(&mut self, close: Price) -> bool {
        std::mem::replace(&mut self.carried, close) != close
    }

    /// Takes a partition's partial.
    #[inline]
    fn put(&mut self, partition: u32, partial: &Partial) -> Put {
        if self.is_carried() || self.partition == partition {
            let changed = self.first != *partial;
            (self.partition, self.first) = (partition, *partial);
            return Put { changed, more: false };
        }
        let more = self.more.get_or_insert_default();
        let known = more.iter_mut().find(|(other, _)| *other == partition);
        let is_new = known.is_none();
        match known {
            Some(slot) => slot.1 = *partial,
            None => more.push((partition, *partial)),
        }
        Put { changed: true, more: is_new }
    }

    /// Whether several partitions hold trades of it, those before others not counted.
    fn is_spread(&self, course: &Course) -> bool {
        let more = self.more.iter().flat_map(|more| more.iter().map(|(partition, _)| *partition));
        let all = std::iter::once(self.partition).chain(more);
        all.filter(|&partition| !course.leads(partition)).count() > 1
    }

    /// The bar that its partials make.
    pub(super) fn bar(&self) -> Bar {
        if self.is_carried() {
            return Bar::carried(self.first.ts_open(), self.carried);
        }
        let Some(more) = &self.more else { return self.first.bar() };
        let more = more.iter().map(|(part, partial)| (*part, partial));
        let all = std::iter::once((self.partition, &self.first)).chain(more);
        fold_partials(all).unwrap_or_else(|| self.first.bar())
    }

    fn save(&self, to: &mut Snapshot) {
        let more = self.more.as_deref().map_or(&[][..], Vec::as_slice);
        to.u64(u64::from(self.revision) << 1 | u64::from(self.shown));
        to.i64(self.carried.raw());
        to.u64(more.len() as u64);
        for (partition, partial) in std::iter::once(&(self.partition, self.first)).chain(more) {
            to.u64(u64::from(*partition));
            partial.snapshot(to);
        }
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let word = from.u64();
        let (revision, shown) = ((word >> 1) as u32, word & 1 == 1);
        let carried = Price::from_raw(from.i64());
        let others = from.u64();
        let mut part = || (from.u64() as u32, Partial::restore(from));
        let (partition, first) = part();
        let more: Spread = (0..others).map(|_| part()).collect();
        let more = (!more.is_empty()).then(|| Box::new(more));
        Slot { first, more, carried, partition, revision, shown }
    }

    /// The key of what is to be handed out now.
    fn settle(&mut self, epoch: Epoch, symbol: SymbolId, width: Width) -> RowKey {
        self.revision += u32::from(self.shown);
        self.shown = true;
        let (ts_open, revision) = (self.first.ts_open(), self.revision);
        let change = if revision == 0 { Change::Added } else { Change::Revised };
        RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change }
    }
}

/// What is known of a symbol beside its bars.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Start of its newest bar.
    pub newest: Time,
    /// Start of the newest bar in which something traded.
    pub traded: Time,
    /// The bar before those that can change, where empty bars carry it on.
    pub before: Option<Before>,
    spread: bool,
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
    course: Course,
    pub(super) index: SymbolIndex,
    pub(super) heads: Vec<Head>,
    pub(super) bars: Grid<Slot>,
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

    /// The bars of each symbol that were handed out and can still change, in order of time.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (SymbolId, Vec<Bar>)> + '_ {
        self.index.symbols().iter().enumerate().map(|(place, symbol)| {
            let shown = self.bars.cells_from(NEVER, place).filter(|slot| slot.shown);
            (*symbol, shown.map(Slot::bar).collect())
        })
    }

    /// Takes a change of the epoch that is being applied.
    #[inline]
    pub fn apply(&mut self, row: &PartialRow) {
        let place = self.place(row.symbol);
        let start = row.partial.ts_open();
        let column = self.bars.column(start);
        let slot = self.bars.cell_or(column, place, || Slot::carried(start, Price::from_raw(0)));
        let put = slot.put(row.partition, &row.partial);
        let is_spread = put.more && slot.is_spread(&self.course);
        if put.changed {
            self.bars.touch(column, place);
        }
        let head = &mut self.heads[place];
        (head.newest, head.traded) = (head.newest.max(start), head.traded.max(start));
        if is_spread && !std::mem::replace(&mut head.spread, true) {
            self.spread += 1;
        }
    }

    #[inline]
    fn place(&mut self, symbol: SymbolId) -> usize {
        let place = self.index.place(symbol);
        if place == self.heads.len() {
            self.heads.push(Head { newest: NEVER, traded: NEVER, before: None, spread: false });
        }
        place
    }

    /// `epoch` is complete: hands out every bar that it changed, symbol by symbol in order of time.
    pub fn settle(&mut self, epoch: Epoch, mut emit: impl FnMut(RowKey, &Bar)) {
        if self.empty == Empty::Carry {
            self.carry(epoch);
        }
        let (width, symbols) = (self.width, self.index.symbols());
        self.bars.drain_touched(|place, _, slot| {
            emit(slot.settle(epoch, symbols[place], width), &slot.bar());
        });
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
            let head = &self.heads[place];
            to.u64(u64::from(head.spread));
            to.i64(head.newest.ns());
            to.i64(head.traded.ns());
            to.u64(u64::from(head.before.is_some()));
            if let Some(before) = &head.before {
                before.bar.save(to);
                to.i64(before.traded.unwrap_or(NEVER).ns());
            }
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
            let spread = from.u64() == 1;
            let [newest, traded] = [(); 2].map(|()| Time::from_ns(from.i64()));
            let before = (from.u64() == 1).then(|| {
                let (bar, traded) = (Bar::load(from), Time::from_ns(from.i64()));
                Before { bar, traded: (traded != NEVER).then_some(traded) }
            });
            self.heads[place] = Head { newest, traded, before, spread };
            self.spread += u64::from(spread);
            for _ in 0..from.u64() {
                let slot = Slot::load(from);
                let column = self.bars.column(slot.first.ts_open());
                self.bars.cell_or(column, place, || slot);
            }
        });
    }
}

impl Head {
    /// Keeps of a bar that is forgotten what the ones after it carry on.
    fn keep(&mut self, slot: &Slot) {
        let traded = self.before.and_then(|before| before.traded);
        let bar = slot.bar();
        let traded = if slot.is_carried() { traded } else { Some(bar.ts_open) };
        self.before = Some(Before { bar, traded });
    }
}
