//! Laws of the codecs: what is decoded is what was encoded, and every message stands for itself.

use super::*;
use crate::LayoutOptions;
use arrow_array::{ArrayRef, Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use market::{Price, Scale, Scales, Side, Size, TradeId, Trades, TransType};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) const TRADE: &str = r#"{"symbol":"NVDA","ts_event":1704205800123456789,"price":490.15,"size":100,"trade_id":"52983","side":"B","conditions":["@"],"trans_type":"new","venue":"XNAS","ts_recv":1704205800123460000}"#;

pub(super) fn layout(columns: Option<&str>, filter: Option<&str>) -> Layout {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let options =
        LayoutOptions { columns: owned(columns), filter: owned(filter), ..Default::default() };
    Layout::new(&options).expect("the layout parses")
}

pub(super) fn message(payload: &[u8], offset: u64) -> Message<'_> {
    let (key, timestamp_ms) = (Some(b"KEY".as_slice()), Some(1_704_205_800_123));
    Message { key, payload: Some(payload), topic: "ticks", timestamp_ms, offset }
}

pub(super) fn decode_by(
    codec: Codec,
    layout: &Layout,
    payloads: &[&[u8]],
    symbols: &Symbols,
) -> Decoded {
    let mut decoder = Decoder::new(codec, layout, symbols).expect("a decoder");
    let mut into = Decoded::default();
    for (offset, payload) in payloads.iter().enumerate() {
        decoder.decode(&message(payload, offset as u64), &mut into);
    }
    decoder.finish(&mut into);
    into
}

pub(super) fn decode(payloads: &[&[u8]]) -> (Decoded, Symbols) {
    let symbols = Symbols::default();
    (decode_by(Codec::Json, &Layout::default(), payloads, &symbols), symbols)
}

/// The reason and the words of the one refusal there is.
pub(super) fn refusal(payload: &[u8]) -> (Reason, String) {
    let (found, _) = decode(&[payload]);
    let [record] = found.undecoded.as_slice() else { panic!("{found:?}") };
    assert!(found.trades.is_empty() && found.heartbeats.is_empty());
    (record.reason, record.detail.clone())
}

#[test]
fn the_trade_of_the_contract_is_read() {
    let (found, symbols) = decode(&[TRADE.as_bytes()]);
    let trades = &found.trades;
    assert_eq!(&*symbols.text(trades.symbol[0]), "NVDA");
    assert_eq!(&*symbols.text(trades.venue[0]), "XNAS");
    assert_eq!(trades.ts_event[0].ns(), 1_704_205_800_123_456_789);
    assert_eq!((trades.price[0].raw(), trades.size[0].raw()), (490_150_000_000, 100_000_000_000));
    assert_eq!((trades.trade_id[0], trades.side[0]), (TradeId::from_number(52983), Side::Bid));
    assert_eq!(trades.offset, [Offset::in_message(0, 0)]);
    assert!(found.undecoded.is_empty());
}

#[test]
fn numbers_may_be_texts_and_times_rfc_3339() {
    let text =
        r#"{"price":"490.15","size":"1e2","ts_event":"2024-01-02T14:30:00.5Z","symbol":"A\u0042"}"#;
    let (found, symbols) = decode(&[text.as_bytes()]);
    assert_eq!(found.trades.price[0].raw(), 490_150_000_000);
    assert_eq!(found.trades.ts_event[0].to_string(), "2024-01-02T14:30:00.5Z");
    assert_eq!(&*symbols.text(found.trades.symbol[0]), "AB");
    assert_eq!(found.trades.trade_id, [TradeId::NONE]);
}

#[test]
fn one_bad_element_is_refused_alone_and_shown_as_it_came() {
    let list = format!("[{TRADE},\n 5, {{\"symbol\":\"X\",\n\"ts_event\":1,\"size\":1}},{TRADE}]");
    let (found, symbols) = decode(&[list.as_bytes(), TRADE.as_bytes()]);
    let places: Vec<_> = found.trades.offset.iter().map(|o| o.message()).collect();
    assert_eq!(places, [Some((0, 0)), Some((0, 3)), Some((1, 0))]);
    let told: Vec<_> = found.undecoded.iter().map(|u| (u.before_row, u.reason)).collect();
    assert_eq!(told, [(1, Reason::Malformed), (1, Reason::Missing)]);
    assert_eq!(found.undecoded[0].raw, "5");
    assert_eq!(found.undecoded[1].raw, "{\"symbol\":\"X\", \"ts_event\":1,\"size\":1}");
    assert_eq!(&*symbols.text(found.undecoded[1].symbol.unwrap()), "X");
    let RawRecords::Lines { bytes, starts } = &found.raw else { panic!("lines") };
    for &start in starts {
        let line = bytes[start as usize..].split(|&b| b == b'\n').next().unwrap();
        assert_eq!(line, TRADE.as_bytes());
    }
}

