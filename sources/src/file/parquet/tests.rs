//! Parquet files that the tests write: types, nulls, row groups, corruption.

use super::super::tests::{Folder, Log, read, rows_of, source};
use crate::LayoutOptions;
use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use market::{Reason, Symbols};
use std::sync::Arc;

fn bytes(columns: Vec<(&str, ArrayRef)>, group_rows: usize) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .expect("columns of one length");
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a schema");
    writer.write(&batch).expect("memory");
    writer.into_inner().expect("memory")
}

fn many(count: i64) -> Vec<(&'static str, ArrayRef)> {
    let names = (0..count).map(|k| Some(format!("S{}", k % 50)));
    vec![
        ("ts_event", Arc::new(Int64Array::from_iter_values(0..count))),
        ("symbol", Arc::new(names.collect::<StringArray>())),
        ("unused", Arc::new(BooleanArray::from(vec![true; count as usize]))),
        (
            "price",
            Arc::new((0..count).map(|k| Some((k + 100) as f64 / 100.0)).collect::<Float64Array>()),
        ),
        ("size", Arc::new(Int64Array::from_iter_values((0..count).map(|k| k % 9 + 1)))),
    ]
}

#[test]
fn a_file_without_rows_is_an_empty_log() {
    let folder = Folder::new();
    let path = folder.file("none.parquet", &bytes(many(0), 100));
    let (logs, _) = read(source(&[&path]));
    assert_eq!(logs[0].error, None);
    assert_eq!((logs[0].trades.len(), logs[0].refused.len()), (0, 0));
}

#[test]
fn row_groups_come_in_order_and_agree_with_csv() {
    let folder = Folder::new();
    let count = 100_000;
    let path = folder.file("many.parquet", &bytes(many(count), 7_001));
    let mut text = "ts_event,symbol,price,size\n".to_owned();
    for k in 0..count {
        text.push_str(&format!("{k},S{},{}.{:02},{}\n", k % 50, k / 100 + 1, k % 100, k % 9 + 1));
    }
    let csv = folder.file("many.csv", text.as_bytes());
    let (logs, symbols) = read(source(&[&path, &csv]));
    assert_eq!(logs[0].error, None);
    assert_eq!(logs[0].trades.len(), count as usize);
    assert_eq!(rows_of(&logs[0].trades, &symbols), rows_of(&logs[1].trades, &symbols));
    assert_eq!(logs[0].trades.offset, logs[1].trades.offset);
}

fn one(columns: Vec<(&str, ArrayRef)>, layout: LayoutOptions) -> (Log, Symbols) {
    let folder = Folder::new();
    let path = folder.file("one.parquet", &bytes(columns, 100));
    let (mut logs, symbols) = read(crate::FileSource { layout, ..source(&[&path]) });
    (logs.remove(0), symbols)
}

#[test]
fn types_agree_and_nulls_are_missing() {
    let expected = ["1500000000 A 490150000000 2000000000"];
    let price: ArrayRef = Arc::new(Float64Array::from(vec![Some(490.15), None, Some(0.1 + 0.2)]));
    let variants: Vec<(ArrayRef, ArrayRef, ArrayRef)> = vec![
        (
            Arc::new(TimestampMillisecondArray::from(vec![1500; 3]).with_timezone("UTC")),
            Arc::new(StringArray::from(vec!["A"; 3])),
            Arc::new(Int32Array::from(vec![2; 3])),
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![1_500_000_000; 3])),
            Arc::new(DictionaryArray::<Int32Type>::from_iter(["A"; 3])),
            Arc::new(Float32Array::from(vec![2.0; 3])),
        ),
        (
            Arc::new(StringArray::from(vec!["1970-01-01T00:00:01.5Z"; 3])),
            Arc::new(StringArray::from(vec!["A"; 3])),
            Arc::new(StringArray::from(vec!["2.00"; 3])),
        ),
    ];
    for (ts, symbol, size) in variants {
        let columns =
            vec![("ts_event", ts), ("symbol", symbol), ("price", price.clone()), ("size", size)];
        let (log, symbols) = one(columns, LayoutOptions::default());
        assert_eq!(log.error, None);
        assert_eq!(rows_of(&log.trades, &symbols), expected);
        let refused: Vec<_> = log.refused.iter().map(|record| (record.0, record.1)).collect();
        assert_eq!(refused, [(1, Reason::Missing), (2, Reason::Price)]);
    }
}

