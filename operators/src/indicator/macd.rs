//! MACD: moving average convergence and divergence.
//!
//! ```text
//! line = ema(fast) - ema(slow),   signal = ema(signal) of the line,   hist = line - signal
//! ```
//!
//! Units of the input. The fast average is seeded so that it starts with the slow one, at bar slow-1;
//! all three outputs start at bar slow + signal - 2. Appel; TA-Lib's arithmetic, bit for bit.
//! O(1) a step; a state of 7 words.

use super::number::{HARDWARE, with_fma};
use super::smoothing::Smoothing;
use super::{Input, Period};
use crate::{Kernel, Restore, Snapshot};
use market::Bar;

/// Moving average convergence and divergence: line, signal, histogram.
#[derive(Clone, Debug)]
pub struct Macd {
    input: Input,
    /// Bars left before the fast average takes in its first.
    wait: u32,
    fast: Smoothing,
    slow: Smoothing,
    signal: Smoothing,
}

impl Macd {
    /// Of `input`. Of the first two periods the shorter one is the fast one.
    pub fn new(fast: Period, slow: Period, signal: Period, input: Input) -> Self {
        let (fast, slow) = (fast.min(slow), fast.max(slow));
        let wait = slow.bars() - fast.bars();
        let [fast, slow, signal] = [fast, slow, signal].map(Smoothing::exponential);
        Macd { input, wait, fast, slow, signal }
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
    fn step_fma(&mut self, value: f64, output: &mut [f64]) {
        self.step::<true>(value, output);
    }

    fn step_plain(&mut self, value: f64, output: &mut [f64]) {
        self.step::<HARDWARE>(value, output);
    }

    #[inline(always)]
    fn step<const FMA: bool>(&mut self, value: f64, output: &mut [f64]) {
        let slow = self.slow.push_with::<FMA>(value);
        output[..3].fill(f64::NAN);
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        // The two start with the same bar, so the line is NaN exactly before it.
        let line = self.fast.push_with::<FMA>(value) - slow;
        if line.is_nan() {
            return;
        }
        let signal = self.signal.push_with::<FMA>(line);
        if signal.is_nan() {
            return;
        }
        output[0] = line;
        output[1] = signal;
        output[2] = line - signal;
    }
}

impl Kernel for Macd {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        with_fma!(self, step_fma, step_plain, (self.input.value(bar), output));
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.wait));
        [self.fast, self.slow, self.signal].iter().for_each(|mean| mean.snapshot(to));
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        self.wait = from.u64() as u32;
        for mean in [&mut self.fast, &mut self.slow, &mut self.signal] {
            mean.restore(from);
        }
    }
}
