//! OBV: on-balance volume.
//!
//! ```text
//! obv[0] = volume[0],   obv[t] = obv[t-1] + sign(close[t] - close[t-1]) volume[t]
//! ```
//!
//! Units of size. First value at bar 0. Granville (1963). A whole sum, which stops at the ends of 128
//! bits instead of wrapping. O(1) a step; a state of 4 words.

use super::number::to_f64;
use super::{Indicator, Word, state};
use market::{Bar, Scales};
use std::cmp::Ordering;

/// Whether there was a bar, its close, and the sum.
const WORDS: usize = 4;

/// On-balance volume.
#[derive(Clone, Debug)]
pub struct Obv {
    unit: f64,
}

impl Obv {
    /// Of bars with sizes of `scales`.
    pub fn new(scales: Scales) -> Self {
        Obv { unit: scales.size.unit() as f64 }
    }
}

impl Indicator for Obv {
    fn words(&self) -> usize {
        WORDS
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let [started, before, sum @ ..] = state::fixed::<WORDS>(state);
        // Rise and fall are as likely, so masks instead of branches: the volume, its negative, or none.
        let close = bar.close.raw();
        let order = if *started == 1 { close.cmp(&(*before as i64)) } else { Ordering::Greater };
        let negative = -i128::from(order == Ordering::Less);
        let moved = -i128::from(order != Ordering::Equal);
        let signed = (bar.volume.max(-i128::MAX) ^ negative) - negative;
        let total = i128::load(sum, 0).saturating_add(signed & moved);
        total.store(sum, 0);
        (*started, *before) = (1, close as u64);
        output[0] = to_f64(total) / self.unit;
    }
}
