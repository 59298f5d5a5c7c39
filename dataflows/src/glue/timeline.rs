//! The inputs of all keys of one width in order of time, each key through a kernel, revisable.
//!
//! ```text
//!   entries   b0  b1  b2  b3  b4  b5  b6      a key's inputs of the horizon
//!   copies   ^c0             ^c4              its states before an entry, every COPY_EVERY intervals
//!   a change at b2: restore c0, replay b0..b6, hand out the entries whose output changed
//! ```
//!
//! Outputs are not kept: before the first change of a round the old inputs are replayed once, so that the
//! new outputs can be compared with the old. Changes are rare and appends are not. Entries of one interval
//! lie side by side for all keys, so an append writes where the one before it wrote.
//!
//! Invariants: before every entry that can change, less than [`COPY_EVERY`] intervals back, stands a copy;
//! a key's first copy is the state before all its entries from there on, and after all older ones; its
//! kernel stands after its newest entry. Appending costs the kernel's update plus a state copy every
//! [`COPY_EVERY`] intervals; a change costs the updates from the copy before it on, twice. Memory: the
//! inputs of the horizon and of [`COPY_EVERY`] intervals more, an eighth as many states.

use super::Words;
use super::grid::Grid;
use super::parts::Line;
use super::parts::measured;
use market::{Bar, Time, Width};
use operators::{Kernel, Restore, Snapshot};

/// Intervals between two state copies.
const COPY_EVERY: i64 = 8;

/// An input with a place in time.
pub trait At: Words {
    /// Where it stands; no two inputs of a key stand at the same time.
    fn at(&self) -> Time;
}

impl At for Bar {
    #[inline]
    fn at(&self) -> Time {
        self.ts_open
    }
}

/// A place that a kernel writes its output to.
pub trait Cell: Clone + Words {
    /// What the kernel writes into.
    type Kernel: ?Sized;
    /// The place to write.
    fn target(&mut self) -> &mut Self::Kernel;
    /// Whether two outputs are the same, bit for bit.
    fn same(&self, other: &Self) -> bool;
}

impl Cell for Bar {
    type Kernel = Bar;

