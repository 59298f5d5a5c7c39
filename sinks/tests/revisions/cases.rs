//! The past of rows by example: what becomes of one row, of stores that began without a past, of columns that
//! come and go, and how a removal is written.

use super::super::log::{Op, float_row};
use super::super::{RHYTHM, run, tables};
use super::{memory, seconds, sqlite, write};
use market::{Body, Change, Rows, Sink, TableSpec, Time};
use sinks::{Format, Rhythm, SqliteSink, query_as_of};
use std::path::Path;
use tempfile::TempDir;

/// Calls that bring one row of one key an epoch, as `changes` say: `+` with values, `-` without.
fn changes(changes: &str) -> Vec<Op> {
    let columns = ["sma_2".to_owned()];
    let mut is_there = false;
    let row = |(at, what): (usize, char)| {
        let mut rows = float_row(&columns);
        rows.keys[0].epoch = at as i64;
        rows.keys[0].revision = at as u32;
        rows.keys[0].change = match (what, is_there) {
            ('-', _) => Change::Removed,
            (_, true) => Change::Revised,
            (_, false) => Change::Added,
        };
        is_there = what == '+';
        let Body::Floats { values, .. } = &mut rows.body else { panic!("floats") };
        values[0] = at as f64 + 0.5;
        rows.known_at[0] = seconds(at as i64);
        [Op::Rows(rows), Op::Flush(at as i64 + 1)]
    };
    let mut all: Vec<Op> = changes.chars().enumerate().flat_map(row).collect();
    all.extend([Op::Flush(i64::MAX), Op::Finish]);
    all
}

fn ask(folder: &Path, sql: &str, at: Option<i64>) -> Result<String, String> {
    let mut answer = Vec::new();
    query_as_of(folder, sql, at.map(seconds), Format::Csv, &mut answer)
        .map(|_| String::from_utf8(answer).unwrap())
        .map_err(|error| error.to_string())
}

const VALUES: &str = "SELECT sma_2, revision FROM technical_indicators";

#[test]
fn a_row_through_its_life() {
    // All of it in one transaction, and one for each change.
    for rhythm in [Rhythm { rows: 9, flushes: 9, ..RHYTHM }, Rhythm { rows: 1, ..RHYTHM }] {
        let folder = TempDir::new().unwrap();
        write(sqlite(folder.path(), rhythm), &changes("++-+"));
        let past = "SELECT revision, sma_2, known_at / 1000000000 AS a, known_until / 1000000000 AS b, \
                    deleted FROM technical_indicators_revisions";
        assert_eq!(
            ask(folder.path(), past, None).unwrap(),
            "revision,sma_2,a,b,deleted\n0,0.5,0,1,0\n1,1.5,1,2,0\n2,,2,3,1\n"
        );
        for (at, expected) in [(-1, ""), (0, "0.5,0\n"), (1, "1.5,1\n"), (2, ""), (3, "3.5,3\n")] {
            let expected = format!("sma_2,revision\n{expected}");
            assert_eq!(ask(folder.path(), VALUES, Some(at)).unwrap(), expected, "at {at}");
        }

        let removed = TempDir::new().unwrap();
        write(sqlite(removed.path(), rhythm), &changes("+-"));
        assert_eq!(
            ask(removed.path(), past, None).unwrap(),
            "revision,sma_2,a,b,deleted\n0,0.5,0,1,0\n1,,1,,1\n"
        );
        assert_eq!(ask(removed.path(), VALUES, Some(9)).unwrap(), "sma_2,revision\n");
    }
}

#[test]
fn what_was_known_is_asked_like_what_is() {
    let folder = TempDir::new().unwrap();
    write(sqlite(folder.path(), RHYTHM), &changes("++-+"));
    let count =
        "SELECT count(*) AS n FROM technical_indicators JOIN aggregated_data USING (symbol)";
    assert_eq!(ask(folder.path(), count, Some(3)).unwrap(), "n\n0\n");
    let both = "SELECT t.revision, n.revision AS now FROM technical_indicators t, main.technical_indicators n";
    assert_eq!(ask(folder.path(), both, Some(1)).unwrap(), "revision,now\n1,3\n");
    for sql in
        ["DELETE FROM technical_indicators", "CREATE TABLE t (a)", "DROP VIEW aggregated_data"]
    {
        assert!(ask(folder.path(), sql, Some(3)).is_err(), "{sql}");
    }
}

/// Makes a store what programs left that kept no past.
fn forget_the_past(folder: &Path) {
    let db = rusqlite::Connection::open(folder.join("tidemill.sqlite")).unwrap();
    let sql = "DROP TABLE technical_indicators_revisions; DROP TABLE aggregated_data_revisions; \
               DROP TABLE revisions_kept";
    db.execute_batch(sql).unwrap();
}

#[test]
fn a_store_without_a_past_tells_what_it_can() {
    let folder = TempDir::new().unwrap();
    write(sqlite(folder.path(), RHYTHM), &changes("+++"));
    let refused = |at| ask(folder.path(), VALUES, Some(at)).unwrap_err();
    let check = || {
        assert!(
            refused(1).starts_with(
                "--as-of 1970-01-01T00:00:01Z: lies before 1970-01-01T00:00:02Z, up to which versions of \
                 technical_indicators"
            ),
            "{}",
            refused(1)
        );
        assert_eq!(ask(folder.path(), VALUES, Some(2)).unwrap(), "sma_2,revision\n2.5,2\n");
        // The other table was never revised.
        assert_eq!(
            ask(folder.path(), "SELECT seq FROM aggregated_data", Some(1)).unwrap(),
            "seq\n"
        );
    };
    forget_the_past(folder.path());
    check();
    // A program that keeps a past goes on with it: it begins then, and that is written down.
    drop(sqlite(folder.path(), RHYTHM));
    check();

    let plain = TempDir::new().unwrap();
    write(sqlite(plain.path(), RHYTHM), &changes("+"));
    forget_the_past(plain.path());
    assert_eq!(ask(plain.path(), VALUES, Some(0)).unwrap(), "sma_2,revision\n0.5,0\n");
    assert_eq!(ask(plain.path(), VALUES, Some(-1)).unwrap(), "sma_2,revision\n");
}

