//! Outliers: a price far from the running level of its symbol, in integers and O(1).
//!
//! For each symbol, `level` follows the price and `spread` its mean absolute deviation:
//!
//! ```text
//! bound   = scale * max(spread, level / 1024 + 1 raw unit)
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

    /// Sixteen times the bound.
    #[inline(always)]
    fn bound_16(&self, scale_16: u32) -> u128 {
        // Both are at least zero.
        self.spread.max((self.level >> 10) + 1) as u64 as u128 * u128::from(scale_16)
    }

    /// Takes in `price` unless it is an outlier, which is left to [`Level::judge`]; says whether it did.
    #[inline(always)]
    pub(super) fn follow(&mut self, price: i64, scale_16: u32) -> bool {
        // Both are positive, so the difference fits.
        let distance = price - self.level;
        let size = distance.abs();
        if (size as u64 as u128) << 4 > self.bound_16(scale_16) {
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
        let bound = i64::try_from(self.bound_16(rule.scale_16) >> 4).unwrap_or(i64::MAX);
        self.spread += thirty_second(bound - self.spread);
        true
    }
}

/// `x / 8` rounded away from zero.
#[inline(always)]
fn eighth(x: i64) -> i64 {
    (x >> 3) + (((x & 7) + (7 & !(x >> 63))) >> 3)
}

/// `x / 32` rounded away from zero.
#[inline(always)]
fn thirty_second(x: i64) -> i64 {
    (x >> 5) + (((x & 31) + (31 & !(x >> 63))) >> 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OutlierMode;
    use proptest::prelude::*;

    /// Which of `prices` are outliers.
    fn outliers(prices: &[i64]) -> Vec<usize> {
        let rule = OutlierRule::new(OutlierMode::Refuse, 12.0, 5).unwrap();
        let mut level = Level::first(prices[0]);
        let mut judged = |k: &usize| level.judge(prices[*k], &rule);
        (1..prices.len()).filter(|k| judged(k)).collect()
    }

    #[test]
    fn a_lone_outlier_is_found_and_a_new_level_accepted_after_five() {
        let mut prices = vec![1_000_000; 50];
        prices[20] = 2_000_000;
        assert_eq!(outliers(&prices), [20]);
        prices[30..].fill(1_500_000);
        assert_eq!(outliers(&prices), [20, 30, 31, 32, 33, 34]);
        prices[30..].fill(10);
        assert_eq!(outliers(&prices), [20, 30, 31, 32, 33, 34]);
    }

    #[test]
    fn outliers_on_both_sides_are_no_level() {
        let mut prices = vec![1_000_000; 40];
        for (k, price) in prices.iter_mut().enumerate().skip(20) {
            *price = if k % 2 == 0 { 1 } else { 9_000_000 };
        }
        // The scale grows with each, until it takes them in.
        assert_eq!(outliers(&prices)[..10], (20..30).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn steps_round_away_from_zero(x in i64::MIN + 1..i64::MAX) {
            let away = |by: i64| (x.unsigned_abs().div_ceil(by as u64)) as i64 * x.signum();
            prop_assert_eq!(eighth(x), away(8));
            prop_assert_eq!(thirty_second(x), away(32));
        }

        #[test]
        fn any_prices_are_judged(prices in proptest::collection::vec(1..=i64::MAX, 1..50)) {
            outliers(&prices);
        }
    }
}
