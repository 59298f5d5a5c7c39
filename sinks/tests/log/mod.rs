//! Random logs of changes, as the calls a run makes of a sink.

pub mod read;

use market::{
    Bar, Body, DeadLetter, Epoch, Offset, Price, Reason, RowKey, Rows, Sink, Symbols, TableSpec,
    Time, Width,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
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
    removes: bool,
}

const SYMBOLS: [&str; 4] = [".GBP", "A", "NVDA", "\u{e9}\"x,"];

/// Changes in order of epoch; the same key may come again, be removed and return. Half of them are of two keys,
/// so that some have a long past.
pub fn log() -> impl Strategy<Value = Vec<Change>> {
    let key = prop_oneof![(0usize..4, 0usize..2, -1i64..4), (Just(1usize), Just(0usize), 0i64..2),];
    let change = (0i64..9, key, 1i64..1_000_000_000_000, 0u8..4, 0u8..3);
    prop::collection::vec(change, 0..60).prop_map(|changes| {
        let mut epoch = -20;
        let change = |(step, (symbol, width, minute), price, refused, removes)| {
            epoch += step;
            let (refused, removes) = (refused == 0, removes == 0);
            Change { epoch, symbol, width, minute, price, refused, removes }
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
    // How often a key has changed, and whether it is there.
    let mut known: HashMap<_, (u32, bool)> = HashMap::new();
    let mut operations = Vec::new();
    let (mut bars, mut floats, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    let mut offset = 0;
    for (epoch, changes) in epochs {
        let mut keys = BTreeMap::new();
        for change in changes {
            if change.refused {
                letters.push(letter(epoch, offset, change));
                offset += 1;
            } else {
                keys.insert((SYMBOLS[change.symbol], change.width, change.minute), change);
            }
        }
        for (key, change) in keys {
            let (revision, was_there) = match known.get(&key) {
                Some((revision, was_there)) => (revision + 1, *was_there),
                None => (0, false),
            };
            let what = match (was_there, change.removes) {
                (true, true) => market::Change::Removed,
                (true, false) => market::Change::Revised,
                (false, false) => market::Change::Added,
                (false, true) => continue,
            };
            known.insert(key, (revision, !change.removes));
            let row = row(&symbols, epoch, key, (revision, what));
            // The values of a row that is removed look like any others.
            bars.push((row, change.price % 1000 + 1));
            floats.push((row, change.price % 1000 + 1));
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

fn row(
    symbols: &Symbols,
    epoch: Epoch,
    key: (&str, usize, i64),
    (revision, change): (u32, market::Change),
) -> RowKey {
    let width: Width = ["1min", "session"][key.1].parse().unwrap();
    RowKey {
        epoch,
        // Two rows start at a time.
        ts_open: Time::from_ns(key.2.div_euclid(2) * 60 * Time::SECOND),
        symbol: symbols.intern(key.0.as_bytes()).unwrap(),
        width,
        seq: key.2.rem_euclid(2) as u32,
        revision,
        change,
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
    let (symbol, width, price, refused, removes) = (1, 0, 5, false, false);
    let change = |minute| Change { epoch, symbol, width, minute, price, refused, removes };
    operations(&(0..count).map(change).collect::<Vec<_>>(), 0)
}

/// One row of the columns, 0.5, 1.5 and so on.
pub fn float_row(columns: &[String]) -> Rows {
    let symbols = Symbols::default();
    let keys = vec![row(&symbols, 0, ("A", 0, 0), (0, market::Change::Added))];
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
