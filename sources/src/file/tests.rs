//! Laws of the readers, on files that the tests write themselves.

use super::*;
use crate::{Decoded, Fed, RawRecords};
use market::{Reason, Trades, TransType, Updates};
use std::io::Write;
use std::sync::atomic::AtomicUsize;

/// A folder of its own for each test, removed at its end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "tidemill-files-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path.to_str().expect("text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn source(paths: &[&str]) -> FileSource {
    FileSource {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        layout: LayoutOptions::default(),
        order: FileOrder::Log,
        partition: FilePartition::File,
        threads: 2,
        lateness_ns: 2_000_000_000,
    }
}

/// Everything a partition delivers, and its error if it ends with one.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) trades: Trades,
    pub(super) refused: Vec<(u64, Reason, String)>,
    pub(super) lines: Vec<String>,
    pub(super) error: Option<String>,
}

pub(super) fn drain(mut feed: Box<dyn Feed>) -> Log {
    let thread = std::thread::current();
    feed.wake_by(Arc::new(move || thread.unpark()));
    let mut log = Log::default();
    loop {
        match feed.poll() {
            Ok(Fed::Batch(batch)) => {
                append(&mut log, &batch);
                feed.recycle(batch);
            }
            Ok(Fed::Pending) => std::thread::park(),
            Ok(Fed::End) => return log,
            Err(error) => {
                log.error = Some(error.what);
                return log;
            }
        }
    }
}

