//! The law of cuts: taken apart by symbol between any two epochs and put together in new instances,
//! the glue goes on as if nothing had happened.

use super::*;
use crate::glue::{BarBook, Clockwork, Empty, Keyed, Lane, Windowed};
use crate::tick::{PartialRow, Reach};
use market::{EpochLength, Offset, Price, RowKey, Scales, Size, Symbols, Time, Width};
use operators::bar::{Partial, RollUp};
use operators::indicator::{IndicatorSet, Registry};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const HORIZON: i64 = 20 * Time::SECOND;

/// Bars of two seconds, rolled up to ten, and indicators on the bars of two seconds.
struct Glue {
    bars: BarBook,
    /// The last word on each bar.
    last: BTreeMap<(usize, i64), Bar>,
    /// The last word on each row of any width and kind: its revision, and itself.
    rows: BTreeMap<(bool, Width, usize, Time), (u32, String)>,
    wide: Windowed<RollUp, Bar>,
    indicators: Keyed<IndicatorSet>,
}

fn width(text: &str) -> Width {
    text.parse().expect("a width")
}

impl Glue {
    fn new(empty: Empty) -> Self {
        let clock = Clockwork { epoch: EpochLength::SECOND, horizon_ns: HORIZON };
        let (narrow, wide) = (width("2s"), width("10s"));
        let blank = Bar::carried(Time::from_ns(0), Price::from_raw(0));
        let list = "ema(3),sma(4),macd(2,3,2)";
        let specs = Registry::standard().parse_list(list).expect("a list of known indicators");
        let stride = specs.iter().map(|spec| spec.outputs().len()).sum();
        let make = Box::new(move |_| IndicatorSet::new(&specs, Scales::default()));
        Glue {
            bars: BarBook::new(narrow, clock, empty),
            last: BTreeMap::new(),
            rows: BTreeMap::new(),
            wide: Windowed::new(wide, narrow, clock, RollUp::new(wide), blank),
            indicators: Keyed::new(clock, vec![Lane::new(narrow, stride, make)]),
        }
    }

    /// Applies an epoch; what came of it, in order.
    fn epoch(&mut self, epoch: Epoch, rows: &[PartialRow]) -> Vec<String> {
        // The log's head is known some way ahead of the epochs that are complete.
        let until = Time::from_ns((epoch + 5) / 2 * 2 * Time::SECOND);
        self.bars.reach(&Reach { at: epoch, base: 0, until });
        rows.iter().for_each(|row| self.bars.apply(row));
        let mut bars: Vec<(RowKey, Bar)> = Vec::new();
        self.bars.settle(epoch, |key, bar| bars.push((key, *bar)));
        let name = |key: &RowKey| (key.symbol.index(), key.ts_open.ns() / Time::SECOND);
        self.last.extend(bars.iter().map(|(key, bar)| (name(key), *bar)));
        let mut said: Vec<(bool, RowKey, String)> =
            bars.iter().map(|(key, bar)| (false, *key, format!("{bar:?}"))).collect();
        for run in bars.chunk_by(|a, b| a.0.symbol == b.0.symbol) {
            let symbol = run[0].0.symbol;
            let inputs = || run.iter().map(|(_, bar)| bar);
            let mut say = |key: RowKey, bar: &Bar| said.push((false, key, format!("{bar:?}")));
            self.wide.apply(epoch, symbol, inputs(), &mut say);
            let bits = |row: &[f64]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let mut say =
                |key: RowKey, row: &[f64]| said.push((true, key, format!("{:?}", bits(row))));
            self.indicators.apply(0, epoch, symbol, inputs(), &mut say);
        }
        self.indicators.forget(epoch);
        self.wide.close(epoch, |key, bar| said.push((false, key, format!("{bar:?}"))));
        self.note(&said);
        let mut said: Vec<String> = said.iter().map(|row| format!("{row:?}")).collect();
        said.sort();
        said
    }

