//! Laws of every sink: a rerun changes nothing, and a kill or a stop at any call, followed by a rerun
//! that cuts its batches elsewhere, leaves byte for byte what a run that nothing stopped leaves. The law of
//! syncs is in `sync`, those of the past of rows are in `revisions`.

mod log;
mod revisions;
mod sync;

use log::read::{content, copy, sqlite_rows};
use log::{Op, log, operations};
use market::{Rows, Sink, TableSpec};
use proptest::prelude::*;
use sinks::{
    JsonlSink, LetterLimits, LetterSink, Letters, MemorySink, ParquetOptions, ParquetSink, Rhythm,
    SqliteSink,
};
use std::path::Path;
use tempfile::TempDir;

/// Small, so that a few rows see every path: commits, spills, cuts, rotations.
const RHYTHM: Rhythm = Rhythm { rows: 5, flushes: 3, early_rows_max: 7 };

fn tables() -> Vec<TableSpec> {
    vec![TableSpec::bars(), TableSpec::floats("technical_indicators", &["sma_2".to_owned()])]
}

fn all_sinks(folder: &Path, rhythm: Rhythm) -> Vec<Box<dyn Sink>> {
    let sqlite = folder.join("tidemill.sqlite");
    let limits = LetterLimits { bytes: 600, files: 3, rhythm };
    let options = ParquetOptions { span_epochs: 64, part_rows: 3, ..ParquetOptions::default() };
    let replay = ParquetOptions { part_rows: 5, folds_spans: true, ..options };
    vec![
        Box::new(SqliteSink::open_with(&sqlite, "L", &tables(), rhythm).unwrap()),
        Box::new(JsonlSink::open_with(folder, "L", rhythm).unwrap()),
        Box::new(LetterSink::open(folder, "L", limits).unwrap()),
        Box::new(ParquetSink::open(&folder.join("live"), "L", options).unwrap()),
        Box::new(ParquetSink::open(&folder.join("replay"), "L", replay).unwrap()),
    ]
}

fn apply(sinks: &mut [Box<dyn Sink>], operations: &[Op]) {
    for operation in operations {
        sinks.iter_mut().for_each(|sink| operation.apply(&mut **sink));
    }
}

/// A whole run into a folder.
fn run(folder: &Path, operations: &[Op]) {
    apply(&mut all_sinks(folder, RHYTHM), operations);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_kill_at_any_call_leaves_what_a_clean_run_leaves(
        log in log(), cuts: [u64; 3], kills: [prop::sample::Index; 2],
    ) {
        let clean = TempDir::new().unwrap();
        run(clean.path(), &operations(&log, cuts[0]));
        let expected = content(clean.path());

        // What lies on disk while the sinks are still alive is what a kill would leave.
        let mut folder = TempDir::new().unwrap();
        for (kill, cut) in kills.iter().zip(&cuts[1..]) {
            let operations = operations(&log, *cut);
            let mut sinks = all_sinks(folder.path(), RHYTHM);
            apply(&mut sinks, &operations[..kill.index(operations.len())]);
            let left = TempDir::new().unwrap();
            copy(folder.path(), left.path());
            drop(sinks);
            folder = left;
        }
        run(folder.path(), &operations(&log, cuts[0].rotate_left(7)));
        prop_assert_eq!(content(folder.path()), expected);
    }

    #[test]
    fn a_stop_stores_what_was_complete_and_nothing_more(
        log in log(), cuts: [u64; 2], stop: prop::sample::Index,
    ) {
        let (clean, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        run(clean.path(), &operations(&log, cuts[0]));

        let ops = operations(&log, cuts[1]);
        let ops = &ops[..stop.index(ops.len())];
        run(folder.path(), ops);
        let before = ops.iter().rev().find_map(|op| match op {
            Op::Flush(before) => Some(*before),
            _ => None,
        });
        let mut memory = MemorySink::new();
        for op in ops {
            let Op::Rows(rows) = op else { continue };
            let complete = rows.keys.partition_point(|key| before.is_some_and(|b| key.epoch < b));
            memory.write(&log::first_rows(rows, complete)).unwrap();
        }
        prop_assert_eq!(sqlite_rows(folder.path()), log::read::memory_rows(&memory));
        let lines = |table: &str| std::fs::read_to_string(folder.path().join("jsonl").join(table));
        if let Ok(bars) = lines("aggregated_data.jsonl") {
            let changes = memory.memory().tables.get("aggregated_data").map_or(0, |t| t.changes.len());
            prop_assert_eq!(bars.lines().count(), changes);
        }

        run(folder.path(), &operations(&log, cuts[0]));
        prop_assert_eq!(content(folder.path()), content(clean.path()));
    }

    #[test]
    fn a_second_run_changes_nothing(log in log(), cuts: [u64; 2]) {
        let folder = TempDir::new().unwrap();
        run(folder.path(), &operations(&log, cuts[0]));
        let first = content(folder.path());
        run(folder.path(), &operations(&log, cuts[1]));
        prop_assert_eq!(content(folder.path()), first);
    }

    #[test]
    fn every_sink_holds_the_last_revision_of_each_key(log in log(), cuts: u64) {
        let folder = TempDir::new().unwrap();
        let ops = operations(&log, cuts);
        run(folder.path(), &ops);
        let mut memory: Vec<Box<dyn Sink>> = vec![];
        let handle = MemorySink::new();
        memory.push(Box::new(handle.clone()));
        apply(&mut memory, &ops);
        let expected = log::read::memory_rows(&handle);
        prop_assert_eq!(sqlite_rows(folder.path()), expected.clone());
        prop_assert_eq!(log::read::parquet_rows(&folder.path().join("live")), expected.clone());
        prop_assert_eq!(log::read::parquet_rows(&folder.path().join("replay")), expected);
        let letters = Letters::open(folder.path());
        prop_assert!(letters.is_err(), "a folder without store.json is no store");
    }
}

#[test]
fn rows_beyond_the_last_flush_are_never_committed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidemill.sqlite");
    let ops = log::many(1, 100);
    let mut sink = SqliteSink::open_with(&path, "L", &tables(), RHYTHM).unwrap();
    let Op::Rows(rows) = &ops[0] else { panic!("rows come first") };
    sink.write(rows).unwrap();
    drop(sink);
    assert_eq!(sqlite_rows(folder.path()), "");
}