fn append(log: &mut Log, batch: &Decoded) {
    let (all, trades) = (&mut log.trades, &batch.trades);
    all.ts_event.extend(&trades.ts_event);
    all.symbol.extend(&trades.symbol);
    all.price.extend(&trades.price);
    all.size.extend(&trades.size);
    all.offset.extend(&trades.offset);
    all.trade_id.extend(&trades.trade_id);
    all.venue.extend(&trades.venue);
    all.side.extend(&trades.side);
    // Those that are there only where some row of a batch needs them.
    let rows = all.ts_event.len();
    if !trades.trans.is_empty() {
        all.trans.resize(rows - trades.len(), TransType::New);
        all.trans.extend(&trades.trans);
    }
    if !trades.updates.is_empty() {
        all.updates.resize(rows - trades.len(), Updates::ALL);
        all.updates.extend(&trades.updates);
    }
    for record in &batch.undecoded {
        let before = trades.offset.partition_point(|&offset| offset < record.offset);
        assert_eq!(record.before_row as usize, before, "an undecoded record stands in its place");
        log.refused.push((record.offset.raw(), record.reason, record.raw.clone()));
    }
    if let RawRecords::Lines { bytes, starts } = &batch.raw {
        assert_eq!(starts.len(), trades.len());
        for &start in starts {
            let line = &bytes[start as usize..];
            let end = line.iter().position(|&b| b == b'\n').expect("a line end");
            log.lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
    }
}

/// What the rows do, and what they count for.
pub(super) fn does(log: &Log) -> (Vec<TransType>, Vec<Updates>) {
    let rows = (0..log.trades.len()).map(|row| log.trades.row(row));
    rows.map(|trade| (trade.trans, trade.updates)).unzip()
}

pub(super) fn read(source: FileSource) -> (Vec<Log>, Symbols) {
    let symbols = Symbols::default();
    let files = source.check().expect("files");
    let logs = files.open(&symbols).expect("threads").into_iter().map(|open| match open() {
        Ok(feed) => drain(feed),
        Err(error) => Log { error: Some(error.what), ..Log::default() },
    });
    (logs.collect(), symbols)
}

fn rows(log: &Log, symbols: &Symbols) -> Vec<String> {
    rows_of(&log.trades, symbols)
}

pub(super) fn rows_of(t: &Trades, symbols: &Symbols) -> Vec<String> {
    let row = |k: usize| {
        let symbol = symbols.text(t.symbol[k]);
        format!("{} {symbol} {} {}", t.ts_event[k].ns(), t.price[k].raw(), t.size[k].raw())
    };
    (0..t.len()).map(row).collect()
}

const TINY: &str = "ts_event,symbol,price,size\n\
    1704205800000000001,NVDA,490.15,100\n\
    1704205800000000002,.BRL,0.5,1.25\r\n\
    \n\
    x,NVDA,490.15,100\n\
    1704205800000000003,NVDA,,100\n\
    1704205800000000004,NVDA,490.15\n\
    2024-01-02T14:30:00.5Z,\"EUR\"\"USD\",1.1,1\n\
    1704205800000000006,A B,1e-9,3,";

#[test]
fn a_file_is_read_or_refused_row_by_row() {
    let folder = Folder::new();
    let path = folder.file("tiny.csv", TINY.as_bytes());
    let (logs, symbols) = read(source(&[&path]));
    assert_eq!(logs[0].error, None);
    assert_eq!(
        rows(&logs[0], &symbols),
        [
            "1704205800000000001 NVDA 490150000000 100000000000",
            "1704205800000000002 .BRL 500000000 1250000000",
            "1704205800500000000 EUR\"USD 1100000000 1000000000",
            "1704205800000000006 A B 1 3000000000",
        ]
    );
    let refused: Vec<_> = logs[0].refused.iter().map(|r| (r.0, r.1, r.2.as_str())).collect();
    assert_eq!(
        refused,
        [
            (2, Reason::Time, "x,NVDA,490.15,100"),
            (3, Reason::Missing, "1704205800000000003,NVDA,,100"),
            (4, Reason::Malformed, "1704205800000000004,NVDA,490.15"),
        ]
    );
    let offsets: Vec<u64> = logs[0].trades.offset.iter().map(|o| o.raw()).collect();
    assert_eq!(offsets, [0, 1, 5, 6]);
    assert_eq!(logs[0].lines[1], "1704205800000000002,.BRL,0.5,1.25\r");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn compression_is_invisible() {
    let folder = Folder::new();
    let mut text = TINY.to_owned().into_bytes();
    for k in 0..60_000u64 {
        text.extend_from_slice(format!("\n{k},S{},{k}.5,1", k % 97).as_bytes());
    }
    let plain = folder.file("a.csv", &text);
    let gz = folder.file("b.csv.gz", &gzip(&text));
    let zst = folder.file("c.csv.zst", &zstd::encode_all(&text[..], 1).expect("memory"));
    let (logs, symbols) = read(source(&[&plain, &gz, &zst]));
    assert_eq!(logs[0].trades.len(), 60_004);
    for log in &logs[1..] {
        assert_eq!(rows(log, &symbols), rows(&logs[0], &symbols));
        assert_eq!(log.refused, logs[0].refused);
        assert_eq!(log.trades.offset, logs[0].trades.offset);
    }
}

#[test]
fn truncated_and_corrupt_files_say_so_after_what_was_read() {
    let folder = Folder::new();
    let mut text = b"ts_event,symbol,price,size\n".to_vec();
    for k in 0..200_000u64 {
        text.extend_from_slice(format!("{k},S{},{k}.5,1\n", k % 97).as_bytes());
    }
    let packed = gzip(&text);
    let cut = folder.file("cut.csv.gz", &packed[..packed.len() / 2]);
    let zstd = zstd::encode_all(&text[..], 1).expect("memory");
    let cut_zstd = folder.file("cut.csv.zst", &zstd[..zstd.len() / 2]);
    let fake = folder.file("fake.csv.gz", b"ts_event,symbol\n");
    let fake_parquet = folder.file("fake.parquet", b"PAR1nonsensePAR1");
    let (logs, _) = read(source(&[&cut, &cut_zstd, &fake, &fake_parquet]));
    for log in &logs {
        let error = log.error.as_ref().expect("an error");
        assert!(
            error.contains("corrupt") || error.contains("by its name") || error.contains("whole"),
            "{error}"
        );
    }
    assert!(!logs[0].trades.is_empty());
}

#[test]
fn empty_files_are_empty_logs_and_folders_are_refused() {
    let folder = Folder::new();
    let empty = folder.file("empty.csv", b"");
    let header = folder.file("header.csv", b"ts_event,symbol,price,size");
    let (logs, _) = read(source(&[&empty, &header]));
    assert!(logs.iter().all(|log| log.trades.is_empty() && log.error.is_none()));
    let given = folder.0.to_str().expect("text");
    let error = source(&[given]).check().expect_err("a folder").to_string();
    assert!(error.contains("is a folder"), "{error}");
    let error = source(&["/no/such/file.csv"]).check().expect_err("nothing").to_string();
    assert!(error.contains("cannot open"), "{error}");
    let missing = folder.file("missing.csv", b"ts_event,symbol,price\n1,a,2\n");
    let (logs, _) = read(source(&[&missing]));
    assert!(logs[0].error.as_ref().is_some_and(|e| e.contains("no column \"size\"")));
}

fn read_in_chunks(path: &str, threads: usize, bytes: usize) -> (Log, Symbols) {
    let symbols = Symbols::default();
    let pool = Pool::new(threads, &symbols).expect("threads");
    let layout = Layout::default();
    let open: feed::OpenFile = Box::new(move |path, _| {
        let mut file = std::fs::File::open(path).expect("a file");
        let length = file.metadata().expect("a length").len();
        let head = csv::read_head(&mut file, &layout).expect("a head");
        let bound = crate::layout::Bound::new(&layout, &head.columns).expect("columns");
        let shape = csv::Shape::new(&layout, head.columns.len(), bound);
        let plain = csv::Plain::new(file, path.clone(), head.data_start, length, shape);
        Ok(Box::new(plain.with_chunks(bytes)))
    });
    let files = vec![PathBuf::from(path)];
    let feed = FileFeed::new(pool, files, open, None, Arc::default(), 1).expect("a feed");
    (drain(Box::new(feed)), symbols)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_and_threads_are_invisible(
        lines in proptest::collection::vec("[0-9]{1,3},[AB\"]{0,9},[0-9.]{1,4},[0-9]{0,2},?\r?|[a,\"\n\u{e9}]{0,40}", 0..60),
        ends: bool,
        bytes in 1usize..300,
    ) {
        let folder = Folder::new();
        let mut text = format!("ts_event,symbol,price,size\n{}", lines.join("\n"));
        if ends {
            text.push('\n');
        }
        let path = folder.file("f.csv", text.as_bytes());
        let (whole, symbols) = read_in_chunks(&path, 1, 1 << 20);
        let (cut, cut_symbols) = read_in_chunks(&path, 3, bytes);
        proptest::prop_assert_eq!(whole.error, None);
        proptest::prop_assert_eq!(rows_of(&whole.trades, &symbols), rows_of(&cut.trades, &cut_symbols));
        proptest::prop_assert_eq!(&whole.trades.offset, &cut.trades.offset);
        proptest::prop_assert_eq!(&whole.refused, &cut.refused);
        proptest::prop_assert_eq!(&whole.lines, &cut.lines);
        // Every line that is neither blank nor the header is a record, used or refused, once.
        let records = text.split('\n').skip(1).filter(|line| !matches!(*line, "" | "\r")).count();
        proptest::prop_assert_eq!(whole.trades.len() + whole.refused.len(), records);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn noise_is_refused_and_never_panics(noise: Vec<u8>, parquet: bool) {
        let folder = Folder::new();
        let mut bytes = if parquet { b"PAR1".to_vec() } else { b"ts_event,symbol,price,size\n".to_vec() };
        bytes.extend_from_slice(&noise);
        let path = folder.file("noise", &bytes);
        let (logs, _) = read(source(&[&path]));
        proptest::prop_assert!(logs[0].error.is_none() != parquet);
    }
}
