//! `windowed`: inputs of a key gathered by wider intervals, one output an interval.
//!
//! The kernel takes the inputs in order and begins anew where an interval does; an interval's output is
//! the kernel's after the last input of it that is there. It is handed out when the interval is over, at the
//! interval's own time, and again whenever a change of its inputs changes it; when none is left it is there no
//! more.
//!
//! An interval may be wider than the horizon, so that inputs of it are forgotten while others can still go. What
//! the interval was before those is in the state that stands before them, from which the kernel says it again
//! ([`Recall`]): a change takes the outputs of all intervals from that state on away, and the state and the
//! inputs that are run again give those back that are still there.

use super::output::change_of;
use super::parts::{Parts, load_symbols, save_symbols};
use super::{At, Cell, Clockwork, Settled, Step, SymbolIndex, Timelines, Upsert, Words};
use market::{Change, Epoch, RowKey, SymbolId, Time, Width};
use operators::{Recall, Restore, Snapshot};
use std::collections::{BTreeMap, VecDeque};

/// An interval of one key.
struct Window<C> {
    start: Time,
    /// The kernel's output after the last input of the interval.
    output: C,
    /// Whether an input of the interval is there.
    is_live: bool,
    /// What was handed out last, where it is there.
    shown: Option<C>,
    /// How often it was handed out, removals included.
    said: u32,
    touched: bool,
}

/// The intervals of one width on one worker.
pub struct Windowed<K: Recall, C> {
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
    K: Recall<Output = C::Kernel> + Clone,
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

    /// The outputs of each key that were handed out, are there and can still change, in order of time.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (SymbolId, Vec<C>)> + '_ {
        let outputs = |windows: &VecDeque<Window<C>>| {
            windows.iter().filter_map(|window| window.shown.clone()).collect()
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
        changes: impl Iterator<Item = Upsert<'a, K::Input>>,
        emit: impl FnMut(RowKey, &C),
    ) where
        K::Input: 'a,
    {
        let place = self.place(symbol);
        let (width, clock, closing) = (self.width, self.clock, &mut self.closing);
        let windows = &mut self.windows[place];
        self.timelines.apply(place, changes, |step| match step {
            Step::Rewound(at, kernel) => rewind(windows, width, at, kernel),
            Step::Settled(entry) => {
                let start = width.open_of(entry.at);
                if touch(windows, start, &entry) {
                    let over = over(start, width, clock);
                    if over > epoch {
                        closing.entry(over).or_default().push(place as u32);
                    }
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
            if let Some((revision, change)) = window.renew() {
                let ts_open = window.start;
                let key = RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change };
                match &window.shown {
                    Some(output) => emit(key, output),
                    None => emit(key, &window.output.blank(ts_open)),
                }
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
    K: Recall<Output = C::Kernel> + Clone,
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
        let flags = [self.is_live, self.touched, self.shown.is_some()].map(u64::from);
        to.u64(u64::from(self.said) << 3 | flags[2] << 2 | flags[1] << 1 | flags[0]);
        self.output.save(to);
        self.shown.iter().for_each(|output| output.save(to));
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let (start, word) = (Time::from_ns(from.i64()), from.u64());
        let [is_live, touched, is_shown] = [0, 1, 2].map(|bit| word >> bit & 1 == 1);
        let output = C::load(from);
        let shown = is_shown.then(|| C::load(from));
        Window { start, output, is_live, shown, said: (word >> 3) as u32, touched }
    }
}

impl<C: Cell> Window<C> {
    /// Makes what is there now what is shown; its revision and what became of it, where it is another.
    fn renew(&mut self) -> Option<(u32, Change)> {
        let now = self.is_live.then_some(&self.output);
        let change = change_of(self.shown.as_ref(), now)?;
        self.shown = now.cloned();
        self.said += 1;
        Some((self.said - 1, change))
    }
}

/// Takes away what intervals were that go on behind `at`, and gives that one its output again which has inputs
/// before: the kernel's state has taken them in, whether they are kept or not.
fn rewind<K, C>(windows: &mut VecDeque<Window<C>>, width: Width, at: Time, kernel: &K)
where
    K: Recall<Output = C::Kernel>,
    C: Cell,
{
    let is_behind =
        |window: &&mut Window<C>| window.start.ns().saturating_add(width.ns()) > at.ns();
    for window in windows.iter_mut().rev().take_while(is_behind) {
        window.touched = true;
        window.is_live = kernel.recall(window.start, window.output.target());
    }
}

/// Takes an entry's output as that of its interval, until the next one in it is said; whether the
/// interval is new. Only a changed entry begins or touches one: those before it are only replayed. One that is
/// gone says nothing: its interval is what the entries before it say.
fn touch<C: Cell>(windows: &mut VecDeque<Window<C>>, start: Time, entry: &Settled<'_, C>) -> bool {
    if entry.is_removed() {
        return false;
    }
    let at = windows.iter().rposition(|window| window.start <= start);
    match at {
        Some(at) if windows[at].start == start => {
            windows[at].touched |= entry.change.is_some();
            windows[at].is_live = true;
            windows[at].output.clone_from(entry.output);
            false
        }
        at => {
            if entry.change.is_some() {
                let (output, is_live) = (entry.output.clone(), true);
                let (shown, said, touched) = (None, 0, true);
                let window = Window { start, output, is_live, shown, said, touched };
                windows.insert(at.map_or(0, |at| at + 1), window);
            }
            entry.change.is_some()
        }
    }
}

#[cfg(test)]
#[path = "windowed_tests.rs"]
mod tests;
