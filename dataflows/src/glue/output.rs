//! Outputs of a key: where kernels write them, and what is said of them.

use super::Words;
use market::{Bar, Change, Price, Time};

/// A place that a kernel writes its output to.
pub trait Cell: Clone + Words {
    /// What the kernel writes into.
    type Kernel: ?Sized;
    /// The place to write.
    fn target(&mut self) -> &mut Self::Kernel;
    /// Whether two outputs are the same, bit for bit.
    fn same(&self, other: &Self) -> bool;
    /// What stands in the place of an output like this one, of an input at that time, that is not there any more.
    fn blank(&self, at: Time) -> Self;
}

impl Cell for Bar {
    type Kernel = Bar;

    fn target(&mut self) -> &mut Bar {
        self
    }

    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn blank(&self, at: Time) -> Self {
        Bar::carried(at, Price::from_raw(0))
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

    fn blank(&self, _at: Time) -> Self {
        vec![f64::NAN; self.len()].into_boxed_slice()
    }
}

/// What a key's timeline says of changes, in order of time.
pub enum Step<'a, K, C> {
    /// What was said from this time on is said again, as far as it is still there, behind inputs that made this
    /// kernel's state.
    Rewound(Time, &'a K),
    /// What became of an input.
    Settled(Settled<'a, C>),
}

/// What is said of an input that is new, changed or gone, or was run again.
pub struct Settled<'a, C> {
    /// Where the input stands.
    pub at: Time,
    /// The output after it; of one that is gone it says nothing.
    pub output: &'a C,
    /// What became of the output now, with its revision; none where it is as it was.
    pub change: Option<(Change, u32)>,
}

impl<C> Settled<'_, C> {
    /// Whether the input is not there any more.
    pub fn is_removed(&self) -> bool {
        matches!(self.change, Some((Change::Removed, _)))
    }
}

/// What became of a row that was handed out as `before`, and is `now`; none where it is as it was.
#[inline]
pub(super) fn change_of<C: Cell>(before: Option<&C>, now: Option<&C>) -> Option<Change> {
    match (before, now) {
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(before), Some(now)) if !before.same(now) => Some(Change::Revised),
        _ => None,
    }
}
