//! HV: historical volatility.
//!
//! ```text
//! r[t] = ln(x[t] / x[t-1]),   hv = sqrt(sum (r - mean)^2 / (n - 1)) sqrt(periods per year)
//! ```
//!
//! Per year, as a fraction (0.2 is 20%). First value at bar n; NaN while a return of the window has no
//! logarithm (a value of 0 or less). Returns are kept in whole units of 2^-56, less than
//! the quotient of two doubles loses anyway, so their sums are exact and never drift.
//! O(1) a step; a state of n + 10 words: the value before in raw units, 0 at first; how many returns with
//! a logarithm came since the last without, at most n; and the window.

use super::window::Spread;
use super::{Indicator, Input, Period, state};
use market::Bar;

/// Units of a return in one: 2^56. Inputs are below 2^100, so that a return is below 70 and fits 63 bits.
const UNIT: f64 = 72_057_594_037_927_936.0;

/// Historical volatility.
#[derive(Clone, Debug)]
pub struct HistoricalVolatility {
    input: Input,
    period: u64,
    factor: f64,
    returns: Spread<i64>,
}

impl HistoricalVolatility {
    /// Over `period` returns of `input`, of which a year has `periods_per_year`. A period of 1 has no
    /// sample deviation and gives NaN.
    pub fn new(period: Period, periods_per_year: f64, input: Input) -> Self {
        let n = period.as_f64();
        HistoricalVolatility {
            input,
            period: u64::from(period.bars()),
            factor: (periods_per_year / (n * (n - 1.0))).sqrt() / UNIT,
            returns: Spread::new(period),
        }
    }
}

/// The logarithm of `new / old`, precise where the two are close.
#[inline]
fn log_return(old: f64, new: f64) -> f64 {
    let change = (new - old) / old;
    if change.abs() < 0.5 { libm::log1p(change) } else { libm::log(new / old) }
}

impl Indicator for HistoricalVolatility {
    fn words(&self) -> usize {
        2 + self.returns.words()
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let ([previous, defined], returns) = state::split(state);
        let value = self.input.raw_f64(bar);
        let old = f64::from_bits(std::mem::replace(previous, value.to_bits()));
        // Before the first value stands a 0, and a return from 0 has no logarithm.
        if old > 0.0 && value > 0.0 {
            let whole = (log_return(old, value) * UNIT).round_ties_even() as i64;
            self.returns.push(returns, whole);
            *defined = self.period.min(*defined + 1);
        } else {
            *defined = 0;
        }
        let is_defined = *defined == self.period;
        output[0] = match is_defined {
            true => self.returns.dispersion(returns).sqrt() * self.factor,
            false => f64::NAN,
        };
    }
}