    /// A row that is new has revision 0, and one that is handed out again differs and counts on.
    fn note(&mut self, said: &[(bool, RowKey, String)]) {
        for (floats, key, row) in said {
            let name = (*floats, key.width, key.symbol.index(), key.ts_open);
            let old = self.rows.insert(name, (key.revision, row.clone()));
            let revision = old.as_ref().map_or(0, |(revision, _)| revision + 1);
            assert_eq!(key.revision, revision, "{key:?} after {old:?}");
            assert!(old.is_none_or(|(_, old)| old != *row), "{key:?} is said again: {row}");
        }
    }

    /// What was read of `before` and later epochs is in no snapshot of those before.
    fn read_ahead(&mut self, before: Epoch) {
        if self.last.is_empty() {
            return;
        }
        let snapshots = [before, before + 1_000].map(|epoch| {
            let until = EpochLength::SECOND.start(epoch);
            self.bars.reach(&Reach { at: before, base: 0, until });
            let mut snapshot = Snapshot::default();
            self.bars.snapshot(before, &|_| true, &mut snapshot);
            snapshot.words().to_vec()
        });
        assert_eq!(snapshots[0], snapshots[1]);
    }

    /// Taken apart into symbols of even and of odd number, and put together in new instances.
    fn cut(&mut self, before: Epoch, empty: Empty) -> Self {
        let mut new = Glue { rows: self.rows.clone(), ..Glue::new(empty) };
        for parity in [1, 0] {
            let of = move |symbol: SymbolId| symbol.index() % 2 == parity;
            // Chosen where it is written, and where it is read.
            let (written, read): (&dyn Fn(_) -> bool, &dyn Fn(_) -> bool) =
                if before % 2 == 0 { (&of, &|_| true) } else { (&|_| true, &of) };
            let mut part = Snapshot::default();
            self.bars.snapshot(before, written, &mut part);
            self.wide.snapshot(before, written, &mut part);
            self.indicators.snapshot(before, written, &mut part);
            let mut from = part.reader();
            new.bars.restore(read, &mut from);
            new.wide.restore(read, &mut from);
            new.indicators.restore(read, &mut from);
            assert!(from.rest().is_empty(), "every word is read back");
        }
        new
    }
}

/// A trade of the log: epochs since the last one, symbol, partition, seconds late, price.
type Trade = (i64, u32, u32, i64, i64);

/// The changed partials of each epoch.
fn rows(trades: &[Trade], symbols: &[SymbolId]) -> BTreeMap<Epoch, Vec<PartialRow>> {
    let mut partials: BTreeMap<(i64, u32, u32), Partial> = BTreeMap::new();
    let mut rows: BTreeMap<Epoch, BTreeMap<(i64, u32, u32), PartialRow>> = BTreeMap::new();
    let mut epoch = 100;
    for (at, &(step, symbol, partition, late, price)) in trades.iter().enumerate() {
        epoch += step;
        let ts = Time::from_ns((epoch - late) * Time::SECOND);
        let ts_open = width("2s").open_of(ts);
        let key = (ts_open.ns(), symbol, partition);
        let partial = partials.entry(key).or_insert_with(|| Partial::new(ts_open));
        let (price, size) = (Price::from_raw(price), Size::from_raw(1));
        partial.add(ts, Offset::from_raw(at as u64), price, size);
        let symbol = symbols[symbol as usize];
        let row = PartialRow { epoch, symbol, partition, base: 0, partial: *partial };
        rows.entry(epoch).or_default().insert(key, row);
    }
    rows.into_iter().map(|(epoch, rows)| (epoch, rows.into_values().collect())).collect()
}

