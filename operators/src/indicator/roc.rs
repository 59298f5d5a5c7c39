//! ROC: rate of change.
//!
//! ```text
//! roc[t] = 100 (x[t] / x[t-n] - 1),   0 where x[t-n] is 0
//! ```
//!
//! Percent. First value at bar n. TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of n + 1 words.

use super::{Input, Period, Ring};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Rate of change.
#[derive(Clone, Debug)]
pub struct Roc {
    input: Input,
    ring: Ring<f64>,
}

impl Roc {
    /// Relative change of `input` over `period` bars.
    pub fn new(period: Period, input: Input) -> Self {
        Roc { input, ring: Ring::new(period) }
    }
}

impl Kernel for Roc {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        output[0] = match self.ring.push(value) {
            None => f64::NAN,
            Some(0.0) => 0.0,
            Some(before) => (value / before - 1.0) * 100.0,
        };
    }

    fn snapshot(&self, to: &mut Snapshot) {
        self.ring.snapshot(to, |cells, to| to.f64s(cells));
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.ring.restore(from, |cells, from| from.f64s(cells));
    }
}
