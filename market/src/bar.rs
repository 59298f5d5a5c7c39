//! Bars: open, high, low, close, volume, notional and count of a symbol over `[ts_open, ts_close)`.

use crate::{Decimal, Price, Scales, Time};

/// One bar. Sums are integers, so bars roll up exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Start of the interval, inside it.
    pub ts_open: Time,
    /// Price of the first trade by `(ts_event, position)`.
    pub open: Price,
    /// Greatest price.
    pub high: Price,
    /// Least price.
    pub low: Price,
    /// Price of the last trade by `(ts_event, position)`.
    pub close: Price,
    /// Trades in it; 0 for a carried bar.
    pub trade_count: u64,
    /// Sum of sizes, in raw units of the size scale.
    pub volume: i128,
    /// Sum of price times size, in raw units of both scales together.
    pub notional: i128,
}

impl Bar {
    /// An empty bar that carries `close` on.
    pub const fn carried(ts_open: Time, close: Price) -> Self {
        Bar {
            ts_open,
            open: close,
            high: close,
            low: close,
            close,
            trade_count: 0,
            volume: 0,
            notional: 0,
        }
    }

    /// Takes in a bar that follows this one in time: a roll-up's step.
    #[inline]
    pub fn extend(&mut self, next: &Bar) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.trade_count += next.trade_count;
        self.volume += next.volume;
        self.notional += next.notional;
    }

    /// Volume-weighted average price: notional / volume in units of price. NaN when nothing traded.
    #[inline]
    pub fn vwap(&self, scales: Scales) -> f64 {
        vwap(self.notional, self.volume, scales)
    }

    /// Volume with its scale.
    pub fn volume_decimal(&self, scales: Scales) -> Decimal {
        Decimal { raw: self.volume, scale: scales.size }
    }
}

/// The nearest double of `notional / volume` in units of price; NaN for no volume.
fn vwap(notional: i128, volume: i128, scales: Scales) -> f64 {
    let (sum, unit) = (notional.unsigned_abs(), scales.price.unit().unsigned_abs());
    match volume.unsigned_abs().checked_mul(u128::from(unit)) {
        Some(0) => f64::NAN,
        Some(divisor) if (notional < 0) == (volume < 0) => quotient(sum, divisor),
        Some(divisor) => -quotient(sum, divisor),
        // More was traded than there is: two roundings are as good.
        None => notional as f64 / volume as f64 / unit as f64,
    }
}

/// The nearest double of `a / b`, where `b` is not 0: the quotient to 64 bits or more with what is left
/// in its last bit, so that it is rounded once.
fn quotient(a: u128, b: u128) -> f64 {
    let (mut whole, mut rest) = (a / b, a % b);
    let mut shift = 0;
    // Each turn adds as many bits as the remainder has room for.
    while whole < 1 << 64 && rest != 0 && shift < 1_000 {
        let room = rest.leading_zeros().min(whole.leading_zeros()).min(62);
        if room == 0 {
            return a as f64 / b as f64;
        }
        let more = rest << room;
        (whole, rest) = ((whole << room) | (more / b), more % b);
        shift += room as i32;
    }
    let exact = (whole | u128::from(rest != 0)) as f64;
    exact * f64::from_bits(((1023 - shift as i64) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_vwap_is_the_nearest_double() {
        let unit = 1_000_000_000i128;
        // 2000 at 4.9162 and 1000 at 4.9163.
        let notional = (2_000 * 4_916_200_000 + 1_000 * 4_916_300_000) * unit;
        assert_eq!(vwap(notional, 3_000 * unit, Scales::default()), 4.916_233_333_333_333_5);
        assert!(vwap(0, 0, Scales::default()).is_nan());
    }

    proptest! {
        /// Below 2^53 the processor's division is the nearest, and a factor changes nothing.
        #[test]
        fn quotients_are_rounded_once(a in 0u128..1 << 53, b in 1u128..1 << 53, bits in 0u32..74) {
            let nearest = a as f64 / b as f64;
            let factor = (1u128 << bits) - u128::from(bits > 1);
            prop_assert_eq!(quotient(a * factor, b * factor), nearest);
        }
    }
}
