//! VWAP: volume-weighted average price, of each bar or of the session so far.
//!
//! ```text
//! vwap          = sum(price * size) / sum(size) over the bar
//! vwap(session) = the same over the bars of the UTC day of `ts_open`, begun anew each day
//! ```
//!
//! Units of price. First value at bar 0; NaN where nothing traded yet (in the bar, in the session).
//! Whole sums, which stop at the ends of 128 bits instead of wrapping. O(1) a step; a state of 0 and
//! of 5 words.

use super::number::to_f64;
use super::{Indicator, Word, state};
use market::{Bar, Scales};

/// Volume-weighted average price of each bar.
#[derive(Clone, Debug)]
pub struct BarVwap {
    scales: Scales,
}

impl BarVwap {
    /// Of bars with `scales`.
    pub const fn new(scales: Scales) -> Self {
        BarVwap { scales }
    }
}

impl Indicator for BarVwap {
    fn words(&self) -> usize {
        0
    }

    #[inline]
    fn update(&self, _state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        output[0] = bar.vwap(self.scales);
    }
}

/// The day, then the sums of notional and volume.
const WORDS: usize = 5;

/// Volume-weighted average price of the session so far.
#[derive(Clone, Debug)]
pub struct SessionVwap {
    unit: f64,
}

impl SessionVwap {
    /// Of bars with `scales`.
    pub const fn new(scales: Scales) -> Self {
        SessionVwap { unit: scales.price.unit() as f64 }
    }
}

impl Indicator for SessionVwap {
    fn words(&self) -> usize {
        WORDS
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let (sums_of_day, sums) = state::fixed::<WORDS>(state).split_at_mut(1);
        let (notional_words, volume_words) = sums.split_at_mut(2);
        let day = bar.ts_open.day() as u64;
        let same = std::mem::replace(&mut sums_of_day[0], day) == day;
        let sum = |words: &mut [u64], more: i128| {
            let sum = if same { i128::load(words, 0) } else { 0 }.saturating_add(more);
            sum.store(words, 0);
            sum
        };
        let notional = sum(notional_words, bar.notional);
        let volume = sum(volume_words, bar.volume);
        let value = to_f64(notional) / to_f64(volume) / self.unit;
        output[0] = if volume == 0 { f64::NAN } else { value };
    }
}
