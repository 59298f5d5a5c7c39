//! Forming bars, for the live view alone: the newest bar of every configured width of each symbol, and its newest trade.
//!
//! A width that others roll up to has a cell, which trades are folded into; a wider one holds what lies before the cell
//! in its own interval. So a trade costs one fold more, however many widths there are.
//!
//! ```text
//! bar(wide) = closed cells of its interval + the cell
//! ```

use super::fold::Fold;
use crate::live::{LiveView, Newest, Outbox};
use market::{
    Admitted, Bar, Offset, Price, Run, Size, SymbolId, Tick, Time, Trade, Updates, Width,
};
use operators::bar::Partial;
use std::sync::Arc;

/// No bar: its range holds no time.
const NONE: Partial = Partial::new(Time::from_ns(i64::MIN));

/// One width, in the order of the view's.
struct Shape {
    width: Width,
    /// The place of the width that it is made from; none where trades are folded into it.
    from: Option<usize>,
}

/// What is known of a symbol beside its bars: its newest trade, once it is touched.
struct Known {
    symbol: SymbolId,
    newest: Tick,
    touched: bool,
}

/// The forming bars of one partition.
pub(crate) struct Forming {
    outbox: Arc<Outbox>,
    partition: u32,
    shapes: Vec<Shape>,
    /// The places of those that trades are folded into, and their widths in nanoseconds.
    bases: Vec<(usize, u64)>,
    /// Where the symbols of this partition are known, by their ids, counted from one.
    places: Vec<u32>,
    known: Vec<Known>,
    /// As many as there are widths, beside each.
    partials: Vec<Partial>,
    /// Places of symbols that were touched.
    touched: Vec<usize>,
    /// Of what came before not everything is known: wide bars that begin there are not told.
    since: Time,
}

impl Forming {
    /// Of partition number `partition`; the bars of `bases` are folded from trades.
    pub fn new(view: &Arc<LiveView>, partition: u32, bases: &[Width]) -> Self {
        let (outbox, widths) = (view.outbox(), view.widths());
        let place = |base: &Width| widths.iter().position(|width| width == base);
        let shape = |&width: &Width| {
            let from = bases.iter().find(|base| width.rolls_up_from(**base)).and_then(place);
            Shape { width, from: from.filter(|_| !bases.contains(&width)) }
        };
        let shapes: Vec<Shape> = widths.iter().map(shape).collect();
        let base = |base: &Width| Some((place(base)?, base.ns() as u64));
        let bases = bases.iter().filter_map(base).collect();
        Forming {
            outbox,
            partition,
            shapes,
            bases,
            places: Vec::new(),
            partials: Vec::new(),
            known: Vec::new(),
            touched: Vec::new(),
            since: Time::from_ns(i64::MIN),
        }
    }

    /// Folds one run of a batch.
    pub fn fold(&mut self, batch: &Admitted, run: &Run) {
        for row in run.rows.start as usize..run.rows.end as usize {
            let trade = batch.trades.row(row);
            let Trade { ts_event: ts, offset: at, price, size, updates, .. } = trade;
            self.add(trade.symbol, Tick { ts, at, price, size, updates });
        }
    }

    /// A bar of the base width at place `base` was folded again, with this last trade: takes its newest bar from there,
    /// and what lies before that in wider ones.
    pub fn fold_again(
        &mut self,
        base: usize,
        symbol: SymbolId,
        fold: &Fold,
        (partial, last): (&Partial, Option<Tick>),
    ) {
        let place = self.place(symbol);
        let (first, base) = (place * self.shapes.len(), self.bases[base].0);
        let cell = &mut self.partials[first + base];
        if partial.ts_open() > cell.ts_open() {
            return self.put(first, base, partial);
        }
        if partial.ts_open() == cell.ts_open() {
            *cell = *partial;
            let known = &mut self.known[place];
            known.newest = last.unwrap_or(known.newest);
        }
        let newest = self.partials[first + base].ts_open();
        for (at, shape) in self.shapes.iter().enumerate().filter(|(_, s)| s.from == Some(base)) {
            let open = shape.width.open_of(newest);
            if open >= self.since {
                let mut before = Partial::new(open);
                fold.each_of(symbol, open, newest, |partial| before.absorb(partial));
                self.partials[first + at] = before;
            }
        }
        if !std::mem::replace(&mut self.known[place].touched, true) {
            self.touched.push(place);
        }
    }

