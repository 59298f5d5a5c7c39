//! The law of syncs: a run that is killed goes on from the last one, and what came before it is not made again.

use super::log::read::{content, copy};
use super::log::{Op, log, many, operations};
use super::{all_sinks, apply};
use market::{Body, Epoch, Rows, Sink};
use proptest::prelude::*;
use sinks::{ParquetOptions, ParquetSink, Rhythm};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// So slow that nothing is made durable before a sync wants it.
const SLOW: Rhythm = Rhythm { rows: 1_000, flushes: 1_000, early_rows_max: 1_000 };
/// Where the two sinks of Parquet keep their marks.
const PARQUET_MARKS: [&str; 2] = ["live/marks", "replay/marks"];
/// An epoch where a span ends, past any log.
const ALL_WRITTEN: Epoch = 1 << 20;

/// Everything before this epoch was synced.
fn synced(operations: &[Op]) -> Option<Epoch> {
    let sync = operations.iter().rposition(|op| matches!(op, Op::Sync))?;
    operations[..sync].iter().rev().find_map(|op| match op {
        Op::Flush(before) => Some(*before),
        _ => None,
    })
}

/// Those of the calls that a run makes which goes on from the epoch `first`.
fn from_epoch(operations: Vec<Op>, first: Epoch) -> Vec<Op> {
    let of_epochs = |operation| match operation {
        Op::Rows(rows) => {
            let rows = last_rows(&rows, rows.keys.partition_point(|key| key.epoch < first));
            (!rows.is_empty()).then_some(Op::Rows(rows))
        }
        Op::Letters(mut letters) => {
            letters.retain(|letter| letter.epoch >= first);
            (!letters.is_empty()).then_some(Op::Letters(letters))
        }
        Op::Flush(before) => (before > first).then_some(Op::Flush(before)),
        Op::Sync | Op::Finish => Some(operation),
    };
    operations.into_iter().filter_map(of_epochs).collect()
}

/// The rows of a batch from number `first` on.
fn last_rows(rows: &Rows, first: usize) -> Rows {
    let mut last = rows.clone();
    last.keys.drain(..first);
    last.known_at.drain(..first);
    match &mut last.body {
        Body::Bars(bars) => drop(bars.drain(..first)),
        Body::Floats { stride, values } => drop(values.drain(..first * *stride)),
    }
    last
}

