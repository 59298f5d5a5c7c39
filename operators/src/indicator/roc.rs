//! ROC: rate of change.
//!
//! ```text
//! roc[t] = 100 (x[t] / x[t-n] - 1),   0 where x[t-n] is 0
//! ```
//!
//! Percent. First value at bar n. TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of n + 1 words.

use super::{Indicator, Input, Period, Ring};
use market::Bar;

/// Rate of change.
#[derive(Clone, Debug)]
pub struct Roc {
    input: Input,
    period: Period,
}

impl Roc {
    /// Relative change of `input` over `period` bars.
    pub fn new(period: Period, input: Input) -> Self {
        Roc { input, period }
    }
}

impl Indicator for Roc {
    fn words(&self) -> usize {
        Ring::<f64>::words(self.period)
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        output[0] = match Ring::over(state).push(value) {
            None => f64::NAN,
            Some(0.0) => 0.0,
            Some(before) => (value / before - 1.0) * 100.0,
        };
    }
}
