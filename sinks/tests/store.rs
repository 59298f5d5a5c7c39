//! The store folder: whose it is, who may write, what `--replace` removes; questions to it; its dead
//! letters; the fold of many Parquet parts.

use market::{
    Body, Change, DeadLetter, EpochLength, Offset, Reason, RowKey, Rows, Sink, Symbols, TableSpec,
    Time, Width,
};
use sinks::{
    Filter, Format, Identity, LetterLimits, Letters, ParquetOptions, Rhythm, Store, query,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn identity(widths: &str) -> Identity {
    let parts = [("bars.widths", widths), ("input[0]", "a.csv 12 bytes")];
    let parts = parts.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Identity { fingerprint: format!("f-{widths}"), parts }
}

fn open(folder: &Path, widths: &str, replace: bool, now: i64) -> Result<Store, String> {
    let opened = Store::open(folder, &identity(widths), replace, Time::from_ns(now));
    opened.map_err(|error| error.to_string().replace(&folder.display().to_string(), "DIR"))
}

#[test]
fn a_store_remembers_its_start_and_refuses_others() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), "1min", false, 5).unwrap();
    assert!(store.is_new() && store.started_at() == Time::from_ns(5));
    assert_eq!(
        open(folder.path(), "1min", false, 6).unwrap_err(),
        "DIR: another run is writing to this store"
    );
    drop(store);
    let again = open(folder.path(), "1min", true, 7).unwrap();
    assert!(!again.is_new() && again.started_at() == Time::from_ns(5));
    drop(again);
    assert_eq!(
        open(folder.path(), "5min", false, 8).unwrap_err(),
        "DIR: this store was made with bars.widths = 1min, not 5min; give --replace to begin it anew, \
         or another folder with --data"
    );
}

#[test]
fn replace_removes_what_the_store_made_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let store = open(folder.path(), "1min", false, 5).unwrap();
    store.sqlite(&[TableSpec::bars()]).unwrap();
    store.jsonl().unwrap();
    store.letters(LetterLimits::default()).unwrap();
    drop(store);
    assert!(folder.path().join("tidemill.sqlite").exists());
    let store = open(folder.path(), "5min", true, 9).unwrap();
    assert!(store.is_new() && store.started_at() == Time::from_ns(9));
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "store.json", "store.lock"]);
}

#[test]
fn nothing_is_removed_from_a_folder_that_is_no_store() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("parquet")).unwrap();
    fs::write(folder.path().join("parquet/mine"), "mine").unwrap();
    let error = open(folder.path(), "1min", true, 5).unwrap_err();
    assert!(error.starts_with("DIR: holds parquet but no store.json"), "{error}");
    assert!(folder.path().join("parquet/mine").exists());
    fs::write(folder.path().join("store.json"), "{").unwrap();
    let error = open(folder.path(), "1min", false, 5).unwrap_err();
    assert!(error.starts_with("DIR: store.json is not of this version's format"), "{error}");
}

#[test]
fn questions_are_answered_and_writes_refused() {
    let folder = TempDir::new().unwrap();
    let ask = |sql: &str, format: &str| {
        let mut answer = Vec::new();
        let asked = query(folder.path(), sql, format.parse().unwrap(), &mut answer);
        asked.map(|_| String::from_utf8(answer).unwrap()).map_err(|error| error.to_string())
    };
    assert!(ask("SELECT 1", "table").unwrap_err().starts_with("no store at "));
    let store = open(folder.path(), "1min", false, 5).unwrap();
    let _writer = store.sqlite(&[TableSpec::bars()]).unwrap();
    let sql = "SELECT 9007199254740993 AS a, 0.1 AS b, NULL AS c, 'x,\"y' AS d";
    assert_eq!(ask(sql, "csv").unwrap(), "a,b,c,d\n9007199254740993,0.1,,\"x,\"\"y\"\n");
    assert_eq!(
        ask(sql, "json").unwrap(),
        "[\n  {\"a\": 9007199254740993, \"b\": 0.1, \"c\": null, \"d\": \"x,\\\"y\"}\n]\n"
    );
    assert_eq!(ask("SELECT count(*) AS n FROM aggregated_data;", "table").unwrap(), "n\n-\n0\n");
    assert_eq!(ask("SELECT 1 WHERE 0", "json").unwrap(), "[]\n");
    let writes =
        ["DELETE FROM aggregated_data", "CREATE TABLE t (a)", "PRAGMA user_version = 3", "VACUUM"];
    for sql in writes {
        assert!(ask(sql, "table").is_err(), "{sql}");
    }
    assert!(ask("SELECT 1; DELETE FROM aggregated_data", "table").unwrap_err().contains("one SQL"));
    assert!(ask("", "table").unwrap_err().contains("not none"));
    let error = ask("SELECT price FROM nowhere", "table").unwrap_err();
    assert!(error.contains("no such table: nowhere"), "{error}");
    assert!("xml".parse::<Format>().unwrap_err().to_string().contains("wanted table, csv or json"));
}