#[test]
fn a_stop_stores_parquet_rows_up_to_the_last_flush() {
    let folder = TempDir::new().unwrap();
    let options = ParquetOptions::default();
    let mut sink = ParquetSink::open(folder.path(), "L", options).unwrap();
    for (epoch, rows) in [(0, 5), (1, 7)] {
        let Op::Rows(rows) = &log::many(epoch, rows)[0] else { panic!("rows come first") };
        sink.write(rows).unwrap();
        sink.flush(1).unwrap();
    }
    drop(sink);
    assert_eq!(log::read::last_parquet_rows(folder.path()).lines().count(), 5);
}

#[test]
fn rows_wait_in_as_many_bytes_as_told() {
    let folder = TempDir::new().unwrap();
    // Less than a row takes: each is a file.
    let options = ParquetOptions { part_bytes: 1, ..ParquetOptions::default() };
    let mut sink = ParquetSink::open(folder.path(), "L", options).unwrap();
    let Op::Rows(rows) = &log::many(1, 10)[0] else { panic!("rows come first") };
    sink.write(rows).unwrap();
    let date = folder.path().join("parquet/aggregated_data/date=1970-01-01");
    assert_eq!(std::fs::read_dir(date).unwrap().count(), 10);
}

#[test]
fn a_replay_folds_a_date_that_has_no_file_when_its_span_ends() {
    for (part_rows, expected) in [(9, &["data"][..]), (3, &["part", "part"])] {
        let folder = TempDir::new().unwrap();
        let options = ParquetOptions {
            span_epochs: 16,
            part_rows,
            folds_spans: true,
            ..ParquetOptions::default()
        };
        let mut sink = ParquetSink::open(folder.path(), "L", options).unwrap();
        let Op::Rows(rows) = &log::many(1, 5)[0] else { panic!("rows come first") };
        sink.write(rows).unwrap();
        sink.flush(16).unwrap();
        let date = folder.path().join("parquet/aggregated_data/date=1970-01-01");
        let names = std::fs::read_dir(date).unwrap().map(|entry| entry.unwrap().file_name());
        let kind = |name: std::ffi::OsString| name.to_string_lossy()[..4].to_owned();
        assert_eq!(names.map(kind).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_run_that_was_taken_over_cannot_write() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidemill.sqlite");
    let ops = log::many(1, 10);
    let mut old = SqliteSink::open_with(&path, "L", &tables(), RHYTHM).unwrap();
    let _new = SqliteSink::open_with(&path, "L", &tables(), RHYTHM).unwrap();
    let Op::Rows(rows) = &ops[0] else { panic!("rows come first") };
    old.write(rows).unwrap_err();
    let error = old.flush(i64::MAX).unwrap_err();
    assert!(error.to_string().contains("generation 2 has taken over"), "{error}");
}

#[test]
fn a_new_output_adds_its_column() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidemill.sqlite");
    for columns in [vec!["sma_2"], vec!["sma_2", "bb_upper_20_2p5"]] {
        let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        let spec = TableSpec::floats("technical_indicators", &columns);
        let lineage = columns.len().to_string();
        let mut sink = SqliteSink::open(&path, &lineage, &[spec]).unwrap();
        let rows: Rows = log::float_row(&columns);
        sink.write(&rows).unwrap();
        sink.flush(i64::MAX).unwrap();
        sink.finish().unwrap();
    }
    let mut answer = Vec::new();
    let sql = "SELECT * FROM technical_indicators";
    sinks::query(folder.path(), sql, sinks::Format::Csv, &mut answer).unwrap();
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        "symbol,width,ts_open,seq,sma_2,revision,known_at,bb_upper_20_2p5\nA,1min,0,0,0.5,0,61000000000,1.5\n"
    );
}

#[test]
fn lines_beyond_the_mark_are_cut_off() {
    let (folder, left) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    // More than any buffer holds, so that it reaches the disk before it is complete.
    let operations =
        [log::many(0, 1), vec![Op::Flush(1)], log::many(1, 3_000)].map(|mut ops| ops.remove(0));
    let rhythm = Rhythm { flushes: 1, ..RHYTHM };
    let mut killed: Vec<Box<dyn Sink>> =
        vec![Box::new(JsonlSink::open_with(folder.path(), "L", rhythm).unwrap())];
    apply(&mut killed, &operations);
    copy(folder.path(), left.path());
    let read = |folder: &Path| std::fs::read(folder.join("jsonl/aggregated_data.jsonl")).unwrap();
    assert!(read(left.path()).len() > 100_000);
    killed[0].flush(i64::MAX).unwrap();

    let mut again: Vec<Box<dyn Sink>> = vec![Box::new(JsonlSink::open(left.path(), "L").unwrap())];
    apply(&mut again, &operations);
    again[0].flush(i64::MAX).unwrap();
    assert!(read(left.path()) == read(folder.path()));
}