#[test]
fn decimals_factors_and_filters_are_exact() {
    let cents = Decimal128Array::from(vec![49_015, 7, 100]).with_precision_and_scale(12, 2);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("t", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("kind", Arc::new(Int32Array::from(vec![4, 1, 5]))),
        ("px", Arc::new(cents.expect("it fits"))),
    ];
    let layout = LayoutOptions {
        columns: Some("ts_event=t:s, symbol='X', price=px*0.001, size='3'".to_owned()),
        filter: Some("kind in (4,5)".to_owned()),
        ..LayoutOptions::default()
    };
    let (log, symbols) = one(columns, layout);
    assert_eq!(
        rows_of(&log.trades, &symbols),
        ["1000000000 X 490150000 3000000000", "3000000000 X 1000000 3000000000"]
    );
    assert_eq!(log.trades.offset.iter().map(|o| o.raw()).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn ids_venues_and_sides_agree_with_csv() {
    let ids = [Some(7), Some(-7), Some(0), Some(i64::MAX)];
    let full = [Some("N"), Some(""), Some("Q"), Some("N")];
    let gaps = [Some("N"), None, Some("Q"), Some("N")];
    let sides = [Some("A"), Some("B"), Some("N"), Some("")];
    let wrong = [Some("A"), Some("B"), Some("X"), Some("")];
    for (venues, sides) in [(full, sides), (gaps, sides), (full, wrong)] {
        let mut columns = many(4);
        columns.push(("trade_id", Arc::new(Int64Array::from(ids.to_vec()))));
        columns.push(("venue", Arc::new(StringArray::from(venues.to_vec()))));
        columns.push(("side", Arc::new(StringArray::from(sides.to_vec()))));
        let mut text = "ts_event,symbol,price,size,trade_id,venue,side\n".to_owned();
        for k in 0..4 {
            let (id, venue, side) = (ids[k], venues[k].unwrap_or(""), sides[k].unwrap_or(""));
            let id = id.unwrap_or_default();
            text.push_str(&format!("{k},S{k},1.0{k},{},{id},{venue},{side}\n", k + 1));
        }
        let folder = Folder::new();
        let parquet = folder.file("ids.parquet", &bytes(columns, 100));
        let csv = folder.file("ids.csv", text.as_bytes());
        let (logs, _) = read(source(&[&parquet, &csv]));
        let [parquet, csv] = &logs[..] else { panic!("two files are two logs") };
        assert_eq!(parquet.trades.trade_id, csv.trades.trade_id);
        assert_eq!(parquet.trades.venue, csv.trades.venue);
        assert_eq!(parquet.trades.side, csv.trades.side);
        assert_eq!(parquet.trades.len(), 4 - usize::from(sides == wrong));
        let refused = |log: &Log| log.refused.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>();
        assert_eq!(refused(parquet), refused(csv));
    }
}

#[test]
fn a_column_of_a_type_that_says_nothing_is_refused() {
    let mut columns = many(3);
    columns[3].1 = Arc::new(BooleanArray::from(vec![true; 3]));
    let (log, _) = one(columns, LayoutOptions::default());
    let error = log.error.expect("a price that is true or false");
    assert!(error.contains("column \"price\" is Boolean: wanted a number"), "{error}");
}

/// Whole numbers of the footer are signed: the lowest bit of one is its sign.
#[test]
fn a_wrong_sign_anywhere_in_the_footer_is_told_without_a_panic() {
    let whole = bytes(many(6), 3);
    let length = whole.len();
    let tail: [u8; 4] = whole[length - 8..length - 4].try_into().expect("four bytes");
    let footer = length - 8 - u32::from_le_bytes(tail) as usize;
    let folder = Folder::new();
    let mut outside = 0;
    for place in footer..length - 8 {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        let path = folder.file("bad.parquet", &bad);
        let (logs, _) = read(source(&[&path]));
        let Some(error) = &logs[0].error else { continue };
        assert!(error.contains("bad.parquet"), "{error}");
        assert!(!error.contains("gave up"), "byte {place}: {error}");
        outside += u32::from(error.contains("its footer is corrupt: row group"));
    }
    assert!(outside >= 20, "{outside} of the starts and lengths of five columns in two groups");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn corruption_is_an_error_or_data_and_never_a_panic(
        places in proptest::collection::vec((0usize..8_000, 0u8..), 1..6),
        cut in proptest::option::of(0usize..8_000),
    ) {
        let mut whole = bytes(many(600), 250);
        let length = whole.len();
        for (at, byte) in places {
            // The magic stays, so that the file is still taken for what it was.
            whole[4 + at % (length - 4)] = byte;
        }
        whole.truncate(cut.map_or(length, |cut| (cut % length).max(4)));
        let folder = Folder::new();
        let path = folder.file("corrupt.parquet", &whole);
        let (logs, _) = read(source(&[&path]));
        proptest::prop_assert!(logs[0].trades.len() + logs[0].refused.len() <= 1_000_000);
        if let Some(error) = &logs[0].error {
            proptest::prop_assert!(error.contains("corrupt.parquet"));
        }
    }
}
