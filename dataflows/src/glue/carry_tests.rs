//! How long a close is carried on, whatever is taken back.

use super::*;
use crate::glue::{Clockwork, Parts};
use crate::tick::PartialRow;
use market::{EpochLength, Offset, RowKey, Size, SymbolId, Symbols};
use operators::Snapshot;
use operators::bar::Partial;
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR: i64 = 3_600;

fn book(width: &str, horizon_ns: i64) -> BarBook {
    let clock = Clockwork { epoch: EpochLength::SECOND, horizon_ns };
    BarBook::new(width.parse().unwrap(), clock, Empty::Carry)
}

/// What a partition holds of a bar: one trade at this price, or none.
fn row(
    epoch: Epoch,
    symbol: SymbolId,
    partition: u32,
    start: Time,
    price: Option<i64>,
) -> PartialRow {
    let mut partial = Partial::new(start);
    if let Some(price) = price {
        let (price, size) = (Price::from_raw(price), Size::from_raw(1));
        partial.add(start, Offset::from_raw(0), price, size);
    }
    PartialRow { epoch, symbol, partition, base: 0, partial }
}

#[test]
fn a_close_is_carried_on_for_a_week_whatever_others_trade() {
    let symbols = Symbols::default();
    let [quiet, busy] = [b"A", b"B"].map(|text| symbols.intern(text).unwrap());
    let mut book = book("1h", Time::SECOND);
    let mut bars = 0;
    for hour in 0..24 * 9 {
        let start = Time::from_ns(hour * HOUR * Time::SECOND);
        let until = Time::from_ns((hour + 1) * HOUR * Time::SECOND);
        let epoch = (hour + 1) * HOUR - 1;
        book.reach(&Reach { at: epoch, base: 0, until });
        for symbol in [quiet, busy].into_iter().filter(|symbol| *symbol == busy || hour == 0) {
            book.apply(&row(epoch, symbol, 0, start, Some(1)));
        }
        book.settle(epoch, |key, _| bars += usize::from(key.symbol == quiet));
    }
    assert_eq!(bars, 24 * 7);
}

/// Half days of a bar, of a week, and that the horizon reaches back.
const BAR: i64 = 12 * HOUR;
const WEEK: i64 = 14;
const HORIZON: i64 = 9;

/// Half days until the next changes, and those: half days back, partition and price; whether all is cut behind.
type Turn = (i64, Vec<(i64, u32, Option<i64>)>, bool);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let price = prop_oneof![Just(None), (1i64..9).prop_map(Some)];
    let changes = prop::collection::vec((0..=HORIZON, 0u32..2, price), 0..4);
    let step = prop_oneof![3 => 0i64..3, 1 => 0i64..20];
    prop::collection::vec((step, changes, prop::bool::weighted(0.2)), 1..60)
}

/// By half day the bar that is there: its close, and whether it is carried.
fn clean(trades: &BTreeMap<(i64, u32), i64>, closed: i64) -> BTreeMap<i64, (i64, bool)> {
    // Of two trades at one time the partition's number decides.
    let traded: BTreeMap<i64, i64> = trades.iter().map(|((at, _), price)| (*at, *price)).collect();
    let mut bars = BTreeMap::new();
    for (&at, &price) in &traded {
        let next = traded.range(at + 1..).next().map_or(closed, |(next, _)| *next);
        bars.insert(at, (price, false));
        bars.extend((at + 1..next.min(at + WEEK)).map(|at| (at, (price, true))));
    }
    bars
}

fn cut(book: &mut BarBook, before: Epoch) -> BarBook {
    let mut words = Snapshot::default();
    book.snapshot(before, &|_| true, &mut words);
    let mut new = self::book("12h", HORIZON * BAR * Time::SECOND);
    let mut from = words.reader();
    new.restore(&|_| true, &mut from);
    assert!(from.rest().is_empty());
    new
}

/// The log's head is some intervals ahead of those that are closed.
fn reach(book: &mut BarBook, closed: i64) {
    let until = Time::from_ns((closed + 3) * BAR * Time::SECOND);
    book.reach(&Reach { at: closed * BAR - 1, base: 0, until });
}

proptest! {
    #[test]
    fn trades_that_are_taken_back_are_carried_nowhere(turns in turns()) {
        let symbol = Symbols::default().intern(b"A").unwrap();
        let mut book = book("12h", HORIZON * BAR * Time::SECOND);
        let (mut trades, mut there) = (BTreeMap::new(), BTreeMap::new());
        let mut closed = 1;
        for (step, changes, is_cut) in turns {
            let newest = closed + step;
            // What ended a horizon before the last epoch's end is forgotten.
            let oldest = closed - HORIZON;
            closed = newest;
            let epoch = closed * BAR - 1;
            reach(&mut book, closed);
            for (back, partition, price) in changes {
                let at = (closed - 1 - back).max(oldest).max(0);
                match price {
                    Some(price) => _ = trades.insert((at, partition), price),
                    None => _ = trades.remove(&(at, partition)),
                }
                let start = Time::from_ns(at * BAR * Time::SECOND);
                book.apply(&row(epoch, symbol, partition, start, price));
            }
            book.settle(epoch, |key: RowKey, bar| {
                let at = key.ts_open.ns() / (BAR * Time::SECOND);
                let now = (!key.is_removed()).then_some((bar.close.raw(), bar.trade_count == 0));
                let before = match now {
                    Some(now) => there.insert(at, now),
                    None => there.remove(&at),
                };
                // The other partition's trade at the same price changes volume alone.
                assert!(before.is_some() || now.is_some());
            });
            prop_assert_eq!(&there, &clean(&trades, closed));
            if is_cut {
                book = cut(&mut book, epoch + 1);
                reach(&mut book, closed);
            }
            // Where the newest bar is carried on, that is due when the next interval is closed.
            let last = there.last_key_value().map(|(at, _)| *at);
            let traded = trades.last_key_value().map(|((at, _), _)| *at);
            let is_due = last.zip(traded).is_some_and(|(last, traded)| last + 1 < traded + WEEK);
            prop_assert_eq!(book.next_carry(), is_due.then_some((closed + 1) * BAR - 1));
        }
    }
}
