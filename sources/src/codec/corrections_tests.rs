//! Laws of corrections and sale conditions in messages: a cancel is what it names and nothing else, and what cannot be
//! one is refused by its reason.

use super::tests::{TRADE, decode, decode_by, layout, refusal, stream};
use super::*;
use crate::{LayoutOptions, Tape};
use arrow_array::builder::{LargeListBuilder, LargeStringBuilder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use market::{Price, Side, Size, TradeId, Trades, TransType, Updates};
use proptest::prelude::*;
use std::sync::Arc;

const CANCEL: &str = r#"{"symbol":"NVDA","trade_id":"52983","trans_type":"cancel","venue":"XNAS"}"#;

#[test]
fn a_cancel_has_a_symbol_a_venue_and_an_id() {
    let (found, symbols) = decode(&[CANCEL.as_bytes()]);
    assert_eq!(found.undecoded, []);
    let cancel = found.trades.row(0);
    assert_eq!((cancel.trans, cancel.trade_id), (TransType::Cancel, TradeId::from_number(52983)));
    assert_eq!(&*symbols.text(cancel.symbol), "NVDA");
    assert_eq!(cancel.venue.map(|venue| symbols.text(venue)).as_deref(), Some("XNAS"));
    let nothing = (Time::default(), Price::from_raw(0), Size::from_raw(0), Side::Unknown);
    assert_eq!((cancel.ts_event, cancel.price, cancel.size, cancel.side), nothing);
}

#[test]
fn a_batch_without_corrections_has_no_column_of_them() {
    let new = TRADE.replace("\"new\"", "\"\"");
    let (found, _) = decode(&[TRADE.as_bytes(), new.as_bytes()]);
    assert_eq!((found.trades.len(), found.trades.trans.len()), (2, 0));
    // Nor has one whose only correction is refused.
    let refused = CANCEL.replace("\"trade_id\":\"52983\",", "");
    let (found, _) = decode(&[TRADE.as_bytes(), refused.as_bytes()]);
    assert_eq!((found.trades.len(), found.trades.trans.len()), (1, 0));
    // The first of many fills it up.
    let replace = TRADE.replace("\"new\"", "\"replace\"");
    let many = vec![TRADE.as_bytes(); 1_500];
    let (found, _) = decode(&[&many[..], &[replace.as_bytes()], &many[..700]].concat());
    assert_eq!(found.trades.trans.len(), found.trades.len());
    let places = (0..found.trades.len()).filter(|&k| found.trades.trans[k] != TransType::New);
    assert_eq!(places.collect::<Vec<_>>(), [1_500]);
    assert_eq!(found.trades.row(1_500).price, found.trades.row(0).price);
}

#[test]
fn corrections_that_name_no_trade_or_say_too_little_are_refused() {
    let replace = TRADE.replace("\"new\"", "\"replace\"");
    let without = |text: &str, field: &str| {
        let found = text.split(',').find(|part| part.contains(&format!("\"{field}\":"))).unwrap();
        text.replacen(&format!("{found},"), "", 1)
    };
    for (payload, reason, word) in [
        (without(CANCEL, "trade_id"), Reason::Missing, "trade_id"),
        (without(&replace, "trade_id"), Reason::Missing, "trade_id"),
        (without(&replace, "ts_event"), Reason::Missing, "ts_event"),
        (without(&replace, "price"), Reason::Missing, "price"),
        (without(&replace, "size"), Reason::Missing, "size"),
        (replace.replace("490.15", "\"cheap\""), Reason::Price, "price"),
        (CANCEL.replace("NVDA", ""), Reason::Missing, "symbol"),
        (CANCEL.replace("\"52983\"", "null"), Reason::Missing, "trade_id"),
        (CANCEL.replace("\"52983\"", "[52983]"), Reason::Malformed, "\"trade_id\": an object"),
        (CANCEL.replace("\"NVDA\"", "{\"price\":1}"), Reason::Malformed, "\"symbol\": an object"),
        (CANCEL.replace("XNAS", "\\ud800"), Reason::Malformed, "\"venue\": half a pair"),
        (CANCEL.replace("cancel", "bust"), Reason::TransType, "not \"bust\""),
        (CANCEL.replace("cancel", "New"), Reason::TransType, "wanted new, cancel or replace"),
        (CANCEL.replace("\"cancel\"", "[\"cancel\"]"), Reason::Malformed, "\"trans_type\""),
    ] {
        let (found, detail) = refusal(payload.as_bytes());
        assert!(found == reason && detail.contains(word), "{payload}: {found}: {detail}");
    }
    // What a cancel does not need hides nothing that it does.
    let hidden = r#"{"symbol":[1],"price":[2],"trade_id":"1","trans_type":"cancel","size":{}}"#;
    assert!(refusal(hidden.as_bytes()).1.contains("\"symbol\""));
    // The time of a cancel is nobody's, not even its letter's.
    let dated = without(&TRADE.replace("\"new\"", "\"cancel\""), "trade_id");
    let (found, _) = decode(&[dated.as_bytes()]);
    assert_eq!((found.undecoded[0].ts_event, found.undecoded[0].symbol.is_some()), (None, true));
}

/// Whatever a field could hold.
const GARBAGE: [&str; 16] = [
    "null",
    "\"\"",
    "\"x\"",
    "-1",
    "0",
    "1e400",
    "1.0000000001",
    "[1]",
    "{\"a\":[]}",
    "\"\\ud800\"",
    "true",
    "99999999999999999999",
    "1704205800000000000",
    "1.5",
    "\"B\"",
    "\"@ I\"",
];

proptest! {
    /// A cancel is the same whatever stands in the fields that it does not need.
    #[test]
    fn garbage_beside_a_cancel_changes_nothing(
        picked in proptest::collection::vec(0..=GARBAGE.len(), 5),
        first: bool,
    ) {
        let names = ["ts_event", "price", "size", "side", "conditions"];
        let given = names.iter().zip(&picked).filter_map(|(name, &k)| {
            Some(format!("\"{name}\":{}", GARBAGE.get(k)?))
        });
        let garbage = given.collect::<Vec<_>>().join(",");
        let inner = &CANCEL[1..CANCEL.len() - 1];
        let text = match (garbage.is_empty(), first) {
            (true, _) => CANCEL.to_owned(),
            (_, true) => format!("{{{garbage},{inner}}}"),
            (_, false) => format!("{{{inner},{garbage}}}"),
        };
        for tape in [None, Some(Tape::Cta)] {
            let layout = Layout::new(&LayoutOptions { tape, ..Default::default() }).unwrap();
            let symbols = Symbols::default();
            let [clean, found] = [CANCEL, &text]
                .map(|text| decode_by(Codec::Json, &layout, &[text.as_bytes()], &symbols));
            prop_assert!(found.undecoded.is_empty(), "{}: {:?}", text, found.undecoded);
            prop_assert_eq!(&*found.trades, &*clean.trades, "{}", text);
        }
    }
}

#[test]
fn nulls_are_what_a_cancel_in_arrow_has() {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(StringArray::from(vec!["A", "A", "A", "A"]))),
        ("ts_event", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), None]))),
        ("price", Arc::new(Float64Array::from(vec![Some(1.5), Some(f64::NAN), None, None]))),
        ("size", Arc::new(Int64Array::from(vec![Some(1), Some(-2), Some(3), None]))),
        ("trade_id", Arc::new(StringArray::from(vec![Some("1"), Some("1"), Some("1"), None]))),
        (
            "trans_type",
            Arc::new(StringArray::from(vec![
                None,
                Some("cancel"),
                Some("replace"),
                Some("cancel"),
            ])),
        ),
    ];
    let whole = stream(columns);
    let found = decode_by(Codec::Arrow, &Layout::default(), &[&whole], &Symbols::default());
    let trans = [TransType::New, TransType::Cancel];
    assert_eq!(found.trades.trans, [trans, trans].concat());
    assert_eq!((found.trades.price[1].raw(), found.trades.size[1].raw()), (0, 0));
    let told: Vec<_> =
        found.undecoded[..2].iter().map(|u| (u.reason, u.detail.contains("trade_id"))).collect();
    assert_eq!(told, [(Reason::Missing, false), (Reason::Missing, true)]);
}

