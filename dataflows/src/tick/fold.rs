//! The fold of one base width: the newest bar of each symbol in a dense array, older ones by interval.
//!
//! Most trades belong to the bar their symbol had last: one range check and the fold. The rest (a new
//! interval, a straggler, a late one) go through [`Fold::add_slowly`]. An interval lists the symbols
//! whose newest bar it is; it closes when the partition's epoch reaches its end, and is kept with its
//! partials while the horizon can still reach into it.

use market::{SymbolId, Tick, Time, Width};
use operators::bar::Partial;
use operators::{Restore, Snapshot};
use std::collections::VecDeque;

/// No bar: its range holds no time.
const NONE: Partial = Partial::new(Time::from_ns(i64::MIN));

/// The bars of one interval that the partition holds.
#[derive(Default)]
struct Interval {
    start: Time,
    closed: bool,
    /// Symbols whose partial is still in [`Fold::current`].
    newest: Vec<SymbolId>,
    /// The other symbols, beside their partials.
    symbols: Vec<SymbolId>,
    partials: Vec<Partial>,
}

pub(super) struct Fold {
    width: Width,
    width_ns: u64,
    /// Bars that end by then are closed.
    closed: Time,
    current: Vec<Partial>,
    intervals: VecDeque<Interval>,
    /// Late changes of the present epoch: interval start and symbol.
    late: Vec<(Time, SymbolId)>,
    spare: Vec<Interval>,
}

