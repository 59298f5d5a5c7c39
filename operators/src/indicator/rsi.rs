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
    seen: u32,
    previous: f64,
    /// Of gains and of losses. What belongs to both stands twice, so that they go through the same
    /// vector instructions and no wide load waits for a narrow store beside it.
    means: [f64; 2],
    weights: [f64; 2],
    shares: [f64; 2],
}

impl Rsi {
    /// Of `input`, over `period` changes.
    pub fn new(period: Period, input: Input) -> Self {
        let n = period.as_f64();
        Rsi {
            input,
            period: period.bars(),
            seen: 0,
            previous: 0.0,
            means: [0.0; 2],
            weights: [n - 1.0; 2],
            shares: [1.0 / n; 2],
        }
    }

    /// The first value, then `period` changes whose means are the seed.
    #[cold]
    fn seed(&mut self, [gain, loss]: [f64; 2]) -> f64 {
        if self.seen > 0 {
            self.means = [self.means[0] + gain, self.means[1] + loss];
        }
        self.seen += 1;
        if self.seen <= self.period {
            return f64::NAN;
        }
        self.means = [self.means[0] * self.shares[0], self.means[1] * self.shares[1]];
        index(self.means)
    }
}

#[inline]
fn index([gain, loss]: [f64; 2]) -> f64 {
    let sum = gain + loss;
    if sum > 0.0 { 100.0 * (gain / sum) } else { 50.0 }
}

impl Kernel for Rsi {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let value = self.input.value(bar);
        let change = value - self.previous;
        self.previous = value;
        let gain = if change > 0.0 { change } else { 0.0 };
        let new = [gain, gain - change];
        if self.seen <= self.period {
            output[0] = self.seed(new);
            return;
        }
        let [means, weights, shares] = [self.means, self.weights, self.shares];
        let mean = |side: usize| (means[side] * weights[side] + new[side]) * shares[side];
        self.means = [mean(0), mean(1)];
        output[0] = index(self.means);
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.seen));
        to.f64(self.previous);
        to.f64s(&self.means);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.seen = from.u64() as u32;
        self.previous = from.f64();
        from.f64s(&mut self.means);
    }
}
