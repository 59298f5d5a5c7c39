//! The stages: bars from partials, wider bars from narrower ones, indicators from bars.

use super::by_epoch::{Output, Stage};
use super::plan::Plan;
use super::pool::Pool;
use super::run::Shared as Run;
use super::watch::Counted;
use crate::glue::{BarBook, Batch, Keyed, Lane, Parts, Pending, Upsert, Windowed};
use crate::wire::{Parcel, Partials, Shared, Timed};
use market::{Bar, Counts, DeadLetter, Epoch, RowKey, Scales, SymbolId, Symbols, Width};
use operators::bar::RollUp;
use operators::indicator::{IndicatorLayout, IndicatorSet, Spec};
use operators::{Kernel, Restore, Snapshot};
use std::cell::RefCell;
use std::sync::Arc;

impl Batch for Partials {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn epoch(&self, row: usize) -> Epoch {
        self.rows[row].epoch()
    }
}

impl Batch for Shared {
    fn len(&self) -> usize {
        self.rows().map_or(0, |rows| rows.keys.len())
    }

    fn epoch(&self, row: usize) -> Epoch {
        self.rows().map_or(Epoch::MAX, |rows| rows.keys[row].epoch)
    }
}

/// Whether a worker owns a symbol.
pub(crate) type IsMine = Box<dyn Fn(SymbolId) -> bool>;

/// Bars of the base widths, merged from the partials of all partitions; those of pools are made here.
pub(crate) struct Bars {
    symbols: Symbols,
    pending: Pending<Partials>,
    books: Vec<BarBook>,
    pools: Vec<Pool>,
    letters: Vec<DeadLetter>,
    run: Option<(Arc<Run>, IsMine)>,
    /// Of the symbols that came through several partitions, how many were told.
    spread: u64,
    /// Where what becomes of the trades of pools is told.
    counted: Option<Counted>,
}

impl Bars {
    /// Those of no run.
    pub(crate) fn new(plan: &Plan) -> Self {
        let book = |width| BarBook::new(width, plan.clock(), plan.empty).on(&plan.course);
        Bars {
            symbols: plan.symbols.clone(),
            pending: Pending::default(),
            books: plan.bases().into_iter().map(book).collect(),
            pools: Pool::all(plan),
            letters: Vec::new(),
            run: None,
            spread: 0,
            counted: None,
        }
    }

    /// Those of a worker that owns the symbols that `is_mine` chooses.
    pub(crate) fn of_run(plan: &Plan, run: &Arc<Run>, is_mine: IsMine) -> Self {
        let counted = (!plan.pools.is_empty()).then(|| run.progress.judge());
        Bars { run: Some((run.clone(), is_mine)), counted, ..Bars::new(plan) }
    }

    fn spread_symbols(&self) -> u64 {
        self.books.first().map_or(0, BarBook::spread_symbols)
    }

    /// What became of the trades of pools.
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.pools.iter().for_each(|pool| counts.add(&pool.counts()));
        counts
    }

    /// Tells the run's watchers what was counted since.
    fn tell(&mut self) {
        let Some((run, _)) = &self.run else { return };
        let spread = self.spread_symbols();
        let one = || {
            let one = self.books.first().and_then(BarBook::spread_symbol);
            one.map(|symbol| self.symbols.text(symbol))
        };
        run.progress.spread(spread - self.spread, one);
        self.spread = spread;
        if let Some(counted) = &self.counted {
            counted.tell(self.counts());
        }
    }
}

impl Bars {
    /// The bars of `width`, if it is folded from ticks, that were handed out and can still change.
    pub(crate) fn shown(&self, width: Width) -> Option<Vec<(SymbolId, Vec<Bar>)>> {
        let book = self.books.iter().find(|book| book.width() == width);
        book.map(|book| book.shown().collect())
    }
}

impl Stage<Partials> for Bars {
    fn receive(&mut self, mut partials: Partials) {
        partials.adopt(&self.symbols);
        for (_, reach) in &partials.reaches {
            self.books[reach.base as usize].reach(reach);
        }
        for (_, number, left) in partials.left.drain(..) {
            let Some((run, is_mine)) = &self.run else { continue };
            for pool in &mut self.pools {
                if let Err(error) = pool.follow(number, &left, is_mine) {
                    run.fail(error.into());
                }
            }
        }
        for pooled in partials.pooled.drain(..) {
            self.pools[pooled.pool as usize].receive(pooled);
        }
        self.pending.push(partials);
    }

