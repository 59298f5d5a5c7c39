//! Laws of corrections and sale conditions in files: every format reads the same, and no order loses them.

use super::tests::{Folder, Log, does, drain, read, source};
use super::*;
use crate::{LayoutOptions, Tape};
use ::parquet::arrow::ArrowWriter;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use market::{Reason, Time, Trade, TransType, Updates};
use proptest::prelude::*;

/// One record as it stands in a file; what is empty is not there.
#[derive(Clone, Debug)]
struct Given {
    ts: Option<i64>,
    symbol: usize,
    price: Option<i64>,
    size: Option<i64>,
    id: Option<u64>,
    trans: usize,
    conditions: usize,
}

const SYMBOLS: [&str; 4] = ["A", "BB", "CCC", ""];
/// As a feed may write them; the last is none.
const TRANS: [&str; 5] = ["T", "C", "R", "", "X"];
const CONDITIONS: [&str; 5] = ["", "@", "@ I F", "Z", "12"];

fn given() -> impl Strategy<Value = Given> {
    let some = |range: std::ops::Range<i64>| proptest::option::weighted(0.8, range);
    let numbers = (some(1..1_000), some(-1..50), some(0..50));
    let id = proptest::option::weighted(0.8, 1..5u64);
    (numbers, 0..4usize, id, 0..5usize, 0..5usize).prop_map(
        |((ts, price, size), symbol, id, trans, conditions)| Given {
            ts,
            symbol,
            price,
            size,
            id,
            trans,
            conditions,
        },
    )
}

fn text<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(String::new, T::to_string)
}

fn csv(rows: &[Given]) -> String {
    let mut lines = "ts_event,symbol,price,size,trade_id,x,c\n".to_owned();
    for row in rows {
        let (ts, price, size, id) =
            (text(&row.ts), text(&row.price), text(&row.size), text(&row.id));
        let (symbol, trans) = (SYMBOLS[row.symbol], TRANS[row.trans]);
        let conditions = CONDITIONS[row.conditions];
        lines.push_str(&format!("{ts},{symbol},{price},{size},{id},{trans},{conditions}\n"));
    }
    lines
}

/// With conditions as texts or as lists.
fn parquet(rows: &[Given], lists: bool) -> Vec<u8> {
    let texts = |of: &dyn Fn(&Given) -> &'static str| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(of(row))).collect::<StringArray>())
    };
    let mut listed = ListBuilder::new(StringBuilder::new());
    for row in rows {
        listed.append_value(CONDITIONS[row.conditions].split_whitespace().map(Some));
    }
    let float = |value: Option<i64>| value.map(|value| value as f64);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ts_event", Arc::new(rows.iter().map(|row| row.ts).collect::<Int64Array>())),
        ("symbol", texts(&|row| SYMBOLS[row.symbol])),
        ("price", Arc::new(rows.iter().map(|row| float(row.price)).collect::<Float64Array>())),
        ("size", Arc::new(rows.iter().map(|row| row.size).collect::<Int64Array>())),
        (
            "trade_id",
            Arc::new(rows.iter().map(|row| row.id.map(|id| id as i64)).collect::<Int64Array>()),
        ),
        ("x", texts(&|row| TRANS[row.trans])),
        match lists {
            true => ("c", Arc::new(listed.finish()) as ArrayRef),
            false => ("c", texts(&|row| CONDITIONS[row.conditions])),
        },
    ];
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length");
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("a schema");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

fn mapped() -> LayoutOptions {
    let map = "trans_type=x{T:new,C:cancel,R:replace,:}, conditions=c";
    LayoutOptions { columns: Some(map.to_owned()), tape: Some(Tape::Cta), ..Default::default() }
}

/// What a record is to be, by the words of the contract: a trade, a correction or a refusal.
fn wanted(row: &Given) -> Result<(TransType, i64, i64, i64, Updates), Reason> {
    let trans = match TRANS[row.trans] {
        "T" | "" => TransType::New,
        "C" => TransType::Cancel,
        "R" => TransType::Replace,
        _ => return Err(Reason::TransType),
    };
    if SYMBOLS[row.symbol].is_empty() {
        return Err(Reason::Missing);
    }
    let id = || row.id.ok_or(Reason::Missing);
    if trans == TransType::Cancel {
        return id().map(|_| (trans, 0, 0, 0, Updates::ALL));
    }
    let ts = row.ts.ok_or(Reason::Missing)?;
    let price = row.price.ok_or(Reason::Missing)?;
    let size = row.size.ok_or(Reason::Missing)?;
    let updates = match CONDITIONS[row.conditions] {
        "12" => return Err(Reason::Field),
        "@ I F" => Updates::VOLUME,
        "Z" => Updates::HIGH_LOW.or(Updates::VOLUME),
        _ => Updates::ALL,
    };
    if trans == TransType::Replace {
        id()?;
    }
    Ok((trans, ts, price * 1_000_000_000, size * 1_000_000_000, updates))
}

