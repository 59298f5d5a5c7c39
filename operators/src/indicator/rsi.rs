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

use super::{Indicator, Input, Period, state};
use market::Bar;

/// Values seen, at most one more than the period; the last; the means of gains and of losses.
const WORDS: usize = 4;

/// Relative strength index.
#[derive(Clone, Debug)]
pub struct Rsi {
    input: Input,
    period: u64,
    /// Of gains and of losses. What belongs to both stands twice, so that they go through the same
    /// vector instructions and no wide load waits for a narrow store beside it.
    weights: [f64; 2],
    shares: [f64; 2],
}

impl Rsi {
    /// Of `input`, over `period` changes.
    pub fn new(period: Period, input: Input) -> Self {
        let n = period.as_f64();
        Rsi { input, period: u64::from(period.bars()), weights: [n - 1.0; 2], shares: [1.0 / n; 2] }
    }

    /// The first value, then `period` changes whose means are the seed.
    #[cold]
    fn seed(&self, state: &mut [u64; WORDS], [gain, loss]: [f64; 2]) -> f64 {
        let [seen, _, means @ ..] = state;
        let mut both = means.map(f64::from_bits);
        if *seen > 0 {
            both = [both[0] + gain, both[1] + loss];
        }
        *seen += 1;
        let seeded = *seen > self.period;
        if seeded {
            both = [both[0] * self.shares[0], both[1] * self.shares[1]];
        }
        *means = both.map(f64::to_bits);
        if seeded { index(both) } else { f64::NAN }
    }
}

#[inline]
fn index([gain, loss]: [f64; 2]) -> f64 {
    let sum = gain + loss;
    if sum > 0.0 { 100.0 * (gain / sum) } else { 50.0 }
}

impl Indicator for Rsi {
    fn words(&self) -> usize {
        WORDS
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let state = state::fixed::<WORDS>(state);
        let value = self.input.value(bar);
        let change = value - f64::from_bits(state[1]);
        state[1] = value.to_bits();
        let gain = if change > 0.0 { change } else { 0.0 };
        let new = [gain, gain - change];
        if state[0] <= self.period {
            output[0] = self.seed(state, new);
            return;
        }
        let [means, weights, shares] =
            [[state[2], state[3]].map(f64::from_bits), self.weights, self.shares];
        let mean = |side: usize| (means[side] * weights[side] + new[side]) * shares[side];
        let means = [mean(0), mean(1)];
        [state[2], state[3]] = means.map(f64::to_bits);
        output[0] = index(means);
    }
}
