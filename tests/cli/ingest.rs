//! `tidemill ingest` into a broker: what arrives is what was in the files, in their order.

use super::Folder;
use kafka::read_committed;
use kafka::trial::{brokers, fresh, settings};
use market::Symbols;
use sources::{Codec, Decoded, Decoder, Layout, Message, decode_csv};
use std::collections::HashMap;

/// A name that no other test has.
fn topic() -> String {
    fresh("ticks")
}

/// A key and a value.
type Pair = (Option<Vec<u8>>, Vec<u8>);

/// What stands in a topic, partition by partition.
fn values(topic: &str, partitions: u32) -> Vec<Vec<Pair>> {
    let settings = settings();
    let read = |partition| {
        let mut list = Vec::new();
        read_committed(&settings, topic, partition, |key, value| {
            list.push((key.map(<[u8]>::to_vec), value.unwrap_or_default().to_vec()));
        })
        .unwrap();
        list
    };
    (0..partitions).map(read).collect()
}

/// Symbol, time, price, size and id of a trade, as the files write them.
type Row = [String; 5];

fn decode(values: &[Pair], codec: Codec) -> (Vec<Row>, Decoded) {
    let symbols = Symbols::default();
    let mut decoder = Decoder::new(codec, &Layout::default(), &symbols).unwrap();
    let mut into = Decoded::default();
    for (offset, (key, value)) in values.iter().enumerate() {
        let (key, payload, offset) = (key.as_deref(), Some(value.as_slice()), offset as u64);
        decoder
            .decode(&Message { key, payload, topic: "t", timestamp_ms: None, offset }, &mut into);
    }
    decoder.finish(&mut into);
    let (trades, nano) = (&into.trades, market::Scale::NANO);
    let row = |k: usize| {
        let symbol = symbols.text(trades.symbol[k]).as_ref().to_owned();
        let price = trades.price[k].decimal(nano).to_string();
        let size = trades.size[k].decimal(nano).to_string();
        [symbol, trades.ts_event[k].ns().to_string(), price, size, trades.trade_id[k].to_string()]
    };
    ((0..trades.len()).map(row).collect(), into)
}

/// The trades of a CSV file, by symbol, in its order.
fn by_symbol(rows: impl Iterator<Item = Row>) -> HashMap<String, Vec<Row>> {
    let mut by_symbol: HashMap<String, Vec<Row>> = HashMap::new();
    rows.for_each(|row| by_symbol.entry(row[0].clone()).or_default().push(row));
    by_symbol
}

fn file_rows(folder: &Folder, name: &str) -> HashMap<String, Vec<Row>> {
    let text = std::fs::read_to_string(folder.0.join(name)).unwrap();
    by_symbol(text.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        [0, 1, 2, 3, 4].map(|at| cells[at].to_owned())
    }))
}

/// A session of 3,000 trades that are late and double now and then.
fn session(folder: &Folder) {
    let simulate = ["simulate", "--out", "s.csv", "--trades", "3000", "--session", "10min"];
    folder.run(&[&simulate[..], &["--late", "0.02", "--duplicate", "0.01"]].concat()).exits(0);
}

#[test]
fn what_arrives_is_what_the_file_held_in_any_codec() {
    let folder = Folder::new();
    session(&folder);
    let expected = file_rows(&folder, "s.csv");
    for (codec, batch, partitions) in
        [("json", "1", "4"), ("json", "50", "3"), ("arrow", "200", "1"), ("arrow", "1", "2")]
    {
        let (topic, brokers) = (topic(), brokers());
        let args = ["ingest", "s.csv", "--brokers", &brokers, "--topic", &topic, "--json"];
        let shape = ["--codec", codec, "--batch", batch, "--partitions", partitions];
        let said = folder.run(&[&args[..], &shape].concat()).exits(0).json();
        assert_eq!(
            (said["sent"].as_u64(), said["refused"].as_u64()),
            (said["read"].as_u64(), Some(0))
        );
        let mut found: HashMap<String, Vec<Row>> = HashMap::new();
        let mut messages = 0;
        for values in values(&topic, partitions.parse().unwrap()) {
            let (rows, decoded) = decode(&values, codec.parse().unwrap());
            assert!(decoded.undecoded.is_empty() && !decoded.heartbeats.is_empty());
            assert!(decoded.heartbeats.is_sorted_by_key(|beat| beat.time));
            let last = decoded.heartbeats.last().unwrap();
            assert_eq!(last.before_row as usize, rows.len(), "nothing follows the last heartbeat");
            messages += values.len();
            let keyed = values.iter().filter(|(key, _)| key.is_some()).count();
            assert!(keyed == if batch == "1" { rows.len() } else { keyed });
            for (symbol, rows) in by_symbol(rows.into_iter()) {
                assert!(found.insert(symbol, rows).is_none(), "a symbol keeps one partition");
            }
        }
        assert_eq!(found, expected, "{codec} {batch}");
        assert_eq!(said["messages"].as_u64(), Some(messages as u64));
    }
}

