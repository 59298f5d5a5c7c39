//! Bollinger bands.
//!
//! ```text
//! middle = sma(n),   upper, lower = middle +- d * sqrt(sum (x - middle)^2 / n)
//! ```
//!
//! Units of the input. First value at bar n-1. Population standard deviation (divide by n), from whole
//! sums of values and squares: a flat series has bands of no width. Bollinger (2001).
//! O(1) a step; a state of n + 8 words (2n + 8 for fields wider than 64 bits).

use super::number::to_f64;
use super::window::Spread;
use super::{Cell, Indicator, Input, Period};
use market::Bar;

/// Bollinger bands: upper, middle, lower.
#[derive(Clone, Debug)]
pub struct Bollinger<T = i64> {
    input: Input,
    spread: Spread<T>,
    divisor: f64,
    deviations: f64,
}

impl<T: Cell> Bollinger<T> {
    /// `deviations` standard deviations around the mean of the last `period` values of `input`.
    pub fn new(period: Period, deviations: f64, input: Input) -> Self {
        let divisor = input.unit() * period.as_f64();
        Bollinger { input, spread: Spread::new(period), divisor, deviations }
    }
}

impl<T: Cell> Indicator for Bollinger<T> {
    fn words(&self) -> usize {
        self.spread.words()
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        if !self.spread.push(state, T::read(self.input, bar)) {
            output[..3].fill(f64::NAN);
            return;
        }
        let middle = to_f64(self.spread.total(state)) / self.divisor;
        let width = self.deviations * (self.spread.dispersion(state).sqrt() / self.divisor);
        output[..3].copy_from_slice(&[middle + width, middle, middle - width]);
    }
}