#[test]
fn messages_of_one_batch_may_differ_in_their_columns() {
    let required = |ts: i64| -> Vec<(&str, ArrayRef)> {
        vec![
            ("symbol", Arc::new(StringArray::from(vec!["A"]))),
            ("ts_event", Arc::new(Int64Array::from(vec![ts]))),
            ("price", Arc::new(Float64Array::from(vec![1.5]))),
            ("size", Arc::new(Int64Array::from(vec![1]))),
        ]
    };
    let text = |name, text| -> (&str, ArrayRef) { (name, Arc::new(StringArray::from(vec![text]))) };
    let mut full = required(2);
    full.extend(
        [("trade_id", "7"), ("side", "B"), ("venue", "X"), ("trans_type", "replace")]
            .map(|(n, t)| text(n, t)),
    );
    let payloads = [stream(required(1)), stream(full), stream(required(3))];
    let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    let symbols = Symbols::default();
    let found = decode_by(Codec::Arrow, &Layout::default(), &payloads, &symbols);
    let trades: &Trades = &found.trades;
    // Each stream holds its batch twice.
    let has = [false, false, true, true, false, false];
    let rows: Vec<bool> = (0..6).map(|row| trades.row(row).trade_id != TradeId::NONE).collect();
    assert_eq!(rows, has);
    let rows: Vec<bool> = (0..6).map(|row| trades.row(row).side == Side::Bid).collect();
    assert_eq!(rows, has);
    let rows: Vec<bool> = (0..6).map(|row| trades.row(row).trans == TransType::Replace).collect();
    assert_eq!(rows, has);
    let venue = |row| trades.row(row).venue.map(|venue| symbols.text(venue).to_string());
    let rows: Vec<bool> = (0..6).map(|row| venue(row).as_deref() == Some("X")).collect();
    assert_eq!(rows, has);
}