#[test]
fn what_is_no_trade_is_refused_with_a_reason() {
    let with = |field: &str| TRADE.replacen("\"size\":100", field, 1);
    for (payload, reason, word) in [
        ("", Reason::Missing, "empty"),
        ("  ", Reason::Malformed, "at byte 2: wanted a value"),
        ("{\"symbol\":", Reason::Malformed, "wanted a value"),
        ("[1,2", Reason::Malformed, "the end of the list"),
        ("{} {}", Reason::Malformed, "the end"),
        ("\u{0}\u{1}", Reason::Malformed, "a value"),
        ("null", Reason::Malformed, "an object"),
        ("{}", Reason::Missing, "symbol"),
        ("{\"heartbeat\":\"soon\"}", Reason::Time, "heartbeat"),
        (&with("\"size\":-1e-10"), Reason::Size, "more decimals"),
        (&with("\"size\":[1]"), Reason::Malformed, "\"size\": an object or a list"),
        (&with("\"size\":null"), Reason::Missing, "size"),
        (&TRADE.replace("\"B\"", "\"X\""), Reason::Field, "side"),
        (&TRADE.replace("XNAS", "\\ud800"), Reason::Malformed, "surrogates"),
        (
            &TRADE.replace("\"new\"", "\"bust\""),
            Reason::TransType,
            "wanted new, cancel or replace, not",
        ),
    ] {
        let (found, detail) = refusal(payload.as_bytes());
        assert!(found == reason && detail.contains(word), "{payload}: {found}: {detail}");
    }
    assert_eq!(refusal(b"\xff\xfe").0, Reason::Malformed);
    let (reason, detail) = refusal(&vec![b' '; MESSAGE_BYTES_MAX + 1]);
    assert!(reason == Reason::Malformed && detail.contains("8388608"), "{detail}");
    let many = format!("[{}1]", "1,".repeat(RECORDS_MAX));
    assert!(refusal(many.as_bytes()).1.contains("1048576 records"));
    let mut decoder = Decoder::new(Codec::Json, &Layout::default(), &Symbols::default()).unwrap();
    let mut into = Decoded::default();
    decoder.decode(&Message { payload: None, ..message(b"", 7) }, &mut into);
    assert_eq!(into.undecoded[0].offset.message(), Some((7, 0)));
    assert!(into.undecoded[0].detail.contains("tombstone"));
}

#[test]
fn heartbeats_stand_where_they_came_whatever_the_codec() {
    let beat: &[u8] = b" {\"heartbeat\":1704205801000000000}";
    let (found, _) = decode(&[beat, TRADE.as_bytes(), b"x", beat]);
    let places: Vec<_> = found.heartbeats.iter().map(|beat| beat.before_row).collect();
    assert_eq!((places, found.undecoded[0].before_row), (vec![0, 1], 1));
    assert_eq!(found.heartbeats[0].time.ns(), 1_704_205_801_000_000_000);
    let found = decode_by(Codec::Arrow, &Layout::default(), &[beat], &Symbols::default());
    assert_eq!(found.heartbeats[0].offset.message(), Some((0, 0)));
}

#[test]
fn columns_are_mapped_from_paths_and_from_the_message() {
    let map = "symbol=@key, venue=x, ts_event=t:ms, price=data.p*0.01, size=data.q, trade_id=i, side=data.m{true:A,false:B}";
    let layout = layout(Some(map), Some("e in ('trade')"));
    let text =
        r#"{"e":"trade","t":1704205800123,"data":{"p":"49015","q":"0.5","m":true},"i":7,"x":"B"}"#;
    let other = text.replace("\"trade\"", "\"quote\"");
    let symbols = Symbols::default();
    let mut decoder = Decoder::new(Codec::Json, &layout, &symbols).unwrap();
    let mut found = Decoded::default();
    decoder.decode(&message(text.as_bytes(), 0), &mut found);
    decoder.decode(&message(other.as_bytes(), 1), &mut found);
    decoder.finish(&mut found);
    let trades = &found.trades;
    assert_eq!((trades.len(), decoder.filtered(), found.undecoded.len()), (1, 1, 0));
    assert_eq!(&*symbols.text(trades.symbol[0]), "KEY");
    assert_eq!((trades.price[0].raw(), trades.size[0].raw()), (490_150_000_000, 500_000_000));
    assert_eq!((trades.side[0], trades.trade_id[0]), (Side::Ask, TradeId::from_number(7)));
}

