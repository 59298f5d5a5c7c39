//! Bars for the tests: real series, and random walks; and an indicator alone.

use flate2::read::GzDecoder;
use market::{Bar, Price, Scale, Scales, Time, raw_from_f64};
use operators::indicator::{IndicatorSet, Spec};
use proptest::prelude::*;
use std::io::Read;

/// Nine digits for both.
pub const SCALES: Scales = Scales { price: Scale::NANO, size: Scale::NANO };

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/");

/// One indicator as a kernel.
pub fn alone(spec: &Spec) -> IndicatorSet {
    IndicatorSet::new(std::slice::from_ref(spec), SCALES)
}

/// A named series of bars.
pub struct Series {
    /// Where it comes from.
    pub name: String,
    /// Its bars.
    pub bars: Vec<Bar>,
}

/// GOOG, EURUSD, BTCUSD, twenty S&P names and the S&P index.
pub fn real() -> Vec<Series> {
    let mut series: Vec<_> = ["GOOG", "EURUSD", "BTCUSD"]
        .map(|name| {
            ohlcv(name, &text(&format!("ohlcv_backtesting_py/{name}.csv")), [1, 2, 3, 4, 5])
        })
        .into();
    series.push(ohlcv("S&P 500", &text("index_daily_arch/sp500.csv.gz"), [1, 2, 3, 4, 6]));
    let closes = text("sp500_prices_skfolio/sp500_dataset.csv.gz");
    let names: Vec<_> = closes.lines().next().expect("a header").split(',').collect();
    for (column, name) in names.iter().enumerate().skip(1) {
        series.push(ohlcv(name, &closes, [column; 5]));
    }
    assert_eq!(series.len(), 24);
    series
}

/// The text of a file of the shared data; a file that is not there fails the test.
fn text(path: &str) -> String {
    let path = format!("{ROOT}{path}");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = String::new();
    let read = match path.ends_with(".gz") {
        true => GzDecoder::new(&bytes[..]).read_to_string(&mut text),
        false => (&bytes[..]).read_to_string(&mut text),
    };
    read.unwrap_or_else(|error| panic!("{path}: {error}"));
    text
}

/// Open, high, low, close and volume from the `columns` of a table with a header. A row's size is its
/// volume, at nine digits or none where it is too large for them.
fn ohlcv(name: &str, table: &str, columns: [usize; 5]) -> Series {
    let row = |(at, line): (usize, &str)| {
        let cells: Vec<_> = line.split(',').collect();
        let [open, high, low, close, volume] = columns.map(|column| cells[column]);
        let [open, high, low, close] = [open, high, low, close]
            .map(|text| raw_from_f64(text.parse().unwrap(), Scale::NANO).unwrap());
        let volume = (volume.parse::<f64>().unwrap() * 1e9).round() as i128;
        bar(at, [open, high, low, close], volume)
    };
    Series { name: name.to_owned(), bars: table.lines().skip(1).enumerate().map(row).collect() }
}

/// An hourly bar.
pub fn bar(at: usize, prices: [i64; 4], volume: i128) -> Bar {
    let [open, high, low, close] = prices.map(Price::from_raw);
    let typical = prices.iter().map(|&price| i128::from(price)).sum::<i128>() / 4;
    Bar {
        ts_open: Time::from_ns(at as i64 * 3_600_000_000_000),
        open,
        high,
        low,
        close,
        trade_count: u64::from(volume > 0),
        volume,
        notional: typical.saturating_mul(volume),
    }
}

/// Walks of up to 200 bars around levels from tiny to huge, some of them flat for stretches.
pub fn walks() -> impl Strategy<Value = Vec<Bar>> {
    let level = prop_oneof![
        Just(1_000_000i64),
        Just(490_150_000_000),
        Just(1 << 50),
        1_000i64..4_000_000_000_000_000,
    ];
    let step = (-1.0f64..1.0, 0.0f64..1.0, 0i64..2_000_000, 0u8..4);
    (level, 0.0001f64..0.02, prop::collection::vec(step, 1..200)).prop_map(walk)
}

type Step = (f64, f64, i64, u8);

fn walk((level, volatility, steps): (i64, f64, Vec<Step>)) -> Vec<Bar> {
    let mut close = level;
    let mut bars = Vec::with_capacity(steps.len());
    for (at, (drift, spread, size, kind)) in steps.into_iter().enumerate() {
        let ts_open = Time::from_ns(at as i64 * 3_600_000_000_000);
        if kind == 0 {
            bars.push(Bar::carried(ts_open, Price::from_raw(close)));
            continue;
        }
        let open = close;
        let scale = close as f64 * volatility;
        close = ((close as f64 + scale * drift) as i64).clamp(100, 1 << 52);
        let wick = (scale * spread) as i64;
        let (high, low) = (open.max(close) + wick, (open.min(close) - wick).max(1));
        bars.push(bar(at, [open, high, low, close], i128::from(size) * 1_000_000_000));
    }
    bars
}
