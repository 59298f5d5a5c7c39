//! The glue: it knows no finance. It keeps order, revises by restoring and replaying, and evicts.

mod bars;
mod carry;
mod grid;
mod index;
mod input;
mod keyed;
#[cfg(test)]
mod laws;
mod output;
mod parts;
mod pending;
mod slot;
mod timeline;
mod windowed;

pub use bars::{BarBook, Empty};
pub use index::SymbolIndex;
pub(crate) use input::Entry;
pub use input::{At, Upsert};
pub use keyed::{Keyed, Lane};
pub use output::{Cell, Settled, Step};
pub(crate) use parts::{Line, load_symbols, save_lines};
pub use parts::{Parts, Words};
pub use pending::{Batch, Pending};
pub use timeline::Timelines;
pub use windowed::Windowed;

use market::{Epoch, EpochLength, Time};

/// What decides which bars are over and which can still change.
#[derive(Clone, Copy, Debug)]
pub struct Clockwork {
    /// Length of an epoch.
    pub epoch: EpochLength,
    /// How far back of the watermark a bar can still change.
    pub horizon_ns: i64,
}

impl Clockwork {
    /// Where `epoch` ends: bars that end by then are over once it is complete.
    #[inline]
    pub fn end_of(&self, epoch: Epoch) -> Time {
        self.epoch.start(epoch.saturating_add(1))
    }

    /// Once `epoch` is complete, bars that end by this time cannot change any more.
    #[inline]
    pub fn floor(&self, epoch: Epoch) -> Time {
        Time::from_ns(self.end_of(epoch).ns().saturating_sub(self.horizon_ns))
    }
}
