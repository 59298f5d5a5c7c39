//! A bar as one partition knows it: the fold of the trades that the partition holds of it.
//!
//! Open and close go by least and greatest `(ts_event, position)`, sums are integers, so the fold of
//! partials is the fold of all their trades, whatever partition they came through:
//!
//! ```text
//! bar = (first price, max price, min price, last price, sum size, sum price*size, count)
//! ```
//!
//! O(1) a trade, no allocation. Units are the instrument's raw ones.

use super::halves;
use crate::{Restore, Snapshot};
use market::{Bar, Offset, Price, Size, Tick, Time, Updates};

/// The trades of one bar that one partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    ts_open: Time,
    first_ts: Time,
    first_at: Offset,
    open: Price,
    last_ts: Time,
    last_at: Offset,
    close: Price,
    high: Price,
    low: Price,
    count: u64,
    volume: i128,
    notional: i128,
}

impl Partial {
    /// Words that [`Partial::snapshot`] appends.
    pub const WORDS: usize = 14;

    /// No trades yet of the bar that starts at `ts_open`.
    #[inline]
    pub const fn new(ts_open: Time) -> Self {
        Partial {
            ts_open,
            first_ts: Time::from_ns(i64::MAX),
            first_at: Offset::from_raw(u64::MAX),
            open: Price::from_raw(0),
            last_ts: Time::from_ns(i64::MIN),
            last_at: Offset::from_raw(0),
            close: Price::from_raw(0),
            high: Price::from_raw(i64::MIN),
            low: Price::from_raw(i64::MAX),
            count: 0,
            volume: 0,
            notional: 0,
        }
    }

    /// Start of its bar.
    #[inline]
    pub const fn ts_open(&self) -> Time {
        self.ts_open
    }

    /// Whether it holds no trade.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && !self.has_price() && self.high.raw() == i64::MIN
    }

    /// Whether it holds a trade that open and close count: without one there is no bar.
    #[inline]
    pub fn has_price(&self) -> bool {
        self.first_ts.ns() != i64::MAX
    }

    /// Takes in a trade. Trades of one partition come by rising position, so of two with the same
    /// time the later one is the last.
    #[inline(always)]
    pub fn add(&mut self, ts: Time, at: Offset, price: Price, size: Size) {
        if ts < self.first_ts {
            (self.first_ts, self.first_at, self.open) = (ts, at, price);
        }
        if ts >= self.last_ts {
            (self.last_ts, self.last_at, self.close) = (ts, at, price);
        }
        self.high = self.high.max(price);
        self.low = self.low.min(price);
        self.count += 1;
        self.volume += i128::from(size.raw());
        self.notional += i128::from(price.raw()) * i128::from(size.raw());
    }

    /// Takes in a trade, wherever among the others it stands, for what it counts for.
    pub fn add_tick(&mut self, tick: &Tick) {
        let &Tick { ts, at, price, size, updates } = tick;
        if updates.has(Updates::LAST) {
            if (ts, at) < (self.first_ts, self.first_at) {
                (self.first_ts, self.first_at, self.open) = (ts, at, price);
            }
            if (ts, at) >= (self.last_ts, self.last_at) {
                (self.last_ts, self.last_at, self.close) = (ts, at, price);
            }
        }
        if updates.has(Updates::HIGH_LOW) {
            self.high = self.high.max(price);
            self.low = self.low.min(price);
        }
        if updates.has(Updates::VOLUME) {
            self.count += 1;
            self.volume += i128::from(size.raw());
            self.notional += i128::from(price.raw()) * i128::from(size.raw());
        }
    }

    /// Takes in what another partial of the same partition holds, of trades that this one does not hold.
    pub fn absorb(&mut self, other: &Partial) {
        if (other.first_ts, other.first_at) < (self.first_ts, self.first_at) {
            (self.first_ts, self.first_at, self.open) =
                (other.first_ts, other.first_at, other.open);
        }
        if (other.last_ts, other.last_at) > (self.last_ts, self.last_at) {
            (self.last_ts, self.last_at, self.close) = (other.last_ts, other.last_at, other.close);
        }
        self.high = self.high.max(other.high);
        self.low = self.low.min(other.low);
        self.count += other.count;
        self.volume += other.volume;
        self.notional += other.notional;
    }

    /// The bar that its trades make, if it has a price. What open and close count lies between high and low.
    #[inline]
    pub fn bar(&self) -> Bar {
        Bar {
            ts_open: self.ts_open,
            open: self.open,
            high: self.high.max(self.open).max(self.close),
            low: self.low.min(self.open).min(self.close),
            close: self.close,
            trade_count: self.count,
            volume: self.volume,
            notional: self.notional,
        }
    }

    /// Appends it as [`Partial::WORDS`] words.
    pub fn snapshot(&self, to: &mut Snapshot) {
        let [ts_open, first_ts, last_ts] =
            [self.ts_open, self.first_ts, self.last_ts].map(|time| time.ns() as u64);
        let prices = [self.open, self.close, self.high, self.low];
        let [open, close, high, low] = prices.map(|price| price.raw() as u64);
        let (first_at, last_at) = (self.first_at.raw(), self.last_at.raw());
        let [volume, volume_high] = halves(self.volume);
        let [notional, notional_high] = halves(self.notional);
        // All at once: there are many of them in a checkpoint.
        to.u64s(&[
            ts_open,
            first_ts,
            last_ts,
            first_at,
            last_at,
            open,
            close,
            high,
            low,
            self.count,
            volume,
            volume_high,
            notional,
            notional_high,
        ]);
    }

    /// Reads back what [`Partial::snapshot`] appended.
    pub fn restore(from: &mut Restore<'_>) -> Self {
        let [ts_open, first_ts, last_ts] = [(); 3].map(|()| Time::from_ns(from.i64()));
        let [first_at, last_at] = [(); 2].map(|()| Offset::from_raw(from.u64()));
        let [open, close, high, low] = [(); 4].map(|()| Price::from_raw(from.i64()));
        let count = from.u64();
        let [volume, notional] = [(); 2].map(|()| from.i128());
        Partial {
            ts_open,
            first_ts,
            first_at,
            open,
            last_ts,
            last_at,
            close,
            high,
            low,
            count,
            volume,
            notional,
        }
    }
}

