//! A clean pass: the trades that are there, each bar computed from them at once, and kernels over the bars in order.

use super::chain::{Chain, Name, WIDE, text_of, width};
use super::ledger::{BAR_S, Trade};
use super::specs;
use crate::glue::Empty;
use market::{Bar, Price, Scales, SymbolId, Time, Updates, Width};
use operators::Kernel;
use operators::bar::RollUp;
use operators::indicator::IndicatorSet;
use std::collections::BTreeMap;

/// Bars of one symbol and width, by start in seconds.
type Bars = BTreeMap<i64, Bar>;

/// Every row that is there once all that `chain` was told is settled.
pub fn rows(
    trades: &[Trade],
    symbols: &[SymbolId],
    chain: &Chain,
    early: bool,
) -> BTreeMap<Name, String> {
    let mut rows = BTreeMap::new();
    for (number, symbol) in symbols.iter().enumerate() {
        let mut by_width: BTreeMap<Width, Bars> = BTreeMap::new();
        let mut bars = traded(trades, number);
        bars.retain(|start, _| early || start + BAR_S <= chain.complete_s);
        if chain.empty == Empty::Carry {
            carry(&mut bars, chain.closed_s);
        }
        by_width.insert(width("2s"), bars);
        for (from, to) in WIDE.map(|(from, to)| (width(from), width(to))) {
            let mut wide = rolled_up(&by_width[&from], to);
            wide.retain(|start, _| start + to.ns() / Time::SECOND <= chain.complete_s);
            by_width.insert(to, wide);
        }
        for (&width, bars) in &by_width {
            let name = |floats, start: &i64| {
                (floats, width, symbol.index(), Time::from_ns(start * Time::SECOND))
            };
            rows.extend(bars.iter().map(|(start, bar)| (name(false, start), format!("{bar:?}"))));
            if chain.has_lane(width) {
                let floats = indicators(bars);
                rows.extend(floats.iter().map(|(start, row)| (name(true, start), text_of(row))));
            }
        }
    }
    rows
}

/// The bars of what was traded, by the definition.
fn traded(trades: &[Trade], symbol: usize) -> Bars {
    let mut by_bar: BTreeMap<i64, Vec<&Trade>> = BTreeMap::new();
    for trade in trades.iter().filter(|trade| trade.symbol == symbol && trade.is_there) {
        by_bar.entry(trade.bar()).or_default().push(trade);
    }
    let bar = |(start, mut trades): (i64, Vec<&Trade>)| {
        trades.sort_by_key(|trade| (trade.ts, trade.partition, trade.at));
        let of = |updates| trades.iter().filter(move |trade| trade.updates.has(updates));
        let prices = |updates| of(updates).map(|trade| trade.price);
        let (open, close) = (prices(Updates::LAST).next()?, prices(Updates::LAST).next_back()?);
        let ends = [open, close];
        let bar = Bar {
            ts_open: Time::from_ns(start * Time::SECOND),
            open: Price::from_raw(open),
            high: Price::from_raw(prices(Updates::HIGH_LOW).chain(ends).max()?),
            low: Price::from_raw(prices(Updates::HIGH_LOW).chain(ends).min()?),
            close: Price::from_raw(close),
            trade_count: of(Updates::VOLUME).count() as u64,
            volume: of(Updates::VOLUME).count() as i128,
            notional: prices(Updates::VOLUME).map(i128::from).sum(),
        };
        Some((start, bar))
    };
    by_bar.into_iter().filter_map(bar).collect()
}

/// Puts in the bars that carry closes on: up to the next that traded, or to where intervals are closed.
fn carry(bars: &mut Bars, closed_s: i64) {
    let traded = bars.clone();
    for (&start, bar) in &traded {
        let end = traded.range(start + 1..).next().map_or(closed_s, |(next, _)| *next);
        for empty in (start + BAR_S..end).step_by(BAR_S as usize) {
            let ts_open = Time::from_ns(empty * Time::SECOND);
            bars.insert(empty, Bar::carried(ts_open, bar.close));
        }
    }
}

fn rolled_up(bars: &Bars, to: Width) -> Bars {
    let mut kernel = RollUp::new(to);
    let mut wide = Bar::carried(Time::from_ns(0), Price::from_raw(0));
    let step = |bar: &Bar| {
        kernel.update(bar, &mut wide);
        (wide.ts_open.ns() / Time::SECOND, wide)
    };
    bars.values().map(step).collect()
}

fn indicators(bars: &Bars) -> Vec<(i64, Vec<f64>)> {
    let mut kernel = IndicatorSet::new(&specs(), Scales::default());
    let mut row = vec![0.0; kernel.outputs()];
    let step = |(start, bar): (&i64, &Bar)| {
        kernel.update(bar, &mut row);
        (*start, row.clone())
    };
    bars.iter().map(step).collect()
}
