//! Laws of corrections on random logs: batch cuts are invisible, and so are snapshots at any cut, what checkpoints keep
//! among them. That the verdicts are right the laws of whole graphs say, against a model.

use super::kept::Kept;
use super::parts::Part;
use crate::{Admission, AdmissionConfig, Decoded};
use market::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const S: i64 = Time::SECOND;
/// Half a minute before midnight, so that logs cross it.
const T0: i64 = 1_704_239_970 * S;
const NAMES: [&str; 3] = ["AA", "BB", "CC"];
/// The bars that are folded from trades.
const BAR_NS: i64 = 4 * S;

/// A record: how far on, which symbol, id, price, what it does.
type Row = (i64, usize, u64, i64, TransType);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let step =
        prop_oneof![12 => 0..S / 3, 3 => -4 * S..0, 1 => -14 * S..-9 * S, 1 => 9 * S..20 * S];
    let trans = prop_oneof![8 => Just(TransType::New), 2 => Just(TransType::Cancel), 3 => Just(TransType::Replace)];
    // Ids mostly rise; corrections name those before, some those behind.
    let row = (step, 0..3usize, 0..30u64, 990..1_010i64, trans);
    proptest::collection::vec(row, 1..500)
}

/// Rows `from` to `to` of the log as a batch.
fn batch(rows: &[Row], (from, to): (usize, usize), symbols: &Symbols, is_text: bool) -> Decoded {
    let mut batch = Decoded::default();
    let mut now = T0;
    for (at, &(step, symbol, back, price, trans)) in rows.iter().enumerate().take(to) {
        let ts = now + step;
        now = if trans == TransType::New { now.max(ts) } else { now };
        if at < from {
            continue;
        }
        let id = match trans {
            TransType::New if back > 28 => 1_000 + at as u64 - back.min(at as u64),
            TransType::New => 1_000 + at as u64,
            _ => 1_003 + at as u64 - back.min(at as u64),
        };
        let trade_id = match is_text && at % 3 > 0 {
            true => TradeId::from_text(format!("x{id}").as_bytes()),
            false => TradeId::from_number(id),
        };
        let is_cancel = trans == TransType::Cancel;
        batch.trades.push(
            &Trade {
                ts_event: Time::from_ns(if is_cancel { 0 } else { ts }),
                symbol: symbols.intern(NAMES[symbol].as_bytes()).unwrap(),
                price: Price::from_raw(if is_cancel { 0 } else { price }),
                size: Size::from_raw(if is_cancel { 0 } else { 1 + price % 5 }),
                offset: Offset::in_file(0, at as u64),
                trade_id,
                venue: Some(symbols.intern([&b"XNAS"[..], b"-"][back as usize % 2]).unwrap()),
                side: Side::Unknown,
                trans,
                updates: Updates::ALL,
            },
            symbols.intern(b"-").unwrap(),
        );
    }
    batch
}

/// Bars by symbol and start, each as it is after the log, and every verdict in its epoch.
#[derive(Debug, Default, PartialEq)]
struct Made {
    bars: BTreeMap<(String, i64), Vec<Tick>>,
    changes: Vec<(Epoch, String, i64)>,
    letters: Vec<(Epoch, u64, Reason)>,
}

impl Made {
    fn take(&mut self, part: &Part, batch: &Decoded, admission: &mut Admission, symbols: &Symbols) {
        let start = |ts: Time| ts.ns().div_euclid(BAR_NS) * BAR_NS;
        let name = |symbol| symbols.text(symbol).to_string();
        for row in part.runs.iter().flat_map(|run| run.rows.clone()) {
            let Trade { symbol, ts_event: ts, offset: at, price, size, updates, .. } =
                batch.trades.row(row as usize);
            let bar = self.bars.entry((name(symbol), start(ts))).or_default();
            bar.push(Tick { ts, at, price, size, updates });
            bar.sort_by_key(|tick| (tick.ts, tick.at));
        }
        for touched in &part.touched {
            let from = start(touched.ts);
            let [from, to] = [from, from + BAR_NS].map(Time::from_ns);
            let ticks = admission.ticks(touched.symbol, from, to).to_vec();
            self.bars.insert((name(touched.symbol), from.ns()), ticks);
            self.changes.push((admission.epoch(), name(touched.symbol), from.ns()));
        }
        let verdict = |l: &DeadLetter| (l.epoch, l.offset.row(), l.reason);
        self.letters.extend(part.letters.iter().map(verdict));
    }

    /// What an epoch did, in whatever order.
    fn settled(mut self) -> Self {
        self.changes.sort();
        self.changes.dedup();
        self.bars.retain(|_, ticks| !ticks.is_empty());
        self
    }
}

fn config((held_max, horizon_ns): (u64, i64)) -> AdmissionConfig {
    AdmissionConfig {
        lateness_ns: 2 * S,
        horizon_ns,
        max_jump_ns: 30 * S,
        horizon_trades_max: held_max,
        bar_ns: BAR_NS,
        ..AdmissionConfig::new(Time::from_ns(T0 + 100_000 * S))
    }
}

