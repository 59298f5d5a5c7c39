//! Random logs of changes, as the calls a run makes of a sink, and the contents of stores as text.

use market::{
    Bar, Body, DeadLetter, Epoch, Offset, Price, Reason, RowKey, Rows, Sink, Symbols, TableSpec,
    Time, Width,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::record::Field;
use proptest::prelude::*;
use sinks::{MemorySink, cell_text};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A call of a sink.
pub enum Op {
    Rows(Rows),
    Letters(Vec<DeadLetter>),
    Flush(Epoch),
    Sync,
    Finish,
}

impl Op {
    /// Makes the call.
    pub fn apply(&self, sink: &mut dyn Sink) {
        match self {
            Op::Rows(rows) => sink.write(rows),
            Op::Letters(letters) => sink.write_letters(letters),
            Op::Flush(before) => sink.flush(*before),
            Op::Sync => sink.sync(),
            Op::Finish => sink.finish(),
        }
        .unwrap();
    }
}

/// A change of a key, or a refusal.
#[derive(Clone, Debug)]
pub struct Change {
    epoch: Epoch,
    symbol: usize,
    width: usize,
    minute: i64,
    price: i64,
    refused: bool,
}

const SYMBOLS: [&str; 4] = [".GBP", "A", "NVDA", "\u{e9}\"x,"];

/// Changes in order of epoch; the same key may come again.
pub fn log() -> impl Strategy<Value = Vec<Change>> {
    let change = (0i64..9, 0usize..4, 0usize..2, -1i64..4, 1i64..1_000_000_000_000, 0u8..4);
    prop::collection::vec(change, 0..60).prop_map(|changes| {
        let mut epoch = -20;
        let change = |(step, symbol, width, minute, price, refused)| {
            epoch += step;
            Change { epoch, symbol, width, minute, price, refused: refused == 0 }
        };
        changes.into_iter().map(change).collect()
    })
}

/// A bit of `cuts` for each question, over and over.
struct Cuts(u64);

impl Cuts {
    fn next(&mut self) -> bool {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 63 == 1
    }
}

/// The calls of a run over `log`: where batches end, how often it flushes, and which ids symbols get is
/// up to `cuts`; what it hands over is not.
pub fn operations(log: &[Change], cuts: u64) -> Vec<Op> {
    let symbols = Symbols::default();
    let mut cuts = Cuts(cuts);
    if cuts.next() {
        for text in SYMBOLS.iter().rev() {
            symbols.intern(text.as_bytes()).unwrap();
        }
    }
    let mut epochs: BTreeMap<Epoch, Vec<&Change>> = BTreeMap::new();
    log.iter().for_each(|change| epochs.entry(change.epoch).or_default().push(change));
    let mut revisions = HashMap::new();
    let mut operations = Vec::new();
    let (mut bars, mut floats, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    let mut offset = 0;
    for (epoch, changes) in epochs {
        let mut keys = BTreeSet::new();
        for change in changes {
            let key = (SYMBOLS[change.symbol], change.width, change.minute);
            if change.refused {
                letters.push(letter(epoch, offset, change));
                offset += 1;
            } else if keys.insert((key, change.price % 1000)) {
                keys.retain(|known| known.0 != key || known.1 == change.price % 1000);
            }
        }
        for ((symbol, width, minute), price) in keys {
            let revision =
                revisions.entry((symbol, width, minute)).and_modify(|r| *r += 1).or_insert(0);
            let row = row(&symbols, epoch, (symbol, width, minute), *revision);
            bars.push((row, price + 1));
            floats.push((row, price + 1));
        }
        if cuts.next() {
            cut(&mut operations, &symbols, &mut bars, &mut floats, &mut letters);
            if cuts.next() {
                operations.push(Op::Flush(epoch + 1));
                if cuts.next() {
                    operations.push(Op::Sync);
                }
            }
        }
    }
    cut(&mut operations, &symbols, &mut bars, &mut floats, &mut letters);
    operations.push(Op::Flush(Epoch::MAX));
    operations.push(Op::Finish);
    operations
}

fn row(symbols: &Symbols, epoch: Epoch, key: (&str, usize, i64), revision: u32) -> RowKey {
    let width: Width = ["1min", "session"][key.1].parse().unwrap();
    RowKey {
        epoch,
        // Two rows start at a time.
        ts_open: Time::from_ns(key.2.div_euclid(2) * 60 * Time::SECOND),
        symbol: symbols.intern(key.0.as_bytes()).unwrap(),
        width,
        seq: key.2.rem_euclid(2) as u32,
        revision,
        change: if revision == 0 { market::Change::Added } else { market::Change::Revised },
    }
}

fn letter(epoch: Epoch, offset: u64, change: &Change) -> DeadLetter {
    DeadLetter {
        epoch,
        partition: 0,
        source: "ticks.csv".to_owned(),
        offset: Offset::in_file(0, offset),
        reason: Reason::ALL[change.symbol],
        detail: "wanted a number".to_owned(),
        raw: format!("{}\u{1}\"", change.price),
        symbol: (change.width == 0).then(|| SYMBOLS[change.symbol].to_owned()),
        ts_event: None,
    }
}

type Waiting = Vec<(RowKey, i64)>;

fn cut(
    operations: &mut Vec<Op>,
    symbols: &Symbols,
    bars: &mut Waiting,
    floats: &mut Waiting,
    letters: &mut Vec<DeadLetter>,
) {
    let rows = |spec: TableSpec, waiting: &Waiting, body: Body| {
        let keys: Vec<RowKey> = waiting.iter().map(|(key, _)| *key).collect();
        let known_at =
            keys.iter().map(|key| Time::from_ns((key.epoch + 61) * Time::SECOND)).collect();
        Op::Rows(Rows { table: Arc::new(spec), keys, known_at, body, symbols: symbols.clone() })
    };
    if !bars.is_empty() {
        let body = Body::Bars(bars.iter().map(|(key, price)| bar(key, *price)).collect());
        operations.push(rows(TableSpec::bars(), bars, body));
        // A third of a price that is not defined for every other one.
        let value = |price: i64| if price % 2 == 0 { f64::NAN } else { price as f64 / 3.0 };
        let values = floats.iter().map(|(_, price)| value(*price)).collect();
        let spec = TableSpec::floats("technical_indicators", &["sma_2".to_owned()]);
        operations.push(rows(spec, floats, Body::Floats { stride: 1, values }));
    }
    if !letters.is_empty() {
        operations.push(Op::Letters(std::mem::take(letters)));
    }
    bars.clear();
    floats.clear();
}

fn bar(key: &RowKey, price: i64) -> Bar {
    let close = Price::from_raw(price * 123_456_789);
    let volume = i128::from(price - 1) * 1_000_000_007;
    let carried = Bar::carried(key.ts_open, close);
    Bar { volume, notional: volume * 3, trade_count: price.unsigned_abs(), ..carried }
}

/// `count` rows of one epoch.
pub fn many(epoch: Epoch, count: i64) -> Vec<Op> {
    let change = |minute| Change { epoch, symbol: 1, width: 0, minute, price: 5, refused: false };
    operations(&(0..count).map(change).collect::<Vec<_>>(), 0)
}

/// One row of the columns, 0.5, 1.5 and so on.
pub fn float_row(columns: &[String]) -> Rows {
    let symbols = Symbols::default();
    let keys = vec![row(&symbols, 0, ("A", 0, 0), 0)];
    let values = (0..columns.len()).map(|at| at as f64 + 0.5).collect();
    Rows {
        table: Arc::new(TableSpec::floats("technical_indicators", columns)),
        keys,
        known_at: vec![Time::from_ns(61 * Time::SECOND)],
        body: Body::Floats { stride: columns.len(), values },
        symbols,
    }
}

/// The first rows of a batch.
pub fn first_rows(rows: &Rows, count: usize) -> Rows {
    let mut first = rows.clone();
    first.keys.truncate(count);
    first.known_at.truncate(count);
    match &mut first.body {
        Body::Bars(bars) => bars.truncate(count),
        Body::Floats { stride, values } => values.truncate(count * *stride),
    }
    first
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All that a store holds: bytes of its files (as numbers of their hash where they are no text), rows of
/// its tables. Without the generation, which counts runs.
pub fn content(folder: &Path) -> BTreeMap<String, String> {
    let mut content = BTreeMap::new();
    files(folder, folder, &mut content);
    content.insert("rows".to_owned(), sqlite_rows(folder));
    content.insert("dead_letters".to_owned(), select(folder, "dead_letters"));
    content.insert("sink_progress".to_owned(), select(folder, "sink_progress"));
    content
}

fn files(root: &Path, folder: &Path, content: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            files(root, &path, content);
        } else if !name.starts_with("tidemill.sqlite") {
            let bytes = fs::read(&path).unwrap();
            content.insert(name, bytes.escape_ascii().to_string());
        }
    }
}

fn select(folder: &Path, table: &str) -> String {
    let mut answer = Vec::new();
    let sql = format!("SELECT * FROM {table}");
    sinks::query(folder, &sql, sinks::Format::Json, &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// The derived tables of the SQLite file as text.
pub fn sqlite_rows(folder: &Path) -> String {
    let db = rusqlite::Connection::open(folder.join("tidemill.sqlite")).unwrap();
    let mut out = String::new();
    for table in TABLES {
        let mut rows = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for at in 0..columns {
                let text = match row.get_ref(at).unwrap() {
                    rusqlite::types::ValueRef::Null => String::new(),
                    rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                    rusqlite::types::ValueRef::Real(value) => value.to_string(),
                    other => other.as_str().unwrap().to_owned(),
                };
                write!(out, "{text}|").unwrap();
            }
            writeln!(out).unwrap();
        }
    }
    out
}

/// The final tables of a memory sink in the same form.
pub fn memory_rows(sink: &MemorySink) -> String {
    let memory = sink.memory();
    let mut out = String::new();
    for table in memory.tables.values() {
        let mut rows: Vec<_> = table.rows.iter().collect();
        rows.sort_by_key(|(key, _)| (key.0.clone(), key.1.to_string(), key.2, key.3));
        for ((symbol, width, ts_open, seq), row) in rows {
            write!(out, "{symbol}|{width}|{}|{seq}|", ts_open.ns()).unwrap();
            for cell in &row.cells {
                let text = match cell {
                    market::Cell::Time(time) => time.ns().to_string(),
                    market::Cell::Decimal(value) => value.to_f64().to_string(),
                    other => cell_text(other),
                };
                write!(out, "{text}|").unwrap();
            }
            writeln!(out, "{}|{}|", row.revision, row.known_at.ns()).unwrap();
        }
    }
    out
}

/// The folded files in the same form.
pub fn parquet_rows(folder: &Path) -> String {
    read_parquet(folder, true)
}

/// Of each key in any file the last revision, in the same form.
pub fn last_parquet_rows(folder: &Path) -> String {
    read_parquet(folder, false)
}

fn read_parquet(folder: &Path, folded: bool) -> String {
    let mut out = String::new();
    for table in TABLES {
        let mut rows = BTreeMap::new();
        let Ok(dates) = fs::read_dir(folder.join("parquet").join(table)) else { continue };
        for date in dates {
            let files: Vec<_> = fs::read_dir(date.unwrap().path()).unwrap().collect();
            assert!(!folded || files.len() == 1, "a folded date is one file");
            for file in files {
                let file = fs::File::open(file.unwrap().path()).unwrap();
                // As Arrow too: the types that readers see.
                ParquetRecordBatchReaderBuilder::try_new(file.try_clone().unwrap()).unwrap();
                let reader = parquet::file::reader::SerializedFileReader::new(file).unwrap();
                for row in reader {
                    let (place, revision, text) = parquet_row(&row.unwrap());
                    assert!(!folded || !rows.contains_key(&place), "{place:?} is there twice");
                    let last = rows.entry(place).or_default();
                    *last = (revision, text).max(std::mem::take(last));
                }
            }
        }
        for (_, text) in rows.values() {
            writeln!(out, "{text}").unwrap();
        }
    }
    out
}

const TABLES: [&str; 2] = ["aggregated_data", "technical_indicators"];

type Place = (String, String, i64, i64);

fn parquet_row(row: &parquet::record::Row) -> (Place, i64, String) {
    let texts: Vec<String> = row
        .get_column_iter()
        .map(|(_, field)| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Long(value) => value.to_string(),
            Field::Double(value) => value.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    let place =
        (texts[0].clone(), texts[1].clone(), texts[2].parse().unwrap(), texts[3].parse().unwrap());
    let revision = texts[texts.len() - 2].parse().unwrap();
    (place, revision, texts.iter().fold(String::new(), |line, text| line + text + "|"))
}