    fn next_epoch(&self) -> Option<Epoch> {
        let carried = self.books.iter().filter_map(BarBook::next_carry);
        let pooled = self.pools.iter().filter_map(Pool::next_epoch);
        carried.chain(pooled).chain(self.pending.next_epoch()).min()
    }

    fn apply(&mut self, epoch: Epoch, out: &mut Output) {
        let books = &mut self.books;
        self.pending.take(epoch, |batch, rows| {
            batch.rows[rows].iter().for_each(|row| books[row.base as usize].apply(row));
        });
        for pool in &mut self.pools {
            pool.apply(epoch, &mut self.letters, |row| books[row.base as usize].apply(row));
        }
        for book in books {
            book.settle(epoch, |key, bar| out.bar(key, bar));
        }
        if !self.letters.is_empty() {
            out.other(Parcel::Letters(std::mem::take(&mut self.letters)));
        }
        self.tell();
    }

    fn save(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        self.books.iter_mut().for_each(|book| book.snapshot(before, of, to));
        self.pools.iter().for_each(|pool| pool.save(of, to));
    }

    fn load(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.books.iter_mut().for_each(|book| book.restore(of, from));
        self.pools.iter_mut().for_each(|pool| pool.load(of, from));
    }

    fn finish(&mut self, out: &mut Output) {
        out.other(Parcel::Spread(self.spread_symbols()));
        if !self.pools.is_empty() {
            out.other(Parcel::Counts(self.counts()));
        }
    }
}

/// Bars of one width from those of a narrower one.
pub(crate) struct RollUps {
    from: Width,
    pending: Pending<Shared>,
    windows: Windowed<RollUp, Bar>,
}

impl RollUps {
    pub(crate) fn new(plan: &Plan, from: Width, to: Width) -> Self {
        let blank = Bar::carried(Default::default(), Default::default());
        let windows = Windowed::new(to, from, plan.clock(), RollUp::new(to), blank);
        RollUps { from, pending: Pending::default(), windows }
    }
}

impl RollUps {
    /// The bars that were handed out and can still change.
    pub(crate) fn shown(&self) -> Vec<(SymbolId, Vec<Bar>)> {
        self.windows.shown().collect()
    }
}

impl Stage<Shared> for RollUps {
    fn receive(&mut self, parcel: Shared) {
        if parcel.rows().is_some_and(|rows| rows.width == self.from) {
            self.pending.push(parcel);
        }
    }

    fn next_epoch(&self) -> Option<Epoch> {
        self.windows.next_close().into_iter().chain(self.pending.next_epoch()).min()
    }

    fn apply(&mut self, epoch: Epoch, out: &mut Output) {
        let windows = &mut self.windows;
        if self.pending.next_epoch() == Some(epoch) {
            self.pending.take(epoch, |parcel, rows| {
                by_symbol(parcel, rows, |symbol, keys, bars| {
                    let changes = changes(keys, bars);
                    windows.apply(epoch, symbol, changes, |key, bar| out.bar(key, bar));
                });
            });
        }
        windows.close(epoch, |key, bar| out.bar(key, bar));
    }

    fn save(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        self.windows.snapshot(before, of, to);
    }

    fn load(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.windows.restore(of, from);
    }
}

/// Indicators of every width that has some.
pub(crate) struct Indicators {
    pending: Pending<Shared>,
    lanes: Keyed<Scatter>,
}

impl Indicators {
    pub(crate) fn new(plan: &Plan) -> Self {
        let columns = plan.indicator_columns();
        let lane = |width: Width| {
            let specs = plan.indicators_of(width);
            if specs.is_empty() {
                return None;
            }
            let outputs = specs.iter().flat_map(|spec| spec.outputs());
            let place = |output| columns.iter().position(|column| column == output);
            let places: Vec<usize> = outputs.filter_map(place).collect();
            let stride = columns.len();
            let layouts = Layouts::new(specs, &plan.symbols);
            let make = move |symbol| Scatter::new(layouts.set(symbol), &places, stride);
            Some(Lane::new(width, stride, Box::new(make)))
        };
        let lanes = plan.sorted_widths().into_iter().filter_map(lane).collect();
        Indicators { pending: Pending::default(), lanes: Keyed::new(plan.clock(), lanes) }
    }
}

