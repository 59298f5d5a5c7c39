//! One key's inputs in time order through a kernel, revisable.
//!
//! ```text
//!   entries   b0  b1  b2  b3  b4  b5  b6      inputs of the horizon, each with its output
//!   copies   ^c0             ^c4              states before an entry, every COPY_EVERY
//!   a change at b2: restore c0, replay b0..b6, hand out the entries whose output changed
//! ```
//!
//! Invariants: `copies[0]` is the state before the oldest entry; the kernel's state stands after entry
//! `done`; an entry's revision counts how often its output changed. Appending costs the kernel's update
//! plus a state copy every [`COPY_EVERY`] entries; a change costs the updates from the copy before it on.
//! Memory: the horizon's entries and at most two copy intervals more.

use market::{Bar, Time};
use operators::{Kernel, Snapshot};
use std::collections::VecDeque;

/// Entries between two state copies.
const COPY_EVERY: u64 = 8;

/// An input with a place in time.
pub trait At {
    /// Where it stands; no two inputs of a key stand at the same time.
    fn at(&self) -> Time;
}

impl At for Bar {
    #[inline]
    fn at(&self) -> Time {
        self.ts_open
    }
}

/// Keeps a kernel's output beside its entry.
pub trait Cell: Clone {
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

    fn target(&mut self) -> &mut [f64] {
        self
    }

    fn same(&self, other: &Self) -> bool {
        self.iter().zip(other.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

/// An input, what the kernel made of it, and how often that changed.
pub struct Entry<I, C> {
    /// The input.
    pub input: I,
    /// The output after it.
    pub output: C,
    /// How often the output changed.
    pub revision: u32,
    fresh: bool,
}

struct StateCopy {
    before: u64,
    state: Snapshot,
}

/// The entries of one key that can still change, and the kernel behind them.
pub struct Timeline<K: Kernel, C> {
    kernel: K,
    entries: VecDeque<Entry<K::Input, C>>,
    copies: VecDeque<StateCopy>,
    /// Number of the oldest entry, counted from the key's first.
    first: u64,
    /// Entries whose effect the kernel's state holds: those numbered below it.
    done: u64,
    /// The least entry that changed since the last settling.
    dirty: u64,
    /// Shifts where copies fall, so that keys do not all copy at the same bar.
    phase: u64,
    blank: C,
    spare_outputs: Vec<C>,
    spare_copies: Vec<Snapshot>,
}

impl<K, C> Timeline<K, C>
where
    K: Kernel<Output = C::Kernel>,
    K::Input: At + Clone,
    C: Cell,
{
    /// No entries yet; `blank` is an output to write into.
    pub fn new(kernel: K, blank: C, phase: usize) -> Self {
        Timeline {
            kernel,
            entries: VecDeque::new(),
            copies: VecDeque::new(),
            first: 0,
            done: 0,
            dirty: u64::MAX,
            phase: phase as u64 % COPY_EVERY,
            blank,
            spare_outputs: Vec::new(),
            spare_copies: Vec::new(),
        }
    }

    /// The entries that can still change, in order of time.
    pub fn entries(&self) -> &VecDeque<Entry<K::Input, C>> {
        &self.entries
    }

    /// Puts in an input, or puts it in the place of the one at the same time. Takes effect when settled.
    pub fn upsert(&mut self, input: &K::Input) {
        let at = input.at();
        let mut place = self.entries.len();
        while place > 0 && self.entries[place - 1].input.at() >= at {
            place -= 1;
        }
        match self.entries.get_mut(place).filter(|entry| entry.input.at() == at) {
            Some(entry) => entry.input = input.clone(),
            None => self.insert(place, input),
        }
        self.dirty = self.dirty.min(self.first + place as u64);
    }

    fn insert(&mut self, place: usize, input: &K::Input) {
        let output = self.spare_outputs.pop().unwrap_or_else(|| self.blank.clone());
        let entry = Entry { input: input.clone(), output, revision: 0, fresh: true };
        if place == self.entries.len() {
            self.entries.push_back(entry);
            return;
        }
        self.entries.insert(place, entry);
        // Entries after the place have new numbers: their copies stand before other entries now.
        let number = self.first + place as u64;
        while self.copies.back().is_some_and(|copy| copy.before > number) {
            self.drop_last_copy();
        }
    }

    /// Runs the kernel over everything that changed and hands out the entries whose output is new.
    pub fn settle(&mut self, mut emit: impl FnMut(&Entry<K::Input, C>)) {
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
            if entry.fresh {
                entry.fresh = false;
                self.kernel.update(&entry.input, entry.output.target());
                emit(entry);
            } else {
                self.kernel.update(&entry.input, self.blank.target());
                if !entry.output.same(&self.blank) {
                    std::mem::swap(&mut entry.output, &mut self.blank);
                    entry.revision += 1;
                    emit(entry);
                }
            }
            self.done += 1;
        }
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
    }

    fn drop_last_copy(&mut self) {
        if let Some(copy) = self.copies.pop_back() {
            self.spare_copies.push(copy.state);
        }
    }

    /// Forgets entries from before `floor` as far as a copy allows: what is left can be replayed.
    pub fn evict(&mut self, floor: Time) {
        while let Some(next) = self.copies.get(1) {
            let count = (next.before - self.first) as usize;
            // The newest entry stays, whatever its age: a window may still have to name its value.
            if count >= self.entries.len() || self.entries[count - 1].input.at() >= floor {
                return;
            }
            let outputs = self.entries.drain(..count).map(|entry| entry.output);
            self.spare_outputs.extend(outputs);
            self.first = next.before;
            if let Some(copy) = self.copies.pop_front() {
                self.spare_copies.push(copy.state);
            }
        }
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
