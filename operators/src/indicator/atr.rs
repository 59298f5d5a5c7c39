//! ATR: Wilder's average true range.
//!
//! ```text
//! tr[t] = max(high - low, |close[t-1] - high|, |close[t-1] - low|)
//! atr[n] = mean of tr[1..n],   atr[t] = ((n-1) atr[t-1] + tr[t]) / n
//! ```
//!
//! Units of price. First value at bar n. Wilder (1978), with TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of 3 words: the close before, NaN at first, and the mean.

use super::number::whole_to_f64;
use super::{Indicator, Period, Smoothing, state};
use market::{Bar, Price, Scales};

/// The close before and the mean.
const WORDS: usize = 1 + Smoothing::WORDS;

/// Average true range.
#[derive(Clone, Debug)]
pub struct Atr {
    unit: f64,
    mean: Smoothing,
}

impl Atr {
    /// Over `period` true ranges.
    pub fn new(period: Period, scales: Scales) -> Self {
        Atr { unit: scales.price.unit() as f64, mean: Smoothing::wilder(period) }
    }
}

/// The greater of two numbers, neither of them NaN: one instruction, where `f64::max` takes four.
#[inline]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl Indicator for Atr {
    fn words(&self) -> usize {
        WORDS
    }

    fn start(&self, state: &mut [u64]) {
        let [before, ..] = state::fixed::<WORDS>(state);
        *before = f64::NAN.to_bits();
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let ([before], mean) = state::split(state::fixed::<WORDS>(state));
        let value = |price: Price| whole_to_f64(price.raw()) / self.unit;
        let (high, low, close) = (value(bar.high), value(bar.low), value(bar.close));
        let old = f64::from_bits(std::mem::replace(before, close.to_bits()));
        let range = greater((old - high).abs(), high - low);
        let range = greater((old - low).abs(), range);
        match old.is_nan() {
            true => output[0] = f64::NAN,
            false => self.mean.push(state::fixed(mean), range, &mut output[0]),
        }
    }
}
