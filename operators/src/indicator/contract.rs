//! The contract of an indicator: parameters here, state in words elsewhere.
//!
//! ```text
//! layout   sma(20)        ema(12)   rsi(14)   ...      parameters, one for all symbols of equal scales
//! state    [............] [..]      [....]    ...      one block of words for each symbol
//! ```
//!
//! An indicator keeps nothing but its words. So a snapshot is a copy of them and a restore a copy back:
//! there is nothing else that could be forgotten, and no way to write either wrongly.

use market::Bar;

/// A state machine from bars to a row of doubles whose whole state is words that it is lent.
///
/// The same words and the same bar give the same words and the same output, bit for bit: an indicator
/// reads no clock, keeps nothing to itself between two updates, and cannot fail. A step costs O(1) or
/// O(log n) and allocates nothing.
pub trait Indicator: Send + Sync {
    /// How many words its state has, always.
    fn words(&self) -> usize;

    /// Makes the state before the first bar of words that are all 0; as it is, it leaves them so.
    fn start(&self, _state: &mut [u64]) {}

    /// Takes in the next bar and writes every output, NaN while warming up. `state` has
    /// [`Indicator::words`] words, `output` a place for each column of the [`Spec`](super::Spec).
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]);
}
