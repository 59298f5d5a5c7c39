//! Stores read back: rows of other columns than those before, bars as they were, two stores compared.

use market::{
    Bar, Body, Change, Price, RowKey, Rows, Scale, Scales, Sink, Symbols, TableSpec, Time,
};
use proptest::prelude::*;
use sinks::{
    DiffOptions, Identity, ParquetOptions, RowDiff, Side, Store, StoredBars, TableDiff, diff,
};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

fn store(folder: &Path) -> Store {
    let identity = Identity { fingerprint: "law".to_owned(), parts: Vec::new() };
    Store::open(folder, &identity, false, Time::from_ns(0)).unwrap()
}

fn symbols() -> Symbols {
    let scale = |digits| Scale::new(digits).unwrap();
    let coarse = Scales { price: scale(4), size: scale(0) };
    Symbols::with_scales([("B".to_owned(), coarse)].into())
}

fn keys(symbols: &Symbols, epochs: std::ops::Range<i64>) -> Vec<RowKey> {
    let key = |epoch: i64| RowKey {
        epoch,
        ts_open: Time::from_ns(epoch * 60_000_000_000),
        symbol: symbols.intern(if epoch % 2 == 0 { b"A" } else { b"B" }).unwrap(),
        width: "1min".parse().unwrap(),
        seq: 0,
        revision: 0,
        change: Change::Added,
    };
    epochs.map(key).collect()
}

/// Rows of epochs, a column each: its number times the epoch, none where there is no number.
fn floats(symbols: &Symbols, columns: &[(&str, f64)], epochs: std::ops::Range<i64>) -> Rows {
    let names: Vec<String> = columns.iter().map(|(name, _)| name.to_string()).collect();
    let keys = keys(symbols, epochs);
    let values = keys.iter().flat_map(|key| columns.iter().map(|(_, by)| by * key.epoch as f64));
    let body = Body::Floats { stride: columns.len(), values: values.collect() };
    let known_at = keys.iter().map(|key| key.ts_open).collect();
    let table = Arc::new(TableSpec::floats("technical_indicators", &names));
    Rows { table, keys, known_at, body, symbols: symbols.clone() }
}

type OpenSink = fn(&Store) -> Box<dyn Sink>;

const SINKS: [OpenSink; 3] = [
    |store| Box::new(store.sqlite(&[]).unwrap()),
    |store| Box::new(store.parquet(ParquetOptions::default()).unwrap()),
    |store| {
        Box::new(store.parquet(ParquetOptions { span_epochs: 7, ..Default::default() }).unwrap())
    },
];

fn options(exact: bool) -> DiffOptions {
    DiffOptions { exact, from: None, to: None, shown: 3 }
}

fn compare(one: &Path, other: &Path, options: &DiffOptions) -> TableDiff {
    let sides = [Side::store(one).unwrap(), Side::store(other).unwrap()];
    let found = diff(&sides, options).unwrap();
    found.into_iter().find(|table| table.table == "technical_indicators").unwrap()
}

#[test]
fn columns_may_come_and_go_between_runs() {
    let symbols = symbols();
    let parts: [(&[(&str, f64)], _); 4] = [
        (&[("a", 1.0), ("b", 2.0)], 0..10),
        (&[("b", 2.0), ("c", 3.0)], 10..15),
        (&[("b", 2.0), ("c", 3.0)], 15..18),
        (&[("a", 1.0), ("b", 2.0)], 18..20),
    ];
    let revise = |rows: &mut Rows, by: i64| {
        // The first row is that of another bar, corrected once.
        rows.keys[0].ts_open = Time::from_ns((rows.keys[0].epoch - by) * 60_000_000_000);
        rows.keys[0].revision = 1;
    };
    for open in SINKS {
        let [changed, clean] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (columns, epochs) in parts.clone() {
            let end = epochs.end;
            let mut sink = open(&store(changed.path()));
            let mut rows = floats(&symbols, columns, epochs);
            revise(&mut rows, if end == 15 { 8 } else { 0 });
            sink.write(&rows).unwrap();
            sink.flush(end).unwrap();
            sink.sync().unwrap();
            // Killed: nothing is written by its end.
            std::mem::forget(sink);
        }
        let mut sink = open(&store(changed.path()));
        sink.flush(i64::MAX).unwrap();
        sink.finish().unwrap();
        let mut sink = open(&store(clean.path()));
        for (columns, epochs) in parts.clone() {
            let by =
                |name| columns.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |c| c.1);
            let all = ["a", "b", "c"].map(|name| (name, by(name)));
            let mut rows = floats(&symbols, &all, epochs.clone());
            revise(&mut rows, if epochs.end == 15 { 8 } else { 0 });
            sink.write(&rows).unwrap();
        }
        sink.flush(i64::MAX).unwrap();
        sink.finish().unwrap();
        drop(sink);
        let found = compare(changed.path(), clean.path(), &options(true));
        assert!(found.is_same(&options(true)) && found.rows == [19, 19], "{found:?}");
    }
}

