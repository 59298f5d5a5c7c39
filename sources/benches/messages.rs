//! Nanoseconds of CPU a trade takes to decode out of messages and to encode into them: JSON one trade a
//! message and a hundred, Arrow a thousand; beside it the common library's way, which only looks at them. Then what
//! sale conditions cost, in JSON as a list and as a text, where they are looked at and where not.
//!
//! `cargo bench -p tidemill-sources --bench messages`

use market::{Offset, Price, Side, Size, SymbolId, Symbols, Time, TradeId, Trades};
use serde::Deserialize;
use sources::{Codec, Decoded, Decoder, Encoder, Layout, LayoutOptions, Message, Tape};
use std::borrow::Cow;
use std::hint::black_box;

/// Trades of a round.
const TRADES: usize = 200_000;
/// Rounds; the best counts.
const ROUNDS: usize = 7;

fn main() {
    let symbols = Symbols::default();
    let trades = trades(&symbols);
    for (codec, batch) in [(Codec::Json, 1), (Codec::Json, 100), (Codec::Arrow, 1000)] {
        let mut encoder = Encoder::new(codec, &symbols);
        let mut encode = || -> Vec<Vec<u8>> {
            let starts = (0..trades.len()).step_by(batch);
            let message = |from: usize| {
                let mut to = Vec::new();
                let rows = from..(from + batch).min(trades.len());
                encoder.encode(&trades, rows, &mut to).expect("trades");
                to
            };
            starts.map(message).collect()
        };
        let encoding = best(|| encode().len());
        let messages = encode();
        let bytes: usize = messages.iter().map(Vec::len).sum();
        let decoding = best(|| decode(codec, &messages, &symbols, None));
        print!(
            "{codec} {batch} a message: {} bytes a trade, decode {decoding:.0} ns, encode {encoding:.0} ns",
            bytes / TRADES
        );
        match codec {
            Codec::Json => println!(", serde_json {:.0} ns", best(|| plain(batch, &messages))),
            Codec::Arrow => println!(),
        }
        if (codec, batch) == (Codec::Json, 100) {
            conditions(&messages, &symbols);
        }
    }
}

/// Some of those that are common, in turn.
fn conditions(messages: &[Vec<u8>], symbols: &Symbols) {
    let lists = [r#"["@"]"#, r#"["@","F","I"]"#, r#"["@","T"]"#, r#"["@","4"]"#];
    let texts = [r#""@""#, r#""@ F I""#, r#""@ T""#, r#""@ 4""#];
    for (name, given) in [("lists", lists), ("texts", texts)] {
        let mut turn = given.iter().cycle();
        let with = |message: &Vec<u8>| {
            let text = String::from_utf8_lossy(message);
            let records: Vec<String> = text
                .split('}')
                .map(|record| match record {
                    "]" => record.to_owned(),
                    _ => format!("{record},\"conditions\":{}}}", turn.next().expect("a cycle")),
                })
                .collect();
            records.concat().into_bytes()
        };
        let messages: Vec<Vec<u8>> = messages.iter().map(with).collect();
        let [off, on] = [None, Some(Tape::Utp)]
            .map(|tape| best(|| decode(Codec::Json, &messages, symbols, tape)));
        println!(
            "json 100 a message, conditions as {name}: decode {off:.0} ns, by a tape {on:.0} ns"
        );
    }
}

fn decode(codec: Codec, messages: &[Vec<u8>], symbols: &Symbols, tape: Option<Tape>) -> usize {
    let layout = Layout::new(&LayoutOptions { tape, ..LayoutOptions::default() });
    let layout = layout.expect("a layout");
    let mut decoder = Decoder::new(codec, &layout, symbols).expect("a decoder");
    let mut into = Decoded::default();
    let mut rows = 0;
    for (offset, payload) in messages.iter().enumerate() {
        let (payload, offset) = (Some(payload.as_slice()), offset as u64);
        let message = Message { key: None, payload, topic: "t", timestamp_ms: None, offset };
        decoder.decode(&message, &mut into);
        if decoder.is_full(&into) {
            decoder.finish(&mut into);
            rows += into.trades.len();
            into.trades.clear();
        }
    }
    decoder.finish(&mut into);
    assert!(into.undecoded.is_empty());
    rows + into.trades.len()
}

/// A trade as a plain consumer would take it.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    ts_event: i64,
    price: f64,
    size: f64,
    #[serde(borrow)]
    trade_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    side: Option<Cow<'a, str>>,
    #[serde(borrow)]
    venue: Option<Cow<'a, str>>,
}

fn plain(batch: usize, messages: &[Vec<u8>]) -> usize {
    let look = |trade: Plain| {
        black_box((trade.symbol, trade.ts_event, trade.price, trade.size));
        black_box((trade.trade_id, trade.side, trade.venue));
    };
    for message in messages {
        match batch {
            1 => look(serde_json::from_slice(message).expect("a trade")),
            _ => {
                let list: Vec<Plain> = serde_json::from_slice(message).expect("trades");
                list.into_iter().for_each(look);
            }
        }
    }
    messages.len()
}

/// Nanoseconds a trade of the best round.
fn best(mut work: impl FnMut() -> usize) -> f64 {
    let round = |_| {
        let before = cpu_ns();
        black_box(work());
        (cpu_ns() - before) as f64 / TRADES as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

/// CPU time of this process.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let first = stat.split(' ').next().expect("a number");
    first.parse().expect("a number")
}

fn trades(symbols: &Symbols) -> Trades {
    let names: Vec<SymbolId> = (0..1000)
        .map(|k| symbols.intern(format!("SYM{k}").as_bytes()).expect("a symbol"))
        .collect();
    let venue = symbols.intern(b"XNAS").expect("a venue");
    let mut trades = Trades::default();
    let mut state = 1u64;
    for row in 0..TRADES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let ns = 1_704_205_800_000_000_000 + row as i64 * 1_234_567;
        trades.ts_event.push(Time::from_ns(ns));
        trades.symbol.push(names[(state % 1000) as usize]);
        trades.price.push(Price::from_raw((10_000 + (state >> 20) as i64 % 90_000) * 10_000_000));
        trades.size.push(Size::from_raw((1 + (state >> 40) as i64 % 500) * 1_000_000_000));
        trades.offset.push(Offset::in_message(row as u64, 0));
        trades.trade_id.push(TradeId::from_number(row as u64));
        trades.venue.push(venue);
        trades.side.push([Side::Ask, Side::Bid][(state >> 60) as usize & 1]);
    }
    trades
}