    fn target(&mut self) -> &mut Bar {
        self
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Cell for Box<[f64]> {
    type Kernel = [f64];

    #[inline]
    fn target(&mut self) -> &mut [f64] {
        self
    }

    fn same(&self, other: &Self) -> bool {
        self.iter().zip(other.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

struct Entry<I> {
    input: I,
    revision: u32,
}

/// What is said of an entry that is new or was run again.
pub struct Settled<'a, C> {
    /// Where the entry stands.
    pub at: Time,
    /// The output after it.
    pub output: &'a C,
    /// How often the output changed.
    pub revision: u32,
    /// Whether it is new or changed now.
    pub changed: bool,
}

/// One key: its kernel, and how far it came.
struct Series<K> {
    kernel: K,
    /// Where the newest entry stands.
    newest: Time,
    /// Where the newest copy stands.
    copied: Time,
}

/// The entries of all keys that can still change, and the kernels behind them.
pub struct Timelines<K: Kernel, C> {
    width: Width,
    series: Vec<Series<K>>,
    entries: Grid<Entry<K::Input>>,
    copies: Grid<Snapshot>,
    /// Where kernels write, one after the other.
    output: C,
    /// A key's outputs as they were before the changes that are being made.
    before: Vec<(Time, C)>,
    /// What ended by then cannot change any more.
    floor: Time,
    /// A key's state while its kernel runs over older entries.
    now: Snapshot,
}

const NEVER: Time = Time::from_ns(i64::MIN);
/// Where nothing begins.
const LATEST: Time = Time::from_ns(i64::MAX);

impl<K, C> Timelines<K, C>
where
    K: Kernel<Output = C::Kernel>,
    K::Input: At + Clone,
    C: Cell,
{
    /// No keys yet; inputs are of `width`, kernels write to `output`.
    pub fn new(width: Width, output: C) -> Self {
        let (entries, copies, now) = (Grid::default(), Grid::default(), Snapshot::default());
        let (series, before) = (Vec::new(), Vec::new());
        Timelines { width, series, entries, copies, output, before, floor: NEVER, now }
    }

    /// Keys so far.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds the next key.
    pub fn add(&mut self, kernel: K) {
        self.series.push(Series { kernel, newest: NEVER, copied: NEVER });
    }

    /// Takes inputs of a key, in order of time, each in the place of the one at the same time if there is
    /// one; says what came of every entry that is new or was run again, in order of time.
    #[inline]
    pub fn apply<'a>(
        &mut self,
        key: usize,
        inputs: impl Iterator<Item = &'a K::Input>,
        mut emit: impl FnMut(Settled<'_, C>),
    ) where
        K::Input: 'a,
    {
        let mut dirty = None;
        for input in inputs {
            let at = input.at();
            if at > self.series[key].newest {
                if let Some(from) = dirty.take() {
                    self.replay(key, from, &mut emit);
                }
                self.append(key, input, 0);
                emit(Settled { at, output: &self.output, revision: 0, changed: true });
                continue;
            }
            if dirty.is_none() {
                self.keep_outputs(key, at);
                dirty = Some(at);
            }
            self.put(key, input);
        }
        if let Some(from) = dirty {
            self.replay(key, from, &mut emit);
        }
    }

    /// Takes the input that follows all others of its key: nearly every one.
    #[inline]
    fn append(&mut self, key: usize, input: &K::Input, revision: u32) {
        let at = input.at();
        if self.is_due(key, self.series[key].copied, at) {
            self.copy(key, at);
        }
        let series = &mut self.series[key];
        series.kernel.update(input, self.output.target());
        series.newest = at;
        let column = self.entries.column(at);
        self.entries.cell_or(column, key, || Entry { input: input.clone(), revision });
    }

    /// Whether the state before the entry at `at` is to be copied, when the copy before stands at
    /// `copied`. Keys take turns, so that they do not all copy at the same bar.
    #[inline]
    fn is_due(&self, key: usize, copied: Time, at: Time) -> bool {
        let width = self.width.ns();
        let turn = (at.ns() / width).wrapping_add(key as i64) & (COPY_EVERY - 1) == 0;
        turn || at.ns().saturating_sub(copied.ns()) / width >= COPY_EVERY
    }

    fn copy(&mut self, key: usize, at: Time) {
        let column = self.copies.column(at);
        let state = self.copies.cell_or(column, key, Snapshot::default);
        state.clear();
        let series = &mut self.series[key];
        series.kernel.snapshot(state);
        series.copied = series.copied.max(at);
    }

    /// Puts a late input among the entries.
    fn put(&mut self, key: usize, input: &K::Input) {
        let column = self.entries.column(input.at());
        let new = || Entry { input: input.clone(), revision: 0 };
        self.entries.cell_or(column, key, new).input = input.clone();
    }

    /// Restores a state before `at` to replay from; where it stands. The newest copy up to `at`, or,
    /// where that one was forgotten and all entries between with it, the first one after.
    fn rewind(&mut self, key: usize, at: Time) -> Time {
        let copy = self.copies.last(at, key).or_else(|| self.copies.first(at, key));
        let (from, state) = copy.expect("a copy stands before every entry that can change");
        self.series[key].kernel.restore(&mut state.reader());
        from
    }

    /// Keeps every output from `at` on as it is, before the first change there.
    fn keep_outputs(&mut self, key: usize, at: Time) {
        self.before.clear();
        let mut from = self.rewind(key, at);
        let kernel = &mut self.series[key].kernel;
        while let Some((at, entry)) = self.entries.first(from, key) {
            kernel.update(&entry.input, self.output.target());
            self.before.push((at, self.output.clone()));
            from = after(at);
        }
    }

    /// Runs the kernel over every entry from `at` on, or from the copy before it, and says what came of
    /// each; copies on the way are taken anew.
    fn replay(&mut self, key: usize, at: Time, emit: &mut impl FnMut(Settled<'_, C>)) {
        let mut from = self.rewind(key, at).min(at);
        let mut copied = NEVER;
        while let Some((at, _)) = self.entries.first(from, key) {
            if self.is_due(key, copied, at) || self.copies.has(at, key) {
                self.copy(key, at);
                copied = at;
            }
            let Some(entry) = self.entries.get_mut(at, key) else { return };
            self.series[key].kernel.update(&entry.input, self.output.target());
            let old = self.before.binary_search_by_key(&at, |(at, _)| *at);
            let changed = old.map_or(true, |old| !self.before[old].1.same(&self.output));
            entry.revision += u32::from(changed && old.is_ok());
            let revision = entry.revision;
            emit(Settled { at, output: &self.output, revision, changed });
            from = after(at);
        }
    }

    /// Forgets what no change can need: nothing changes any more that ended by `floor`.
    #[inline]
    pub fn forget(&mut self, floor: Time) {
        self.floor = floor;
        let kept_ns = (COPY_EVERY + 1).saturating_mul(self.width.ns());
        let until = Time::from_ns(floor.ns().saturating_sub(kept_ns));
        self.entries.forget(until, |_, _| ());
        self.copies.forget(until, |_, _| ());
    }

    /// Appends a key's state before the first entry that can still change, and the entries from there on.
    pub fn save(&mut self, key: usize, to: &mut Snapshot) {
        let changeable = Time::from_ns(self.floor.ns().saturating_sub(self.width.ns() - 1));
        let first = self.entries.first(changeable, key).map_or(LATEST, |(at, _)| at);
        to.i64(self.series[key].newest.ns());
        measured(to, |to| match first {
            LATEST => self.series[key].kernel.snapshot(to),
            _ => self.save_before(key, first, to),
        });
        to.counted(|to| {
            let entries = self.entries.cells_from(first, key);
            let each = entries.map(|entry| {
                to.u64(u64::from(entry.revision));
                entry.input.save(to);
            });
            each.count() as u64
        });
    }

    /// Appends the state before the entry at `first`: that of a copy, run forward.
    fn save_before(&mut self, key: usize, first: Time, to: &mut Snapshot) {
        self.now.clear();
        self.series[key].kernel.snapshot(&mut self.now);
        let mut from = self.rewind(key, first);
        let kernel = &mut self.series[key].kernel;
        while let Some((at, entry)) = self.entries.first(from, key).filter(|(at, _)| *at < first) {
            kernel.update(&entry.input, self.output.target());
            from = after(at);
        }
        kernel.snapshot(to);
        kernel.restore(&mut self.now.reader());
    }

    /// Gives a key, which has no entry yet, what [`Timelines::save`] wrote of one with an equal kernel.
    pub fn load(&mut self, key: usize, from: &mut Restore<'_>) {
        let line = Line::<K::Input>::load(from);
        self.series[key].kernel.restore(&mut Restore::new(&line.state));
        for (revision, input) in &line.inputs {
            self.append(key, input, *revision);
        }
        self.series[key].newest = line.newest;
    }
}

fn after(at: Time) -> Time {
    Time::from_ns(at.ns().saturating_add(1))
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
