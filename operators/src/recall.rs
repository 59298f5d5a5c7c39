//! Kernels whose last output is a part of their state, so that it can be said again.
//!
//! What gathers inputs by intervals needs that: when the last input of an interval is taken back, the interval's
//! output is the one after the input before, which may be kept nowhere but in a state.

use crate::Kernel;
use market::Time;

/// A kernel that begins anew with every interval, and whose output is that of the interval so far.
pub trait Recall: Kernel {
    /// Writes again what the last update wrote, where its input lies in the interval that begins at `ts_open`;
    /// whether it does.
    fn recall(&self, ts_open: Time, output: &mut Self::Output) -> bool;
}