fn by_tape(columns: Option<&str>) -> Layout {
    let columns = columns.map(str::to_owned);
    let options = LayoutOptions { columns, tape: Some(Tape::Utp), ..Default::default() };
    Layout::new(&options).expect("the layout parses")
}

#[test]
fn conditions_are_a_text_or_a_list_of_texts_by_a_tape_alone() {
    let with = |conditions: &str| TRADE.replace("[\"@\"]", conditions);
    let given = ["[\"@\"]", "\"@ F I\"", "[\"@\",\"T\"]", "null", "[ ]", "\"\"", "[\"\\u0049\"]"];
    let payloads: Vec<String> = given.iter().map(|given| with(given)).collect();
    let payloads: Vec<&[u8]> = payloads.iter().map(|text| text.as_bytes()).collect();
    let (all, volume) = (Updates::ALL, Updates::VOLUME);
    let found = decode_by(Codec::Json, &by_tape(None), &payloads, &Symbols::default());
    assert_eq!(found.trades.updates, [all, volume, volume, all, all, all, volume]);
    assert_eq!(found.undecoded, []);
    // Without a tape nobody looks; where all count, there is no column.
    let found = decode_by(Codec::Json, &Layout::default(), &payloads, &Symbols::default());
    assert_eq!((found.trades.len(), found.trades.updates.len()), (7, 0));
    let found = decode_by(Codec::Json, &by_tape(None), &payloads[..1], &Symbols::default());
    assert_eq!((found.trades.len(), found.trades.updates.len()), (1, 0));
    // A list of anything else is refused, and lists are of no other field.
    for (payload, reason, word) in [
        (with("[12,37]"), Reason::Field, "conditions: wanted the codes of a tape"),
        (with("\"12,37\""), Reason::Field, "not \"12,37\""),
        (with("[[\"@\"]]"), Reason::Field, "conditions"),
        (with("{\"@\":1}"), Reason::Malformed, "\"conditions\": an object"),
        (TRADE.replace("\"52983\"", "[\"52983\"]"), Reason::Malformed, "\"trade_id\": an object"),
    ] {
        let payloads = [payload.as_bytes()];
        let found = decode_by(Codec::Json, &by_tape(None), &payloads, &Symbols::default());
        let [record] = found.undecoded.as_slice() else { panic!("{payload}: {found:?}") };
        assert!(record.reason == reason && record.detail.contains(word), "{}", record.detail);
    }
    let mapped = by_tape(Some("conditions=c"));
    let text = TRADE.replace("\"conditions\":", "\"conditions\":[1],\"c\":").replace("@", "W");
    let found = decode_by(Codec::Json, &mapped, &[text.as_bytes()], &Symbols::default());
    assert_eq!(found.trades.updates, [volume]);
}

#[test]
fn conditions_in_arrow_are_texts_or_lists() {
    let columns = |conditions: ArrayRef| -> Vec<(&str, ArrayRef)> {
        vec![
            ("symbol", Arc::new(StringArray::from(vec!["A"; 4]))),
            ("ts_event", Arc::new(Int64Array::from(vec![1; 4]))),
            ("price", Arc::new(Float64Array::from(vec![1.5; 4]))),
            ("size", Arc::new(Int64Array::from(vec![1; 4]))),
            ("conditions", conditions),
        ]
    };
    let texts = [None, Some("@ F"), Some("I F"), Some("Z")];
    let (mut lists, mut large) =
        (ListBuilder::new(StringBuilder::new()), LargeListBuilder::new(LargeStringBuilder::new()));
    for text in texts {
        let items = text.map(|text| text.split(' ').map(Some).collect::<Vec<_>>());
        lists.append_option(items.clone());
        large.append_option(items);
    }
    let forms: [ArrayRef; 3] = [
        Arc::new(StringArray::from(texts.to_vec())),
        Arc::new(lists.finish()),
        Arc::new(large.finish()),
    ];
    for form in forms {
        let whole = stream(columns(form.clone()));
        let symbols = Symbols::default();
        let found = decode_by(Codec::Arrow, &by_tape(None), &[&whole], &symbols);
        let each =
            [Updates::ALL, Updates::ALL, Updates::VOLUME, Updates::HIGH_LOW.or(Updates::VOLUME)];
        assert_eq!(found.trades.updates, [each, each].concat(), "{:?}", form.data_type());
        // It is not read where nobody looks, whatever it is.
        let found = decode_by(Codec::Arrow, &Layout::default(), &[&whole], &symbols);
        assert_eq!((found.trades.len(), found.trades.updates.len()), (8, 0));
        // And a list is nothing else.
        let other = layout(Some("trade_id=conditions"), None);
        let found = decode_by(Codec::Arrow, &other, &[&whole], &symbols);
        let is_list = form.data_type().is_nested();
        assert_eq!(found.trades.is_empty(), is_list, "{:?}", form.data_type());
    }
    // Messages may lack it.
    let whole = stream(columns(Arc::new(StringArray::from(texts.to_vec())))[..4].to_vec());
    let found = decode_by(Codec::Arrow, &by_tape(None), &[&whole], &Symbols::default());
    assert_eq!((found.trades.len(), found.trades.updates.len()), (8, 0));
}
