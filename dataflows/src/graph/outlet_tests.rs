//! What sinks are handed: all of the complete epochs and no more, in one order, however it came.

use super::*;
use market::{Bar, Change, Offset, Price, Reason, SinkError, SymbolId, Time, Width};
use proptest::prelude::*;
use std::sync::Mutex;

/// What a sink was handed.
#[derive(Default)]
struct Handed {
    /// Of each table: the keys, and the values that stand beside them.
    rows: [Vec<(RowKey, u64)>; 2],
    letters: Vec<DeadLetter>,
    /// Rows of each call.
    calls: Vec<usize>,
    before: Epoch,
}

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Handed>>);

impl Sink for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let mut handed = self.0.lock().unwrap();
        let known = |key: &RowKey| EpochLength::SECOND.known_at(key.epoch, 0);
        assert!(rows.keys.iter().map(known).eq(rows.known_at.iter().copied()));
        let (table, values): (_, Vec<u64>) = match &rows.body {
            Body::Bars(bars) => (0, bars.iter().map(|bar| bar.trade_count).collect()),
            Body::Floats { values, .. } => (1, values.iter().map(|value| *value as u64).collect()),
        };
        handed.rows[table].extend(rows.keys.iter().copied().zip(values));
        handed.calls.push(rows.len());
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.0.lock().unwrap().letters.extend_from_slice(letters);
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        self.0.lock().unwrap().before = before;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

fn outlet(symbols: &Symbols) -> (Outlet, Recorder) {
    let tables = vec![TableSpec::bars(), TableSpec::floats("factors", &["x".to_owned()])];
    let tables = tables.into_iter().map(Arc::new).collect();
    let symbols = symbols.clone();
    let epoch = EpochLength::SECOND;
    let (owed, progress) = (None, Arc::default());
    let plan = OutletPlan { tables, epoch, lateness_ns: 0, symbols, owed, progress };
    let recorder = Recorder::default();
    (Outlet::new(plan, vec![Box::new(recorder.clone())]), recorder)
}

/// A parcel of these rows, by rising epoch; bars in table 0, floats in table 1.
fn parcel(table: usize, rows: &[(RowKey, u64)]) -> Shared {
    let bar = |value| {
        let carried = Bar::carried(Time::from_ns(0), Price::from_raw(1));
        Bar { trade_count: value, ..carried }
    };
    let values = rows.iter().map(|(_, value)| *value);
    let body = match table {
        0 => Body::Bars(values.map(bar).collect()),
        _ => Body::Floats { stride: 1, values: values.map(|value| value as f64).collect() },
    };
    let (keys, names) = (rows.iter().map(|(key, _)| *key).collect(), crate::wire::Names::None);
    let (table, width) = (table as u32, rows[0].0.width);
    Shared::from(Parcel::Rows(RowParcel { table, width, keys, body, names }))
}

fn letter(epoch: Epoch, partition: u32, row: u64) -> DeadLetter {
    DeadLetter {
        epoch,
        partition,
        source: String::new(),
        offset: Offset::from_raw(row),
        reason: Reason::ALL[0],
        detail: String::new(),
        raw: String::new(),
        symbol: None,
        ts_event: None,
    }
}

