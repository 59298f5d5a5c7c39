//! Real files of the shared data through the readers, by flags alone, and the orders and partitions that
//! files may have.

use market::{Side, Symbols, Time, Trades};
use sources::{
    Fed, FileOrder, FilePartition, FileSource, Files, LayoutOptions, Previewed, preview,
};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

fn source(paths: &[&str]) -> FileSource {
    FileSource {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        layout: LayoutOptions::default(),
        order: FileOrder::Time,
        partition: FilePartition::Auto,
        threads: 2,
        lateness_ns: 2_000_000_000,
    }
}

fn append(all: &mut Trades, trades: &Trades) {
    all.ts_event.extend(&trades.ts_event);
    all.symbol.extend(&trades.symbol);
    all.price.extend(&trades.price);
    all.size.extend(&trades.size);
    all.offset.extend(&trades.offset);
    all.side.extend(&trades.side);
    all.venue.extend(&trades.venue);
}

/// The trades of each partition and the number of refusals, or the first error.
fn read(files: &Files, symbols: &Symbols) -> Result<Vec<(Trades, usize)>, String> {
    let mut logs = Vec::new();
    for open in files.open(symbols).map_err(|error| error.to_string())? {
        let mut feed = open().map_err(|error| error.what)?;
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        let (mut all, mut refused) = (Trades::default(), 0);
        loop {
            match feed.poll().map_err(|error| error.what)? {
                Fed::Batch(batch) => {
                    append(&mut all, &batch.trades);
                    refused += batch.undecoded.len();
                    feed.recycle(batch);
                }
                Fed::Pending => std::thread::park(),
                Fed::End => break,
            }
        }
        logs.push((all, refused));
    }
    Ok(logs)
}

#[test]
fn fx_quotes_become_trades_at_the_middle() {
    let path = format!("{DATA}/fx_ticks/quotes_20140507_09.csv.gz");
    let columns = "ts_event=ts_ns:ns, symbol=symbol, venue=venue, price=mid(bid,ask), size='1'";
    let layout = LayoutOptions { columns: Some(columns.to_owned()), ..LayoutOptions::default() };
    let symbols = Symbols::default();
    let files = FileSource { layout, ..source(&[&path]) }.check().expect("a layout");
    let logs = read(&files, &symbols).expect("the file is whole");
    let (trades, refused) = &logs[0];
    assert_eq!((trades.len(), *refused), (926_020, 0));

    // Every row against a plain reading of the same text.
    let mut text = String::new();
    let file = std::fs::File::open(&path).expect("the shared data are there");
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("gzip");
    for (k, line) in text.lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let nano = |cell: &str| {
            let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
            format!("{whole}{fraction:0<9}").parse::<i64>().expect("a number")
        };
        assert_eq!(trades.ts_event[k].ns(), cells[0].parse::<i64>().expect("a time"));
        assert_eq!(&*symbols.text(trades.venue[k]), cells[1]);
        assert_eq!(&*symbols.text(trades.symbol[k]), cells[2]);
        assert_eq!(trades.price[k].raw() * 2, nano(cells[3]) + nano(cells[4]), "row {k}");
    }
}

#[test]
fn lobster_messages_become_trades() {
    let path =
        format!("{DATA}/lobster_aapl_l10_sample/AAPL_2012-06-21_34200000_57600000_message_10.csv");
    let columns = "ts_event='2012-06-21'+c1:s:America/New_York, symbol='AAPL', size=c4, \
                   price=c5*0.0001, side=c6{1:A,-1:B}";
    let layout = LayoutOptions {
        columns: Some(columns.to_owned()),
        filter: Some("c2 in (4,5)".to_owned()),
        header: false,
        ..LayoutOptions::default()
    };
    let files = FileSource { layout, ..source(&[&path]) }.check().expect("a layout");
    let logs = read(&files, &Symbols::default()).expect("the file is whole");
    let (trades, refused) = &logs[0];
    let text = std::fs::read_to_string(&path).expect("the shared data are there");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let kept: Vec<&Vec<&str>> = rows.iter().filter(|row| matches!(row[1], "4" | "5")).collect();
    assert_eq!((trades.len(), *refused), (kept.len(), 0));
    assert_eq!(files.filtered() as usize, rows.len() - kept.len());
    let midnight = Time::parse("2012-06-21T04:00:00Z").expect("a time").ns();
    for (k, row) in kept.iter().enumerate() {
        let (seconds, fraction) = row[0].split_once('.').unwrap_or((row[0], ""));
        let after: i64 = format!("{seconds}{fraction:0<9}").parse().expect("a number");
        assert_eq!(trades.ts_event[k].ns(), midnight + after);
        assert_eq!(trades.price[k].raw(), row[4].parse::<i64>().expect("a number") * 100_000);
        assert_eq!(trades.side[k], if row[5] == "1" { Side::Ask } else { Side::Bid });
    }
}

