//! Laws of the whole graph, admission and sinks included, each by a generic run over random logs.
//!
//! - worker count, processes, batch cuts and the speed of partitions are invisible, in every change,
//!   `revision` and `known_at` included
//! - the same trades over 1, 3 and 8 partitions end in the same final values
//! - late trades in any order end in the values of the sorted input
//! - each partition's own lateness and horizon, and nobody else's, decide what it admits
//! - corrections of trades, whatever their order, end in the values of the corrected log
//! - trades that are excluded never were
//! - symbols spread over pooled partitions end as in one log, copies and outliers among them found
//! - one bad time, a heartbeat of the far future, a gap, an empty partition and a long one stop nothing

mod corrections;
mod exclusions;
mod log;
mod pools;
mod times;
mod timings;

use log::{Feeding, Log, run, run_by_two};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Fails with the first line that differs.
fn same(a: &str, b: &str) -> Result<(), TestCaseError> {
    let differs = a.lines().zip(b.lines()).find(|(a, b)| a != b);
    let (left, right) = (a.lines().count(), b.lines().count());
    prop_assert!(a == b, "{left} and {right} lines, first difference {differs:#?}");
    Ok(())
}

/// A log with everything in it: late ones, copies, bad records, gaps.
fn wild() -> impl Strategy<Value = Log> {
    prop::collection::vec(log::step(true), 0..200).prop_map(|steps| Log::of(&steps))
}

/// A log of good records only, late within the horizon, all at distinct times.
fn tame() -> impl Strategy<Value = Log> {
    prop::collection::vec(log::step(false), 0..300).prop_map(|steps| Log::of(&steps).distinct())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn workers_cuts_and_speeds_are_invisible(
        logs in prop::collection::vec(wild(), 1..5),
        workers in prop::sample::select(vec![1usize, 2, 4, 8]),
        cuts in prop::collection::vec(1usize..50, 1..4),
        waits in prop::collection::vec(0usize..4, 1..4),
        carry: bool,
    ) {
        let plain = run(&logs, 1, carry, &Feeding::default());
        let other = run(&logs, workers, carry, &Feeding { cuts, waits, ..Feeding::default() });
        same(&plain.changes(), &other.changes())?;
        prop_assert_eq!(&plain.outcome, &other.outcome);
        let counts = &plain.outcome.counts;
        prop_assert_eq!(counts.read, counts.used + counts.refused_total());
        let records: usize = logs.iter().map(Log::len).sum();
        prop_assert_eq!(counts.read, records as u64);
    }

    #[test]
    fn a_split_over_partitions_changes_no_final_value(
        log in tame(),
        at_random in prop::collection::vec(0usize..8, 300),
        carry: bool,
    ) {
        let whole = run(std::slice::from_ref(&log), 1, carry, &Feeding::default()).final_values();
        for parts in [3, 8] {
            let by_symbol = log.split(parts, |_, record| record.symbol);
            let split = run(&by_symbol, 2, carry, &Feeding::default());
            same(&whole, &split.final_values())?;
            prop_assert_eq!(split.outcome.spread_symbols, 0);
            let at_random = log.split(parts, |at, _| at_random[at]);
            same(&whole, &run(&at_random, 2, carry, &Feeding::default()).final_values())?;
        }
    }

    #[test]
    fn late_trades_in_any_order_end_as_the_sorted_input(log in tame(), carry: bool) {
        let sorted = log.sorted();
        let late = run(&[log], 1, carry, &Feeding::default());
        let clean = run(&[sorted], 1, carry, &Feeding::default());
        same(&clean.final_values(), &late.final_values())?;
        prop_assert_eq!(clean.outcome.counts.late, 0);
        let revised: u64 = clean.outcome.tables.iter().map(|table| table.revised).sum();
        prop_assert_eq!(revised, 0);
    }
}

proptest! {
    // Two processes take a second to find one another.
    #![proptest_config(ProptestConfig::with_cases(5))]

    #[test]
    fn a_second_process_is_invisible(
        logs in prop::collection::vec(wild(), 1..5),
        workers in 1usize..3,
        carry: bool,
    ) {
        let plain = run(&logs, 1, carry, &Feeding::default());
        let other = run_by_two(&logs, workers, carry, &Feeding::default());
        same(&plain.changes(), &other.changes())?;
        prop_assert_eq!(&plain.outcome, &other.outcome);
    }
}

#[test]
fn the_strategies_reach_what_the_laws_are_about() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut late, mut revised, mut refused) = (0, 0, [0; market::Reason::ALL.len()]);
    for _ in 0..40 {
        let log = wild().new_tree(&mut runner).expect("a log").current();
        let outcome = run(&[log], 1, false, &Feeding::default()).outcome;
        late += outcome.counts.late;
        revised += outcome.tables.iter().map(|table| table.revised).sum::<u64>();
        refused.iter_mut().zip(&outcome.counts.refused).for_each(|(sum, count)| *sum += count);
    }
    let reached = |reason: market::Reason| refused[reason as usize];
    use market::Reason::{Duplicate, Future, Horizon, Jump, Price, Size};
    for reason in [Duplicate, Future, Horizon, Jump, Price, Size] {
        assert!(reached(reason) > 0, "{reason} is never reached");
    }
    assert!(late > 0 && revised > 0, "{late} late, {revised} revised");
}
