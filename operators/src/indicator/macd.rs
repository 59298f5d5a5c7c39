//! MACD: moving average convergence and divergence.
//!
//! ```text
//! line = ema(fast) - ema(slow),   signal = ema(signal) of the line,   hist = line - signal
//! ```
//!
//! Units of the input. The fast average is seeded so that it starts with the slow one, at bar slow-1;
//! all three outputs start at bar slow + signal - 2. Appel; TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of 6 words.

use super::number::{HARDWARE, with_fma};
use super::{Indicator, Input, Period, Smoothing, state};
use market::Bar;

/// Words of the three means, the slow one's first.
const WORDS: usize = 3 * Smoothing::WORDS;

/// Moving average convergence and divergence: line, signal, histogram.
#[derive(Clone, Debug)]
pub struct Macd {
    input: Input,
    /// Bars that only the slow average takes in.
    wait: u64,
    fast: Smoothing,
    slow: Smoothing,
    signal: Smoothing,
}

impl Macd {
    /// Of `input`. Of the first two periods the shorter one is the fast one.
    pub fn new(fast: Period, slow: Period, signal: Period, input: Input) -> Self {
        let (fast, slow) = (fast.min(slow), fast.max(slow));
        let wait = u64::from(slow.bars() - fast.bars());
        let [fast, slow, signal] = [fast, slow, signal].map(Smoothing::exponential);
        Macd { input, wait, fast, slow, signal }
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
    fn step_fma(&self, state: &mut [u64; WORDS], value: f64, output: &mut [f64]) {
        self.step::<true>(state, value, output);
    }

    fn step_plain(&self, state: &mut [u64; WORDS], value: f64, output: &mut [f64]) {
        self.step::<HARDWARE>(state, value, output);
    }

    #[inline(always)]
    fn step<const FMA: bool>(&self, state: &mut [u64; WORDS], value: f64, output: &mut [f64]) {
        let (slow, rest) = state::split(state);
        let (fast, signal) = state::split(rest);
        output[..3].fill(f64::NAN);
        // The slow average has counted the bars so far, until it has its first value.
        let waits = slow[0] < self.wait;
        let slow = self.slow.push_with::<FMA>(slow, value);
        if waits {
            return;
        }
        // The two start with the same bar, so the line is NaN exactly before it.
        let line = self.fast.push_with::<FMA>(fast, value) - slow;
        if line.is_nan() {
            return;
        }
        let signal = self.signal.push_with::<FMA>(state::fixed(signal), line);
        if signal.is_nan() {
            return;
        }
        output[0] = line;
        output[1] = signal;
        output[2] = line - signal;
    }
}

impl Indicator for Macd {
    fn words(&self) -> usize {
        WORDS
    }

    #[inline]
    fn update(&self, state: &mut [u64], bar: &Bar, output: &mut [f64]) {
        let (state, value) = (state::fixed(state), self.input.value(bar));
        with_fma!(self, step_fma, step_plain, (state, value, output));
    }
}