/// What the trades and corrections of a batch say, by symbol, in its order.
fn said(batch: &Decoded, symbols: &Symbols) -> HashMap<String, Vec<String>> {
    let mut by_symbol: HashMap<String, Vec<String>> = HashMap::new();
    for row in 0..batch.trades.len() {
        let trade = batch.trades.row(row);
        let symbol = symbols.text(trade.symbol).as_ref().to_owned();
        let (ts, price, size) = (trade.ts_event.ns(), trade.price.raw(), trade.size.raw());
        let line =
            format!("{:?} {ts} {price} {size} {} {:?}", trade.trans, trade.trade_id, trade.side);
        by_symbol.entry(symbol).or_default().push(line);
    }
    by_symbol
}

#[test]
fn corrections_arrive_as_they_stand_in_the_file() {
    let folder = Folder::new();
    let session = ["simulate", "--out", "s.csv", "--trades", "2000", "--session", "10min"];
    folder.run(&[&session[..], &["--cancel", "0.05", "--replace", "0.05"]].concat()).exits(0);
    let symbols = Symbols::default();
    // It begins with one that has no time.
    let text = std::fs::read_to_string(folder.0.join("s.csv")).unwrap();
    let text = text.replacen('\n', "\nNVDA,,,,999999,,cancel\n", 1);
    folder.file("s.csv", &text);
    let bytes = text.into_bytes();
    let expected = said(&decode_csv(&bytes, &Layout::default(), &symbols).unwrap(), &symbols);
    assert!(expected.values().flatten().any(|line| line.starts_with("Cancel 0 0 0 ")));
    for (codec, batch) in [("json", "1"), ("json", "50"), ("arrow", "200")] {
        let (topic, brokers) = (topic(), brokers());
        let args =
            ["ingest", "s.csv", "--brokers", &brokers, "--topic", &topic, "--partitions", "1"];
        folder.run(&[&args[..], &["--codec", codec, "--batch", batch]].concat()).exits(0);
        let (mut into, values) = (Decoded::default(), values(&topic, 1).remove(0));
        let mut decoder =
            Decoder::new(codec.parse().unwrap(), &Layout::default(), &symbols).unwrap();
        for (offset, (_, value)) in values.iter().enumerate() {
            let (payload, offset) = (Some(value.as_slice()), offset as u64);
            let message = Message { key: None, payload, topic: "t", timestamp_ms: None, offset };
            decoder.decode(&message, &mut into);
        }
        decoder.finish(&mut into);
        assert_eq!(said(&into, &symbols), expected, "{codec} {batch}");
        // No heartbeat was misled by a record without a time: they rise, and end with the greatest.
        let beats: Vec<i64> = into.heartbeats.iter().map(|beat| beat.time.ns()).collect();
        let greatest = into.trades.ts_event.iter().map(|time| time.ns()).max();
        assert!(
            beats.is_sorted()
                && beats.last().copied() == greatest
                && beats[0] > 1_700_000_000_000_000_000
        );
    }
}

#[test]
fn bad_records_are_kept_or_passed_on_as_they_came() {
    let folder = Folder::new();
    let good = "A,1704205800000000000,1.5,2\n".repeat(3);
    folder.file("bad.csv", &format!("symbol,ts_event,price,size\n{good}B,soon,1,1\nC,1\n"));
    let (topic, brokers) = (topic(), brokers());
    let args = ["ingest", "bad.csv", "--brokers", &brokers, "--topic", &topic, "--partitions", "1"];
    let said = folder.run(&[&args[..], &["--json", "--strict"]].concat()).exits(3);
    assert_eq!(said.json()["refused_by_reason"], serde_json::json!({"malformed": 1, "time": 1}));
    let list = ["dead-letters", "list", "--data", "tidemill-ingest", "--json"];
    assert!(folder.run(&list).exits(0).out().contains("malformed"));
    folder.run(&[&args[..], &["--raw"]].concat()).exits(0);
    let (rows, decoded) = decode(&values(&topic, 1)[0], Codec::Json);
    assert_eq!(rows.len(), 6);
    let raw: Vec<_> = decoded.undecoded.iter().map(|record| record.raw.as_str()).collect();
    assert_eq!(raw, ["B,soon,1,1", "C,1"]);
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    let folder = Folder::new();
    session(&folder);
    let (topic, brokers) = (topic(), brokers());
    let args = ["ingest", "s.csv", "--brokers", &brokers, "--topic", &topic];
    let with = |more: &[&str]| folder.run(&[&args[..], more].concat());
    with(&["--codec", "xml"]).exits(2).says("codec \"xml\": wanted json or arrow");
    with(&["--kafka", "linger=5"]).exits(2).says("linger");
    with(&["--heartbeats", "often"]).exits(2).says("--heartbeats = \"often\"");
    with(&["--rate", "0"]).exits(2).says("--rate");
    with(&["--pace", "fast"]).exits(2).says("a pace is max");
    with(&["--partitions", "2"]).exits(0);
    with(&["--partitions", "3"]).exits(2).says("has 2 partitions, --partitions 3");
    assert_eq!(folder.run(&args[..1]).exits(2).out(), "");
}
