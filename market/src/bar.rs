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

/// `notional / volume` in units of price; NaN for no volume.
#[inline]
fn vwap(notional: i128, volume: i128, scales: Scales) -> f64 {
    if volume == 0 {
        return f64::NAN;
    }
    notional as f64 / volume as f64 / scales.price.unit() as f64
}
