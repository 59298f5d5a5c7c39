//! Laws of the tick path: cuts and restarts are invisible, the last word on a bar is its whole fold.

use super::*;
use market::{Offset, Price, Size, Trades};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[path = "forming_tests.rs"]
mod forming;

const LATENESS: i64 = 2 * Time::SECOND;
/// Less than trades may be late.
const HORIZON: i64 = 30 * Time::SECOND;

fn plan() -> TickPlan {
    let bases = [10, 15].map(|s| Width::from_seconds(s).unwrap()).to_vec();
    TickPlan {
        epoch: EpochLength::SECOND,
        horizons: Horizons::all(HORIZON),
        bases,
        reaches: true,
        is_pooled: false,
    }
}

/// How far each batch that enters an epoch says the log went, and its end.
fn expected_reaches(ticks: &[(Epoch, SymbolId, Tick)]) -> Vec<Reach> {
    let (mut reaches, mut at) = (Vec::new(), Epoch::MIN);
    for &(epoch, _, _) in ticks {
        if epoch > at {
            let until = EpochLength::SECOND.start(epoch);
            reaches.extend((0..2).map(|base| Reach { at, base, until }));
            at = epoch;
        }
    }
    for (base, width) in (0..).zip(plan().bases) {
        let end = |(_, _, tick): &(Epoch, SymbolId, Tick)| width.open_of(tick.ts).ns() + width.ns();
        let last = ticks.iter().map(end).max();
        reaches.extend(last.map(|end| Reach { at, base, until: Time::from_ns(end) }));
    }
    reaches
}

/// Steps in milliseconds, a delay in milliseconds, a symbol and a price.
type Step = (u16, Option<u16>, u8, u8);

/// Stamps trades as admission does and leaves out what lies beyond the horizon.
fn admit(steps: &[Step]) -> Vec<(Epoch, SymbolId, Tick)> {
    let (mut head, mut watermark) = (1_700_000_000 * Time::SECOND, i64::MIN);
    let mut ticks = Vec::new();
    for (at, &(step, delay, symbol, price)) in steps.iter().enumerate() {
        head += i64::from(step) * 1_000_000;
        let ts = head - i64::from(delay.unwrap_or(0)) * 1_000_000;
        watermark = watermark.max(ts - LATENESS);
        if ts < watermark - HORIZON {
            continue;
        }
        let tick = Tick {
            ts: Time::from_ns(ts),
            at: Offset::from_raw(at as u64),
            price: Price::from_raw(i64::from(price) + 1),
            size: Size::from_raw(i64::from(step) + 1),
            updates: Updates::ALL,
        };
        let epoch = watermark.div_euclid(Time::SECOND);
        ticks.push((epoch, SymbolId::from_index(u32::from(symbol % 5)), tick));
    }
    ticks
}

fn batch(ticks: &[(Epoch, SymbolId, Tick)]) -> Admitted {
    let mut trades = Trades::default();
    let mut runs: Vec<Run> = Vec::new();
    for (row, (epoch, symbol, tick)) in ticks.iter().enumerate() {
        trades.ts_event.push(tick.ts);
        trades.symbol.push(*symbol);
        trades.price.push(tick.price);
        trades.size.push(tick.size);
        trades.offset.push(tick.at);
        let row = row as u32;
        match runs.last_mut() {
            Some(run) if run.epoch == *epoch => run.rows.end = row + 1,
            _ => runs.push(Run { epoch: *epoch, rows: row..row + 1 }),
        }
    }
    Admitted { trades: trades.into(), runs, ..Admitted::default() }
}

/// Everything a path says about `ticks`, cut at `cuts`, put away and restored at each of them.
fn run(ticks: &[(Epoch, SymbolId, Tick)], cuts: &[usize]) -> (TickOutput, u64) {
    let mut path = TickPath::new(plan(), 3);
    let mut out = TickOutput::default();
    let mut from = 0;
    for &cut in cuts.iter().filter(|cut| **cut < ticks.len()) {
        path.fold(&batch(&ticks[from..cut.max(from)]), &mut out);
        from = cut.max(from);
        let mut snapshot = Snapshot::default();
        path.snapshot(&mut snapshot);
        path = TickPath::new(plan(), 3);
        path.restore(&mut snapshot.reader());
    }
    path.fold(&batch(&ticks[from..]), &mut out);
    path.end(&mut out);
    (out, path.late())
}

fn canonical(mut out: TickOutput) -> (Vec<PartialRow>, Vec<Reach>) {
    assert!(out.rows.is_sorted_by_key(|row| row.epoch), "rows stand by rising epoch");
    out.rows.sort_by_key(|row| (row.epoch, row.base, row.symbol, row.partial.ts_open()));
    (out.rows, out.reaches)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![20 => 0u16..800, 1 => 5_000u16..40_000];
    let delay = prop_oneof![6 => Just(None), 2 => (0u16..2_000).prop_map(Some), 2 => (0u16..65_000).prop_map(Some)];
    prop::collection::vec((step, delay, any::<u8>(), any::<u8>()), 1..300)
}

proptest! {
    #[test]
    fn cuts_and_restarts_are_invisible(steps in steps(), mut cuts in prop::collection::vec(0usize..300, 0..6)) {
        cuts.sort_unstable();
        let ticks = admit(&steps);
        let (whole, late) = run(&ticks, &[]);
        let (cut, late_cut) = run(&ticks, &cuts);
        prop_assert_eq!(canonical(whole), canonical(cut));
        prop_assert_eq!(late, late_cut);
    }

    #[test]
    fn the_last_word_on_a_bar_is_the_fold_of_its_trades(steps in steps()) {
        let ticks = admit(&steps);
        let (out, _) = run(&ticks, &[]);
        let mut last = BTreeMap::new();
        for row in &out.rows {
            last.insert((row.base, row.symbol, row.partial.ts_open()), row.partial);
        }
        let mut expected = BTreeMap::new();
        for (base, width) in plan().bases.iter().enumerate() {
            for (_, symbol, tick) in &ticks {
                let start = width.open_of(tick.ts);
                let partial = expected
                    .entry((base as u32, *symbol, start))
                    .or_insert_with(|| Partial::new(start));
                partial.add(tick.ts, tick.at, tick.price, tick.size);
            }
        }
        prop_assert_eq!(last, expected);
    }

    #[test]
    fn a_change_carries_the_epoch_of_the_close_or_of_the_late_trade(steps in steps()) {
        let ticks = admit(&steps);
        let (out, late) = run(&ticks, &[]);
        let mut expected = BTreeMap::new();
        let mut lates = 0;
        for (base, width) in plan().bases.iter().enumerate() {
            for (epoch, symbol, tick) in &ticks {
                let start = width.open_of(tick.ts);
                let close = (start.ns() + width.ns()).div_euclid(Time::SECOND);
                lates += u64::from(base == 0 && *epoch >= close);
                let at = if *epoch < close { close - 1 } else { *epoch };
                expected.insert((base as u32, *symbol, start, at), ());
            }
        }
        let mut said = BTreeMap::new();
        for row in &out.rows {
            let key = (row.base, row.symbol, row.partial.ts_open(), row.epoch);
            prop_assert!(said.insert(key, ()).is_none(), "said once an epoch");
        }
        prop_assert_eq!(said, expected);
        prop_assert_eq!(late, lates);
        prop_assert_eq!(out.reaches, expected_reaches(&ticks));
    }
}
