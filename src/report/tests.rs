//! A session through the graph onto a page.

use super::Collector;
use crate::config::Config;
use crate::{Engine, Summary};
use market::{
    Bar, Body, Change, Offset, Price, RowKey, Rows, Sink, Size, Symbols, TableSpec, Time, Trades,
};
use operators::indicator::Registry;
use std::sync::Arc;

const CONFIG: &str = "[[bars]]\nwidths = [\"1min\", \"5min\"]\n[[indicators]]\n\
    list = [\"sma(20)\", \"ema(12)\", \"ema(26)\", \"rsi(14)\", \"macd(12,26,9)\", \"bb(20,2)\", \"vwap(session)\"]";

/// `count` trades of two symbols a second apart, every fiftieth two minutes late.
fn trades(engine: &Engine, count: i64) -> Trades {
    let mut trades = Trades::default();
    let names = ["NVDA", "</script>"].map(|name| engine.symbols().intern(name.as_bytes()).unwrap());
    let start = Time::parse("2024-01-02T14:30:00Z").unwrap().ns();
    let mut price = 490_000_000_000i64;
    let mut noise = 12345u64;
    for k in 0..count {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        price += ((noise >> 40) as i64 % 41 - 20) * 10_000_000;
        let late = if k % 50 == 49 { 120 } else { 0 };
        trades.ts_event.push(Time::from_ns(start + (k - late) * Time::SECOND));
        trades.symbol.push(names[(k % 2) as usize]);
        trades.price.push(Price::from_raw(price + late * 20_000_000));
        trades.size.push(Size::from_raw(((noise >> 33) as i64 % 200 + 1) * 1_000_000_000));
        trades.offset.push(Offset::in_file(0, k as u64));
    }
    trades
}

fn run(count: i64) -> (Collector, Summary) {
    let collector = Collector::default();
    let config = Config::parse("test", CONFIG, &[], &Registry::standard()).unwrap();
    let engine = Engine::new(config);
    let trades = trades(&engine, count);
    let summary = engine.trades(vec![trades]).sink(Box::new(collector.clone())).run().unwrap();
    (collector, summary)
}

#[test]
fn a_page_shows_what_the_graph_gave() {
    let (collector, summary) = run(6000);
    assert_eq!(summary.counts.used, 6000);
    let collected = collector.collected();
    let page = collected.page("a test", &summary);
    assert_eq!(page.matches("</script>").count(), 2, "a symbol cannot end the script");
    let start = page.find("id=\"data\">").unwrap() + 10;
    let end = start + page[start..].find("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(&page[start..end]).unwrap();
    assert_eq!(data["widths"], serde_json::json!(["1min", "5min"]));
    for symbol in data["symbols"].as_array().unwrap() {
        assert!(symbol["widths"]["1min"]["t"].as_array().unwrap().len() >= 100);
        let revised = symbol["widths"]["1min"]["r"].as_object().unwrap();
        assert_eq!(revised.len() as u64, symbol["revised"].as_u64().unwrap());
    }
    let marked: u64 =
        data["symbols"].as_array().unwrap().iter().map(|s| s["revised"].as_u64().unwrap()).sum();
    assert!(marked > 50, "{marked} bars are marked as revised");
    if let Some(path) = std::env::var_os("REPORT_OUT") {
        std::fs::write(path, &page).unwrap();
    }
    assert!(collected.chart("1min".parse().unwrap()).contains("NVDA"));
}

/// A row of minute `ts_open` through the sink: a bar, or its indicator.
fn row(collector: &mut Collector, is_bar: bool, ts_open: i64, (revision, change): (u32, Change)) {
    let symbols = Symbols::default();
    let symbol = symbols.intern(b"A").unwrap();
    let (ts_open, width) = (Time::from_ns(ts_open * 60 * Time::SECOND), "1min".parse().unwrap());
    let key = RowKey { epoch: 0, ts_open, symbol, width, seq: 0, revision, change };
    let price = Price::from_raw(i64::from(revision + 1) * 1_000_000_000);
    let (table, body) = match is_bar {
        true => (TableSpec::bars(), Body::Bars(vec![Bar::carried(ts_open, price)])),
        false => {
            let table = TableSpec::floats("technical_indicators", &["sma_2".to_owned()]);
            (table, Body::Floats { stride: 1, values: vec![f64::from(revision)] })
        }
    };
    let known_at = vec![Time::from_ns(i64::from(revision))];
    let rows = Rows { table: Arc::new(table), keys: vec![key], known_at, body, symbols };
    collector.write(&rows).unwrap();
}

#[test]
fn what_was_removed_leaves_the_page() {
    let (mut collector, width) = (Collector::default(), "1min".parse().unwrap());
    let added = (0, Change::Added);
    for (is_bar, minute) in [(true, 0), (false, 0), (true, 1), (false, 1)] {
        row(&mut collector, is_bar, minute, added);
    }
    row(&mut collector, true, 1, (1, Change::Removed));
    row(&mut collector, false, 1, (1, Change::Removed));
    row(&mut collector, false, 0, (1, Change::Removed));
    {
        let collected = collector.collected();
        let series = &collected.symbols["A"][&width];
        assert_eq!((series.bars.len(), series.revised(), collected.left_out), (1, 0, 0));
        assert!(series.last().unwrap().indicators.is_empty());
    }
    // One that returns was not revised since.
    row(&mut collector, true, 1, (2, Change::Added));
    row(&mut collector, false, 1, (2, Change::Added));
    {
        let collected = collector.collected();
        let last = collected.symbols["A"][&width].last().unwrap();
        assert_eq!((last.revision, last.first, &last.indicators[..]), (2, None, &[2.0][..]));
    }
    row(&mut collector, true, 0, (1, Change::Removed));
    row(&mut collector, true, 1, (3, Change::Removed));
    assert!(collector.collected().symbols.is_empty());
}

#[test]
fn the_same_run_gives_the_same_page() {
    let page =
        |(collector, summary): (Collector, Summary)| collector.collected().page("", &summary);
    assert_eq!(page(run(500)), page(run(500)));
}
