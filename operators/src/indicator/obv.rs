//! OBV: on-balance volume.
//!
//! ```text
//! obv[0] = volume[0],   obv[t] = obv[t-1] + sign(close[t] - close[t-1]) volume[t]
//! ```
//!
//! Units of size. First value at bar 0. Granville (1963). A whole sum, which stops at the ends of 128
//! bits instead of wrapping. O(1) a step; a state of 4 words.

use super::number::to_f64;
use crate::{Kernel, Restore, Snapshot};
use market::{Bar, Price, Scales};
use std::cmp::Ordering;

/// On-balance volume.
#[derive(Clone, Debug)]
pub struct Obv {
    unit: f64,
    close: Option<Price>,
    sum: i128,
}

impl Obv {
    /// Of bars with sizes of `scales`.
    pub fn new(scales: Scales) -> Self {
        Obv { unit: scales.size.unit() as f64, close: None, sum: 0 }
    }
}

impl Kernel for Obv {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        // Rise and fall are as likely, so masks instead of branches: the volume, its negative, or none.
        let order = self.close.map_or(Ordering::Greater, |before| bar.close.cmp(&before));
        let negative = -i128::from(order == Ordering::Less);
        let moved = -i128::from(order != Ordering::Equal);
        let signed = (bar.volume.max(-i128::MAX) ^ negative) - negative;
        self.sum = self.sum.saturating_add(signed & moved);
        self.close = Some(bar.close);
        output[0] = to_f64(self.sum) / self.unit;
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.u64(u64::from(self.close.is_some()));
        to.i64(self.close.map_or(0, Price::raw));
        to.i128(self.sum);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        let (started, close) = (from.u64() == 1, Price::from_raw(from.i64()));
        self.close = started.then_some(close);
        self.sum = from.i128();
    }
}
