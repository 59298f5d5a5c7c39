//! The inputs of all keys of one width in order of time, each key through a kernel, revisable.
//!
//! ```text
//!   entries   b0  b1  b2  --  b4  b5  b6      a key's inputs of the horizon, b3 removed
//!   copies   ^c0             ^c4              its states before an entry, every so many intervals
//!   a change at b2: restore c0, replay b0..b6, hand out the entries whose output changed
//! ```
//!
//! Outputs are not kept: before the first change of a round the old inputs are replayed once, so that the
//! new outputs can be compared with the old. Changes are rare and appends are not. Entries of one interval
//! lie side by side for all keys, so an append writes where the one before it wrote. An entry that was
//! removed stays without its input: a replay passes over it, and a copy that stands at it is taken anew.
//!
//! Invariants, for copies every `N` intervals: before every entry that can change, less than `N` intervals
//! back, stands a copy; a key's first copy is the state before all its entries from there on, and after all
//! older ones; its kernel stands after its newest entry. An entry counts as older or newer wherever it
//! stands, removed or not.
//!
//! `N` is the least power of two, from 4 to 64, for which one copy takes no more memory than `N` inputs.
//! Appending costs the kernel's update, and one copy in `N` inputs. A change costs the updates from the copy
//! before it on, twice, and the copies on the way: no more than in proportion to the bars from it on and
//! `N - 1` before it. Memory: the inputs of the horizon and of `N` intervals more, and for the copies about
//! as much again; where the state is larger than 64 inputs, as many times more as it is larger.

use super::grid::Grid;
use super::parts::{Line, measured};
use super::{At, Cell, Entry, Settled, Step, Upsert, Words};
use market::{Change, Time, Width};
use operators::{Kernel, Restore, Snapshot};

/// Fewest and most intervals between two copies of a state.
const COPY_EVERY: std::ops::RangeInclusive<usize> = 4..=64;

/// One key: its kernel, and how far it came.
struct Series<K> {
    kernel: K,
    /// Where the newest entry stands, kept or not, removed or not.
    newest: Time,
    /// Where the newest copy stands.
    copied: Time,
}

