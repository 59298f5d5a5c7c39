//! The SQLite sink against bare prepared inserts of the same rows, and the Parquet sink beside them:
//! 1,000 symbols, one session of minutes, bars and eight indicators.
//!
//! Bare means: the same table, one prepared INSERT, 50,000 rows a transaction, values at hand in the form
//! SQLite takes. Runs alternate; medians of five; CPU time of the process and wall time. `scripts/bench`
//! reads the line that begins with `figure`: name, reference, ratio, bound, detail.

use market::{Bar, Body, Cell, Change, Price, RowKey, Rows, Sink, Symbols, TableSpec, Time, Width};
use rusqlite::Connection;
use rusqlite::types::Value;
use sinks::{ParquetOptions, ParquetSink, Sqlite, SqliteSink, Table};
use std::path::Path;
use std::sync::Arc;

const SYMBOLS: usize = 1_000;
const MINUTES: i64 = 390;
const RUNS: usize = 5;
const COMMIT_ROWS: usize = 50_000;

fn batches() -> Vec<Rows> {
    let symbols = Symbols::default();
    let mut ids: Vec<_> = (0..SYMBOLS).map(|n| format!("S{n:04}")).collect();
    ids.sort();
    let ids: Vec<_> = ids.iter().map(|text| symbols.intern(text.as_bytes()).unwrap()).collect();
    let width: Width = "1min".parse().unwrap();
    let bars = Arc::new(TableSpec::bars());
    let names = ["sma_20", "ema_12", "ema_26", "rsi_14", "macd_12_26_9", "bb_upper_20_2"];
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let floats = Arc::new(TableSpec::floats("technical_indicators", &names));
    let mut batches = Vec::new();
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as i64
    };
    for minute in 0..MINUTES {
        let ts_open = Time::from_ns((28_400_000 + minute) * 60 * Time::SECOND);
        let epoch = ts_open.ns() / Time::SECOND + 59;
        let key = |&symbol| RowKey {
            epoch,
            ts_open,
            symbol,
            width,
            seq: 0,
            revision: 0,
            change: Change::Added,
        };
        let keys: Vec<_> = ids.iter().map(key).collect();
        let known_at = vec![Time::from_ns((epoch + 3) * Time::SECOND); keys.len()];
        let mut bar = || {
            let close = Price::from_raw(100_000_000_000 + random() * 10_000);
            let volume = i128::from(random()) * 1_000_000_000;
            let notional = volume * i128::from(close.raw());
            Bar { volume, notional, trade_count: 25, ..Bar::carried(ts_open, close) }
        };
        let body = Body::Bars(keys.iter().map(|_| bar()).collect());
        let (table, symbols) = (bars.clone(), symbols.clone());
        let rows = Rows { table, keys, known_at, body, symbols };
        let values = (0..SYMBOLS * names.len()).map(|_| random() as f64 / 7.0).collect();
        let body = Body::Floats { stride: names.len(), values };
        batches.push(rows.clone());
        batches.push(Rows { table: floats.clone(), body, ..rows });
    }
    batches
}

/// Table number, and the values of a row as SQLite takes them.
fn bare_rows(batches: &[Rows]) -> Vec<(usize, Vec<Value>)> {
    let mut bare = Vec::new();
    for (at, rows) in batches.iter().enumerate() {
        for (row, key) in rows.keys.iter().enumerate() {
            let mut values = vec![
                Value::from(rows.symbols.text(key.symbol).to_string()),
                Value::from(key.width.to_string()),
                Value::from(key.ts_open.ns()),
                Value::from(key.seq),
            ];
            values.extend((0..rows.table.columns.len()).map(|c| match rows.cell(row, c) {
                Cell::Null => Value::Null,
                Cell::Integer(value) => Value::from(value),
                Cell::Decimal(value) => Value::from(value.to_f64()),
                Cell::Float(value) => Value::from(value),
                Cell::Time(value) => Value::from(value.ns()),
            }));
            values.push(Value::from(key.revision));
            values.push(Value::from(rows.known_at[row].ns()));
            bare.push((at % 2, values));
        }
    }
    bare
}

fn bare(path: &Path, tables: &[Table], rows: &[(usize, Vec<Value>)]) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768",
    )
    .unwrap();
    tables.iter().for_each(|table| db.execute_batch(&table.create(&Sqlite)).unwrap());
    let insert = |table: &Table| {
        let places = vec!["?"; table.columns.len()].join(",");
        db.prepare(&format!("INSERT INTO {} VALUES ({places})", table.name)).unwrap()
    };
    let mut inserts: Vec<_> = tables.iter().map(insert).collect();
    for chunk in rows.chunks(COMMIT_ROWS) {
        db.execute_batch("BEGIN").unwrap();
        for (table, values) in chunk {
            inserts[*table].execute(rusqlite::params_from_iter(values)).unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
    }
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn through(mut sink: impl Sink, batches: &[Rows]) {
    for pair in batches.chunks(2) {
        pair.iter().for_each(|rows| sink.write(rows).unwrap());
        sink.flush(pair[0].keys[0].epoch + 1).unwrap();
    }
    sink.flush(i64::MAX).unwrap();
    sink.finish().unwrap();
}

/// Seconds of CPU time of this process, to the hundredth.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed(run: impl FnOnce(&Path)) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let (wall, before) = (std::time::Instant::now(), cpu());
    run(folder.path());
    (cpu() - before, wall.elapsed().as_secs_f64())
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = of.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let batches = batches();
    let specs = [&batches[0].table, &batches[1].table].map(|spec| (**spec).clone());
    let tables = [Table::derived(&specs[0]), Table::derived(&specs[1])];
    let rows = bare_rows(&batches);
    let mut times: [Vec<(f64, f64)>; 3] = Default::default();
    for _ in 0..RUNS {
        times[0].push(timed(|folder| bare(&folder.join("t.sqlite"), &tables, &rows)));
        times[1].push(timed(|folder| {
            through(SqliteSink::open(&folder.join("t.sqlite"), "L", &specs).unwrap(), &batches);
        }));
        times[2].push(timed(|folder| {
            let sink = ParquetSink::open(folder, "L", ParquetOptions::default()).unwrap();
            through(sink, &batches);
        }));
    }
    let reference = times[0].clone();
    println!("{} rows, medians of {RUNS}", rows.len());
    for (name, times) in ["bare prepared inserts", "sqlite sink", "parquet sink"].iter().zip(&times)
    {
        let cpu = median(times.iter().map(|t| t.0));
        let wall = median(times.iter().map(|t| t.1));
        let (cpu_ref, wall_ref) =
            (median(reference.iter().map(|t| t.0)), median(reference.iter().map(|t| t.1)));
        println!(
            "{name:22} cpu {cpu:6.2} s ({:.2}x)  wall {wall:6.2} s ({:.2}x)",
            cpu / cpu_ref,
            wall / wall_ref
        );
        if *name == "sqlite sink" {
            let detail = format!("{cpu:.2} s, {cpu_ref:.2} s");
            println!(
                "figure\tSQLite sink\tbare prepared inserts\t{:.3}\t1.3\t{detail}",
                cpu / cpu_ref
            );
        }
    }
}
