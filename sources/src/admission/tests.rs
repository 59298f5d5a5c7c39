//! Tests of admission: verdicts on small logs, and the laws on random ones.

use crate::*;
use market::*;

type Used = Vec<(u64, i64)>;
type Refused = Vec<(u64, &'static str)>;

const S: i64 = Time::SECOND;
const T0: i64 = 1_704_205_800 * S;

fn config() -> AdmissionConfig {
    AdmissionConfig::new(Time::from_ns(T0 + 86_400 * S))
}

/// A log of `(seconds after T0, symbol, price, id)`; an id of 0 is none.
fn log(symbols: &Symbols, rows: &[(f64, &str, i64, u64)]) -> Trades {
    let mut trades = Trades::default();
    for (k, &(seconds, symbol, price, id)) in rows.iter().enumerate() {
        trades.ts_event.push(Time::from_ns(T0 + (seconds * 1e9) as i64));
        trades.symbol.push(symbols.intern(symbol.as_bytes()).unwrap());
        trades.price.push(Price::from_raw(price * 1_000_000_000));
        trades.size.push(Size::from_raw(1_000_000_000));
        trades.offset.push(Offset::in_file(0, k as u64));
        trades.trade_id.push(if id == 0 { TradeId::NONE } else { TradeId::from_number(id) });
    }
    trades
}

/// What is admitted, as (row of the log, epoch after T0), and what is refused, as (row, reason).
fn verdicts(feed: MemoryFeed, config: &AdmissionConfig, symbols: &Symbols) -> (Used, Refused) {
    let mut partition = AdmittedPartition::new(
        Box::new(feed),
        config.clone(),
        EpochLength::SECOND,
        symbols.clone(),
        0,
    );
    let (mut used, mut refused) = (Vec::new(), Vec::new());
    loop {
        match partition.poll().unwrap() {
            Polled::End => break,
            Polled::Pending => panic!("a memory feed is never pending"),
            Polled::Batch(batch) => {
                for run in &batch.runs {
                    let rows = run.rows.start as usize..run.rows.end as usize;
                    let offsets = batch.trades.offset[rows].iter();
                    used.extend(offsets.map(|offset| (offset.row(), run.epoch - T0 / S)));
                }
                refused.extend(batch.letters.iter().map(|l| (l.offset.row(), l.reason.code())));
                partition.recycle(batch);
            }
        }
    }
    let counts = partition.counts();
    assert_eq!(counts.read, counts.used + counts.refused_total());
    assert_eq!(counts.used, used.len() as u64);
    (used, refused)
}

fn check(
    name: &str,
    rows: &[(f64, &str, i64, u64)],
    used: &[(u64, i64)],
    refused: &[(u64, &'static str)],
) {
    let symbols = Symbols::default();
    for cuts in [&[1][..], &[2], &[3, 1], &[1_000]] {
        let feed = MemoryFeed::new(log(&symbols, rows)).cut(cuts);
        let found = verdicts(feed, &config(), &symbols);
        assert_eq!(found, (used.to_vec(), refused.to_vec()), "{name}, cut by {cuts:?}");
    }
}

#[test]
fn times() {
    check(
        "own stamp",
        &[(0.0, "A", 1, 0), (0.5, "A", 1, 0), (3.0, "A", 1, 0), (0.1, "A", 1, 0)],
        &[(0, -2), (1, -2), (2, 1), (3, 1)],
        &[],
    );
    check(
        "one jump falls back",
        &[(0.0, "A", 1, 0), (4_000.0, "A", 1, 0), (1.0, "A", 1, 0)],
        &[(0, -2), (2, -1)],
        &[(1, "jump")],
    );
    check(
        "a session gap, and a copy that has no word",
        &[(0.0, "A", 1, 1), (4_000.0, "A", 1, 2), (4_000.0, "A", 1, 2), (4_001.0, "A", 1, 3)],
        &[(0, -2), (1, 3_998), (3, 3_999)],
        &[(2, "duplicate")],
    );
    check(
        "a copy without an id is a trade",
        &[(0.0, "A", 1, 0), (4_000.0, "A", 1, 0), (4_000.0, "A", 1, 0), (4_001.0, "A", 1, 0)],
        &[(0, -2), (1, 3_998), (2, 3_998), (3, 3_999)],
        &[],
    );
    check("the log ends", &[(0.0, "A", 1, 1), (4e3, "A", 1, 2)], &[(0, -2), (1, 3_998)], &[]);
    check(
        "future and horizon have no word",
        &[(0.0, "A", 1, 0), (4e3, "A", 1, 0), (5e9, "A", 1, 0), (-903.0, "A", 1, 0)],
        &[(0, -2), (1, 3_998)],
        &[(2, "future"), (3, "horizon")],
    );
    check(
        "within the horizon to the nanosecond",
        &[(0.0, "A", 1, 0), (-902.0, "A", 1, 0), (-902.1, "A", 1, 0)],
        &[(0, -2), (1, -2)],
        &[(2, "horizon")],
    );
}

/// Of symbols A and B only B is listed; the others have no word on a jump and move no watermark.
#[test]
fn symbols_that_no_universe_names() {
    let listed = || Symbols::with_scales([("B".to_owned(), Scales::default())].into());
    let rows = [
        (0.0, "A", 1, 1),
        (0.0, "B", 1, 1),
        (50.0, "A", 1, 2),
        (1.0, "B", 1, 2),
        (4_000.0, "B", 1, 3),
        (4_000.5, "A", 1, 3),
        (2.0, "B", 1, 4),
        (3.0, "A", -1, 4),
        (5e9, "A", 1, 5),
    ];
    let used = [(1, -2), (3, -1), (6, 0)];
    let refused = [(0, "unknown_symbol"), (2, "unknown_symbol"), (5, "unknown_symbol")];
    let refused = [&refused[..], &[(4, "jump"), (7, "unknown_symbol"), (8, "future")]].concat();
    let only = AdmissionConfig { listed_only: true, ..config() };
    for cuts in [&[1][..], &[2], &[3, 1], &[1_000]] {
        let symbols = listed();
        let feed = MemoryFeed::new(log(&symbols, &rows)).cut(cuts);
        assert_eq!(verdicts(feed, &only, &symbols), (used.to_vec(), refused.clone()), "{cuts:?}");
    }
    let symbols = listed();
    let feed = MemoryFeed::new(log(&symbols, &rows));
    // Were A welcome, it would have confirmed the jump.
    let refused = [(6, "horizon"), (7, "price"), (8, "future")];
    assert_eq!(verdicts(feed, &config(), &symbols).1, refused);
}

#[test]
fn prices_and_ids() {
    check(
        "ranges",
        &[(0.0, "A", 0, 0), (0.0, "A", -1, 0), (0.0, "A", 9_000_000_000, 0), (0.0, "B", 1, 0)],
        &[(2, -2), (3, -2)],
        &[(0, "price"), (1, "price")],
    );
    check(
        "ids by symbol, and not beyond the horizon",
        &[
            (0.0, "A", 1, 7),
            (0.0, "B", 1, 7),
            (0.0, "A", 1, 7),
            (0.5, "A", 1, 6),
            (0.5, "A", 1, 6),
            (1_000.0, "A", 1, 9),
            (1_000.0, "A", 1, 7),
        ],
        &[(0, -2), (1, -2), (3, -2), (5, 998), (6, 998)],
        &[(2, "duplicate"), (4, "duplicate")],
    );
}

#[test]
fn the_future_is_counted_from_when_a_message_came_however_the_log_is_cut() {
    let symbols = Symbols::default();
    // A message of three records each second; one of every fifth lies too far ahead of it, in an epoch that the
    // record before it has begun: no other bound stands in its way.
    let ahead = |second: u32, index: u32| match (second % 5, index) {
        (4, 1) => 60.7,
        _ => 60.1 + 0.1 * f64::from(index),
    };
    let places = (0..400).flat_map(|second| (0..3).map(move |index| (second, index)));
    let rows: Vec<_> = places
        .clone()
        .map(|(second, index)| (f64::from(second) + ahead(second, index), "AAA", 100, 0))
        .collect();
    let wanted: Vec<_> = places
        .zip(0..)
        .filter(|((second, index), _)| ahead(*second, *index) > 60.5)
        .map(|(_, row)| (row, "future"))
        .collect();
    let max_ahead_ns = 60 * S + S / 2;
    let config = AdmissionConfig { started_at: Time::LEAST, max_ahead_ns, ..config() };
    for cut in [1, 3, 7, 1_000, rows.len()] {
        let batches = (0..rows.len()).step_by(cut).map(|start| {
            let end = rows.len().min(start + cut);
            let mut trades = log(&symbols, &rows[start..end]);
            trades.offset = (start..end).map(|row| Offset::in_file(0, row as u64)).collect();
            let message = |number: usize| {
                let came = Time::from_ns(T0 + number as i64 * S);
                (Offset::in_file(0, 3 * number as u64), came)
            };
            let arrived = (start / 3..end.div_ceil(3)).map(message).collect();
            Box::new(Decoded { trades: trades.into(), arrived, ..Decoded::default() })
        });
        let feed = MemoryFeed::of_batches(batches.collect());
        let (used, refused) = verdicts(feed, &config, &symbols);
        assert_eq!(refused, wanted, "cut by {cut}");
        assert_eq!(used.len(), rows.len() - wanted.len());
    }
}

#[test]
fn a_message_that_was_judged_to_its_end_is_the_position() {
    let symbols = Symbols::default();
    let end = Some(Offset::in_message(9, Offset::INDEX_MAX));
    let trades = log(&symbols, &[(0.0, "AAA", 1, 0)]).into();
    let mut batch = Decoded { trades, ..Decoded::default() };
    batch.end = end;
    let mut admission = Admission::new(config(), EpochLength::SECOND, symbols, 0);
    admission.admit(&mut batch);
    assert_eq!(admission.position(), end);
}

/// Who can take no correction keeps no trade for one, and refuses it for what its source is.
#[test]
fn without_corrections_no_trade_is_kept() {
    let kept = |config: AdmissionConfig| {
        let symbols = Symbols::default();
        let mut trades = log(&symbols, &[(0.0, "A", 5, 7), (1.0, "A", 6, 8), (0.0, "A", 5, 7)]);
        trades.trans = vec![TransType::New, TransType::New, TransType::Cancel];
        let symbol = trades.symbol[0];
        let mut batch = Decoded { trades: trades.into(), ..Decoded::default() };
        let mut admission = Admission::new(config, EpochLength::SECOND, symbols, 0);
        let letters = admission.admit(&mut batch).letters;
        let told = letters.iter().map(|letter| format!("{}: {}", letter.reason, letter.detail));
        let ticks = admission.ticks(symbol, Time::from_ns(T0), Time::from_ns(T0 + S)).len();
        (ticks, admission.counts().cancelled, told.collect::<Vec<_>>().join("; "))
    };
    assert_eq!(kept(config()), (0, 1, String::new()));
    let refused = |source| (0, 0, format!("trans_type: cancel: {source} has none"));
    let none = AdmissionConfig { keeps_trades: false, ..config() };
    assert_eq!(kept(none), refused("a source that keeps no trades"));
    let pooled = AdmissionConfig { is_pooled: true, ..config() };
    assert_eq!(kept(pooled), refused("a source whose symbols are spread"));
}
