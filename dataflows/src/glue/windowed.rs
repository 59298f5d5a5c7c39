//! `windowed`: inputs of a key gathered by wider intervals, one output an interval.
//!
//! The kernel takes the inputs in order and begins anew where an interval does; an interval's output is
//! the kernel's after its last input. It is handed out when the interval is over, at the interval's own
//! time, and again whenever a late input changes it.

use super::parts::{Parts, load_symbols, save_symbols};
use super::{At, Cell, Clockwork, Settled, SymbolIndex, Timelines, Words};
use market::{Change, Epoch, RowKey, SymbolId, Time, Width};
use operators::{Kernel, Restore, Snapshot};
use std::collections::{BTreeMap, VecDeque};

/// An interval of one key.
struct Window<C> {
    start: Time,
    /// The kernel's output after the last input of the interval.
    output: C,
    /// What was handed out last, and how often it changed.
    shown: Option<(C, u32)>,
    touched: bool,
}

/// The intervals of one width on one worker.
pub struct Windowed<K: Kernel, C> {
    width: Width,
    clock: Clockwork,
    kernel: K,
    index: SymbolIndex,
    timelines: Timelines<K, C>,
    /// The intervals of each key.
    windows: Vec<VecDeque<Window<C>>>,
    /// Keys with an interval that is over once an epoch is complete.
    closing: BTreeMap<Epoch, Vec<u32>>,
}

impl<K, C> Windowed<K, C>
where
    K: Kernel<Output = C::Kernel> + Clone,
    K::Input: At + Clone,
    C: Cell,
{
    /// Intervals of `width` over inputs of width `narrow`, each key by a copy of `kernel`.
    pub fn new(width: Width, narrow: Width, clock: Clockwork, kernel: K, output: C) -> Self {
        let (index, windows, closing) = (SymbolIndex::default(), Vec::new(), BTreeMap::new());
        let timelines = Timelines::new(narrow, output);
        Windowed { width, clock, kernel, index, timelines, windows, closing }
    }

    /// The next epoch in which an interval is over.
    pub fn next_close(&self) -> Option<Epoch> {
        self.closing.first_key_value().map(|(epoch, _)| *epoch)
    }

    /// The outputs of each key that were handed out and can still change, in order of time.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (SymbolId, Vec<C>)> + '_ {
        let outputs = |windows: &VecDeque<Window<C>>| {
            let shown = windows.iter().filter_map(|window| window.shown.as_ref());
            shown.map(|(output, _)| output.clone()).collect()
        };
        let windows = self.windows.iter().map(outputs);
        self.index.symbols().iter().copied().zip(windows)
    }

    /// Takes what `epoch`, which is complete, did to one key, and hands out what changed of intervals
    /// that are over.
    pub fn apply<'a>(
        &mut self,
        epoch: Epoch,
        symbol: SymbolId,
        inputs: impl Iterator<Item = &'a K::Input>,
        emit: impl FnMut(RowKey, &C),
    ) where
        K::Input: 'a,
    {
        let place = self.place(symbol);
        let (width, clock, closing) = (self.width, self.clock, &mut self.closing);
        let windows = &mut self.windows[place];
        self.timelines.apply(place, inputs, |entry| {
            let start = width.open_of(entry.at);
            if touch(windows, start, &entry) {
                let over = over(start, width, clock);
                if over > epoch {
                    closing.entry(over).or_default().push(place as u32);
                }
            }
        });
        self.show(place, symbol, epoch, emit);
    }

    fn place(&mut self, symbol: SymbolId) -> usize {
        let place = self.index.place(symbol);
        if place == self.windows.len() {
            self.timelines.add(self.kernel.clone());
            self.windows.push(VecDeque::new());
        }
        place
    }

    /// `epoch` is complete and all it changed was applied: hands out the intervals that it ends, and
    /// forgets what cannot change any more.
    pub fn close(&mut self, epoch: Epoch, mut emit: impl FnMut(RowKey, &C)) {
        while self.next_close().is_some_and(|next| next <= epoch) {
            let Some((_, places)) = self.closing.pop_first() else { break };
            for place in places {
                let symbol = self.index.symbols()[place as usize];
                self.show(place as usize, symbol, epoch, &mut emit);
            }
        }
        self.timelines.forget(self.clock.floor(epoch));
    }

    /// Hands out the intervals of a key that are over and new or changed, and forgets the old ones.
    fn show(
        &mut self,
        place: usize,
        symbol: SymbolId,
        epoch: Epoch,
        mut emit: impl FnMut(RowKey, &C),
    ) {
        let (width, end, floor) = (self.width, self.clock.end_of(epoch), self.clock.floor(epoch));
        let windows = &mut self.windows[place];
        for window in windows.iter_mut() {
            let over = window.start.ns().saturating_add(width.ns()) <= end.ns();
            if !over || !window.touched {
                continue;
            }
            window.touched = false;
            if let Some(revision) = window.renew() {
                let ts_open = window.start;
                let change = if revision == 0 { Change::Added } else { Change::Revised };
                let key = RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change };
                window.shown.iter().for_each(|(output, _)| emit(key, output));
            }
        }
        while windows.len() > 1 && windows[0].start.ns().saturating_add(width.ns()) <= floor.ns() {
            windows.pop_front();
        }
    }
}

