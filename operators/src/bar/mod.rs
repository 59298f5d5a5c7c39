//! Bars: the partial that a partition folds its trades into, and the roll-up of wider bars.

mod partial;
mod roll_up;

pub use partial::{Partial, fold_partials};
pub use roll_up::RollUp;

use crate::{Restore, Snapshot};
use market::{Bar, Price, Time};

/// Appends a bar as 10 words.
pub fn save_bar(bar: &Bar, to: &mut Snapshot) {
    to.i64(bar.ts_open.ns());
    to.i64s(&[bar.open, bar.high, bar.low, bar.close].map(Price::raw));
    to.u64(bar.trade_count);
    to.i128(bar.volume);
    to.i128(bar.notional);
}

/// Reads back what [`save_bar`] appended.
pub fn load_bar(from: &mut Restore<'_>) -> Bar {
    let ts_open = Time::from_ns(from.i64());
    let [open, high, low, close] = [(); 4].map(|()| Price::from_raw(from.i64()));
    let trade_count = from.u64();
    let [volume, notional] = [(); 2].map(|()| from.i128());
    Bar { ts_open, open, high, low, close, trade_count, volume, notional }
}
