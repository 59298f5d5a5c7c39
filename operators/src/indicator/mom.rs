//! Momentum.
//!
//! ```text
//! mom[t] = x[t] - x[t-n]
//! ```
//!
//! Units of the input. First value at bar n. The difference of the two doubles, as TA-Lib takes it.
//! O(1) a step; a state of n + 1 words.

use super::{Indicator, Input, Period, Ring};
use market::Bar;

/// Momentum.
#[derive(Clone, Debug)]
pub struct Momentum {
    input: Input,
    period: Period,
}

impl Momentum {
    /// Change of `input` over `period` bars.
    pub fn new(period: Period, input: Input) -> Self {
        Momentum { input, period }
    }
}

impl Indicator for Momentum {
    fn words(&self) -> usize {
        Ring::<f64>::words(self.period)
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        let before = Ring::over(state).push(value);
        output[0] = before.map_or(f64::NAN, |before| value - before);
    }
}