/// The epoch with which the interval at `start` is over.
fn over(start: Time, width: Width, clock: Clockwork) -> Epoch {
    clock.epoch.of(Time::from_ns(start.ns().saturating_add(width.ns()))) - 1
}

impl<K, C> Parts for Windowed<K, C>
where
    K: Kernel<Output = C::Kernel> + Clone,
    K::Input: At + Clone,
    C: Cell,
{
    fn snapshot(&mut self, before: Epoch, of: &dyn Fn(SymbolId) -> bool, to: &mut Snapshot) {
        to.i64(before);
        save_symbols(&self.index, of, to, |place, to| {
            self.timelines.save(place, to);
            let windows = &self.windows[place];
            to.u64(windows.len() as u64);
            windows.iter().for_each(|window| window.save(to));
        });
    }

    fn restore(&mut self, of: &dyn Fn(SymbolId) -> bool, from: &mut Restore<'_>) {
        let before = from.i64();
        load_symbols(of, from, |symbol, from| {
            let place = self.place(symbol);
            self.timelines.load(place, from);
            for _ in 0..from.u64() {
                let window = Window::<C>::load(from);
                let over = over(window.start, self.width, self.clock);
                if over >= before {
                    self.closing.entry(over).or_default().push(place as u32);
                }
                self.windows[place].push_back(window);
            }
        });
    }
}

impl<C: Cell> Words for Window<C> {
    fn save(&self, to: &mut Snapshot) {
        to.i64(self.start.ns());
        to.u64(u64::from(self.touched) << 1 | u64::from(self.shown.is_some()));
        self.output.save(to);
        if let Some((output, revision)) = &self.shown {
            output.save(to);
            to.u64(u64::from(*revision));
        }
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let (start, word) = (Time::from_ns(from.i64()), from.u64());
        let output = C::load(from);
        let shown = (word & 1 == 1).then(|| (C::load(from), from.u64() as u32));
        Window { start, output, shown, touched: word >> 1 == 1 }
    }
}

impl<C: Cell> Window<C> {
    /// Makes the output what is shown; its revision where it is new.
    fn renew(&mut self) -> Option<u32> {
        let revision = match &self.shown {
            Some((shown, _)) if shown.same(&self.output) => return None,
            Some((_, revision)) => revision + 1,
            None => 0,
        };
        self.shown = Some((self.output.clone(), revision));
        Some(revision)
    }
}

/// Takes an entry's output as that of its interval, until the next one in it is said; whether the
/// interval is new. Only a changed entry begins or touches one: those before it are only replayed.
fn touch<C: Cell>(windows: &mut VecDeque<Window<C>>, start: Time, entry: &Settled<'_, C>) -> bool {
    let at = windows.iter().rposition(|window| window.start <= start);
    match at {
        Some(at) if windows[at].start == start => {
            windows[at].touched |= entry.changed;
            windows[at].output.clone_from(entry.output);
            false
        }
        at => {
            if entry.changed {
                let output = entry.output.clone();
                let window = Window { start, output, shown: None, touched: true };
                windows.insert(at.map_or(0, |at| at + 1), window);
            }
            entry.changed
        }
    }
}