/// The bar of all partials of one `(symbol, ts_open)`, each with the number of its partition, which
/// decides between trades of the same time. `None` when none of them has a price.
pub fn fold_partials<'a>(
    partials: impl Iterator<Item = (u32, &'a Partial)> + Clone,
) -> Option<Bar> {
    let priced = partials.clone().filter(|(_, partial)| partial.has_price());
    let first = priced.clone().min_by_key(|(part, p)| (p.first_ts, *part, p.first_at))?.1;
    let last = priced.max_by_key(|(part, p)| (p.last_ts, *part, p.last_at))?.1;
    let mut all = Partial::new(first.ts_open);
    for (_, partial) in partials {
        all.high = all.high.max(partial.high);
        all.low = all.low.min(partial.low);
        all.count += partial.count;
        all.volume += partial.volume;
        all.notional += partial.notional;
    }
    (all.open, all.close) = (first.open, last.close);
    Some(all.bar())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fold(trades: &[(i64, i64, i64)], part: impl Fn(usize) -> bool) -> Partial {
        let mut partial = Partial::new(Time::from_ns(0));
        for (at, &(ts, price, size)) in trades.iter().enumerate().filter(|(at, _)| part(*at)) {
            let at = Offset::from_raw(at as u64);
            partial.add(Time::from_ns(ts), at, Price::from_raw(price), Size::from_raw(size));
        }
        partial
    }

    proptest! {
        #[test]
        fn a_split_over_partitions_is_invisible(
            trades in prop::collection::hash_map(0i64..1000, (1i64..50, 1i64..9), 1..40),
            parts in 1usize..5,
        ) {
            let trades: Vec<_> = trades.into_iter().map(|(ts, (p, s))| (ts, p, s)).collect();
            let whole = fold(&trades, |_| true);
            let split: Vec<Partial> = (0..parts)
                .map(|part| fold(&trades, |at| at % parts == part))
                .filter(|partial| !partial.is_empty())
                .collect();
            let numbered = split.iter().enumerate().map(|(part, p)| (part as u32, p));
            prop_assert_eq!(fold_partials(numbered), Some(whole.bar()));
        }

        #[test]
        fn comes_back_from_its_snapshot(trades: Vec<(i64, i32, i32)>) {
            let trades: Vec<_> =
                trades.into_iter().map(|(t, p, s)| (t, i64::from(p), i64::from(s))).collect();
            let partial = fold(&trades, |_| true);
            let mut snapshot = Snapshot::default();
            partial.snapshot(&mut snapshot);
            prop_assert_eq!(snapshot.words().len(), Partial::WORDS);
            prop_assert_eq!(Partial::restore(&mut snapshot.reader()), partial);
        }
    }
}
