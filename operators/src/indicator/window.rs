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
use super::{Cell, Period, Ring, Word, state};
use std::marker::PhantomData;

/// The sum of a window: two words, then the window's.
#[derive(Debug)]
pub struct Total<'a, T> {
    sum: &'a mut [u64; 2],
    ring: Ring<'a, T>,
}

impl<'a, T: Cell> Total<'a, T> {
    /// Words that it takes.
    pub const fn words(period: Period) -> usize {
        2 + Ring::<T>::words(period)
    }

    /// The sum in `state`, which is as long as [`Total::words`] says.
    #[inline(always)]
    pub fn over(state: &'a mut [u64]) -> Self {
        let (sum, ring) = state::split(state);
        Total { sum, ring: Ring::over(ring) }
    }

    /// Takes in `value`; the sum once the window is full.
    #[inline(always)]
    pub fn push(&mut self, value: T) -> Option<i128> {
        let oldest = self.ring.push(value).unwrap_or_default();
        let sum = i128::load(self.sum, 0) + (value.wide() - oldest.wide());
        sum.store(self.sum, 0);
        self.ring.is_full().then_some(sum)
    }
}

/// The sum and the dispersion of a window.
#[derive(Clone, Debug)]
pub struct Spread<T> {
    period: Period,
    /// Greatest distance from the first value whose squares are summed.
    near: u64,
    kind: PhantomData<T>,
}

/// Words before those of the window.
const SUMS: usize = 7;

/// Its state.
struct Sums<'a, T> {
    /// Values in the window that are not near.
    far: &'a mut u64,
    /// The first value ever.
    first: &'a mut [u64; 2],
    /// Sum of the distances from it.
    sum: &'a mut [u64; 2],
    /// Sum of the squares of those that are near.
    squares: &'a mut [u64; 2],
    ring: Ring<'a, T>,
}

impl<'a, T: Cell> Sums<'a, T> {
    #[inline(always)]
    fn over(state: &'a mut [u64]) -> Self {
        let (sums, ring) = state::split::<SUMS>(state);
        let ([far], sums) = state::split(sums);
        let (first, sums) = state::split(sums);
        let (sum, squares) = state::split(sums);
        let squares = state::fixed(squares);
        Sums { far, first, sum, squares, ring: Ring::over(ring) }
    }
}

impl<T: Cell> Spread<T> {
    /// Of windows of `period` values.
    pub fn new(period: Period) -> Self {
        let near = (1 << 63) / u64::from(period.bars());
        Spread { period, near, kind: PhantomData }
    }

    /// Words of its state.
    pub const fn words(&self) -> usize {
        SUMS + Ring::<T>::words(self.period)
    }

    /// Takes in `value`; whether the window is full.
    #[inline(always)]
    pub fn push(&self, state: &mut [u64], value: T) -> bool {
        let Sums { far, first, sum, squares, mut ring } = Sums::<T>::over(state);
        if ring.is_empty() {
            value.wide().store(first, 0);
        }
        let first = i128::load(first, 0);
        let mut total = i128::load(sum, 0);
        let mut near = i128::load(squares, 0) as u128;
        if let Some(oldest) = ring.push(value) {
            let distance = oldest.wide() - first;
            total -= distance;
            match self.square(distance) {
                Some(square) => near -= square,
                None => *far -= 1,
            }
        }
        let distance = value.wide() - first;
        total += distance;
        match self.square(distance) {
            Some(square) => near += square,
            None => *far += 1,
        }
        total.store(sum, 0);
        (near as i128).store(squares, 0);
        ring.is_full()
    }

    #[inline(always)]
    fn square(&self, distance: i128) -> Option<u128> {
        let near = u64::try_from(distance.unsigned_abs()).ok().filter(|&d| d <= self.near)?;
        Some(u128::from(near) * u128::from(near))
    }

    /// The sum of a full window.
    #[inline(always)]
    pub fn total(&self, state: &mut [u64]) -> i128 {
        let Sums { first, sum, .. } = Sums::<T>::over(state);
        i128::load(sum, 0) + i128::from(self.period.bars()) * i128::load(first, 0)
    }

    /// Period squared times the population variance of a full window, in raw units squared.
    #[inline(always)]
    pub fn dispersion(&self, state: &mut [u64]) -> f64 {
        let Sums { far, sum, squares, .. } = Sums::<T>::over(state);
        if *far > 0 {
            return self.far_dispersion(state);
        }
        // No sum of near values leaves 63 bits.
        let sum = u128::from(i128::load(sum, 0).unsigned_abs() as u64);
        let squares = i128::load(squares, 0) as u128;
        unsigned_to_f64(squares * u128::from(self.period.bars()) - sum * sum)
    }

    /// From the cells: period * sum (x - mean)^2, each distance taken exactly before it is squared.
    #[cold]
    fn far_dispersion(&self, state: &mut [u64]) -> f64 {
        let (period, total) = (i128::from(self.period.bars()), self.total(state));
        let squares = Sums::<T>::over(state)
            .ring
            .iter()
            .map(|x| {
                let distance = to_f64(x.wide() * period - total);
                distance * distance
            })
            .sum::<f64>();
        squares / self.period.as_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(period: u32, values: &[i128]) -> Result<(), TestCaseError> {
        let period = Period::new(period).expect("within the limit");
        let spread = Spread::new(period);
        let mut sums = vec![0; Total::<i128>::words(period)];
        let mut state = vec![0; spread.words()];
        let n = period.bars() as usize;
        for (at, &value) in values.iter().enumerate() {
            let sum = Total::over(&mut sums).push(value);
            prop_assert_eq!(spread.push(&mut state, value), at + 1 >= n);
            if at + 1 < n {
                prop_assert_eq!(sum, None);
                continue;
            }
            let window = &values[at + 1 - n..=at];
            let expected: i128 = window.iter().sum();
            prop_assert_eq!(sum, Some(expected));
            prop_assert_eq!(spread.total(&mut state), expected);
            // Sum over pairs of the squared distance: another way to the same number.
            let pairs =
                window.iter().enumerate().flat_map(|(i, a)| window[i..].iter().map(move |b| a - b));
            let wanted: f64 = pairs.map(|d| (d as f64) * (d as f64)).sum();
            prop_assert!((spread.dispersion(&mut state) - wanted).abs() <= 1e-12 * wanted);
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