/// The entries of all keys that can still change, and the kernels behind them.
pub struct Timelines<K: Kernel, C> {
    width: Width,
    /// Intervals between two copies of a state: a power of two.
    copy_every: i64,
    series: Vec<Series<K>>,
    entries: Grid<Entry<K::Input>>,
    copies: Grid<Snapshot>,
    /// Copies that were forgotten, for their memory: at most as many as one interval takes.
    spare: Vec<Snapshot>,
    /// Where kernels write, one after the other.
    output: C,
    /// A key's outputs as they were before the changes that are being made: the first `kept`.
    before: Vec<(Time, C)>,
    kept: usize,
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
        Timelines {
            width,
            copy_every: *COPY_EVERY.start() as i64,
            series: Vec::new(),
            entries: Grid::default(),
            copies: Grid::default(),
            spare: Vec::new(),
            output,
            before: Vec::new(),
            kept: 0,
            floor: NEVER,
            now: Snapshot::default(),
        }
    }

    /// Keys so far.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds the next key. The first one's state says how often states are copied.
    pub fn add(&mut self, kernel: K) {
        if self.series.is_empty() {
            let mut state = Snapshot::default();
            kernel.snapshot(&mut state);
            let state = size_of::<Snapshot>() + size_of_val(state.words());
            self.copy_every = copy_every(state, size_of::<Entry<K::Input>>());
        }
        self.series.push(Series { kernel, newest: NEVER, copied: NEVER });
    }

    /// Takes changes of a key's inputs, in order of time; says what came of every entry that changed or was
    /// run again, in order of time.
    #[inline]
    pub fn apply<'a>(
        &mut self,
        key: usize,
        changes: impl Iterator<Item = Upsert<'a, K::Input>>,
        mut emit: impl FnMut(Step<'_, K, C>),
    ) where
        K::Input: 'a,
    {
        let mut dirty = None;
        for change in changes {
            let at = change.at();
            match change {
                Upsert::Put(input) if at > self.series[key].newest => {
                    if let Some(from) = dirty.take() {
                        self.replay(key, from, &mut emit);
                    }
                    self.append(key, input, 1);
                    let (output, change) = (&self.output, Some((Change::Added, 0)));
                    emit(Step::Settled(Settled { at, output, change }));
                }
                Upsert::Remove(at) if !self.is_live(key, at) => {}
                _ => {
                    if dirty.is_none() {
                        self.keep_outputs(key, at);
                        dirty = Some(at);
                    }
                    self.put(key, &change);
                }
            }
        }
        if let Some(from) = dirty {
            self.replay(key, from, &mut emit);
        }
    }

    /// Takes the input that follows all others of its key: nearly every one.
    #[inline]
    fn append(&mut self, key: usize, input: &K::Input, said: u32) {
        let at = input.at();
        self.stand_at(key, at);
        self.series[key].kernel.update(input, self.output.target());
        let column = self.entries.column(at);
        self.entries.cell_or(column, key, || Entry::Live { said, input: input.clone() });
    }

    /// Goes on to an entry behind all others; its state is copied if that is due.
    #[inline]
    fn stand_at(&mut self, key: usize, at: Time) {
        if self.is_due(key, self.series[key].copied, at) {
            self.copy(key, at);
        }
        self.series[key].newest = at;
    }

    /// Whether the input of a key at this time is there.
    fn is_live(&mut self, key: usize, at: Time) -> bool {
        self.entries.get_mut(at, key).is_some_and(|entry| entry.is_live())
    }

    /// Whether the state before the entry at `at` is to be copied, when the copy before stands at
    /// `copied`. Keys take turns, so that they do not all copy at the same bar.
    #[inline]
    fn is_due(&self, key: usize, copied: Time, at: Time) -> bool {
        let width = self.width.ns();
        let turn = (at.ns() / width).wrapping_add(key as i64) & (self.copy_every - 1) == 0;
        turn || at.ns().saturating_sub(copied.ns()) / width >= self.copy_every
    }

    fn copy(&mut self, key: usize, at: Time) {
        let column = self.copies.column(at);
        let spare = &mut self.spare;
        let state = self.copies.cell_or(column, key, || spare.pop().unwrap_or_default());
        state.clear();
        let series = &mut self.series[key];
        series.kernel.snapshot(state);
        series.copied = series.copied.max(at);
    }

    /// Changes an entry that is not new, or puts one among the others.
    fn put(&mut self, key: usize, change: &Upsert<'_, K::Input>) {
        let at = change.at();
        let column = self.entries.column(at);
        let entry = self.entries.cell_or(column, key, || Entry::Gone { said: 0, at });
        *entry = entry.changed_by(change);
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
        let from = self.rewind(key, at);
        let (mut column, mut kept) = (self.entries.columns_before(from), 0);
        let kernel = &mut self.series[key].kernel;
        while let Some((found, at, entry)) = self.entries.next(column, key) {
            column = found + 1;
            let Some(input) = entry.input() else { continue };
            kernel.update(input, self.output.target());
            // Those of an earlier round are written over.
            match self.before.get_mut(kept) {
                Some((place, output)) => {
                    *place = at;
                    output.clone_from(&self.output);
                }
                None => self.before.push((at, self.output.clone())),
            }
            kept += 1;
        }
        self.kept = kept;
    }

    /// Runs the kernel over every entry from `at` on, or from the copy before it, and says what came of
    /// each; copies on the way are taken anew.
    fn replay(&mut self, key: usize, at: Time, emit: &mut impl FnMut(Step<'_, K, C>)) {
        let from = self.rewind(key, at).min(at);
        let (mut column, mut copied) = (self.entries.columns_before(from), NEVER);
        emit(Step::Rewound(from, &self.series[key].kernel));
        while let Some((found, at, _)) = self.entries.next(column, key) {
            if self.is_due(key, copied, at) || self.copies.has(at, key) {
                self.copy(key, at);
                copied = at;
            }
            self.run_again(key, found, emit);
            column = found + 1;
        }
    }

    /// Runs the kernel over the entry in a column, if its input is there, and says what came of it.
    fn run_again(&mut self, key: usize, column: usize, emit: &mut impl FnMut(Step<'_, K, C>)) {
        let Some((_, at, entry)) = self.entries.next(column, key) else { return };
        let before = &self.before[..self.kept];
        let old = before.binary_search_by_key(&at, |(at, _)| *at).ok().map(|old| &before[old].1);
        if let Some(input) = entry.input() {
            self.series[key].kernel.update(input, self.output.target());
            let change = match old {
                Some(old) if old.same(&self.output) => None,
                // What a warm-up put in was never handed out.
                Some(_) if entry.said() > 0 => Some(Change::Revised),
                _ => Some(Change::Added),
            };
            let change = change.map(|change| (change, entry.say()));
            emit(Step::Settled(Settled { at, output: &self.output, change }));
        } else if old.is_some() && entry.said() > 0 {
            let change = Some((Change::Removed, entry.say()));
            emit(Step::Settled(Settled { at, output: &self.output.blank(at), change }));
        }
    }

    /// Forgets what no change can need: nothing changes any more that ended by `floor`.
    #[inline]
    pub fn forget(&mut self, floor: Time) {
        self.floor = floor;
        let kept_ns = (self.copy_every + 1).saturating_mul(self.width.ns());
        let until = Time::from_ns(floor.ns().saturating_sub(kept_ns));
        self.entries.forget(until, |_, _| ());
        let (spare, spare_max) =
            (&mut self.spare, self.series.len() / self.copy_every as usize + 1);
        self.copies.forget(until, |_, copy| {
            if spare.len() < spare_max {
                spare.push(std::mem::take(copy));
            }
        });
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
            entries.map(|entry| entry.save(to)).count() as u64
        });
    }

    /// Appends the state before the entry at `first`: that of a copy, run forward.
    fn save_before(&mut self, key: usize, first: Time, to: &mut Snapshot) {
        self.now.clear();
        self.series[key].kernel.snapshot(&mut self.now);
        let from = self.rewind(key, first);
        let mut column = self.entries.columns_before(from);
        let kernel = &mut self.series[key].kernel;
        while let Some((found, _, entry)) =
            self.entries.next(column, key).filter(|(_, at, _)| *at < first)
        {
            if let Some(input) = entry.input() {
                kernel.update(input, self.output.target());
            }
            column = found + 1;
        }
        kernel.snapshot(to);
        kernel.restore(&mut self.now.reader());
    }

    /// Gives a key, which has no entry yet, what [`Timelines::save`] wrote of one with an equal kernel.
    pub fn load(&mut self, key: usize, from: &mut Restore<'_>) {
        let line = Line::<K::Input>::load(from);
        self.series[key].kernel.restore(&mut Restore::new(&line.state));
        for entry in line.entries {
            match entry {
                Entry::Live { said, input } => self.append(key, &input, said),
                Entry::Gone { said, at } => {
                    self.stand_at(key, at);
                    let column = self.entries.column(at);
                    self.entries.cell_or(column, key, || Entry::Gone { said, at });
                }
            }
        }
        self.series[key].newest = line.newest;
    }
}

/// How many intervals lie between two copies of a state of so many bytes, an input taking so many.
fn copy_every(state: usize, input: usize) -> i64 {
    let inputs = state.div_ceil(input).next_power_of_two();
    inputs.clamp(*COPY_EVERY.start(), *COPY_EVERY.end()) as i64
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
