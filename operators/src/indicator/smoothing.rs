//! Exponential smoothing, the recursion under EMA, MACD and ATR, with TA-Lib's arithmetic bit for bit.
//!
//! ```text
//! seed  s[n-1] = (x[0] + ... + x[n-1]) / n
//! then  s[t]   = fused(beta * s[t-1] + alpha * x[t]),   alpha + beta = 1 exactly
//! exponential: alpha = 2/(n+1)        Wilder: alpha = 1/n
//! ```
//!
//! First value with the n-th input. O(1) a step.

use super::Period;
use super::number::{HARDWARE, fused, with_fma};
use crate::{Restore, Snapshot};

/// An exponentially smoothed mean.
#[derive(Clone, Copy, Debug)]
pub struct Smoothing {
    alpha: f64,
    beta: f64,
    period: u32,
    seen: u32,
    /// The sum of the seed, then the mean.
    value: f64,
}

impl Smoothing {
    /// Words of its snapshot.
    pub const WORDS: usize = 2;

    /// With alpha = 2 / (period + 1).
    pub fn exponential(period: Period) -> Self {
        let n = period.as_f64();
        let beta = (n - 1.0) / (n + 1.0);
        let alpha = 1.0 - beta;
        // Subtraction is exact only from a number in [0.5, 1): below that beta is derived from alpha,
        // so that the two always make exactly 1 and a flat series stays on its level.
        let beta = if beta < 0.5 { 1.0 - alpha } else { beta };
        Smoothing { alpha, beta, period: period.bars(), seen: 0, value: 0.0 }
    }

    /// With alpha = 1 / period.
    pub fn wilder(period: Period) -> Self {
        let n = period.as_f64();
        let beta = (n - 1.0) / n;
        Smoothing { alpha: 1.0 - beta, beta, period: period.bars(), seen: 0, value: 0.0 }
    }

    /// Takes in `x`; the mean, NaN while warming up.
    #[inline]
    pub fn push(&mut self, x: f64) -> f64 {
        with_fma!(self, push_fma, push_plain, (x))
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "fma"))]
    fn push_fma(&mut self, x: f64) -> f64 {
        self.push_with::<true>(x)
    }

    fn push_plain(&mut self, x: f64) -> f64 {
        self.push_with::<HARDWARE>(x)
    }

    /// As [`Smoothing::push`], inside code that has chosen.
    #[inline(always)]
    pub(super) fn push_with<const FMA: bool>(&mut self, x: f64) -> f64 {
        if self.seen == self.period {
            self.value = fused::<FMA>(self.beta, self.value, self.alpha * x);
            return self.value;
        }
        self.seed(x)
    }

    #[cold]
    fn seed(&mut self, x: f64) -> f64 {
        self.value += x;
        self.seen += 1;
        if self.seen < self.period {
            return f64::NAN;
        }
        self.value /= f64::from(self.period);
        self.value
    }

    /// Appends the state.
    #[inline]
    pub fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.seen));
        to.f64(self.value);
    }

    /// Takes on a state.
    #[inline]
    pub fn restore(&mut self, from: &mut Restore<'_>) {
        self.seen = from.u64() as u32;
        self.value = from.f64();
    }
}
