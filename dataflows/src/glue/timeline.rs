//! One key's inputs in time order through a kernel, revisable.
//!
//! ```text
//!   entries   b0  b1  b2  b3  b4  b5  b6      inputs of the horizon
//!   copies   ^c0             ^c4              states before an entry, every COPY_EVERY
//!   a change at b2: restore c0, replay b0..b6, hand out the entries whose output changed
//! ```
//!
//! Outputs are not kept: before the first change of a round the old inputs are replayed once, so that the
//! new outputs can be compared with the old. Changes are rare and appends are not.
//!
//! Invariants: `copies[0]` is the state before the oldest entry; the kernel's state stands after entry
//! `done`; an entry's revision counts how often its output changed. Appending costs the kernel's update
//! plus a state copy every [`COPY_EVERY`] entries; a change costs the updates of the horizon, twice.
//! Memory: the horizon's inputs and states, and at most two copy intervals more.

use super::Words;
use market::{Bar, Time};
use operators::{Kernel, Restore, Snapshot};
use std::collections::VecDeque;

/// Entries between two state copies.
const COPY_EVERY: u64 = 8;

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
    fresh: bool,
}

/// What a settling says of an entry.
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

struct StateCopy {
    before: u64,
    state: Snapshot,
}

/// The entries of one key that can still change, and the kernel behind them.
pub struct Timeline<K: Kernel, C> {
    kernel: K,
    entries: VecDeque<Entry<K::Input>>,
    copies: VecDeque<StateCopy>,
    /// Number of the oldest entry, counted from the key's first.
    first: u64,
    /// Entries whose effect the kernel's state holds: those numbered below it.
    done: u64,
    /// The least entry that changed since the last settling.
    dirty: u64,
    /// Shifts where copies fall, so that keys do not all copy at the same bar.
    phase: u64,
    /// Where the newest entry stands.
    newest: Time,
    /// Where the last entry before the second copy stands: nothing can be forgotten before it is old.
    oldest_kept: Time,
    /// Outputs as they were before the changes that wait for a settling.
    before: Vec<(Time, C)>,
    spare_copies: Vec<Snapshot>,
}

const NEVER: Time = Time::from_ns(i64::MIN);
const FOREVER: Time = Time::from_ns(i64::MAX);