/// The bars of all trades from before epoch `end`, those that are not over by then included; with
/// `carry` those between and after them that are over by then, too.
fn expected(trades: &[Trade], end: Epoch, carry: bool) -> BTreeMap<(usize, i64), Bar> {
    let mut all: BTreeMap<_, Vec<(i64, u32, i64)>> = BTreeMap::new();
    let mut epoch = 100;
    for &(step, symbol, partition, late, price) in trades {
        epoch += step;
        if epoch >= end {
            break;
        }
        let (ts, key) = (epoch - late, (symbol as usize, (epoch - late) / 2 * 2));
        all.entry(key).or_default().push((ts, partition, price));
    }
    let mut bars: BTreeMap<(usize, i64), Bar> = BTreeMap::new();
    for ((symbol, start), mut trades) in all {
        // Of those with one time the partition decides, then the order.
        trades.sort_by_key(|(ts, partition, _)| (*ts, *partition));
        let ts_open = Time::from_ns(start * Time::SECOND);
        let prices = || trades.iter().map(|(_, _, price)| *price);
        let price = |price: Option<i64>| Price::from_raw(price.expect("a trade"));
        let bar = Bar {
            ts_open,
            open: price(prices().next()),
            high: price(prices().max()),
            low: price(prices().min()),
            close: price(prices().next_back()),
            trade_count: trades.len() as u64,
            volume: trades.len() as i128,
            notional: prices().map(i128::from).sum(),
        };
        bars.insert((symbol, start), bar);
    }
    if carry {
        for (&(symbol, start), bar) in &bars.clone() {
            for start in (start + 2..end - 1).step_by(2) {
                if bars.get(&(symbol, start)).is_some_and(|bar| bar.trade_count > 0) {
                    break;
                }
                let ts_open = Time::from_ns(start * Time::SECOND);
                bars.insert((symbol, start), Bar::carried(ts_open, bar.close));
            }
        }
    }
    bars
}

/// Symbols with a bar of which several partitions hold trades.
fn expected_spread(trades: &[Trade]) -> u64 {
    let mut bars: BTreeMap<(u32, i64), BTreeSet<u32>> = BTreeMap::new();
    let mut epoch = 100;
    for &(step, symbol, partition, late, _) in trades {
        epoch += step;
        bars.entry((symbol, (epoch - late) / 2)).or_default().insert(partition);
    }
    let spread = bars.iter().filter(|(_, partitions)| partitions.len() > 1);
    spread.map(|((symbol, _), _)| symbol).collect::<BTreeSet<_>>().len() as u64
}

proptest! {
    #[test]
    fn a_cut_between_any_two_epochs_is_invisible(
        trades in prop::collection::vec((0i64..4, 0u32..4, 0u32..2, 0i64..21, 1i64..50), 1..150),
        cuts in prop::collection::btree_set(100i64..500, 0..12),
        carry: bool,
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let table = Symbols::default();
        let names = ["A", "B", "C", "D"];
        let symbols = names.map(|name| table.intern(name.as_bytes()).expect("a name"));
        let rows = rows(&trades, &symbols);
        let last = rows.keys().last().expect("a trade") + 8;
        let (mut whole, mut parts) = (Glue::new(empty), Glue::new(empty));
        for epoch in 100..last {
            if cuts.contains(&epoch) {
                prop_assert_eq!(&whole.last, &expected(&trades, epoch, carry));
                parts.read_ahead(epoch);
                parts = parts.cut(epoch, empty);
            }
            let now = rows.get(&epoch).map_or(&[][..], Vec::as_slice);
            prop_assert_eq!(whole.epoch(epoch, now), parts.epoch(epoch, now), "epoch {}", epoch);
            prop_assert_eq!(whole.bars.next_carry(), parts.bars.next_carry(), "epoch {}", epoch);
        }
        prop_assert_eq!(whole.bars.spread_symbols(), parts.bars.spread_symbols());
        prop_assert_eq!(whole.bars.spread_symbols(), expected_spread(&trades));
        prop_assert_eq!(whole.last, expected(&trades, last, carry));
    }
}
