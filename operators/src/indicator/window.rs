//! Exact sum and dispersion of the last `period` whole numbers: what is added is taken away exactly.
//!
//! ```text
//! total      = sum x                          mean = total / period
//! dispersion = period * sum y^2 - (sum y)^2 = period^2 * population variance,   y = x - first x ever
//! ```
//!
//! While every `|y| <= 2^63 / period` both products fit 126 bits and the dispersion is exact. Values
//! further away are counted apart, and as long as one is in the window the dispersion is computed
//! from the cells, in doubles: right to their precision, never wrapped. O(1) a step; O(period) then.

use super::number::{to_f64, unsigned_to_f64};
use super::{Cell, Period, Ring};
use crate::{Restore, Snapshot};

/// The sum of a window.
#[derive(Clone, Debug)]
pub struct Total<T> {
    ring: Ring<T>,
    sum: i128,
}

impl<T: Cell> Total<T> {
    /// Of no values yet.
    pub fn new(period: Period) -> Self {
        Total { ring: Ring::new(period), sum: 0 }
    }

    /// Takes in `value`; the sum once the window is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Option<i128> {
        let oldest = self.ring.push(value).unwrap_or_default();
        self.sum += value.wide() - oldest.wide();
        self.ring.is_full().then_some(self.sum)
    }

    /// Appends the state.
    #[inline]
    pub fn snapshot(&self, to: &mut Snapshot) {
        to.i128(self.sum);
        self.ring.snapshot(to, T::save);
    }

    /// Takes on a state.
    #[inline]
    pub fn restore(&mut self, from: &mut Restore<'_>) {
        self.sum = from.i128();
        self.ring.restore(from, T::load);
    }
}

/// The sum and the dispersion of a window.
#[derive(Clone, Debug)]
pub struct Spread<T> {
    ring: Ring<T>,
    period: i64,
    /// Greatest distance from the first value whose squares are summed.
    near: u64,
    /// The first value ever; `None` before it.
    first: Option<i128>,
    /// Sum of the distances from it.
    sum: i128,
    /// Sum of the squares of those that are near.
    squares: u128,
    /// Values in the window that are not.
    far: u64,
}

impl<T: Cell> Spread<T> {
    /// Of no values yet.
    pub fn new(period: Period) -> Self {
        Spread {
            ring: Ring::new(period),
            period: i64::from(period.bars()),
            near: (1 << 63) / u64::from(period.bars()),
            first: None,
            sum: 0,
            squares: 0,
            far: 0,
        }
    }

    /// Takes in `value`; whether the window is full.
    #[inline]
    pub fn push(&mut self, value: T) -> bool {
        let first = *self.first.get_or_insert(value.wide());
        if let Some(oldest) = self.ring.push(value) {
            let distance = oldest.wide() - first;
            self.sum -= distance;
            match self.square(distance) {
                Some(square) => self.squares -= square,
                None => self.far -= 1,
            }
        }
        let distance = value.wide() - first;
        self.sum += distance;
        match self.square(distance) {
            Some(square) => self.squares += square,
            None => self.far += 1,
        }
        self.ring.is_full()
    }

    #[inline]
    fn square(&self, distance: i128) -> Option<u128> {
        let near = u64::try_from(distance.unsigned_abs()).ok().filter(|&d| d <= self.near)?;
        Some(u128::from(near) * u128::from(near))
    }

    /// The sum of a full window.
    #[inline]
    pub fn total(&self) -> i128 {
        self.sum + i128::from(self.period) * self.first.unwrap_or_default()
    }

    /// Period squared times the population variance of a full window, in raw units squared.
    #[inline]
    pub fn dispersion(&self) -> f64 {
        if self.far > 0 {
            return self.far_dispersion();
        }
        // No sum of near values leaves 63 bits.
        let sum = u128::from(self.sum.unsigned_abs() as u64);
        unsigned_to_f64(self.squares * self.period as u128 - sum * sum)
    }

    /// From the cells: period * sum (x - mean)^2, each distance taken exactly before it is squared.
    #[cold]
    fn far_dispersion(&self) -> f64 {
        let (period, total) = (i128::from(self.period), self.total());
        let squares = self.ring.iter().map(|x| {
            let distance = to_f64(x.wide() * period - total);
            distance * distance
        });
        squares.sum::<f64>() / self.period as f64
    }

    /// Appends the state.
    #[inline]
    pub fn snapshot(&self, to: &mut Snapshot) {
        to.u64(self.far << 1 | u64::from(self.first.is_some()));
        to.i128(self.first.unwrap_or_default());
        to.i128(self.sum);
        to.i128(self.squares as i128);
        self.ring.snapshot(to, T::save);
    }

    /// Takes on a state.
    #[inline]
    pub fn restore(&mut self, from: &mut Restore<'_>) {
        let word = from.u64();
        let first = from.i128();
        (self.far, self.first) = (word >> 1, (word & 1 == 1).then_some(first));
        self.sum = from.i128();
        self.squares = from.i128() as u128;
        self.ring.restore(from, T::load);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(period: u32, values: &[i128]) -> Result<(), TestCaseError> {
        let period = Period::new(period).expect("within the limit");
        let (mut total, mut spread) = (Total::new(period), Spread::new(period));
        let n = period.bars() as usize;
        for (at, &value) in values.iter().enumerate() {
            let sum = total.push(value);
            prop_assert_eq!(spread.push(value), at + 1 >= n);
            if at + 1 < n {
                prop_assert_eq!(sum, None);
                continue;
            }
            let window = &values[at + 1 - n..=at];
            let expected: i128 = window.iter().sum();
            prop_assert_eq!(sum, Some(expected));
            prop_assert_eq!(spread.total(), expected);
            // Sum over pairs of the squared distance: another way to the same number.
            let pairs =
                window.iter().enumerate().flat_map(|(i, a)| window[i..].iter().map(move |b| a - b));
            let wanted: f64 = pairs.map(|d| (d as f64) * (d as f64)).sum();
            prop_assert!((spread.dispersion() - wanted).abs() <= 1e-12 * wanted);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_window(
            period in 1u32..12,
            values in prop::collection::vec(
                prop_oneof![-50i128..50, (i64::MIN..=i64::MAX).prop_map(i128::from), -(1i128 << 100)..(1 << 100)],
                0..40,
            ),
        ) {
            check(period, &values)?;
        }
    }
}