impl Fold {
    pub(super) fn new(width: Width) -> Self {
        Fold {
            width,
            width_ns: width.ns() as u64,
            closed: Time::from_ns(i64::MIN),
            current: Vec::new(),
            intervals: VecDeque::new(),
            late: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Folds a trade; whether its bar had closed. Where `ALL` is told it counts for everything.
    #[inline(always)]
    pub(super) fn add<const ALL: bool>(&mut self, symbol: SymbolId, tick: Tick) -> bool {
        if let Some(partial) = self.current.get_mut(symbol.index()) {
            let into = tick.ts.ns().wrapping_sub(partial.ts_open().ns()) as u64;
            if into < self.width_ns {
                match ALL {
                    true => partial.add(tick.ts, tick.at, tick.price, tick.size),
                    false => partial.add_tick(&tick),
                }
                return false;
            }
        }
        self.add_slowly(symbol, tick)
    }

    #[cold]
    #[inline(never)]
    fn add_slowly(&mut self, symbol: SymbolId, tick: Tick) -> bool {
        if self.current.len() <= symbol.index() {
            self.current.resize(symbol.index() + 1, NONE);
        }
        let start = self.width.open_of(tick.ts);
        let late = self.end_of(start) <= self.closed;
        let newest = self.current[symbol.index()].ts_open();
        if !late && (newest == NONE.ts_open() || start > newest) {
            self.begin(symbol, start);
            self.current[symbol.index()].add_tick(&tick);
            return false;
        }
        self.kept(symbol, start).add_tick(&tick);
        if late {
            self.late.push((start, symbol));
        }
        late
    }

    /// The partial of a symbol beside its newest one, new or known.
    fn kept(&mut self, symbol: SymbolId, start: Time) -> &mut Partial {
        let interval = self.interval(start);
        let at = interval.symbols.iter().position(|&s| s == symbol).unwrap_or_else(|| {
            interval.symbols.push(symbol);
            interval.partials.push(Partial::new(start));
            interval.partials.len() - 1
        });
        &mut interval.partials[at]
    }

    /// Takes a partial that was folded again in the place of what is held of its bar.
    pub(super) fn replace(&mut self, symbol: SymbolId, partial: Partial) {
        let start = partial.ts_open();
        if self.end_of(start) <= self.closed {
            *self.kept(symbol, start) = partial;
            self.late.push((start, symbol));
            return;
        }
        if self.current.len() <= symbol.index() {
            self.current.resize(symbol.index() + 1, NONE);
        }
        let newest = self.current[symbol.index()].ts_open();
        if newest == NONE.ts_open() || start > newest {
            self.begin(symbol, start);
        }
        match self.current[symbol.index()].ts_open() == start {
            true => self.current[symbol.index()] = partial,
            false => *self.kept(symbol, start) = partial,
        }
    }

    /// The partials of a symbol that are held, of bars that begin within a span of time.
    pub(super) fn each_of(
        &self,
        symbol: SymbolId,
        from: Time,
        to: Time,
        mut hand: impl FnMut(&Partial),
    ) {
        let within = |interval: &&Interval| from <= interval.start && interval.start < to;
        for interval in self.intervals.iter().filter(within) {
            let own = self.held_in(interval).find(|(other, ..)| *other == symbol);
            own.into_iter().for_each(|(_, _, partial)| hand(partial));
        }
    }

    /// Makes the bar at `start` the symbol's newest and sets the one before aside.
    fn begin(&mut self, symbol: SymbolId, start: Time) {
        let before = std::mem::replace(&mut self.current[symbol.index()], Partial::new(start));
        if !before.is_empty() {
            let interval = self.interval(before.ts_open());
            interval.symbols.push(symbol);
            interval.partials.push(before);
        }
        self.interval(start).newest.push(symbol);
    }

    /// The interval that starts at `start`, new or known.
    fn interval(&mut self, start: Time) -> &mut Interval {
        let after = self.intervals.iter().rposition(|interval| interval.start <= start);
        let at = match after {
            Some(at) if self.intervals[at].start == start => at,
            after => {
                let closed = self.end_of(start) <= self.closed;
                let empty = self.spare.pop().unwrap_or_default();
                let at = after.map_or(0, |at| at + 1);
                self.intervals.insert(at, Interval { start, closed, ..empty });
                at
            }
        };
        &mut self.intervals[at]
    }

    /// Where the bar begins that a trade of this time belongs to.
    pub(super) fn start_of(&self, time: Time) -> Time {
        self.width.open_of(time)
    }

    /// Where the bar ends that begins at `start`.
    pub(super) fn end_of(&self, start: Time) -> Time {
        Time::from_ns(start.ns().saturating_add(self.width.ns()))
    }

    /// The end of the first interval that has not closed.
    pub(super) fn next_close(&self) -> Option<Time> {
        let open = self.intervals.iter().find(|interval| !interval.closed)?;
        Some(self.end_of(open.start))
    }

    /// The end of the last interval that has not closed.
    pub(super) fn last_open_end(&self) -> Option<Time> {
        let open = self.intervals.iter().rev().find(|interval| !interval.closed)?;
        Some(self.end_of(open.start))
    }

    /// The end of the bar that a trade of this time belongs to.
    pub(super) fn end_of_bar(&self, time: Time) -> Time {
        self.end_of(self.width.open_of(time))
    }

    /// The end of the newest interval that holds a trade.
    pub(super) fn last_end(&self) -> Option<Time> {
        let holds =
            |interval: &&Interval| self.held_in(interval).any(|(.., partial)| !partial.is_empty());
        let newest = self.intervals.iter().rev().find(holds);
        newest.map(|interval| self.end_of(interval.start))
    }

    /// Closes the first open interval and hands out its partials.
    pub(super) fn close(&mut self, mut emit: impl FnMut(SymbolId, &Partial)) {
        let Some(interval) = self.intervals.iter_mut().find(|interval| !interval.closed) else {
            return;
        };
        for symbol in interval.newest.drain(..) {
            let partial = &mut self.current[symbol.index()];
            if partial.ts_open() == interval.start {
                interval.symbols.push(symbol);
                interval.partials.push(std::mem::replace(partial, NONE));
            }
        }
        interval.closed = true;
        let held = interval.symbols.iter().zip(&interval.partials);
        // Of a bar whose trades were all taken back nobody has heard.
        held.filter(|(_, partial)| !partial.is_empty()).for_each(|(&s, partial)| emit(s, partial));
    }

    /// Hands out the partials of open intervals, with the end of each, and leaves them open.
    pub(super) fn each_open(&self, mut emit: impl FnMut(Time, SymbolId, &Partial)) {
        for interval in self.intervals.iter().filter(|interval| !interval.closed) {
            let end = self.end_of(interval.start);
            let held = self.held_in(interval).filter(|(.., partial)| !partial.is_empty());
            held.for_each(|(symbol, _, partial)| emit(end, symbol, partial));
        }
    }

    /// Hands out all partials, oldest first.
    pub(super) fn each_kept(&self, mut hand: impl FnMut(SymbolId, &Partial)) {
        let all = self.intervals.iter().flat_map(|interval| self.held_in(interval));
        all.for_each(|(symbol, _, partial)| hand(symbol, partial));
    }

    /// The partials of an interval, one a symbol: whose, and whether it is its symbol's newest.
    fn held_in<'a>(
        &'a self,
        interval: &'a Interval,
    ) -> impl Iterator<Item = (SymbolId, bool, &'a Partial)> {
        let newest = interval.newest.iter().map(|&s| (s, true, &self.current[s.index()]));
        let newest = newest.filter(|(_, _, partial)| partial.ts_open() == interval.start);
        let older = interval.symbols.iter().zip(&interval.partials);
        newest.chain(older.map(|(&symbol, partial)| (symbol, false, partial)))
    }

    /// Every interval that ends by `until` has been closed.
    pub(super) fn set_closed(&mut self, until: Time) {
        self.closed = self.closed.max(until);
    }

    /// Hands out the closed partials that changed since the last call, each once.
    pub(super) fn drain_late(&mut self, mut emit: impl FnMut(SymbolId, &Partial)) {
        if self.late.is_empty() {
            return;
        }
        let mut late = std::mem::take(&mut self.late);
        late.sort_unstable();
        late.dedup();
        for &(start, symbol) in &late {
            let interval = self.interval(start);
            if let Some(at) = interval.symbols.iter().position(|&s| s == symbol) {
                emit(symbol, &interval.partials[at]);
            }
        }
        late.clear();
        self.late = late;
    }

    /// Forgets closed intervals that end by `floor`.
    pub(super) fn evict(&mut self, floor: Time) {
        while let Some(first) = self.intervals.front() {
            if !first.closed || self.end_of(first.start) > floor {
                break;
            }
            if let Some(mut interval) = self.intervals.pop_front() {
                interval.newest.clear();
                interval.symbols.clear();
                interval.partials.clear();
                self.spare.push(interval);
            }
        }
    }

    /// Appends what it holds of the symbols that `of` chooses.
    pub(super) fn snapshot(&self, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        to.i64(self.closed.ns());
        to.counted(|to| {
            let late = self.late.iter().filter(|(_, symbol)| of(*symbol));
            late.map(|(start, symbol)| {
                to.i64(start.ns());
                to.symbol(*symbol);
            })
            .count() as u64
        });
        to.u64(self.intervals.len() as u64);
        for interval in &self.intervals {
            to.i64(interval.start.ns());
            to.counted(|to| {
                self.held_in(interval)
                    .filter(|(symbol, ..)| of(*symbol))
                    .map(|(symbol, newest, partial)| {
                        to.symbol(symbol);
                        to.u64(u64::from(newest));
                        partial.snapshot(to);
                    })
                    .count() as u64
            });
        }
    }

    /// Takes in, of what [`Fold::snapshot`] wrote, the symbols that `of` chooses.
    pub(super) fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.closed = self.closed.max(Time::from_ns(from.i64()));
        for _ in 0..from.u64() {
            let late = (Time::from_ns(from.i64()), from.symbol());
            self.late.extend(of(late.1).then_some(late));
        }
        for _ in 0..from.u64() {
            let start = Time::from_ns(from.i64());
            let count = from.u64();
            self.interval(start);
            for _ in 0..count {
                let (symbol, newest) = (from.symbol(), from.u64() == 1);
                let partial = Partial::restore(from);
                if of(symbol) {
                    self.put_back(symbol, newest, partial);
                }
            }
        }
    }

    fn put_back(&mut self, symbol: SymbolId, newest: bool, partial: Partial) {
        let interval = self.interval(partial.ts_open());
        if newest {
            interval.newest.push(symbol);
            let len = self.current.len().max(symbol.index() + 1);
            self.current.resize(len, NONE);
            self.current[symbol.index()] = partial;
        } else {
            interval.symbols.push(symbol);
            interval.partials.push(partial);
        }
    }
}