fn made(
    rows: &[Row],
    bounds: (u64, i64),
    cuts: &[usize],
    restart: Option<usize>,
    is_text: bool,
) -> Made {
    let (config, length) = (config(bounds), EpochLength::SECOND);
    let mut symbols = Symbols::default();
    let mut admission = Admission::new(config.clone(), length, symbols.clone(), 0);
    let (mut made, mut kept, mut at) = (Made::default(), Kept::default(), 0);
    for number in 0.. {
        let restarts = restart.is_some_and(|first| number >= first && (number - first) % 3 == 0);
        if restart.is_some() && (restarts || number % 2 == 1) {
            kept.cut(&mut admission);
        }
        if restarts {
            let whole = admission.snapshot();
            let bytes = if number % 4 == 0 { whole.clone() } else { kept.bytes() };
            symbols = Symbols::default();
            NAMES.iter().rev().for_each(|name| {
                symbols.intern(name.as_bytes()).unwrap();
            });
            let table = symbols.clone();
            admission = Admission::restore(config.clone(), length, table, 0, &bytes).unwrap();
            assert_eq!(admission.snapshot().len(), whole.len());
            if number % 4 == 0 {
                kept.begin(&whole);
            }
        }
        if at == rows.len() {
            break;
        }
        let to = (at + cuts[number % cuts.len()].max(1)).min(rows.len());
        // A feed that begins somewhere before the cut brings what was judged once more.
        let from = at - at.min(number % 7) * usize::from(restarts);
        let mut decoded = batch(rows, (from, to), &symbols, is_text);
        let mut rest = Some(match restarts {
            true => admission.begin_behind(&mut decoded),
            false => admission.begin(&mut decoded),
        });
        while let Some(left) = rest {
            let part;
            (part, rest) = admission.admit_part(&mut decoded, left);
            made.take(&part, &decoded, &mut admission, &symbols);
        }
        at = to;
    }
    let mut last = Decoded::default();
    loop {
        let part = admission.finish(&mut last);
        made.take(&part, &last, &mut admission, &symbols);
        if part.touched.is_empty() {
            break;
        }
    }
    let counts = admission.counts();
    assert_eq!(counts.read, counts.used + counts.refused_total());
    assert_eq!(counts.read, rows.len() as u64);
    made.settled()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cuts_and_snapshots_are_invisible_to_corrections(
        rows in rows(),
        cuts in proptest::collection::vec(1..120usize, 1..6),
        restart in 0..8usize,
        held_max in prop_oneof![Just(9u64), Just(70), Just(20_000_000)],
        // A horizon of whole epochs, and one that begins amid them.
        horizon in prop_oneof![Just(10 * S), Just(3 * S + S / 3)],
        is_text: bool,
    ) {
        let bounds = (held_max, horizon);
        let whole = made(&rows, bounds, &[100_000], None, is_text);
        prop_assert_eq!(&whole, &made(&rows, bounds, &cuts, None, is_text));
        prop_assert_eq!(&whole, &made(&rows, bounds, &cuts, Some(restart), is_text));
    }
}

/// Batches that are shared, not copied: as many rows as that takes.
#[test]
fn large_batches_are_corrected_as_small_ones() {
    let rows: Vec<Row> = (0..9_000u64)
        .map(|at| {
            let trans = match at % 40 {
                7 => TransType::Cancel,
                23 => TransType::Replace,
                _ => TransType::New,
            };
            (S / 300, at as usize % 3, at % 27, 990 + (at % 19) as i64, trans)
        })
        .collect();
    for held_max in [2_000, 20_000_000] {
        let bounds = (held_max, 10 * S);
        let small = made(&rows, bounds, &[100], None, false);
        assert_eq!(small, made(&rows, bounds, &[4_000, 1_500, 300], None, false), "{held_max}");
        assert_eq!(small, made(&rows, bounds, &[1_700, 60], Some(1), false), "{held_max}");
    }
}

/// The last trade of a bar is edited when the horizon has just come to it; what follows in the batch moves the horizon
/// on, within the epoch, so far that the bar's first trade, which was taken back, is needed by no other.
#[test]
fn a_bar_at_the_edge_is_folded_as_it_was_when_it_was_touched() {
    let (trade, edge) = (TransType::New, 9 * S + S / 5 - 3 * S - 9 * S / 10);
    // Ids of corrections begin behind three trades, of another symbol here.
    let rows: [Row; 9] = [
        (0, 1, 0, 1_000, trade),
        (0, 1, 0, 1_000, trade),
        (0, 1, 0, 1_000, trade),
        (2 * S + S / 10, 0, 1, 1_000, trade),
        (3 * S + 8 * S / 10, 0, 0, 1_001, trade),
        (0, 0, 5, 0, TransType::Cancel),
        (edge, 0, 0, 1_002, trade),
        (-edge, 0, 6, 1_005, TransType::Replace),
        (S / 4, 0, 0, 1_003, trade),
    ];
    let bounds = (20_000_000, 3 * S + S / 3);
    let one_by_one = made(&rows, bounds, &[1], None, false);
    assert_eq!(one_by_one.bars.values().map(Vec::len).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(made(&rows, bounds, &[9], None, false), one_by_one);
}