fn found(log: &Log) -> Vec<(TransType, i64, i64, i64, Updates)> {
    let of = |trade: Trade| {
        (trade.trans, trade.ts_event.ns(), trade.price.raw(), trade.size.raw(), trade.updates)
    };
    (0..log.trades.len()).map(|row| of(log.trades.row(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is missing and whatever a record says it does, every format reads it as the contract has it.
    #[test]
    fn every_format_says_the_same(rows in proptest::collection::vec(given(), 1..40)) {
        let folder = Folder::new();
        let paths = [
            folder.file("a.csv", csv(&rows).as_bytes()),
            folder.file("b.parquet", &parquet(&rows, false)),
            folder.file("c.parquet", &parquet(&rows, true)),
        ];
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (logs, _) = read(FileSource { layout: mapped(), ..source(&paths) });
        let used: Vec<_> = rows.iter().filter_map(|row| wanted(row).ok()).collect();
        let refused: Vec<_> = rows.iter().filter_map(|row| wanted(row).err()).collect();
        for log in &logs {
            prop_assert_eq!(&log.error, &None);
            prop_assert_eq!(&found(log), &used);
            let reasons: Vec<Reason> = log.refused.iter().map(|record| record.1).collect();
            prop_assert_eq!(&reasons, &refused);
            let corrects = used.iter().any(|row| row.0 != TransType::New);
            prop_assert_eq!(log.trades.trans.is_empty(), !corrects);
        }
    }

    /// However the sort is cut into runs: all rows are there, by time, and a cancel lies behind the record that it lay behind.
    #[test]
    fn sorting_keeps_corrections_and_their_places(rows in proptest::collection::vec(given(), 1..60)) {
        let folder = Folder::new();
        let path = folder.file("a.csv", csv(&rows).as_bytes());
        let layout = || Layout::new(&mapped()).expect("it parses");
        let sorted = |rows_max: usize| {
            let symbols = Symbols::default();
            let pool = Pool::new(1, &symbols).expect("a thread");
            let layout = layout();
            let open: feed::OpenFile = Box::new(move |path, bell| open::open(path, &layout, bell));
            let files = vec![PathBuf::from(&path)];
            let feed = FileFeed::new(pool, files, open, None, Arc::default(), 1).expect("a file");
            drain(Box::new(SortedFeed::cut(feed, rows_max, &symbols).expect("a thread")))
        };
        let plain = read(FileSource { layout: mapped(), ..source(&[&path]) }).0.remove(0);
        // By the place that each has: its time, or that of the one before it.
        let mut before = i64::MIN;
        let mut places: Vec<_> = found(&plain).into_iter().enumerate().map(|(row, found)| {
            before = if found.0 == TransType::Cancel { before } else { found.1 };
            ((before, found.0 != TransType::New, row), (found, plain.trades.row(row).trade_id))
        }).collect();
        places.sort_by_key(|(place, _)| *place);
        let wanted: Vec<_> = places.into_iter().map(|(_, row)| row).collect();
        for rows_max in [1, 3, 1_000] {
            let log = sorted(rows_max);
            let ids = (0..log.trades.len()).map(|row| log.trades.row(row).trade_id);
            let rows: Vec<_> = found(&log).into_iter().zip(ids).collect();
            prop_assert_eq!(&rows, &wanted, "runs of {}", rows_max);
            prop_assert_eq!(log.refused.len(), plain.refused.len());
        }
    }
}

#[test]
fn a_cancel_beside_its_trade_comes_behind_it_and_the_first_of_all_comes_first() {
    let folder = Folder::new();
    let text = "ts_event,symbol,price,size,trade_id,trans_type\n\
        ,A,,,9,cancel\n9,A,3,1,3,\n5,A,2,1,1,replace\n5,A,1,1,1,\n,A,,,1,cancel\n3,B,1,1,2,\n";
    let path = folder.file("a.csv", text.as_bytes());
    let (logs, _) = read(FileSource { order: FileOrder::Any, ..source(&[&path]) });
    let ids: Vec<u128> = logs[0].trades.trade_id.iter().map(|id| id.raw()).collect();
    let (cancel, new, replace) = (TransType::Cancel, TransType::New, TransType::Replace);
    assert_eq!(logs[0].trades.trans, [cancel, new, new, replace, cancel, new]);
    assert_eq!(ids, [9, 2, 1, 1, 1, 3]);
}

#[test]
fn corrections_say_nothing_of_the_order_of_files() {
    let folder = Folder::new();
    let mut texts = [String::new(), String::new()];
    for (file, text) in texts.iter_mut().enumerate() {
        text.push_str("ts_event,symbol,price,size,trade_id,trans_type\n,A,,,1,cancel\n");
        for k in 0..2_000i64 {
            let ts = (1_000 + file as i64 * 2_000 + k) * Time::SECOND;
            text.push_str(&format!(
                "{ts},A,1,1,{k},\n{},A,1,1,{k},replace\n,A,,,{k},cancel\n",
                ts - Time::DAY
            ));
        }
    }
    // The first file ends with a trade, the second begins with a cancel.
    texts[0].push_str(&format!("{},A,1,1,x,\n", 3_000 * Time::SECOND));
    let paths =
        [folder.file("a.csv", texts[0].as_bytes()), folder.file("b.csv", texts[1].as_bytes())];
    let paths = [paths[0].as_str(), paths[1].as_str()];
    let (order, partition) = (FileOrder::Time, FilePartition::Sequence);
    let (logs, _) = read(FileSource { order, partition, ..source(&paths) });
    assert_eq!(logs[0].error, None);
    assert_eq!((logs.len(), logs[0].trades.len()), (1, 12_003));
}

#[test]
fn conditions_count_where_a_tape_is_named_and_must_be_there_then() {
    let folder = Folder::new();
    let text =
        "ts_event,symbol,price,size,conditions\n1,A,1,1,@FTI\n2,A,1,1,\"[\"\"@\"\"]\"\n3,A,1,1,\n";
    let path = folder.file("a.csv", text.as_bytes());
    let by = |tape: Option<Tape>, columns: Option<&str>| {
        let columns = columns.map(str::to_owned);
        let layout = LayoutOptions { tape, columns, ..Default::default() };
        read(FileSource { layout, ..source(&[&path]) }).0.remove(0)
    };
    let (all, volume) = (Updates::ALL, Updates::VOLUME);
    assert_eq!(does(&by(Some(Tape::Utp), None)).1, [volume, all, all]);
    assert_eq!(by(None, None).trades.updates, []);
    // A map of conditions that nobody looks at needs no column.
    assert_eq!(by(None, Some("conditions=none_such")).error, None);
    let error = by(Some(Tape::Utp), Some("conditions=none_such")).error.expect("no such column");
    assert!(error.contains("--columns: no column \"none_such\""), "{error}");
    assert_eq!(does(&by(Some(Tape::Utp), Some("conditions='I'"))).1, [volume; 3]);
    let plain = folder.file("b.csv", b"ts_event,symbol,price,size\n1,A,1,1\n");
    let layout = LayoutOptions { tape: Some(Tape::Cta), ..Default::default() };
    let error = read(FileSource { layout, ..source(&[&plain]) }).0.remove(0).error;
    let error = error.expect("no conditions");
    assert!(error.contains("--conditions: no column \"conditions\""), "{error}");
}

#[test]
fn a_preview_says_what_a_record_does() {
    let folder = Folder::new();
    let text =
        "symbol,ts_event,price,size,trade_id,trans_type\nA,1,1,1,7,\nA,,,,7,cancel\nA,,,,,cancel\n";
    let path = folder.file("a.csv", text.as_bytes());
    let shown = preview(&path, &LayoutOptions::default(), 9).expect("a file");
    let trans = shown.iter().map(|row| match row {
        Previewed::Trade { trans, .. } => Ok(*trans),
        Previewed::Refused { reason, .. } => Err(*reason),
    });
    let wanted = [Ok(TransType::New), Ok(TransType::Cancel), Err(Reason::Missing)];
    assert_eq!(trans.collect::<Vec<_>>(), wanted);
}
