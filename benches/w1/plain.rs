//! The reference: what one would write by hand for this one job, on one thread.
//!
//! One loop over the columns: the same judgements of time and range, then the fold into the symbol's
//! newest bar. Bars are kept in a dense array by minute and symbol, so that a late trade finds its own;
//! they close when the watermark passes their end. With indicators: one set a symbol, run at the close.

use super::data::LATENESS_NS;
use market::{Bar, Price, Scales, Time, Trades};
use operators::Kernel;
use operators::indicator::{IndicatorLayout, IndicatorSet, Spec};
use std::sync::Arc;

const MINUTE: i64 = 60 * Time::SECOND;
const HORIZON_NS: i64 = 900 * Time::SECOND;
const JUMP_NS: i64 = 3_600 * Time::SECOND;
const NOTIONAL_MAX: i128 = 1 << 103;

#[derive(Clone, Copy)]
struct Open {
    first: i64,
    last: i64,
    bar: Bar,
}

const NOTHING: Open = Open {
    first: i64::MAX,
    last: i64::MIN,
    bar: Bar {
        high: Price::from_raw(i64::MIN),
        low: Price::from_raw(i64::MAX),
        ..Bar::carried(Time::from_ns(0), Price::from_raw(0))
    },
};

/// What the loop made, to be compared with the engine's.
#[derive(Debug, Default, PartialEq)]
pub struct Made {
    /// Bars.
    pub bars: u64,
    /// Late trades.
    pub late: u64,
    /// Refused trades.
    pub refused: u64,
    /// Sum of closes and volumes over all final bars.
    pub sum: i128,
    /// Sum of the last indicator row's finite values, for the optimiser's sake.
    pub rows: u64,
}

/// Folds the batches into minutes; runs `specs` over the bars as they close.
pub fn run(batches: &[Trades], symbols: usize, future: i64, specs: &[Spec]) -> Made {
    let origin = batches[0].ts_event[0].ns() / MINUTE - 2;
    let mut minutes: Vec<Vec<Open>> = Vec::new();
    let layout = Arc::new(IndicatorLayout::new(specs, Scales::default()));
    let mut sets: Vec<_> = (0..symbols).map(|_| IndicatorSet::of(layout.clone())).collect();
    let mut row = vec![0.0; sets[0].outputs()];
    let mut made = Made::default();
    let mut head = Head { greatest: i64::MIN / 2, closed: 0, next_close: i64::MIN };
    for batch in batches {
        let columns =
            batch.ts_event.iter().zip(&batch.symbol).zip(batch.price.iter().zip(&batch.size));
        for ((ts, symbol), (price, size)) in columns {
            let ts = ts.ns();
            let notional = i128::from(price.raw()) * i128::from(size.raw());
            let bad = price.raw() <= 0 || size.raw() <= 0 || notional >= NOTIONAL_MAX;
            if bad || ts > future || !head.admits(ts) {
                made.refused += 1;
                continue;
            }
            if ts > head.greatest {
                head.greatest = ts;
                if ts - LATENESS_NS >= head.next_close {
                    let until = ((ts - LATENESS_NS) / MINUTE - origin).max(0) as usize;
                    for minute in head.closed..until {
                        close(minutes.get(minute), &mut sets, &mut row, &mut made);
                    }
                    head.closed = head.closed.max(until);
                    head.next_close = (origin + head.closed as i64 + 1) * MINUTE;
                }
            }
            let minute = (ts / MINUTE - origin) as usize;
            if minute >= minutes.len() {
                minutes.resize_with(minute + 1, || vec![NOTHING; symbols]);
            }
            made.late += u64::from(minute < head.closed);
            minutes[minute][symbol.index()].add(ts, *price, *size, notional);
        }
    }
    for minute in head.closed..minutes.len() {
        close(minutes.get(minute), &mut sets, &mut row, &mut made);
    }
    for open in minutes.iter().flatten().filter(|open| open.bar.trade_count > 0) {
        made.bars += 1;
        made.sum += i128::from(open.bar.close.raw()) + open.bar.volume;
    }
    made
}

/// Where the log's head is, and which minutes are over.
struct Head {
    greatest: i64,
    closed: usize,
    next_close: i64,
}

impl Head {
    /// Neither a jump nor beyond the horizon.
    fn admits(&self, ts: i64) -> bool {
        self.greatest < 0
            || (ts <= self.greatest + JUMP_NS && ts >= self.greatest - LATENESS_NS - HORIZON_NS)
    }
}

impl Open {
    #[inline(always)]
    fn add(&mut self, ts: i64, price: Price, size: market::Size, notional: i128) {
        if ts < self.first {
            self.first = ts;
            self.bar.open = price;
        }
        if ts >= self.last {
            self.last = ts;
            self.bar.close = price;
        }
        self.bar.high = self.bar.high.max(price);
        self.bar.low = self.bar.low.min(price);
        self.bar.volume += i128::from(size.raw());
        self.bar.notional += notional;
        self.bar.trade_count += 1;
    }
}

fn close(minute: Option<&Vec<Open>>, sets: &mut [IndicatorSet], row: &mut [f64], made: &mut Made) {
    if row.is_empty() {
        return;
    }
    for (symbol, open) in minute.into_iter().flatten().enumerate() {
        if open.bar.trade_count > 0 {
            sets[symbol].update(&open.bar, row);
            made.rows += u64::from(row[0].is_finite());
        }
    }
}
