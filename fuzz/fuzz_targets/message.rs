//! Any bytes as messages of both codecs, under layouts that the first byte chooses: decoding ends without a
//! panic, what it gives is consistent, and a message says the same whatever stands before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use market::{Symbols, TradeId, TransType};
use sources::{Codec, Decoded, Decoder, Layout, LayoutOptions, Message, Tape};

/// Maps of columns, each for another branch of the decoder.
const COLUMNS: &[Option<&str>] = &[
    None,
    Some("symbol=@key, venue=x, ts_event=t:ms, price=data.p, size=data.q, trade_id=i"),
    Some("symbol=s, ts_event=@timestamp, price=mid(b,a), size='1', side=m{true:A,false:B}"),
    Some("symbol=@topic, ts_event='2012-06-21'+t:s:America/New_York, price=p*0.01, size=q"),
    Some(
        "symbol=s, ts_event=t, price=p, size=q, trade_id=i, trans_type=x{C:cancel,R:replace,:new}, conditions=c",
    ),
];

const TAPES: &[Option<Tape>] = &[None, Some(Tape::Cta), Some(Tape::Utp)];

const FILTERS: &[Option<&str>] = &[None, Some("e in ('trade')")];

fn decode(codec: Codec, layout: &Layout, payloads: &[&[u8]]) -> Decoded {
    let mut decoder = Decoder::new(codec, layout, &Symbols::default()).expect("the layouts bind");
    let mut into = Decoded::default();
    for (offset, payload) in payloads.iter().enumerate() {
        let (payload, timestamp_ms) = (Some(*payload), Some(1_704_205_800_000));
        let offset = offset as u64;
        let message = Message { key: Some(b"KEY"), payload, topic: "t", timestamp_ms, offset };
        decoder.decode(&message, &mut into);
    }
    decoder.finish(&mut into);
    let rows = into.trades.len();
    assert!(into.trades.offset.len() == rows && into.trades.offset.is_sorted());
    let optional = [
        into.trades.trade_id.len(),
        into.trades.venue.len(),
        into.trades.side.len(),
        into.trades.trans.len(),
        into.trades.updates.len(),
    ];
    assert!(optional.iter().all(|length| *length == 0 || *length == rows));
    for trade in (0..rows).map(|row| into.trades.row(row)) {
        let says = trade.trans != TransType::Cancel;
        assert!(trade.trans == TransType::New || trade.trade_id != TradeId::NONE);
        assert!(says || (trade.ts_event.ns(), trade.price.raw(), trade.size.raw()) == (0, 0, 0));
    }
    assert!(into.undecoded.iter().all(|record| record.before_row as usize <= rows));
    assert!(into.undecoded.is_sorted_by_key(|record| record.before_row));
    into
}

fuzz_target!(|data: &[u8]| {
    let [choice, payload @ ..] = data else { return };
    let choice = usize::from(*choice);
    let options = LayoutOptions {
        columns: COLUMNS[choice % COLUMNS.len()].map(str::to_owned),
        filter: FILTERS[choice / COLUMNS.len() % FILTERS.len()].map(str::to_owned),
        tape: TAPES[choice / (COLUMNS.len() * FILTERS.len()) % TAPES.len()],
        ..LayoutOptions::default()
    };
    let layout = Layout::new(&options).expect("the layouts above parse");
    for codec in [Codec::Json, Codec::Arrow] {
        let alone = decode(codec, &layout, &[payload]);
        let after = decode(codec, &layout, &[b"{\"a", payload]);
        assert_eq!(alone.trades.price, after.trades.price);
        assert_eq!(alone.trades.ts_event, after.trades.ts_event);
        assert_eq!(alone.trades.trans, after.trades.trans);
        assert_eq!(alone.trades.updates, after.trades.updates);
        assert_eq!(alone.undecoded.len() + 1, after.undecoded.len());
        assert_eq!(alone.heartbeats.len(), after.heartbeats.len());
    }
});