fn letter(number: u64) -> DeadLetter {
    DeadLetter {
        epoch: number as i64,
        partition: 0,
        source: "t.csv".to_owned(),
        offset: Offset::in_file(0, number),
        reason: if number.is_multiple_of(2) { Reason::Price } else { Reason::Time },
        detail: "not a decimal number".to_owned(),
        raw: format!("A,{number},x\n\"y\""),
        symbol: (number.is_multiple_of(3)).then(|| "A".to_owned()),
        ts_event: Some(Time::from_ns(number as i64)),
    }
}

#[test]
fn dead_letters_are_counted_shown_exported_and_bounded() {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), "1min", false, 5).unwrap();
    let rhythm = Rhythm { rows: 3, flushes: 3, early_rows_max: 10 };
    let limits = LetterLimits { bytes: 1000, files: 3, rhythm };
    let mut sink = store.letters(limits).unwrap();
    for number in 1..=40 {
        sink.write_letters(&[letter(number)]).unwrap();
        sink.flush(number as i64 + 1).unwrap();
    }
    sink.flush(i64::MAX).unwrap();
    sink.finish().unwrap();
    let size = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |file| file.len());
    let names = ["dead_letters.jsonl", "dead_letters.jsonl.1", "dead_letters.jsonl.2"];
    assert!(names.iter().all(|name| (1..=1000).contains(&size(name))));
    assert_eq!(size("dead_letters.jsonl.3"), 0);

    let letters = Letters::open(folder.path()).unwrap();
    let all = letters.list(&Filter::default()).unwrap();
    assert_eq!((all.kept + all.dropped, all.dropped), (40, sink.dropped()));
    assert!(all.dropped > 0);
    assert_eq!(all.counts.values().sum::<u64>(), all.kept);
    let shown = letters.show(39).unwrap();
    assert_eq!(
        (shown.text("raw"), shown.text("row")),
        ("A,39,x\n\"y\"".to_owned(), "39".to_owned())
    );
    assert!(
        letters.show(1).unwrap_err().to_string().starts_with("no dead letter 1: the store holds")
    );

    let filter = Filter { reason: Some("price".to_owned()), symbol: Some("A".to_owned()) };
    let (mut csv, mut json) = (Vec::new(), Vec::new());
    let count = letters.export_csv(&filter, &mut csv).unwrap();
    assert_eq!(letters.export_json(&filter, &mut json).unwrap(), count);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let numbers: Vec<u64> =
        json.as_array().unwrap().iter().map(|letter| letter["row"].as_u64().unwrap()).collect();
    let first = all.dropped + 1;
    assert_eq!(numbers, (first..=40).filter(|n| n % 6 == 0).collect::<Vec<_>>());
    assert!(String::from_utf8(csv).unwrap().contains("\"A,36,x\n\"\"y\"\"\""));
}

/// `epochs` rows, one an epoch, of 7 keys that are revised again and again, and one key for each epoch.
fn revisions(epochs: i64) -> Rows {
    let symbols = Symbols::default();
    let ids = ["B", "A"].map(|text| symbols.intern(text.as_bytes()).unwrap());
    let mut keys = Vec::new();
    for epoch in 0..epochs {
        let key = |symbol, second: i64, revision: i64| RowKey {
            epoch,
            ts_open: Time::from_ns(second * Time::SECOND),
            symbol,
            width: "1s".parse::<Width>().unwrap(),
            seq: 0,
            revision: revision as u32,
            change: if revision == 0 { Change::Added } else { Change::Revised },
        };
        keys.push(key(ids[1], epoch % 7, epoch / 7));
        keys.push(key(ids[0], epoch, 0));
    }
    let values = (0..keys.len()).map(|at| at as f64).collect();
    let known_at = keys.iter().map(|key| Time::from_ns(key.epoch)).collect();
    let table = Arc::new(TableSpec::floats("factors", &["x".to_owned()]));
    Rows { table, keys, known_at, body: Body::Floats { stride: 1, values }, symbols }
}