/// Makes the marks those of before a call; the rows they name were only added to by it, or void after it.
fn take_marks_back(before: &Path, left: &Path) {
    for marks in PARQUET_MARKS {
        let (before, left) = (before.join(marks), left.join(marks));
        let _ = fs::remove_file(left.join("parquet.json"));
        for entry in fs::read_dir(before).into_iter().flatten() {
            let (from, to) =
                (entry.as_ref().unwrap().path(), left.join(entry.unwrap().file_name()));
            if !to.exists() {
                fs::create_dir_all(&left).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
    }
}

/// A life up to call number `kill`, and what it leaves; `torn` when it was killed within that call, its
/// files written and its mark not.
fn life(folder: &Path, operations: &[Op], kill: usize, torn: bool) -> TempDir {
    let (left, before) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut sinks = all_sinks(folder, SLOW);
    apply(&mut sinks, &operations[..kill]);
    if torn {
        copy(folder, before.path());
        apply(&mut sinks, &operations[kill..=kill]);
    }
    copy(folder, left.path());
    if torn {
        take_marks_back(before.path(), left.path());
    }
    left
}

/// The files that a run writes before they are folded, and all that it leaves in the end.
fn whole_run(folder: &Path, operations: &[Op]) -> [BTreeMap<String, String>; 2] {
    let mut sinks = all_sinks(folder, SLOW);
    let (all, end) = operations.split_at(operations.len() - 2);
    apply(&mut sinks, all);
    apply(&mut sinks, &[Op::Flush(ALL_WRITTEN)]);
    let mut parts = content(folder);
    parts.retain(|name, _| name.starts_with("live/"));
    apply(&mut sinks, end);
    drop(sinks);
    [parts, content(folder)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn what_was_synced_need_not_be_given_again(
        log in log(),
        cuts: [u64; 4],
        kills: [(prop::sample::Index, bool, bool); 3],
        again in [prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2)],
    ) {
        let clean = TempDir::new().unwrap();
        let expected = whole_run(clean.path(), &operations(&log, cuts[3]));

        let (mut folder, mut first) = (TempDir::new().unwrap(), Epoch::MIN);
        let mut folded = false;
        for (((kill, torn, at_sync), again), cut) in kills.iter().zip(again).zip(cuts) {
            let all = operations(&log, cut);
            let operations = if again { all } else { from_epoch(all, first) };
            let mut kill = kill.index(operations.len());
            let sync = operations[kill..].iter().position(|op| matches!(op, Op::Sync));
            if let Some(sync) = sync.filter(|_| *at_sync) {
                // Within it, or straight after it.
                kill += sync + usize::from(!torn);
            }
            folded |= kill + usize::from(*torn) > operations.len() - 2;
            folder = life(folder.path(), &operations, kill, *torn);
            first = first.max(synced(&operations[..kill]).unwrap_or(first));
        }
        let rest = from_epoch(operations(&log, cuts[0].rotate_left(7)), first);
        let [parts, all] = whole_run(folder.path(), &rest);
        prop_assert!(folded || parts == expected[0], "{:?}, not {:?}", parts, expected[0]);
        prop_assert_eq!(&all, &expected[1]);
    }
}

/// Opens with what waits, given 7 rows of epoch 1 in files of 5, and a sync.
fn synced_parquet(folder: &Path) -> ParquetSink {
    let options = ParquetOptions { part_rows: 5, ..ParquetOptions::default() };
    let mut sink = ParquetSink::open(folder, "L", options).unwrap();
    let Op::Rows(rows) = &many(1, 7)[0] else { panic!("rows come first") };
    sink.write(rows).unwrap();
    sink.flush(2).unwrap();
    sink.sync().unwrap();
    sink
}

#[test]
fn a_sync_appends_what_is_new() {
    let folder = TempDir::new().unwrap();
    let mut sink = synced_parquet(folder.path());
    let spool = |number| {
        let path = folder.path().join(format!("marks/parquet-{number}.rows"));
        fs::read(path).unwrap_or_default()
    };
    let begun = spool(1);
    assert!(!begun.is_empty());
    sink.flush(3).unwrap();
    sink.sync().unwrap();
    assert!(spool(1) == begun, "nothing is new");
    let Op::Rows(rows) = &many(3, 1)[0] else { panic!("rows come first") };
    sink.write(rows).unwrap();
    sink.flush(4).unwrap();
    sink.sync().unwrap();
    assert!(spool(1).starts_with(&begun) && spool(1).len() > begun.len() && spool(0).is_empty());
    sink.flush(900).unwrap();
    assert!(spool(1).is_empty(), "the span was written");
}

#[test]
fn a_span_that_was_begun_is_cut_as_it_was() {
    let folder = TempDir::new().unwrap();
    let left = TempDir::new().unwrap();
    let _killed = synced_parquet(folder.path());
    copy(folder.path(), left.path());
    // Were it cut otherwise, the first file would be written over.
    let options = ParquetOptions::replay(market::EpochLength::SECOND);
    let mut sink = ParquetSink::open(left.path(), "L", options).unwrap();
    sink.flush(900).unwrap();
    let date = left.path().join("parquet/aggregated_data/date=1970-01-01");
    let names = fs::read_dir(date).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    let name = |cut| format!("part-g000-255-s00000000000x900-000{cut}.parquet");
    assert_eq!(names, [name(0), name(1)]);
    assert_eq!(super::log::read::last_parquet_rows(left.path()).lines().count(), 7);
}

#[test]
fn rows_kept_by_a_sync_that_are_damaged_are_not_gone_on_from() {
    for (len, expected) in [(None, "No such file"), (Some(100), "shorter than the")] {
        let folder = TempDir::new().unwrap();
        drop(synced_parquet(folder.path()));
        let path = folder.path().join("marks/parquet-1.rows");
        match len {
            None => fs::remove_file(path).unwrap(),
            Some(len) => fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap(),
        }
        let opened = ParquetSink::open(folder.path(), "L", ParquetOptions::default());
        let error = opened.err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn rows_that_no_mark_names_are_removed() {
    let folder = TempDir::new().unwrap();
    let mut sink = synced_parquet(folder.path());
    sink.flush(Epoch::MAX).unwrap();
    drop(sink);
    // Killed after the mark was moved.
    let path = folder.path().join("marks/parquet-1.rows");
    fs::write(&path, "void").unwrap();
    ParquetSink::open(folder.path(), "L", ParquetOptions::default()).unwrap();
    assert!(!path.exists());
}
