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
use super::{Cell, Indicator, Input, Period};
use market::Bar;
use std::marker::PhantomData;

/// Simple moving average.
#[derive(Clone, Debug)]
pub struct Sma<T = i64> {
    input: Input,
    period: Period,
    divisor: f64,
    kind: PhantomData<T>,
}

impl<T: Cell> Sma<T> {
    /// Over the last `period` values of `input`.
    pub fn new(period: Period, input: Input) -> Self {
        Sma { input, period, divisor: input.unit() * period.as_f64(), kind: PhantomData }
    }
}

impl<T: Cell> Indicator for Sma<T> {
    fn words(&self) -> usize {
        Total::<T>::words(self.period)
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let total = Total::over(state).push(T::read(self.input, bar));
        output[0] = total.map_or(f64::NAN, |total| to_f64(total) / self.divisor);
    }
}
