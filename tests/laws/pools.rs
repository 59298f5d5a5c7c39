//! Pools: trades of one symbol stand in all partitions, and what becomes of them is what one log of all would have made.

use super::log::{Feeding, Log, Record, run, run_by_two};
use super::{same, tame, wild};
use market::{Reason, Time};
use proptest::prelude::*;
use sources::OutlierMode;

/// Sorted by time, with a copy right behind some records and outliers among them.
fn with_copies_and_outliers() -> impl Strategy<Value = Log> {
    let marks = prop::collection::vec((0u8..8, 0u8..20), 300);
    (tame(), marks).prop_map(|(log, marks)| {
        let mut records: Vec<Record> = Vec::new();
        for (record, (copy, outlier)) in log.sorted().0.into_iter().zip(marks) {
            let price = if outlier == 0 { record.price * 1_000 } else { record.price };
            let record = Record { price, ..record };
            records.push(record.clone());
            records.extend((copy == 0 && record.id.is_some()).then_some(record));
        }
        Log(records)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn workers_cuts_and_speeds_are_invisible_to_pools(
        logs in prop::collection::vec(wild(), 1..5),
        workers in prop::sample::select(vec![1usize, 2, 4, 8]),
        cuts in prop::collection::vec(1usize..50, 1..4),
        waits in prop::collection::vec(0usize..4, 1..4),
        (carry, refuse) in any::<(bool, bool)>(),
    ) {
        let outliers = if refuse { OutlierMode::Refuse } else { OutlierMode::Flag };
        let pooled = Feeding { outliers, ..Feeding::pooled() };
        let plain = run(&logs, 1, carry, &pooled);
        let other = run(&logs, workers, carry, &Feeding { cuts, waits, ..pooled });
        same(&plain.changes(), &other.changes())?;
        prop_assert_eq!(&plain.outcome, &other.outcome);
        let counts = &plain.outcome.counts;
        prop_assert_eq!(counts.read, counts.used + counts.refused_total());
        prop_assert_eq!(counts.read, logs.iter().map(Log::len).sum::<usize>() as u64);
        prop_assert_eq!(plain.outcome.spread_symbols, 0);
    }

    /// However the records of a log are dealt out: values and counts are those of the log. But for one thing: an outlier
    /// that is refused has told its partition the time, so that empty bars are carried on to it.
    #[test]
    fn partitions_of_a_pool_end_as_one_log(
        log in with_copies_and_outliers(),
        at_random in prop::collection::vec(0usize..16, 600),
        carry: bool,
    ) {
        let outliers = if carry { OutlierMode::Flag } else { OutlierMode::Refuse };
        let one = Feeding { outliers, ..Feeding::default() };
        let pooled = Feeding { pooled: true, ..one.clone() };
        let whole = run(std::slice::from_ref(&log), 1, carry, &one);
        for parts in [1, 4, 16] {
            for logs in [log.split(parts, |at, _| at), log.split(parts, |at, _| at_random[at])] {
                let made = run(&logs, 2, carry, &pooled);
                same(&whole.final_values(), &made.final_values())?;
                prop_assert_eq!(&whole.outcome.counts, &made.outcome.counts);
            }
        }
    }

    /// Late ones too, where prices are not judged by what came before them.
    #[test]
    fn late_trades_of_a_pool_end_as_the_sorted_log(
        log in tame(),
        at_random in prop::collection::vec(0usize..16, 300),
        carry: bool,
    ) {
        let clean = run(&[log.sorted()], 1, carry, &Feeding::default());
        for parts in [4, 16] {
            let made = run(&log.split(parts, |at, _| at_random[at]), 2, carry, &Feeding::pooled());
            same(&clean.final_values(), &made.final_values())?;
        }
    }
}

proptest! {
    // Two processes take a second to find one another.
    #![proptest_config(ProptestConfig::with_cases(5))]

    #[test]
    fn a_second_process_is_invisible_to_pools(
        logs in prop::collection::vec(wild(), 1..5),
        workers in 1usize..3,
        carry: bool,
    ) {
        let pooled = Feeding { outliers: OutlierMode::Refuse, ..Feeding::pooled() };
        let plain = run(&logs, 1, carry, &pooled);
        let other = run_by_two(&logs, workers, carry, &pooled);
        same(&plain.changes(), &other.changes())?;
        prop_assert_eq!(&plain.outcome, &other.outcome);
    }
}

/// Two partitions that hold the same copy: apart both are used, in a pool the second is a letter of its own partition.
#[test]
fn a_copy_in_another_partition_is_found() {
    let record = |at: i64| Record {
        ts: super::log::START + at * Time::SECOND,
        symbol: 1,
        price: 100,
        size: 3,
        id: Some(at as u64),
        ..Record::default()
    };
    let logs = [Log((0..90).map(record).collect()), Log(vec![record(0), record(40), record(89)])];
    let apart = run(&logs, 2, false, &Feeding::default());
    assert_eq!((apart.outcome.counts.used, apart.outcome.spread_symbols), (93, 1));
    assert_eq!(apart.spread, ["S1"]);
    let made = run(&logs, 2, false, &Feeding::pooled());
    let counts = &made.outcome.counts;
    assert_eq!((counts.read, counts.used), (93, 90));
    assert!(made.spread.is_empty());
    assert_eq!(counts.refused[Reason::Duplicate as usize], 3);
    let whole = run(&logs[..1], 1, false, &Feeding::default());
    assert_eq!(whole.final_values(), made.final_values());
    let memory = made.memory.memory();
    let letters = memory.letters.iter().map(|letter| (letter.partition, letter.offset.row()));
    assert_eq!(letters.collect::<Vec<_>>(), [(1, 0), (1, 1), (1, 2)]);
}
