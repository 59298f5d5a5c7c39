//! RSI: Wilder's relative strength index.
//!
//! ```text
//! gain = max(x[t] - x[t-1], 0),   loss = max(x[t-1] - x[t], 0)
//! mean[n] = mean of the first n,  mean[t] = ((n-1) mean[t-1] + new) / n
//! rsi = 100 gain / (gain + loss), 50 where both are 0
//! ```
//!
//! From 0 to 100. First value at bar n. Wilder, New Concepts in Technical Trading Systems (1978), with
//! TA-Lib's arithmetic, bit for bit. O(1) a step; a state of 4 words.

use super::{Input, Period};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Relative strength index.
#[derive(Clone, Debug)]
pub struct Rsi {
    input: Input,
    period: u32,
    weight: f64,
    share: f64,
    seen: u32,
    previous: f64,
    gain: f64,
    loss: f64,
}

impl Rsi {
    /// Of `input`, over `period` changes.
    pub fn new(period: Period, input: Input) -> Self {
        let n = period.as_f64();
        Rsi {
            input,
            period: period.bars(),
            weight: n - 1.0,
            share: 1.0 / n,
            seen: 0,
            previous: 0.0,
            gain: 0.0,
            loss: 0.0,
        }
    }

    /// The first value, then `period` changes whose means are the seed.
    #[cold]
    fn seed(&mut self, change: f64) -> f64 {
        if self.seen > 0 {
            self.add(change);
        }
        self.seen += 1;
        if self.seen <= self.period {
            return f64::NAN;
        }
        self.gain *= self.share;
        self.loss *= self.share;
        self.index()
    }

    #[inline]
    fn add(&mut self, change: f64) {
        let gain = if change > 0.0 { change } else { 0.0 };
        self.gain += gain;
        self.loss += gain - change;
    }

    #[inline]
    fn index(&self) -> f64 {
        let sum = self.gain + self.loss;
        if sum > 0.0 { 100.0 * (self.gain / sum) } else { 50.0 }
    }
}

impl Kernel for Rsi {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        let change = value - self.previous;
        self.previous = value;
        if self.seen <= self.period {
            output[0] = self.seed(change);
            return;
        }
        self.gain *= self.weight;
        self.loss *= self.weight;
        self.add(change);
        self.gain *= self.share;
        self.loss *= self.share;
        output[0] = self.index();
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.seen));
        to.f64s(&[self.previous, self.gain, self.loss]);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.seen = from.u64() as u32;
        [self.previous, self.gain, self.loss] = [from.f64(), from.f64(), from.f64()];
    }
}