impl Stage<Shared> for Indicators {
    fn receive(&mut self, parcel: Shared) {
        if parcel.rows().is_some_and(|rows| self.lanes.lane(rows.width).is_some()) {
            self.pending.push(parcel);
        }
    }

    fn next_epoch(&self) -> Option<Epoch> {
        self.pending.next_epoch()
    }

    fn apply(&mut self, epoch: Epoch, out: &mut Output) {
        let lanes = &mut self.lanes;
        self.pending.take(epoch, |parcel, rows| {
            let lane = parcel.rows().and_then(|rows| lanes.lane(rows.width));
            let Some(lane) = lane else { return };
            by_symbol(parcel, rows, |symbol, keys, bars| {
                let changes = changes(keys, bars);
                lanes.apply(lane, epoch, symbol, changes, |key, row| out.floats(key, row));
            });
        });
        self.lanes.forget(epoch);
    }

    fn save(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        self.lanes.snapshot(before, of, to);
    }

    fn load(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        self.lanes.restore(of, from);
    }
}

/// The indicators of a lane for symbols of any scales.
pub(crate) struct Layouts {
    specs: Vec<Spec>,
    symbols: Symbols,
    /// One for each scales: as many as a price and a size have scales, at most.
    known: RefCell<Vec<(Scales, Arc<IndicatorLayout>)>>,
}

impl Layouts {
    pub(crate) fn new(specs: Vec<Spec>, symbols: &Symbols) -> Self {
        Layouts { specs, symbols: symbols.clone(), known: RefCell::default() }
    }

    /// The indicators.
    pub(crate) fn specs(&self) -> &[Spec] {
        &self.specs
    }

    /// The indicators for a symbol, before its first bar.
    pub(crate) fn set(&self, symbol: SymbolId) -> IndicatorSet {
        let scales = self.symbols.scales(symbol);
        let mut layouts = self.known.borrow_mut();
        let known = layouts.iter().position(|(known, _)| *known == scales);
        let at = known.unwrap_or_else(|| {
            layouts.push((scales, Arc::new(IndicatorLayout::new(&self.specs, scales))));
            layouts.len() - 1
        });
        IndicatorSet::of(layouts[at].1.clone())
    }
}

/// Calls `each` for every symbol's keys and bars among `rows`, which stand side by side.
fn by_symbol(
    parcel: &Shared,
    rows: std::ops::Range<usize>,
    mut each: impl FnMut(SymbolId, &[RowKey], &[Bar]),
) {
    let Some(parcel) = parcel.rows() else { return };
    let (keys, bars) = (&parcel.keys[rows.clone()], &parcel.bars()[rows]);
    let mut from = 0;
    for run in keys.chunk_by(|a, b| a.symbol == b.symbol) {
        each(run[0].symbol, run, &bars[from..from + run.len()]);
        from += run.len();
    }
}

/// What became of bars, as those take it who compute with them.
fn changes<'a>(keys: &'a [RowKey], bars: &'a [Bar]) -> impl Iterator<Item = Upsert<'a, Bar>> {
    keys.iter().zip(bars).map(|(key, bar)| match key.is_removed() {
        true => Upsert::Remove(key.ts_open),
        false => Upsert::Put(bar),
    })
}

/// A set whose outputs go to their columns of a wider row.
struct Scatter {
    set: IndicatorSet,
    /// Where, unless the outputs are the row.
    places: Option<Box<[usize]>>,
    row: Box<[f64]>,
}

impl Scatter {
    fn new(set: IndicatorSet, places: &[usize], stride: usize) -> Self {
        if places.iter().copied().eq(0..stride) {
            return Scatter { set, places: None, row: Box::default() };
        }
        let row = vec![f64::NAN; places.len()].into_boxed_slice();
        Scatter { set, places: Some(places.into()), row }
    }
}

impl Kernel for Scatter {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, row: &mut [f64]) {
        let Some(places) = &self.places else { return self.set.update(bar, row) };
        self.set.update(bar, &mut self.row);
        row.fill(f64::NAN);
        places.iter().zip(&self.row).for_each(|(&place, &value)| row[place] = value);
    }

    fn snapshot(&self, to: &mut Snapshot) {
        self.set.snapshot(to);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.set.restore(from);
    }
}

#[cfg(test)]
#[path = "stages_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "warmed_tests.rs"]
mod warmed_tests;