    fn add(&mut self, symbol: SymbolId, tick: Tick) {
        let place = self.place(symbol);
        let first = place * self.shapes.len();
        for at in 0..self.bases.len() {
            let (base, width_ns) = self.bases[at];
            let cell = &mut self.partials[first + base];
            if (tick.ts.ns().wrapping_sub(cell.ts_open().ns()) as u64) < width_ns {
                cell.add_tick(&tick);
                continue;
            }
            let mut one = Partial::new(self.shapes[base].width.open_of(tick.ts));
            one.add_tick(&tick);
            self.put(first, base, &one);
        }
        let known = &mut self.known[place];
        if known.newest.ts <= tick.ts && tick.updates.has(Updates::LAST) {
            known.newest = tick;
        }
        if !std::mem::replace(&mut known.touched, true) {
            self.touched.push(place);
        }
    }

    #[inline]
    fn place(&mut self, symbol: SymbolId) -> usize {
        match self.places.get(symbol.index()) {
            Some(&place) if place > 0 => place as usize - 1,
            _ => self.place_of_new(symbol),
        }
    }

    #[cold]
    fn place_of_new(&mut self, symbol: SymbolId) -> usize {
        if self.places.len() <= symbol.index() {
            self.places.resize(symbol.index() + 1, 0);
        }
        let (ts, at) = (Time::from_ns(i64::MIN), Offset::from_raw(0));
        let (price, size, updates) = (Price::from_raw(0), Size::from_raw(0), Updates::ALL);
        let newest = Tick { ts, at, price, size, updates };
        self.known.push(Known { symbol, newest, touched: false });
        self.partials.resize(self.known.len() * self.shapes.len(), NONE);
        self.places[symbol.index()] = self.known.len() as u32;
        self.known.len() - 1
    }

    /// Takes in a bar of a base width, or a part of one.
    #[cold]
    fn put(&mut self, first: usize, base: usize, partial: &Partial) {
        let cell = self.partials[first + base];
        if partial.ts_open() == cell.ts_open() {
            return self.partials[first + base].absorb(partial);
        }
        let is_newer = partial.ts_open() > cell.ts_open();
        let aside = if is_newer { &cell } else { partial };
        for (at, shape) in self.shapes.iter().enumerate() {
            let open = shape.width.open_of(aside.ts_open());
            // What is older than the newest bar of a width is nothing to it.
            let counts = is_newer || shape.width.open_of(cell.ts_open()) == open;
            if shape.from != Some(base) || aside.is_empty() || !counts {
                continue;
            }
            let before = &mut self.partials[first + at];
            if before.ts_open() != open {
                *before = Partial::new(open);
            }
            before.absorb(aside);
        }
        if is_newer {
            self.partials[first + base] = *partial;
        }
    }

    /// Takes in what a checkpoint holds: a bar of the base width at place `base` of the tick path's, oldest first.
    pub fn restore(&mut self, base: usize, symbol: SymbolId, partial: &Partial) {
        let first = self.place(symbol) * self.shapes.len();
        self.put(first, self.bases[base].0, partial);
    }

    /// Of what comes before `since`, a checkpoint does not hold everything.
    pub fn begin_at(&mut self, since: Time) {
        self.since = since;
    }

    /// Tells of the symbols that were touched since the last call.
    pub fn tell(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let touched = std::mem::take(&mut self.touched);
        let told = touched.iter().map(|&place| {
            let Known { symbol, newest: Tick { ts: ts_event, at, price, size, .. }, .. } =
                self.known[place];
            (Newest { symbol, ts_event, partition: self.partition, at, price, size }, place)
        });
        self.outbox.tell(told, |place, bars| self.bars(place, bars));
        touched.iter().for_each(|&place| self.known[place].touched = false);
        self.touched = touched;
        self.touched.clear();
    }

    fn bars(&self, place: usize, bars: &mut Vec<Bar>) {
        let own = &self.partials[place * self.shapes.len()..][..self.shapes.len()];
        bars.extend(self.shapes.iter().zip(own).map(|(shape, partial)| {
            let Some(base) = shape.from else { return partial.bar() };
            let open = shape.width.open_of(own[base].ts_open());
            let mut bar = Partial::new(open);
            if open >= self.since {
                bar.absorb(&own[base]);
                if partial.ts_open() == open {
                    bar.absorb(partial);
                }
            }
            bar.bar()
        }));
    }
}