#[test]
fn what_differs_is_found() {
    let symbols = symbols();
    for open in SINKS {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for (folder, columns, epochs) in [
            (one.path(), [("a", 1.0), ("b", 2.0)], 0..10),
            (other.path(), [("a", 1.0), ("c", 2.0)], 2..11),
        ] {
            let mut sink = open(&store(folder));
            let mut rows = floats(&symbols, &columns, epochs.clone());
            if epochs.start == 2 {
                rows.keys[0].revision = 1;
                rows.keys[1].revision = 1;
                let Body::Floats { values, .. } = &mut rows.body else { panic!("floats") };
                values[2] = 77.0;
            }
            sink.write(&rows).unwrap();
            sink.flush(i64::MAX).unwrap();
            sink.finish().unwrap();
        }
        let found = compare(one.path(), other.path(), &options(false));
        assert_eq!((found.rows, found.only, found.differing), ([10, 9], [2, 1], 1), "{found:?}");
        assert!(found.columns[0].contains("b") && found.columns[1].contains("c"), "{found:?}");
        assert!(!found.is_same(&options(false)), "{found:?}");
        // Two that only the first has come before all others; one is told of each kind all the same.
        let exact = compare(one.path(), other.path(), &DiffOptions { shown: 1, ..options(true) });
        assert_eq!((exact.differing, exact.by_column["a"]), (2, 1), "{exact:?}");
        assert_eq!(exact.by_column["revision"], 2, "{exact:?}");
        let kind = |row: &RowDiff| (row.only, row.cells.iter().any(|cell| cell.0 == "a"));
        let told: BTreeSet<_> = exact.first.iter().map(kind).collect();
        let all = [(None, false), (None, true), (Some(0), false), (Some(1), false)];
        assert_eq!(told, all.into());
        assert_eq!(exact.first.len(), all.len(), "{exact:?}");
        let (from, to) = (Time::from_ns(4 * 60_000_000_000), Time::from_ns(10 * 60_000_000_000));
        let cut = DiffOptions { from: Some(from), to: Some(to), ..options(false) };
        let found = compare(one.path(), other.path(), &cut);
        assert!(found.is_same(&cut) && found.rows == [6, 6], "{found:?}");
    }
}

/// Those of a batch's rows that are picked, removed in an epoch.
fn removed(mut rows: Rows, is_picked: impl Fn(&RowKey) -> bool, epoch: i64) -> Rows {
    rows.keys.retain(is_picked);
    for key in &mut rows.keys {
        (key.epoch, key.revision, key.change) = (epoch, 1, Change::Removed);
    }
    // Values of what was removed say nothing.
    rows.known_at.truncate(rows.keys.len());
    match &mut rows.body {
        Body::Bars(bars) => bars.truncate(rows.keys.len()),
        Body::Floats { stride, values } => values.truncate(rows.keys.len() * *stride),
    }
    rows
}

#[test]
fn what_was_removed_is_on_no_side() {
    let symbols = symbols();
    let rows = |epochs| floats(&symbols, &[("a", 1.0)], epochs);
    let later = |key: &RowKey| key.ts_open.ns() >= 10 * 60_000_000_000;
    for open in SINKS {
        let [removes, never] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let write = |folder: &Path, batches: &[Rows], before: i64| {
            let mut sink = open(&store(folder));
            batches.iter().for_each(|rows| sink.write(rows).unwrap());
            sink.flush(before).unwrap();
            if before == i64::MAX {
                sink.finish().unwrap();
            }
        };
        let same = || {
            let sides = [removes.path(), never.path()].map(|path| Side::store(path).unwrap());
            let found = diff(&sides, &options(true)).unwrap();
            assert!(found.iter().all(|table| !table.table.contains("revisions")), "{found:?}");
            let found = found.iter().find(|table| table.table == "technical_indicators").unwrap();
            assert!(found.is_same(&options(true)) && found.rows == [10, 10], "{found:?}");
        };
        write(removes.path(), &[rows(0..20), removed(rows(0..20), later, 30)], 40);
        write(never.path(), &[rows(0..10)], 40);
        // Stopped: of Parquet there are changes, not one row a key.
        same();
        write(removes.path(), &[], i64::MAX);
        write(never.path(), &[], i64::MAX);
        same();
    }
}

