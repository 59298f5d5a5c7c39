//! ATR: Wilder's average true range.
//!
//! ```text
//! tr[t] = max(high - low, |close[t-1] - high|, |close[t-1] - low|)
//! atr[n] = mean of tr[1..n],   atr[t] = ((n-1) atr[t-1] + tr[t]) / n
//! ```
//!
//! Units of price. First value at bar n. Wilder (1978), with TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of 4 words.

use super::Period;
use super::number::whole_to_f64;
use super::smoothing::Smoothing;
use crate::{Kernel, Restore, Snapshot};
use market::{Bar, Price, Scales};

/// Average true range.
#[derive(Clone, Debug)]
pub struct Atr {
    unit: f64,
    mean: Smoothing,
    started: bool,
    close: f64,
}

impl Atr {
    /// Over `period` true ranges.
    pub fn new(period: Period, scales: Scales) -> Self {
        let unit = scales.price.unit() as f64;
        Atr { unit, mean: Smoothing::wilder(period), started: false, close: 0.0 }
    }
}

/// The greater of two numbers, neither of them NaN: one instruction, where `f64::max` takes four.
#[inline]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl Kernel for Atr {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = |price: Price| whole_to_f64(price.raw()) / self.unit;
        let (high, low, close) = (value(bar.high), value(bar.low), value(bar.close));
        let range = greater((self.close - high).abs(), high - low);
        let range = greater((self.close - low).abs(), range);
        self.close = close;
        output[0] = if self.started { self.mean.push(range) } else { f64::NAN };
        self.started = true;
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.started));
        to.f64(self.close);
        self.mean.snapshot(to);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.started = from.u64() == 1;
        self.close = from.f64();
        self.mean.restore(from);
    }
}
