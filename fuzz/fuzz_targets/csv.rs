//! Any bytes as CSV: under the default layout, and under one that the first bytes choose. Decoding
//! ends without a panic, and what it gives is consistent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use market::Symbols;
use sources::{Layout, LayoutOptions, Tape, decode_csv};

/// Maps of columns, each for another branch of the decoder; the first names are the default ones.
const COLUMNS: &[Option<&str>] = &[
    None,
    Some("ts_event=c1:ms, symbol=c2, price=c3*0.0001, size=c4"),
    Some("ts_event=c1+c2:\"%d-%m-%Y %H:%M:%S%.f\":Europe/Berlin, symbol='A', price=c3, size='1'"),
    Some("ts_event='2012-06-21'+c1:s:America/New_York, symbol=c2, price=mid(c3,c4), size='1'"),
    Some("ts_event=c1:s, symbol=c2, price=c3, size=c4, side=c5{1:B,-1:A}"),
    Some("ts_event=c1, symbol=c2, price=c3, size='1', trade_id=c4, trans_type=c5, conditions=c3"),
];

const TAPES: &[Option<Tape>] = &[None, Some(Tape::Cta)];

const FILTERS: &[Option<&str>] = &[None, Some("c1 != ''"), Some("c2 in (4,5)")];
const DELIMITERS: &[Option<&str>] = &[None, Some(";"), Some("\\t"), Some("|")];
const HEADERS: &[&[u8]] =
    &[b"", b"c1,c2,c3,c4,c5\n", b"symbol,ts_event,price,size\n", b"ts_event;symbol;price;size\n"];

fn pick<T: Copy>(list: &[T], byte: u8) -> T {
    list[usize::from(byte) % list.len()]
}

fn decode(options: &LayoutOptions, bytes: &[u8]) {
    let layout = Layout::new(options).expect("the layouts above parse");
    let symbols = Symbols::default();
    let Ok(batch) = decode_csv(bytes, &layout, &symbols) else { return };
    let rows = batch.trades.len();
    assert_eq!(batch.trades.ts_event.len(), rows);
    assert_eq!(batch.trades.offset.len(), rows);
    assert!([0, rows].contains(&batch.trades.trans.len()));
    assert!([0, rows].contains(&batch.trades.updates.len()));
    assert!(batch.undecoded.iter().all(|record| record.before_row as usize <= rows));
    assert!(batch.undecoded.is_sorted_by_key(|record| record.before_row));
}

fuzz_target!(|data: &[u8]| {
    decode(&LayoutOptions::default(), data);
    let [columns, filter, delimiter, rest, bytes @ ..] = data else { return };
    let options = LayoutOptions {
        columns: pick(COLUMNS, *columns).map(str::to_owned),
        filter: pick(FILTERS, *filter).map(str::to_owned),
        header: rest & 1 == 0,
        delimiter: pick(DELIMITERS, *delimiter).map(str::to_owned),
        comment: (rest & 2 != 0).then(|| "#".to_owned()),
        tape: TAPES[usize::from(rest >> 7)],
        ..LayoutOptions::default()
    };
    let mut text = pick(HEADERS, rest >> 2 & 31).to_vec();
    text.extend_from_slice(bytes);
    decode(&options, &text);
});