#[test]
fn what_came_before_a_sink_was_there_is_not_told() {
    let folder = TempDir::new().unwrap();
    write(sqlite(folder.path(), RHYTHM), &changes("+++++")[4..]);
    assert!(
        ask(folder.path(), VALUES, Some(1))
            .unwrap_err()
            .contains("lies before 1970-01-01T00:00:02Z")
    );
    for at in 2..5 {
        let expected = format!("sma_2,revision\n{at}.5,{at}\n");
        assert_eq!(ask(folder.path(), VALUES, Some(at)).unwrap(), expected);
    }
}

#[test]
fn another_lineage_begins_without_a_past() {
    let folder = TempDir::new().unwrap();
    write(sqlite(folder.path(), RHYTHM), &changes("+++"));
    let path = folder.path().join("tidemill.sqlite");
    write(SqliteSink::open(&path, "M", &tables()).unwrap(), &changes("++"));
    let past = "SELECT revision, sma_2 FROM technical_indicators_revisions";
    assert_eq!(ask(folder.path(), past, None).unwrap(), "revision,sma_2\n0,0.5\n");
    // What the other one left in the table was revised by then.
    assert!(ask(folder.path(), VALUES, Some(1)).is_err());
    assert_eq!(ask(folder.path(), VALUES, Some(2)).unwrap(), "sma_2,revision\n1.5,1\n");
}

#[test]
fn a_column_that_is_added_or_gone_is_one_of_the_past_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tidemill.sqlite");
    let row = |names: &[&str], revision: u32| -> (TableSpec, Rows) {
        let columns: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut rows = float_row(&columns);
        rows.keys[0].epoch = i64::from(revision);
        rows.keys[0].revision = revision;
        rows.keys[0].change = if revision == 0 { Change::Added } else { Change::Revised };
        rows.known_at[0] = seconds(i64::from(revision));
        (TableSpec::floats("technical_indicators", &columns), rows)
    };
    for (revision, names) in [(0, &["a", "b"][..]), (1, &["b", "c"]), (2, &["b", "c"]), (3, &["a"])]
    {
        let (spec, rows) = row(names, revision);
        let mut sink = SqliteSink::open(&path, "L", &[spec]).unwrap();
        sink.write(&rows).unwrap();
        sink.flush(i64::from(revision) + 1).unwrap();
    }
    let sql = "SELECT revision, a, b, c FROM technical_indicators_revisions UNION ALL \
               SELECT revision, a, b, c FROM technical_indicators ORDER BY 1";
    let expected = "revision,a,b,c\n0,0.5,1.5,\n1,,0.5,1.5\n2,,0.5,1.5\n3,0.5,,\n";
    assert_eq!(ask(folder.path(), sql, None).unwrap(), expected);
}

#[test]
fn rows_of_other_columns_follow_in_one_transaction() {
    let folder = TempDir::new().unwrap();
    let mut sink = sqlite(folder.path(), RHYTHM);
    // Text of statements would order them otherwise.
    for (at, name) in ["b", "a", "b"].into_iter().enumerate() {
        let mut rows = float_row(&[name.to_owned()]);
        rows.keys[0].epoch = at as i64;
        rows.keys[0].revision = at as u32;
        rows.keys[0].change = if at == 0 { Change::Added } else { Change::Revised };
        sink.write(&rows).unwrap();
    }
    sink.flush(i64::MAX).unwrap();
    let rows = |table: &str| {
        let sql = format!("SELECT revision, a, b FROM technical_indicators{table} ORDER BY 1");
        ask(folder.path(), &sql, None).unwrap()
    };
    assert_eq!(rows("_revisions"), "revision,a,b\n0,,0.5\n1,0.5,\n");
    assert_eq!(rows(""), "revision,a,b\n2,,0.5\n");
}

#[test]
fn lines_say_what_was_removed() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &changes("+-+"));
    let lines =
        std::fs::read_to_string(folder.path().join("jsonl/technical_indicators.jsonl")).unwrap();
    let key = "{\"symbol\":\"A\",\"width\":\"1min\",\"ts_open\":0,\"seq\":0";
    let line = |rest: &str, at: i64| {
        format!("{key},{rest},\"revision\":{at},\"known_at\":{}}}\n", at * Time::SECOND)
    };
    let expected =
        line("\"sma_2\":0.5", 0) + &line("\"deleted\":true", 1) + &line("\"sma_2\":2.5", 2);
    assert_eq!(lines, expected);
}

#[test]
fn memory_keeps_the_change_and_not_the_row() {
    let sink = memory(&changes("+-"));
    let memory = sink.memory();
    let table = &memory.tables["technical_indicators"];
    assert!(table.rows.is_empty() && table.changes.len() == 2);
    assert!(memory.dump_changes().contains(
        "A 1min 0 0 | 0.5 | revision 0 known_at 0 epoch 0\n\
         A 1min 0 0 | removed | revision 1 known_at 1000000000 epoch 1\n"
    ));
}
