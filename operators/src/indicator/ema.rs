//! EMA: exponential moving average.
//!
//! ```text
//! ema[n-1] = sma[n-1],   ema[t] = k x[t] + (1-k) ema[t-1],   k = 2 / (n + 1)
//! ```
//!
//! Units of the input. First value at bar n-1. TA-Lib's recursion, bit for bit.
//! O(1) a step; a state of 2 words.

use super::{Indicator, Input, Period, Smoothing, state};
use market::Bar;

/// Exponential moving average.
#[derive(Clone, Debug)]
pub struct Ema {
    input: Input,
    mean: Smoothing,
}

impl Ema {
    /// Of `input`, with k = 2 / (`period` + 1).
    pub fn new(period: Period, input: Input) -> Self {
        Ema { input, mean: Smoothing::exponential(period) }
    }
}

impl Indicator for Ema {
    fn words(&self) -> usize {
        Smoothing::WORDS
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        self.mean.push(state::fixed(state), self.input.value(bar), &mut output[0]);
    }
}