#[test]
fn bars_that_were_removed_are_not_read_back() {
    let symbols = symbols();
    for open in SINKS {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(&symbols, 0..20);
        let bars =
            keys.iter().map(|key| Bar::carried(key.ts_open, Price::from_raw(5_000))).collect();
        let known_at = keys.iter().map(|key| key.ts_open).collect();
        let (table, body) = (Arc::new(TableSpec::bars()), Body::Bars(bars));
        let rows = Rows { table, keys, known_at, body, symbols: symbols.clone() };
        let mut sink = open(&store(folder.path()));
        sink.write(&rows).unwrap();
        sink.write(&removed(rows, |key| key.ts_open.ns() % 120_000_000_000 == 0, 30)).unwrap();
        sink.flush(31).unwrap();
        // Stopped: of Parquet there are changes, not one row a key.
        drop(sink);
        let stored = StoredBars::of(folder.path()).unwrap().unwrap();
        let (mut found, widths) = (0, ["1min".parse().unwrap()]);
        stored
            .each(&widths, &symbols, &mut |_, _, bar| {
                assert_ne!(bar.ts_open.ns() % 120_000_000_000, 0);
                found += 1;
            })
            .unwrap();
        assert_eq!(found, 10);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn stored_bars_are_read_back(
        bars in prop::collection::vec((1i64..900_000_000, 0i64..1_000, 1i128..1_000_000), 1..40),
        which in 0usize..3,
    ) {
        let (symbols, folder) = (symbols(), tempfile::tempdir().unwrap());
        let keys = keys(&symbols, 0..bars.len() as i64);
        let bar = |(key, (price, up, volume)): (&RowKey, &(i64, i64, i128))| {
            let unit = i128::from(symbols.scales(key.symbol).size.unit());
            let (low, volume) = (Price::from_raw(*price), volume * unit);
            let high = Price::from_raw(price + up);
            let notional = volume * i128::from(price + up / 2);
            Bar { ts_open: key.ts_open, open: low, high, low, close: high, trade_count: 3, volume, notional }
        };
        let wanted: Vec<Bar> = keys.iter().zip(&bars).map(bar).collect();
        let known_at = keys.iter().map(|key| key.ts_open).collect();
        let (table, body) = (Arc::new(TableSpec::bars()), Body::Bars(wanted.clone()));
        let rows = Rows { table, keys, known_at, body, symbols: symbols.clone() };
        let mut sink = SINKS[which](&store(folder.path()));
        sink.write(&rows).unwrap();
        sink.flush(i64::MAX).unwrap();
        sink.finish().unwrap();
        drop(sink);
        let stored = StoredBars::of(folder.path()).unwrap().unwrap();
        let mut found = Vec::new();
        let widths = ["1min".parse().unwrap()];
        stored.each(&widths, &symbols, &mut |_, symbol, bar| found.push((symbol, *bar))).unwrap();
        let by_symbol = |symbol| found.iter().filter(move |(of, _)| *of == symbol);
        for symbol in [0, 1].map(market::SymbolId::from_index) {
            prop_assert!(by_symbol(symbol).is_sorted_by_key(|(_, bar)| bar.ts_open));
        }
        found.sort_by_key(|(_, bar)| bar.ts_open);
        prop_assert_eq!(found.len(), wanted.len());
        for ((_, found), wanted) in found.iter().zip(&wanted) {
            let apart = (found.notional - wanted.notional).abs() as f64 / wanted.notional as f64;
            prop_assert!(apart < 1e-15, "{} and {}", found.notional, wanted.notional);
            prop_assert_eq!(Bar { notional: wanted.notional, ..*found }, *wanted);
        }
    }
}
