//! Exponential smoothing, the recursion under EMA, MACD and ATR, with TA-Lib's arithmetic bit for bit.
//!
//! ```text
//! seed  s[n-1] = (x[0] + ... + x[n-1]) / n
//! then  s[t]   = fused(beta * s[t-1] + alpha * x[t]),   alpha + beta = 1 exactly
//! exponential: alpha = 2/(n+1)        Wilder: alpha = 1/n
//! ```
//!
//! First value with the n-th input. O(1) a step; two words: how many of the seed's inputs came, and their
//! sum, later the mean.

use super::Period;
use super::number::{HARDWARE, fused, with_fma};

/// How to smooth exponentially.
#[derive(Clone, Copy, Debug)]
pub struct Smoothing {
    alpha: f64,
    beta: f64,
    period: u32,
}

impl Smoothing {
    /// Words of its state.
    pub const WORDS: usize = 2;

    /// With alpha = 2 / (period + 1).
    pub fn exponential(period: Period) -> Self {
        let n = period.as_f64();
        let beta = (n - 1.0) / (n + 1.0);
        let alpha = 1.0 - beta;
        // Subtraction is exact only from a number in [0.5, 1): below that beta is derived from alpha,
        // so that the two always make exactly 1 and a flat series stays on its level.
        let beta = if beta < 0.5 { 1.0 - alpha } else { beta };
        Smoothing { alpha, beta, period: period.bars() }
    }

    /// With alpha = 1 / period.
    pub fn wilder(period: Period) -> Self {
        let n = period.as_f64();
        let beta = (n - 1.0) / n;
        Smoothing { alpha: 1.0 - beta, beta, period: period.bars() }
    }

    /// Takes in `x` and writes the mean, NaN while warming up. Writes, because then an indicator ends
    /// with this call and has nothing to keep beyond it.
    #[inline]
    pub fn push(&self, state: &mut [u64; Smoothing::WORDS], x: f64, mean: &mut f64) {
        with_fma!(self, push_fma, push_plain, (state, x, mean));
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
    fn push_fma(&self, state: &mut [u64; Smoothing::WORDS], x: f64, mean: &mut f64) {
        *mean = self.push_with::<true>(state, x);
    }

    fn push_plain(&self, state: &mut [u64; Smoothing::WORDS], x: f64, mean: &mut f64) {
        *mean = self.push_with::<HARDWARE>(state, x);
    }

    /// Takes in `x`; the mean, NaN while warming up. Inside code that has chosen the instruction.
    #[inline(always)]
    pub(super) fn push_with<const FMA: bool>(
        &self,
        state: &mut [u64; Smoothing::WORDS],
        x: f64,
    ) -> f64 {
        let [seen, value] = state;
        if *seen == u64::from(self.period) {
            let mean = fused::<FMA>(self.beta, f64::from_bits(*value), self.alpha * x);
            *value = mean.to_bits();
            return mean;
        }
        self.seed(state, x)
    }

    #[cold]
    fn seed(&self, [seen, value]: &mut [u64; Smoothing::WORDS], x: f64) -> f64 {
        let sum = f64::from_bits(*value) + x;
        *seen += 1;
        if *seen < u64::from(self.period) {
            *value = sum.to_bits();
            return f64::NAN;
        }
        let mean = sum / f64::from(self.period);
        *value = mean.to_bits();
        mean
    }
}
