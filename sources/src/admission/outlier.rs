//! Outliers: a price far from the running level of its symbol, in integers and O(1).
//!
//! For each symbol, `level` follows the price and `spread` its mean absolute deviation:
//!
//! ```text
//! bound   = scale * max(spread, level / 1024, 1 raw unit)
//! outlier = |price - level| > bound
//! level  += (price - level) / 8               of a price that is no outlier
//! spread += (min(|price - level|, bound) - spread) / 32      of every price: what is refused feeds it too
//! ```
//!
//! Steps round away from zero, so that a level is reached exactly. A first price is the level, with a
//! spread of 1/128 of it. `patience` outliers in a row, on the same side, and the next price becomes the
//! level and is no outlier. Cost: one load and store of 24 bytes and about ten instructions.

use super::config::OutlierRule;

/// A symbol's running level and spread. `level` is 0 as long as the symbol is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) level: i64,
    pub(super) spread: i64,
    /// Outliers in a row: positive above the level, negative below.
    pub(super) streak: i64,
}

impl Level {
    pub(super) fn first(price: i64) -> Self {
        Level { level: price, spread: price >> 7, streak: 0 }
    }

    #[inline(always)]
    pub(super) fn is_known(&self) -> bool {
        self.level != 0
    }

    #[inline(always)]
    fn bound(&self, scale_16: u32) -> i64 {
        let spread = self.spread.max(self.level >> 10).max(1);
        match spread.checked_mul(i64::from(scale_16)) {
            Some(bound) => (bound >> 4).max(1),
            None => (spread >> 4).saturating_mul(i64::from(scale_16)),
        }
    }

    /// Takes in `price` unless it is an outlier, which is left to [`Level::judge`]; says whether it did.
    #[inline(always)]
    pub(super) fn follow(&mut self, price: i64, scale_16: u32) -> bool {
        // Both are positive, so the difference fits.
        let distance = price - self.level;
        let size = distance.abs();
        if size > self.bound(scale_16) {
            return false;
        }
        self.level += eighth(distance);
        self.spread += thirty_second(size - self.spread);
        self.streak = 0;
        true
    }

    /// Whether `price` is an outlier. Takes it in either way.
    pub(super) fn judge(&mut self, price: i64, rule: &OutlierRule) -> bool {
        if self.follow(price, rule.scale_16) {
            return false;
        }
        let side = (price - self.level).signum();
        self.streak = if self.streak.signum() == side { self.streak + side } else { side };
        if self.streak.unsigned_abs() > u64::from(rule.patience) {
            *self = Level { level: price, spread: self.spread, streak: 0 };
            return false;
        }
        let bound = self.bound(rule.scale_16);
        self.spread += thirty_second(bound - self.spread);
        true
    }
}

/// `x / 8` rounded away from zero.
#[inline(always)]
fn eighth(x: i64) -> i64 {
    x.saturating_add(7 & !(x >> 63)) >> 3
}

/// `x / 32` rounded away from zero.
#[inline(always)]
fn thirty_second(x: i64) -> i64 {
    x.saturating_add(31 & !(x >> 63)) >> 5
}