#[test]
fn the_debs_sample_is_read_with_its_comments_spaces_and_spare_fields() {
    let path = format!("{DATA}/debs2022_sample/debs2022-gc-trading-day-08-11-21_sample100.csv.gz");
    let columns = "ts_event=Trading date+Trading time:\"%d-%m-%Y %H:%M:%S%.f\":Europe/Berlin, \
                   symbol=ID, price=Last, size='1'";
    let layout = LayoutOptions {
        columns: Some(columns.to_owned()),
        filter: Some("Last != ''".to_owned()),
        comment: Some("#".to_owned()),
        ..LayoutOptions::default()
    };
    let shown = preview(&path, &layout, 1).expect("a layout");
    let Previewed::Trade { ts_event, symbol, price, .. } = &shown[0] else {
        panic!("the first row is a trade: {shown:?}")
    };
    assert_eq!(ts_event.to_string(), "2021-11-08T08:01:00.6Z");
    assert_eq!((symbol.as_str(), price.to_string().as_str()), ("BN.FR", "57.15"));
    let order = FileOrder::Log;
    let files = FileSource { layout, order, ..source(&[&path]) }.check().expect("a layout");
    let logs = read(&files, &Symbols::default()).expect("the file is whole");
    // Rows of indices have no trading date: they are refused, and counted.
    assert_eq!(logs[0].0.len() + logs[0].1, 147);
    assert_eq!(files.filtered() + 147, 998);
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tidemill-files-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn csv(&self, name: &str, seconds: impl Iterator<Item = i64>) -> String {
        let mut text = "ts_event,symbol,price,size\n".to_owned();
        for (row, second) in seconds.enumerate() {
            text.push_str(&format!("{},S{},{row}.5,1\n", second * 1_000_000_000, row % 7));
        }
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("text").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn any_order_is_sorted_and_the_wrong_one_is_refused() {
    let folder = Folder::new("order");
    // Enough rows that runs are spilled and merged, with ties whose order must stay.
    let path = folder.csv("newest.csv", (0..3_000_000).map(|k| (3_000_000 - k) / 3));
    let error = read(&source(&[&path]).check().expect("a file"), &Symbols::default());
    assert!(error.expect_err("newest first").contains("--order any"));
    let files = FileSource { order: FileOrder::Any, ..source(&[&path]) }.check().expect("a file");
    let logs = read(&files, &Symbols::default()).expect("it is sorted");
    let (trades, refused) = &logs[0];
    assert_eq!((trades.len(), *refused), (3_000_000, 0));
    let keys: Vec<(i64, i64)> =
        trades.ts_event.iter().zip(&trades.price).map(|(t, p)| (t.ns(), p.raw())).collect();
    assert!(keys.is_sorted(), "by time, and equal times in the order of the file");
    assert!(trades.offset.is_sorted());
}

#[test]
fn files_that_follow_one_another_are_one_log() {
    let folder = Folder::new("sequence");
    folder.csv("a.csv", 0..2_000);
    folder.csv("b.csv", 2_000..3_000);
    folder.csv("c.csv", 3_000..3_001);
    let pattern = format!("{}/*.csv", folder.0.display());
    let files = source(&[&pattern]).check().expect("files");
    let logs = read(&files, &Symbols::default()).expect("whole files");
    assert_eq!(logs.len(), 1);
    let trades = &logs[0].0;
    assert!(trades.ts_event.is_sorted() && trades.offset.is_sorted());
    assert_eq!((trades.offset[2_000].file(), trades.offset[2_000].row()), (1, 0));
    let each = FileSource { partition: FilePartition::File, ..source(&[&pattern]) };
    assert_eq!(each.check().expect("files").partitions().len(), 3);

    folder.csv("d.csv", 100..200);
    assert_eq!(source(&[&pattern]).check().expect("files").partitions().len(), 4);
    let one = FileSource { partition: FilePartition::Sequence, ..source(&[&pattern]) };
    let error = one.check().expect_err("d begins before c ends").to_string();
    assert!(error.contains("d.csv\" begins at 1970-01-01T00:01:40Z"), "{error}");
}

#[test]
fn an_identity_tells_contents_apart() {
    let folder = Folder::new("identity");
    let (a, b) = (folder.csv("a.csv", 0..9_000), folder.csv("b.csv", 0..9_001));
    let files = source(&[&a, &b]).check().expect("files");
    let identities = files.identity().expect("files");
    assert_ne!(identities[0].hash, identities[1].hash);
    assert_eq!(files.identity().expect("files"), identities);
    // A change in the middle is seen, whatever the length stays.
    let mut text = std::fs::read(&a).expect("a file");
    let middle = text.len() / 2;
    text[middle] ^= 1;
    std::fs::write(&a, text).expect("a file");
    assert_ne!(files.identity().expect("files")[0].hash, identities[0].hash);
}