#[test]
fn the_messages_own_time_may_be_the_trades() {
    for unit in ["", ":ms"] {
        let map = format!("ts_event=@timestamp{unit}, symbol=@topic");
        let columns: [(&str, ArrayRef); 2] = [
            ("price", Arc::new(Float64Array::from(vec![1.5]))),
            ("size", Arc::new(Int64Array::from(vec![2]))),
        ];
        let json = (Codec::Json, br#"{"price":1.5,"size":2}"#.to_vec());
        for (codec, payload) in [json, (Codec::Arrow, stream(columns.to_vec()))] {
            let symbols = Symbols::default();
            let found = decode_by(codec, &layout(Some(&map), None), &[&payload], &symbols);
            assert_eq!(found.trades.ts_event[0].ns(), 1_704_205_800_123_000_000, "{map}");
            assert_eq!(&*symbols.text(found.trades.symbol[0]), "ticks");
        }
    }
}

pub(super) fn stream(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).expect("a schema");
    writer.write(&batch).expect("a batch");
    writer.write(&batch).expect("a batch");
    writer.into_inner().expect("an end")
}

#[test]
fn arrow_is_refused_row_by_row_or_whole() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(StringArray::from(vec![Some("A"), None, Some("B")]))),
        ("ts_event", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("price", Arc::new(Float64Array::from(vec![1.5, 1.0, f64::NAN]))),
        ("size", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    let whole = stream(columns.clone());
    let symbols = Symbols::default();
    let found = decode_by(Codec::Arrow, &Layout::default(), &[&whole], &symbols);
    let places: Vec<_> = found.trades.offset.iter().map(|o| o.message()).collect();
    assert_eq!(places, [Some((0, 0)), Some((0, 3))]);
    let told: Vec<_> = found.undecoded.iter().map(|u| (u.before_row, u.reason)).collect();
    let (missing, price) = (Reason::Missing, Reason::Price);
    assert_eq!(told, [(1, missing), (1, price), (2, missing), (2, price)]);

    let cut = &whole[..whole.len() / 2];
    let mut lists = columns.clone();
    lists[3].1 = Arc::new(NullArray::new(3));
    for (payload, reason, word) in [
        (cut, Reason::Malformed, "Arrow"),
        (b"text".as_slice(), Reason::Malformed, "Arrow"),
        (&stream(lists), Reason::Malformed, "wanted a number"),
        (&stream(columns[..3].to_vec()), Reason::Missing, "size"),
    ] {
        let found = decode_by(Codec::Arrow, &Layout::default(), &[payload], &symbols);
        let record = &found.undecoded[0];
        assert!(record.reason == reason && record.detail.contains(word), "{}", record.detail);
        assert_eq!((found.trades.len(), found.undecoded.len()), (0, 1));
    }
}

fn some_trades() -> impl Strategy<Value = Vec<(usize, [i64; 3], [u8; 3])>> {
    proptest::collection::vec((0..4usize, any::<[i64; 3]>(), any::<[u8; 3]>()), 1..20)
}

fn table() -> Symbols {
    let scales = |price, size| Scales {
        price: Scale::new(price).expect("a scale"),
        size: Scale::new(size).expect("a scale"),
    };
    let own = [("fine".to_owned(), scales(18, 0)), ("a\"\\b".to_owned(), scales(2, 12))];
    Symbols::with_scales(HashMap::from(own))
}

proptest! {
    /// Every trade and correction there can be is read back as itself: alone, in a list, from Arrow.
    #[test]
    fn what_was_encoded_is_decoded(rows in some_trades(), batch in 1..7usize, corrected: bool) {
        let symbols = table();
        let names = ["NVDA", "fine", "a\"\\b", "\u{e9}\u{1f600} a long name of a symbol"];
        let mut trades = Trades::default();
        for &(symbol, [ts, price, size], [id, side, trans]) in &rows {
            let trans = TransType::of_code(u64::from(trans) % 3).unwrap();
            let trans = if corrected { trans } else { TransType::New };
            let says = trans != TransType::Cancel;
            trades.ts_event.push(Time::from_ns(if says { ts } else { 0 }));
            trades.symbol.push(symbols.intern(names[symbol].as_bytes()).unwrap());
            trades.price.push(Price::from_raw(if says { price } else { 0 }));
            trades.size.push(Size::from_raw(if says { size } else { 0 }));
            let texts = ["", "7", "a-7", "18446744073709551615"];
            // A correction has an id.
            let id = if trans == TransType::New { id % 4 } else { 1 + id % 3 };
            trades.trade_id.push(TradeId::from_text(texts[usize::from(id)].as_bytes()));
            let side = if says { side } else { 2 };
            trades.side.push([Side::Ask, Side::Bid, Side::Unknown][usize::from(side) % 3]);
            let venue: &[u8] = if side > 128 { b"-" } else { b"XNAS" };
            trades.venue.push(symbols.intern(venue).unwrap());
            trades.trans.push(trans);
        }
        if trades.trans.iter().all(|trans| *trans == TransType::New) {
            trades.trans.clear();
        }
        for codec in [Codec::Json, Codec::Arrow] {
            let mut encoder = Encoder::new(codec, &symbols);
            let mut payloads = Vec::new();
            for (offset, from) in (0..trades.len()).step_by(batch).enumerate() {
                let rows = from..(from + batch).min(trades.len());
                let mut payload = Vec::new();
                encoder.encode(&trades, rows.clone(), &mut payload).unwrap();
                payloads.push(payload);
                let places = (0..rows.len() as u32).map(|k| Offset::in_message(offset as u64, k));
                trades.offset.extend(places);
            }
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            let found = decode_by(codec, &Layout::default(), &payloads, &symbols);
            prop_assert!(found.undecoded.is_empty(), "{:?}", found.undecoded);
            prop_assert_eq!(&*found.trades, &trades);
            trades.offset.clear();
        }
    }

    /// Whatever stands around a message, it says the same.
    #[test]
    fn neighbours_change_nothing(picked in proptest::collection::vec(0..6usize, 1..40)) {
        let list = format!("[{TRADE},{{\"price\":\"\\u0031\"}},{}]", TRADE.replace("NVDA", "TSLA"));
        let texts = [TRADE, &list, "{\"a", "5", "{\"heartbeat\":9}", "[]"];
        let symbols = Symbols::default();
        let one = |text: &str| {
            decode_by(Codec::Json, &Layout::default(), &[text.as_bytes()], &symbols)
        };
        let payloads: Vec<&[u8]> = picked.iter().map(|&k| texts[k].as_bytes()).collect();
        let together = decode_by(Codec::Json, &Layout::default(), &payloads, &symbols);
        let (mut prices, mut told, mut beats) = (Vec::new(), Vec::new(), 0);
        for &k in &picked {
            let alone = one(texts[k]);
            prices.extend(alone.trades.symbol.iter().copied().zip(alone.trades.price.clone()));
            told.extend(alone.undecoded.into_iter().map(|u| (u.reason, u.detail, u.raw)));
            beats += alone.heartbeats.len();
        }
        let found = together.trades.symbol.iter().copied().zip(together.trades.price.clone());
        prop_assert_eq!(found.collect::<Vec<_>>(), prices);
        let found = together.undecoded.into_iter().map(|u| (u.reason, u.detail, u.raw));
        prop_assert_eq!(found.collect::<Vec<_>>(), told);
        prop_assert_eq!(together.heartbeats.len(), beats);
    }

    /// Corrupt bytes are refused or read, and nothing panics.
    #[test]
    fn corrupt_arrow_is_survived(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("symbol", Arc::new(StringArray::from(vec!["A", "B"]))),
            ("ts_event", Arc::new(Int64Array::from(vec![1, 2]))),
            ("price", Arc::new(Float64Array::from(vec![1.5, 1.0]))),
            ("size", Arc::new(Int64Array::from(vec![1, 2]))),
        ];
        let mut bytes = stream(columns);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let found = decode_by(Codec::Arrow, &Layout::default(), &[&bytes], &Symbols::default());
        prop_assert_eq!(found.trades.len(), found.trades.offset.len());
    }
}