impl<K, C> Timeline<K, C>
where
    K: Kernel<Output = C::Kernel>,
    K::Input: At + Clone,
    C: Cell,
{
    /// No entries yet.
    pub fn new(kernel: K, phase: usize) -> Self {
        Timeline {
            kernel,
            entries: VecDeque::new(),
            copies: VecDeque::new(),
            first: 0,
            done: 0,
            dirty: u64::MAX,
            phase: phase as u64 % COPY_EVERY,
            newest: NEVER,
            oldest_kept: FOREVER,
            before: Vec::new(),
            spare_copies: Vec::new(),
        }
    }

    /// Inputs that are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts in an input, or puts it in the place of the one at the same time. Takes effect when settled.
    /// `output` is a place to write to, as it is for [`Timeline::settle`]; keys may share it.
    #[inline]
    pub fn upsert(&mut self, input: &K::Input, output: &mut C) {
        let at = input.at();
        let end = self.first + self.entries.len() as u64;
        if at > self.newest || self.entries.is_empty() {
            self.newest = at;
            self.entries.push_back(Entry { input: input.clone(), revision: 0, fresh: true });
            self.dirty = self.dirty.min(end);
        } else {
            self.revise(input, at, output);
        }
    }

    #[cold]
    fn revise(&mut self, input: &K::Input, at: Time, output: &mut C) {
        self.keep_outputs(output);
        let place = self.entries.partition_point(|entry| entry.input.at() < at);
        let number = self.first + place as u64;
        match self.entries.get_mut(place).filter(|entry| entry.input.at() == at) {
            Some(entry) => entry.input = input.clone(),
            None => {
                let entry = Entry { input: input.clone(), revision: 0, fresh: true };
                self.entries.insert(place, entry);
                // Entries after the place have new numbers: their copies stand before others now.
                while self.copies.back().is_some_and(|copy| copy.before > number) {
                    self.drop_last_copy();
                }
            }
        }
        self.dirty = self.dirty.min(number);
    }

    /// Keeps every output as it is, before the first change of a round.
    fn keep_outputs(&mut self, output: &mut C) {
        let Some(copy) = self.copies.front().filter(|_| self.before.is_empty()) else { return };
        self.kernel.restore(&mut copy.state.reader());
        for entry in self.entries.iter().take((self.done - self.first) as usize) {
            self.kernel.update(&entry.input, output.target());
            self.before.push((entry.input.at(), output.clone()));
        }
    }

    /// Runs the kernel over everything that changed and says what came of each entry, in order of time.
    pub fn settle(&mut self, output: &mut C, mut emit: impl FnMut(Settled<'_, C>)) {
        let dirty = std::mem::replace(&mut self.dirty, u64::MAX);
        if dirty == u64::MAX {
            return;
        }
        if dirty < self.done {
            self.rewind(dirty);
        }
        let end = self.first + self.entries.len() as u64;
        while self.done < end {
            self.copy_if_due();
            let entry = &mut self.entries[(self.done - self.first) as usize];
            self.kernel.update(&entry.input, output.target());
            self.done += 1;
            let (at, output) = (entry.input.at(), &*output);
            let changed = std::mem::take(&mut entry.fresh) || {
                let old = self.before.binary_search_by_key(&at, |(at, _)| *at);
                let changed = old.is_ok_and(|old| !self.before[old].1.same(output));
                entry.revision += u32::from(changed);
                changed
            };
            emit(Settled { at, output, revision: entry.revision, changed });
        }
        self.before.clear();
    }

    /// Restores the newest copy that stands before entry `dirty` or at it.
    fn rewind(&mut self, dirty: u64) {
        while self.copies.len() > 1 && self.copies.back().is_some_and(|c| c.before > dirty) {
            self.drop_last_copy();
        }
        let copy = self.copies.back().expect("the state before the oldest entry is kept");
        self.kernel.restore(&mut copy.state.reader());
        self.done = copy.before;
    }

    fn copy_if_due(&mut self) {
        let due = (self.done + self.phase).is_multiple_of(COPY_EVERY) || self.copies.is_empty();
        if !due || self.copies.back().is_some_and(|copy| copy.before == self.done) {
            return;
        }
        let mut state = self.spare_copies.pop().unwrap_or_default();
        state.clear();
        self.kernel.snapshot(&mut state);
        self.copies.push_back(StateCopy { before: self.done, state });
        self.note_oldest();
    }

    fn drop_last_copy(&mut self) {
        if let Some(copy) = self.copies.pop_back() {
            self.spare_copies.push(copy.state);
        }
        self.note_oldest();
    }

    fn note_oldest(&mut self) {
        let last = |copy: &StateCopy| copy.before.checked_sub(self.first + 1);
        let last = self.copies.get(1).and_then(last).and_then(|at| self.entries.get(at as usize));
        self.oldest_kept = last.map_or(FOREVER, |entry| entry.input.at());
    }

    /// Forgets entries from before `floor` as far as a copy allows: what is left can be replayed.
    #[inline]
    pub fn evict(&mut self, floor: Time) {
        while self.oldest_kept < floor {
            self.forget();
        }
    }

    /// Forgets the entries before the second copy.
    fn forget(&mut self) {
        if let Some(copy) = self.copies.pop_front() {
            self.spare_copies.push(copy.state);
        }
        if let Some(next) = self.copies.front() {
            self.entries.drain(..(next.before - self.first) as usize);
            self.first = next.before;
        }
        self.note_oldest();
    }
}

impl<K, C> Timeline<K, C>
where
    K: Kernel<Output = C::Kernel>,
    K::Input: At + Clone,
    C: Cell,
{
    /// Appends the state before the oldest entry, and the entries. All must be settled.
    pub fn save(&self, to: &mut Snapshot) {
        let oldest = self.copies.front().map_or(&[][..], |copy| copy.state.words());
        to.u64(oldest.len() as u64);
        oldest.iter().for_each(|&word| to.u64(word));
        to.u64(self.entries.len() as u64);
        for entry in &self.entries {
            to.u64(u64::from(entry.revision));
            entry.input.save(to);
        }
    }

    /// Takes on what [`Timeline::save`] of one with an equal kernel wrote; this one is new. The entries
    /// are run through the kernel again.
    pub fn load(&mut self, from: &mut Restore<'_>, output: &mut C) {
        let mut oldest = Snapshot::default();
        (0..from.u64()).for_each(|_| oldest.u64(from.u64()));
        for _ in 0..from.u64() {
            let revision = from.u64() as u32;
            let input = K::Input::load(from);
            self.newest = input.at();
            self.entries.push_back(Entry { input, revision, fresh: false });
        }
        if self.entries.is_empty() {
            return;
        }
        self.kernel.restore(&mut oldest.reader());
        self.dirty = 0;
        self.settle(output, |_| ());
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
