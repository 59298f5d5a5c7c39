//! Laws of the judge of pools: it can be taken apart by symbol at any cut and goes on the same in other processes, and
//! of a log in order it says what admission says.

use super::laws::{Event, batch, config, events};
use super::{Admission, AdmissionConfig, SymbolJudge};
use market::{EpochLength, Judge, Reason, SymbolId, Symbols, Time, Trade};
use proptest::prelude::*;

/// The trades among the events that a partition passes on, each with where the horizon begins: never falling.
fn passed(events: &[Event], symbols: &Symbols, horizon_ns: i64) -> Vec<(Trade, Time)> {
    let batch = batch(events, 0, symbols, true);
    let (mut floor, mut passed) = (i64::MIN, Vec::new());
    for row in 0..batch.trades.len() {
        let trade = batch.trades.row(row);
        let is_plain = (Time::LEAST..=Time::GREATEST).contains(&trade.ts_event);
        if !is_plain || trade.price.raw() <= 0 || trade.ts_event.ns() < floor {
            continue;
        }
        // A jump would leave nothing to judge by.
        if floor == i64::MIN || trade.ts_event.ns() < floor + 3 * horizon_ns {
            floor = floor.max(trade.ts_event.ns() - horizon_ns);
            passed.push((trade, Time::from_ns(floor)));
        }
    }
    passed
}

fn judged(judge: &mut SymbolJudge, trades: &[(Trade, Time)]) -> Vec<Option<Reason>> {
    let verdict =
        |(trade, floor): &(Trade, Time)| judge.judge(trade, *floor).err().map(|it| it.reason);
    trades.iter().map(verdict).collect()
}

/// A trade of one table of symbols, in the ids of another.
fn translated(trade: &Trade, from: &Symbols, to: &Symbols) -> Trade {
    let id = |id: SymbolId| to.intern(from.text(id).as_bytes()).unwrap();
    Trade { symbol: id(trade.symbol), venue: trade.venue.map(id), ..*trade }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_judge_goes_on_in_two_others(events in events(), cut in 0.0..1.0f64, few: bool) {
        let usual = config();
        // So few ids of each symbol and venue that blocks of them leave early.
        let horizon_trades_max = if few { 16 } else { usual.horizon_trades_max };
        let config = AdmissionConfig { horizon_trades_max, ..usual };
        let (symbols, length) = (Symbols::default(), EpochLength::SECOND);
        let trades = passed(&events, &symbols, config.horizon_ns);
        let mut whole = SymbolJudge::new(config.clone(), length, symbols.clone());
        let verdicts = judged(&mut whole, &trades);
        let at = (trades.len() as f64 * cut) as usize;
        let mut first = SymbolJudge::new(config.clone(), length, symbols.clone());
        judged(&mut first, &trades[..at]);
        // The pieces of two slices, which two others take in whose ids differ.
        let is_even = |symbol: SymbolId| symbol.index().is_multiple_of(2);
        let pieces = [first.snapshot(&is_even), first.snapshot(&|symbol| !is_even(symbol))];
        let mut counts = market::Counts::default();
        for owned in [["AA", "DD"], ["BB", "CC"]] {
            let others = Symbols::default();
            for name in owned.iter().rev() {
                others.intern(name.as_bytes()).unwrap();
            }
            let of = others.clone();
            let is_mine = move |symbol| owned.contains(&&*of.text(symbol));
            let mut judge = SymbolJudge::new(config.clone(), length, others.clone());
            for piece in &pieces {
                judge.restore(&is_mine, piece).unwrap();
            }
            let mine = |at: &usize| owned.contains(&&*symbols.text(trades[*at].0.symbol));
            for k in (at..trades.len()).filter(mine) {
                let trade = translated(&trades[k].0, &symbols, &others);
                let verdict = judge.judge(&trade, trades[k].1).err().map(|it| it.reason);
                prop_assert_eq!(verdict, verdicts[k], "trade {}", k);
            }
            counts.add(&judge.counts());
        }
        prop_assert_eq!(counts, whole.counts());
        for piece in &pieces {
            for short in 0..piece.len() {
                let mut judge = SymbolJudge::new(config.clone(), length, Symbols::default());
                prop_assert!(judge.restore(&|_| true, &piece[..short]).is_err(), "to {}", short);
            }
        }
    }

    #[test]
    fn of_one_log_in_order_a_judge_says_what_admission_says(events in events()) {
        let symbols = Symbols::default();
        let usual = AdmissionConfig {
            symbols_max: 9,
            max_jump_ns: 1 << 60,
            started_at: Time::GREATEST,
            ..config()
        };
        let pooled = AdmissionConfig { is_pooled: true, ..usual.clone() };
        let of = |config: &AdmissionConfig| {
            let mut sorted: Vec<_> = passed(&events, &symbols, usual.horizon_ns);
            sorted.sort_by_key(|(trade, _)| trade.ts_event);
            let mut decoded = crate::Decoded::default();
            sorted.iter().for_each(|(trade, _)| decoded.trades.push(trade, trade.symbol));
            let length = EpochLength::SECOND;
            let mut admission = Admission::new(config.clone(), length, symbols.clone(), 0);
            let part = admission.admit(&mut decoded);
            (decoded, part.runs, part.letters)
        };
        let (_, _, letters) = of(&usual);
        let (passed_on, runs, early) = of(&pooled);
        prop_assert!(early.is_empty(), "{early:?}");
        let mut judge = SymbolJudge::new(usual.clone(), EpochLength::SECOND, symbols.clone());
        let (mut found, mut head) = (Vec::new(), None);
        let span = usual.lateness_ns + usual.horizon_ns;
        for run in &runs {
            for row in run.rows.clone() {
                let trade = passed_on.trades.row(row as usize);
                // Where admission has the horizon begin: behind what it admitted before. A pool's begins with the epoch.
                let floor = head.map_or(Time::LEAST.ns(), |head: i64| head - span);
                let verdict = judge.judge(&trade, Time::from_ns(floor));
                head = if verdict.is_ok() { Some(trade.ts_event.ns()) } else { head };
                found.extend(verdict.err().map(|it| (it.reason, it.detail, trade.offset)));
            }
        }
        let letters: Vec<_> =
            letters.into_iter().map(|it| (it.reason, it.detail, it.offset)).collect();
        prop_assert_eq!(found, letters);
    }
}
