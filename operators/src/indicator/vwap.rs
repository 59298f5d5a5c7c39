//! VWAP: volume-weighted average price, of each bar or of the session so far.
//!
//! ```text
//! vwap          = sum(price * size) / sum(size) over the bar
//! vwap(session) = the same over the bars of the UTC day of `ts_open`, begun anew each day
//! ```
//!
//! Units of price. First value at bar 0; NaN where nothing traded yet (in the bar, in the session).
//! Whole sums, which stop at the ends of 128 bits instead of wrapping. O(1) a step; a state of 0 and
//! of 5 words.

use super::number::to_f64;
use crate::{Kernel, Restore, Snapshot};
use market::{Bar, Scales};

/// Volume-weighted average price of each bar.
#[derive(Clone, Debug)]
pub struct BarVwap {
    scales: Scales,
}

impl BarVwap {
    /// Of bars with `scales`.
    pub const fn new(scales: Scales) -> Self {
        BarVwap { scales }
    }
}

impl Kernel for BarVwap {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        output[0] = bar.vwap(self.scales);
    }

    fn snapshot(&self, _to: &mut Snapshot) {}

    fn restore(&mut self, _from: &mut Restore<'_>) {}
}

/// Volume-weighted average price of the session so far.
#[derive(Clone, Debug)]
pub struct SessionVwap {
    unit: f64,
    day: i64,
    notional: i128,
    volume: i128,
}

impl SessionVwap {
    /// Of bars with `scales`.
    pub const fn new(scales: Scales) -> Self {
        SessionVwap { unit: scales.price.unit() as f64, day: i64::MIN, notional: 0, volume: 0 }
    }
}

impl Kernel for SessionVwap {
    type Input = Bar;
    type Output = [f64];

    #[inline]
    fn update(&mut self, bar: &Bar, output: &mut [f64]) {
        let day = bar.ts_open.day();
        if day != self.day {
            (self.day, self.notional, self.volume) = (day, 0, 0);
        }
        self.notional = self.notional.saturating_add(bar.notional);
        self.volume = self.volume.saturating_add(bar.volume);
        output[0] = if self.volume == 0 {
            f64::NAN
        } else {
            to_f64(self.notional) / to_f64(self.volume) / self.unit
        };
    }

    fn snapshot(&self, to: &mut Snapshot) {
        to.i64(self.day);
        to.i128(self.notional);
        to.i128(self.volume);
    }

    fn restore(&mut self, from: &mut Restore<'_>) {
        (self.day, self.notional, self.volume) = (from.i64(), from.i128(), from.i128());
    }
}