fn folded(folder: &Path) -> (Vec<String>, Vec<u8>) {
    let date = folder.join("parquet/factors/date=1970-01-01");
    let entries = fs::read_dir(&date).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    (names, fs::read(date.join("data.parquet")).unwrap())
}

/// Copies the parts of a date; how many there are.
fn copy_parts(from: &Path, to: &Path) -> usize {
    let entries = fs::read_dir(from).unwrap().map(|entry| entry.unwrap());
    let parts: Vec<_> =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("part-")).collect();
    for part in &parts {
        fs::copy(part.path(), to.join(part.file_name())).unwrap();
    }
    parts.len()
}

#[test]
fn whichever_way_rows_come_they_fold_to_the_same_bytes() {
    const EPOCHS: i64 = 70_000;
    let rows = revisions(EPOCHS);
    let replay = ParquetOptions::replay(EpochLength::SECOND);
    let spans = |span_epochs| ParquetOptions { span_epochs, ..ParquetOptions::default() };
    // All of it in memory, which is more than a row group; more parts than are merged at a time; one
    // part; many cut off in memory, the rest merged with them.
    let ways = [replay, spans(1_000), spans(EPOCHS), ParquetOptions { part_rows: 3_000, ..replay }];
    let mut bytes = Vec::new();
    for (options, parts_of_a_stop) in ways.into_iter().zip([1, 35, 1, 24]) {
        let folder = TempDir::new().unwrap();
        let store = open(folder.path(), "1min", false, 5).unwrap();
        let date = folder.path().join("parquet/factors/date=1970-01-01");
        let end = |mut sink: sinks::ParquetSink| {
            sink.write(&rows).unwrap();
            sink.flush(i64::MAX).unwrap();
            sink.finish().unwrap();
            folded(folder.path())
        };
        // Stopped half way: what was complete lies in parts.
        let mut sink = store.parquet(options).unwrap();
        sink.write(&revisions(EPOCHS / 2)).unwrap();
        sink.flush(EPOCHS / 2).unwrap();
        drop(sink);
        let parts = TempDir::new().unwrap();
        assert_eq!(copy_parts(&date, parts.path()), parts_of_a_stop);
        let (names, whole) = end(store.parquet(options).unwrap());
        assert_eq!(names, ["data.parquet"]);

        // Killed after the rename and before every part was removed, with a pass half written.
        copy_parts(parts.path(), &date);
        fs::write(date.join("merged-0.tmp"), "half").unwrap();
        let (names, again) = end(store.parquet(options).unwrap());
        assert_eq!(names, ["data.parquet"]);
        assert!(again == whole);
        // And before the mark was moved.
        copy_parts(parts.path(), &date);
        fs::remove_dir_all(folder.path().join("marks")).unwrap();
        assert!(end(store.parquet(options).unwrap()).1 == whole);

        let clean = TempDir::new().unwrap();
        let mut sink = open(clean.path(), "1min", false, 5).unwrap().parquet(options).unwrap();
        sink.write(&rows).unwrap();
        sink.flush(i64::MAX).unwrap();
        assert!(folded(clean.path()).1 == whole, "{options:?}");
        bytes.push(whole);
    }
    assert!(bytes.iter().all(|way| *way == bytes[0]), "how the log is cut must not show");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data.parquet");
    fs::write(&path, &bytes[0]).unwrap();
    let file = parquet::file::reader::SerializedFileReader::new(fs::File::open(path).unwrap());
    let rows: Vec<String> = file.unwrap().into_iter().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows.len() as i64, EPOCHS + 7);
    let revision = (EPOCHS - 1) / 7;
    assert!(rows[0].contains(&format!("revision: {revision}")), "{}", rows[0]);
}
