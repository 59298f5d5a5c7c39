//! The laws of rows that were revised, removed and returned: no version is lost, what was known at any time is
//! told, and what is kept for a while is kept as long, however the log was cut into transactions.

mod cases;

use super::log::read::{
    content, last_parquet_rows, memory_past, memory_rows, parquet_rows, sqlite_past, sqlite_rows,
};
use super::log::{Op, first_rows, log, operations};
use super::{RHYTHM, apply, tables};
use market::{Epoch, Sink, Time};
use proptest::prelude::*;
use sinks::{
    Format, MemorySink, ParquetOptions, ParquetSink, QueryError, Rhythm, SqliteSink, query_as_of,
};
use std::path::Path;
use tempfile::TempDir;

/// A time at which a row became known, or shortly before or after it.
fn some_time(operations: &[Op], which: (prop::sample::Index, i64)) -> Time {
    let rows = operations.iter().filter_map(|operation| match operation {
        Op::Rows(rows) => Some(&rows.known_at),
        _ => None,
    });
    let times: Vec<Time> = rows.flatten().copied().chain([seconds(0)]).collect();
    Time::from_ns(which.0.get(&times).ns() + which.1)
}

/// The epoch behind the last row.
fn log_end(operations: &[Op]) -> Epoch {
    let rows = operations.iter().filter_map(|operation| match operation {
        Op::Rows(rows) => rows.keys.last().map(|key| key.epoch),
        _ => None,
    });
    rows.max().unwrap_or(0) + 1
}

fn memory(operations: &[Op]) -> MemorySink {
    let handle = MemorySink::new();
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(handle.clone())];
    apply(&mut sinks, operations);
    handle
}

/// The rows of a run that were known at a time, as all there are.
fn known(operations: &[Op], at: Time) -> Vec<Op> {
    let rows = operations.iter().filter_map(|operation| match operation {
        Op::Rows(rows) => {
            Some(Op::Rows(first_rows(rows, rows.known_at.partition_point(|known| *known <= at))))
        }
        _ => None,
    });
    rows.chain([Op::Flush(i64::MAX), Op::Finish]).collect()
}

fn sqlite(folder: &Path, rhythm: Rhythm) -> SqliteSink {
    SqliteSink::open_with(&folder.join("tidemill.sqlite"), "L", &tables(), rhythm).unwrap()
}

fn write(mut sink: SqliteSink, operations: &[Op]) {
    operations.iter().for_each(|operation| operation.apply(&mut sink));
}

/// Every row of the tables, as they are or as they were.
fn answers(folder: &Path, at: Option<Time>) -> Result<String, QueryError> {
    let mut answer = Vec::new();
    for table in tables() {
        let sql = format!("SELECT * FROM {} ORDER BY symbol, width, ts_open, seq", table.name);
        query_as_of(folder, &sql, at, Format::Csv, &mut answer)?;
    }
    Ok(String::from_utf8(answer).unwrap())
}

