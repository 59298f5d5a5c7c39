//! A period: how many bars an indicator looks back on.

use std::fmt;
use std::num::NonZeroU32;

/// A count of bars, from 1 to [`Period::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(NonZeroU32);

impl Period {
    /// The greatest period, as in TA-Lib. It bounds every window's memory.
    pub const MAX: u32 = 100_000;

    /// A period of `bars`, unless that is 0 or more than [`Period::MAX`].
    pub const fn new(bars: u32) -> Option<Self> {
        match NonZeroU32::new(bars) {
            Some(count) if bars <= Period::MAX => Some(Period(count)),
            _ => None,
        }
    }

    /// Bars.
    #[inline]
    pub const fn bars(self) -> u32 {
        self.0.get()
    }

    /// Bars, as a divisor.
    #[inline]
    pub fn as_f64(self) -> f64 {
        f64::from(self.bars())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
