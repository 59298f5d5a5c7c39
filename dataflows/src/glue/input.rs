//! Inputs of a key: what is told of them, and what is kept.

use super::Words;
use market::{Bar, Time};
use operators::{Restore, Snapshot};

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

/// What becomes of a key's input at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsert<'a, I> {
    /// It is this one, in the place of the one at the same time if there is one.
    Put(&'a I),
    /// There is none at this time any more.
    Remove(Time),
}

impl<I: At> Upsert<'_, I> {
    /// Where the input stands, or stood.
    #[inline]
    pub fn at(&self) -> Time {
        match self {
            Upsert::Put(input) => input.at(),
            Upsert::Remove(at) => *at,
        }
    }
}

/// An input that is kept, with how often its output was handed out, a removal included.
///
/// One that was removed keeps its place, so that it can return and count on.
pub(crate) enum Entry<I> {
    Live { said: u32, input: I },
    Gone { said: u32, at: Time },
}

impl<I: At> Entry<I> {
    pub(crate) fn at(&self) -> Time {
        match self {
            Entry::Live { input, .. } => input.at(),
            Entry::Gone { at, .. } => *at,
        }
    }

    pub(crate) fn input(&self) -> Option<&I> {
        match self {
            Entry::Live { input, .. } => Some(input),
            Entry::Gone { .. } => None,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, Entry::Live { .. })
    }

    pub(super) fn said(&self) -> u32 {
        match self {
            Entry::Live { said, .. } | Entry::Gone { said, .. } => *said,
        }
    }

    /// Counts one more handing out; its revision.
    pub(super) fn say(&mut self) -> u32 {
        match self {
            Entry::Live { said, .. } | Entry::Gone { said, .. } => {
                *said += 1;
                *said - 1
            }
        }
    }

    /// What it is behind a change.
    pub(super) fn changed_by(&self, change: &Upsert<'_, I>) -> Self
    where
        I: Clone,
    {
        let said = self.said();
        match change {
            Upsert::Put(input) => Entry::Live { said, input: (*input).clone() },
            Upsert::Remove(at) => Entry::Gone { said, at: *at },
        }
    }
}

impl<I: At> Words for Entry<I> {
    fn save(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.said()) << 1 | u64::from(self.is_live()));
        match self {
            Entry::Live { input, .. } => input.save(to),
            Entry::Gone { at, .. } => to.i64(at.ns()),
        }
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let word = from.u64();
        let said = (word >> 1) as u32;
        match word & 1 {
            1 => Entry::Live { said, input: I::load(from) },
            _ => Entry::Gone { said, at: Time::from_ns(from.i64()) },
        }
    }
}