fn seconds(seconds: i64) -> Time {
    Time::from_ns(seconds * Time::SECOND)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_version_that_was_is_kept(log in log(), cuts: u64, rows in 1usize..40) {
        let folder = TempDir::new().unwrap();
        let operations = operations(&log, cuts);
        write(sqlite(folder.path(), Rhythm { rows, ..RHYTHM }), &operations);
        let memory = memory(&operations);
        prop_assert_eq!(sqlite_past(folder.path()), memory_past(&memory));
        prop_assert_eq!(sqlite_rows(folder.path()), memory_rows(&memory));
    }

    #[test]
    fn files_say_what_is_there_folded_or_not(
        log in log(), cuts: u64, part_rows in 1usize..80, span_epochs in 1i64..600, folds_spans: bool,
    ) {
        let folder = TempDir::new().unwrap();
        let operations = operations(&log, cuts);
        let expected = memory_rows(&memory(&operations));
        let options =
            ParquetOptions { part_rows, span_epochs, folds_spans, ..ParquetOptions::default() };
        let mut sink = ParquetSink::open(folder.path(), "L", options).unwrap();
        let end = operations.len() - 2;
        operations[..end].iter().for_each(|operation| operation.apply(&mut sink));
        // All is complete, and nothing is folded but where a span has ended.
        sink.flush(log_end(&operations)).unwrap();
        drop(sink);
        prop_assert_eq!(last_parquet_rows(folder.path()), expected.clone());
        // What waits is merged with files, or there are none.
        for folder in [folder, TempDir::new().unwrap()] {
            let mut sink = ParquetSink::open(folder.path(), "L", options).unwrap();
            operations.iter().for_each(|operation| operation.apply(&mut sink));
            prop_assert_eq!(parquet_rows(folder.path()), expected.clone());
        }
    }

    #[test]
    fn what_was_known_at_any_time_is_told(
        log in log(), cuts: [u64; 2], at in (any::<prop::sample::Index>(), -1i64..2),
    ) {
        let (folder, then) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let operations = operations(&log, cuts[0]);
        write(sqlite(folder.path(), RHYTHM), &operations);
        let at = some_time(&operations, at);
        let known = known(&super::operations(&log, cuts[1]), at);
        write(sqlite(then.path(), RHYTHM), &known);
        prop_assert_eq!(sqlite_rows(then.path()), memory_rows(&memory(&known)));
        prop_assert_eq!(
            answers(folder.path(), Some(at)).unwrap(), answers(then.path(), None).unwrap()
        );
    }

    #[test]
    fn what_is_kept_for_a_while_is_kept_as_long(
        log in log(), cuts: [u64; 2], kept in 0i64..300, stop: prop::sample::Index,
        at in (any::<prop::sample::Index>(), -1i64..2),
    ) {
        let [folder, whole, all, then] = [(); 4].map(|()| TempDir::new().unwrap());
        let kept_ns = kept * Time::SECOND;
        let ops = operations(&log, cuts[0]);
        // Two runs, many transactions; one run, one transaction.
        let stop = stop.index(ops.len());
        write(sqlite(folder.path(), RHYTHM).keep_revisions_for(kept_ns), &ops[..stop]);
        write(sqlite(folder.path(), RHYTHM).keep_revisions_for(kept_ns), &ops);
        let slow = Rhythm { rows: 1_000, flushes: 1_000, early_rows_max: 1_000 };
        let others = operations(&log, cuts[1]);
        write(sqlite(whole.path(), slow).keep_revisions_for(kept_ns), &others);
        prop_assert_eq!(content(folder.path()), content(whole.path()));
        prop_assert_eq!(sqlite_rows(folder.path()), memory_rows(&memory(&ops)));

        // Of all versions those are gone that ended longer ago, give or take a sixty-fourth.
        write(sqlite(all.path(), slow), &ops);
        let newest = ops.iter().filter_map(|op| match op {
            Op::Rows(rows) => rows.known_at.last().copied(),
            _ => None,
        });
        let newest = newest.max().unwrap_or(Time::from_ns(0)).ns();
        let (all_past, left) = (sqlite_past(all.path()), sqlite_past(folder.path()));
        let left: Vec<&str> = left.lines().collect();
        for line in all_past.lines() {
            let until = line.rsplit('|').nth(2).unwrap().parse::<i64>().unwrap_or(i64::MAX);
            let must_stay = until >= newest - kept_ns;
            let must_go = until < newest - kept_ns - kept_ns / 64 - 1;
            prop_assert!(!must_stay || left.contains(&line), "{line} is gone, newest {newest}");
            prop_assert!(!must_go || !left.contains(&line), "{line} is left, newest {newest}");
        }
        prop_assert!(left.iter().all(|line| all_past.contains(line)));

        // And a question is answered right, or not.
        let at = some_time(&ops, at);
        write(sqlite(then.path(), slow), &known(&ops, at));
        match answers(folder.path(), Some(at)) {
            Ok(answer) => prop_assert_eq!(answer, answers(then.path(), None).unwrap()),
            Err(error) => {
                prop_assert!(at.ns() < newest - kept_ns, "{error}");
                prop_assert!(error.to_string().contains("are not kept"), "{error}");
            }
        }
    }
}
