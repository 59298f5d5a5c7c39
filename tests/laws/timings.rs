//! Partitions with a lateness and a horizon of their own: what one of them still admits, the others'
//! shorter horizons have not made the graph forget.

use super::log::{Feeding, Log, Made, Step, run};
use super::same;
use market::Time;
use proptest::prelude::*;
use std::collections::BTreeSet;

const S: i64 = Time::SECOND;

/// Good records, some of them very late.
fn stragglers() -> impl Strategy<Value = Log> {
    let pause = prop_oneof![20 => 0i64..900, 1 => 20_000i64..200_000];
    let delay = prop_oneof![8 => Just(0i64), 1 => 0i64..90_000, 1 => 0i64..1_500_000];
    let trade = (pause, delay, 0usize..5, 1i64..200);
    let trade =
        trade.prop_map(|(pause, delay, symbol, price)| Step::Trade(pause, delay, symbol, price));
    prop::collection::vec(trade, 1..400).prop_map(|steps| Log::of(&steps).distinct())
}

/// Lateness and horizon of partitions in turn; the first of the horizons is short.
fn timings() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let of =
        |horizons: std::ops::Range<i64>| (0..90i64, horizons).prop_map(|(l, h)| (l * S, h * S));
    (of(0..20), prop::collection::vec(of(0..1_500), 1..4)).prop_map(|(first, mut others)| {
        others.insert(0, first);
        others
    })
}

/// What was not refused, in order of time.
fn admitted(logs: &[Log], made: &Made) -> Log {
    let memory = made.memory.memory();
    let refused: BTreeSet<_> = memory
        .letters
        .iter()
        .map(|letter| (letter.partition as usize, letter.offset.row()))
        .collect();
    let of = |(number, log): (usize, &Log)| {
        let rows = log.0.iter().enumerate();
        let used = rows.filter(|&(row, _)| !refused.contains(&(number, row as u64)));
        used.map(|(_, record)| record.clone()).collect::<Vec<_>>()
    };
    Log(logs.iter().enumerate().flat_map(of).collect()).sorted()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_partition_keeps_to_its_own(
        log in stragglers(),
        timings in timings(),
        parts in 2usize..5,
        at_random in prop::collection::vec(0usize..8, 400),
        carry: bool,
    ) {
        let logs = log.split(parts, |at, _| at_random[at]);
        let feeding = |cuts| Feeding { cuts, timings: timings.clone(), ..Feeding::default() };
        let one = run(&logs, 1, carry, &feeding(vec![1_000]));
        for workers in [2, 4] {
            let more = run(&logs, workers, carry, &feeding(vec![7, 40]));
            same(&one.changes(), &more.changes())?;
            prop_assert_eq!(&one.outcome, &more.outcome);
        }
        let clean = run(&[admitted(&logs, &one)], 1, carry, &Feeding::default());
        prop_assert_eq!(clean.outcome.counts.refused_total(), 0);
        same(&clean.final_values(), &one.final_values())?;
        let lateness = (0..logs.len()).map(|number| timings[number % timings.len()].0).max();
        for table in one.memory.memory().tables.values() {
            for (_, row) in &table.changes {
                let known_at = (row.epoch + 1) * S + lateness.unwrap_or(0);
                prop_assert_eq!(row.known_at.ns(), known_at);
            }
        }
    }
}
