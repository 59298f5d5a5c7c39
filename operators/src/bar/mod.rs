//! Bars: the partial that a partition folds its trades into, and the roll-up of wider bars.

mod partial;
mod roll_up;

pub use partial::{Partial, fold_partials};
pub use roll_up::RollUp;

use crate::{Restore, Snapshot};
use market::{Bar, Price, Time};

/// Appends a bar as 10 words.
pub fn save_bar(bar: &Bar, to: &mut Snapshot) {
    let prices = [bar.open, bar.high, bar.low, bar.close];
    let [open, high, low, close] = prices.map(|price| price.raw() as u64);
    let [volume, volume_high] = halves(bar.volume);
    let [notional, notional_high] = halves(bar.notional);
    let ts_open = bar.ts_open.ns() as u64;
    // All at once: there are many of them in a checkpoint.
    to.u64s(&[
        ts_open,
        open,
        high,
        low,
        close,
        bar.trade_count,
        volume,
        volume_high,
        notional,
        notional_high,
    ]);
}

/// The words of a sum, the lower first.
fn halves(sum: i128) -> [u64; 2] {
    [sum as u64, (sum >> 64) as u64]
}

/// Reads back what [`save_bar`] appended.
pub fn load_bar(from: &mut Restore<'_>) -> Bar {
    let ts_open = Time::from_ns(from.i64());
    let [open, high, low, close] = [(); 4].map(|()| Price::from_raw(from.i64()));
    let trade_count = from.u64();
    let [volume, notional] = [(); 2].map(|()| from.i128());
    Bar { ts_open, open, high, low, close, trade_count, volume, notional }
}