/// What comes next: a parcel of rows (table, width, and of each row: epochs on, symbol, start, revision and what
/// became of it), a letter (epochs ahead, partition, row), or so many epochs that are complete.
#[derive(Clone, Debug)]
enum Step {
    Rows(usize, usize, Vec<(i64, u8, i64, (u32, u64))>),
    Letter(i64, u32, u64),
    Complete(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::vec((0i64..3, 0u8..6, 0i64..4, (0u32..3, 0u64..3)), 1..8);
    prop_oneof![
        3 => (0usize..2, 0usize..3, rows).prop_map(|(table, width, rows)| Step::Rows(table, width, rows)),
        2 => (0i64..9, 0u32..3, 0u64..50).prop_map(|(ahead, part, row)| Step::Letter(ahead, part, row)),
        2 => (0i64..6).prop_map(Step::Complete),
    ]
}

/// The rows of each table in the order in which sinks are to see them.
fn sort(rows: &mut [Vec<(RowKey, u64)>; 2], symbols: &Symbols) {
    let place = |(key, value): &(RowKey, u64)| {
        let text = symbols.text(key.symbol);
        (key.epoch, text, key.width.seconds(), key.width, key.ts_open, *value)
    };
    rows.iter_mut().for_each(|rows| rows.sort_by_key(place));
}

proptest! {
    #[test]
    fn sinks_are_handed_what_is_complete_in_one_order(steps in prop::collection::vec(step(), 1..60)) {
        let symbols = Symbols::default();
        let (mut outlet, recorder) = outlet(&symbols);
        let widths = ["10s", "1min", "session"].map(|text| text.parse::<Width>().unwrap());
        let (mut complete, mut value) = (-5, 0);
        let mut rows = [Vec::new(), Vec::new()];
        let mut letters = Vec::new();
        for step in steps.into_iter().chain([Step::Complete(1_000)]) {
            match step {
                Step::Rows(table, width, steps) => {
                    let mut epoch = complete;
                    let mut row = |(on, symbol, start, (revision, code)): (i64, u8, i64, (u32, u64))| {
                        epoch += on;
                        value += 1;
                        // Ids in another order than texts.
                        let name = [b'Z' - symbol * 7 % 5, b'a' + symbol];
                        let symbol: SymbolId = symbols.intern(&name).unwrap();
                        let (width, ts_open) = (widths[width], Time::from_ns(start));
                        let change = Change::of_code(code).unwrap();
                        (RowKey { epoch, ts_open, symbol, width, seq: 0, revision, change }, value)
                    };
                    let new: Vec<_> = steps.into_iter().map(&mut row).collect();
                    outlet.receive(parcel(table, &new));
                    rows[table].extend(new);
                }
                Step::Letter(ahead, partition, row) => {
                    let letter = letter(complete + ahead, partition, row);
                    outlet.receive(Shared::from(Parcel::Letters(vec![letter.clone()])));
                    letters.push(letter);
                }
                Step::Complete(epochs) => {
                    complete += epochs;
                    outlet.pass_on(complete).unwrap();
                    let handed = recorder.0.lock().unwrap();
                    prop_assert_eq!(handed.before, complete);
                    sort(&mut rows, &symbols);
                    for (handed, rows) in handed.rows.iter().zip(&rows) {
                        let whole = rows.partition_point(|(key, _)| key.epoch < complete);
                        prop_assert_eq!(handed, &rows[..whole]);
                    }
                    letters.sort_by_key(|letter| (letter.epoch, letter.partition, letter.offset));
                    let whole = letters.partition_point(|letter| letter.epoch < complete);
                    prop_assert_eq!(&handed.letters, &letters[..whole]);
                }
            }
        }
        prop_assert!(outlet.waiting.is_empty() && outlet.letters.is_empty());
        for (count, rows) in outlet.left.tables.iter().zip(&rows) {
            let of = |change| rows.iter().filter(|(key, _)| key.change == change).count() as u64;
            let revised = rows.iter().filter(|(key, _)| key.revision > 0).count() as u64;
            let wanted = (of(Change::Added), of(Change::Removed), revised);
            prop_assert_eq!((count.added, count.removed, count.revised), wanted);
        }
    }
}

#[test]
fn many_rows_come_in_several_calls() {
    let symbols = Symbols::default();
    let (mut outlet, recorder) = outlet(&symbols);
    let (symbol, width) = (symbols.intern(b"A").unwrap(), "1min".parse().unwrap());
    let key = |at| {
        let ts_open = Time::from_ns(at);
        RowKey { epoch: 0, ts_open, symbol, width, seq: 0, revision: 0, change: Change::Added }
    };
    let rows: Vec<_> = (0..ROWS_MAX as i64 + 3).map(|at| (key(at), at as u64)).collect();
    outlet.receive(parcel(1, &rows));
    outlet.pass_on(1).unwrap();
    let handed = recorder.0.lock().unwrap();
    assert_eq!(handed.calls, [ROWS_MAX, 3]);
    assert!(handed.rows[1] == rows);
}
