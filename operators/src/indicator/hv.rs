//! HV: historical volatility.
//!
//! ```text
//! r[t] = ln(x[t] / x[t-1]),   hv = sqrt(sum (r - mean)^2 / (n - 1)) sqrt(periods per year)
//! ```
//!
//! Per year, as a fraction (0.2 is 20%). First value at bar n; NaN while a return of the window has no
//! logarithm (a value of 0 or less). Returns are kept in whole units of 2^-56, less than
//! the quotient of two doubles loses anyway, so their sums are exact and never drift.
//! O(1) a step; a state of n + 10 words.

use super::window::Spread;
use super::{Input, Period};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Units of a return in one: 2^56. Inputs are below 2^100, so that a return is below 70 and fits 63 bits.
const UNIT: f64 = 72_057_594_037_927_936.0;

/// Historical volatility.
#[derive(Clone, Debug)]
pub struct HistoricalVolatility {
    input: Input,
    period: u32,
    factor: f64,
    returns: Spread<i64>,
    /// The value before, in raw units; NaN before the first.
    previous: f64,
    /// Returns with a logarithm since the last without, at most `period`.
    defined: u32,
}

impl HistoricalVolatility {
    /// Over `period` returns of `input`, of which a year has `periods_per_year`. A period of 1 has no
    /// sample deviation and gives NaN.
    pub fn new(period: Period, periods_per_year: f64, input: Input) -> Self {
        let n = period.as_f64();
        HistoricalVolatility {
            input,
            period: period.bars(),
            factor: (periods_per_year / (n * (n - 1.0))).sqrt() / UNIT,
            returns: Spread::new(period),
            previous: f64::NAN,
            defined: 0,
        }
    }
}

/// The logarithm of `new / old`, precise where the two are close.
#[inline]
fn log_return(old: f64, new: f64) -> f64 {
    let change = (new - old) / old;
    if change.abs() < 0.5 { libm::log1p(change) } else { libm::log(new / old) }
}

impl Kernel for HistoricalVolatility {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = self.input.raw_f64(bar);
        let previous = std::mem::replace(&mut self.previous, value);
        output[0] = f64::NAN;
        if previous.is_nan() {
            return;
        }
        if previous > 0.0 && value > 0.0 {
            self.returns.push((log_return(previous, value) * UNIT).round_ties_even() as i64);
            self.defined = self.period.min(self.defined + 1);
        } else {
            self.defined = 0;
        }
        if self.defined == self.period {
            output[0] = self.returns.dispersion().sqrt() * self.factor;
        }
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.f64(self.previous);
        to.u64(u64::from(self.defined));
        self.returns.snapshot(to);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.previous = from.f64();
        self.defined = from.u64() as u32;
        self.returns.restore(from);
    }
}
