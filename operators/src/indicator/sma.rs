//! SMA: simple moving average.
//!
//! ```text
//! sma[t] = (x[t-n+1] + ... + x[t]) / n
//! ```
//!
//! Units of the input. First value at bar n-1. The sum is a whole number, so it never drifts.
//! O(1) a step; a state of n + 3 words (2n + 3 for fields wider than 64 bits).

use super::number::to_f64;
use super::window::Total;
use super::{Cell, Input, Period};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Simple moving average.
#[derive(Clone, Debug)]
pub struct Sma<T = i64> {
    input: Input,
    total: Total<T>,
    divisor: f64,
}

impl<T: Cell> Sma<T> {
    /// Over the last `period` values of `input`.
    pub fn new(period: Period, input: Input) -> Self {
        Sma { input, total: Total::new(period), divisor: input.unit() * period.as_f64() }
    }
}

impl<T: Cell> Kernel for Sma<T> {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let total = self.total.push(T::read(self.input, bar));
        output[0] = total.map_or(f64::NAN, |total| to_f64(total) / self.divisor);
    }

    fn snapshot(&self, to: &mut Snapshot) {
        self.total.snapshot(to);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.total.restore(from);
    }
}
