//! A topic that holds everything that can be wrong: nothing of it is lost or stops the run, the counts add up,
//! and what is refused lies in `dead_letter` once, however often the run was killed.

use super::committed::Committed;
use super::lab::Lab;
use super::life::{Chance, Life};
use kafka::{Headers, Producer, Record, Settings, TopicPlan, Topics};
use market::Symbols;
use serde_json::{Value, json};
use sources::{Codec, Decoded, Decoder, Encoder, Layout, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PARTITIONS: u32 = 2;
const MESSAGES: u64 = 6_000;
/// 2024-01-02 14:30 UTC.
const START_NS: i64 = 1_704_205_800_000_000_000;

/// A message, and what becomes of its records.
struct Sent {
    value: Option<Vec<u8>>,
    schema: Option<&'static str>,
    used: u64,
    refused: u64,
}

fn trade(number: u64, second: i64) -> String {
    let (ts_event, price) = (START_NS + second * 1_000_000_000, 100 + number % 7);
    let symbol = ["A", "B", "C"][number as usize % 3];
    format!(
        r#"{{"symbol":"{symbol}","ts_event":{ts_event},"price":{price}.5,"size":10,"trade_id":"{number}"}}"#
    )
}

/// Trades as a message of the codec.
fn message_of(codec: Codec, trades: &[String]) -> Vec<u8> {
    let list = format!("[{}]", trades.join(","));
    if codec == Codec::Json {
        return if trades.len() == 1 { trades[0].clone() } else { list }.into_bytes();
    }
    let symbols = Symbols::default();
    let mut decoder = Decoder::new(Codec::Json, &Layout::default(), &symbols).unwrap();
    let (mut into, payload) = (Decoded::default(), Some(list.as_bytes()));
    let message = Message { key: None, payload, topic: "t", timestamp_ms: None, offset: 0 };
    decoder.decode(&message, &mut into);
    decoder.finish(&mut into);
    let mut bytes = Vec::new();
    let rows = 0..into.trades.len();
    Encoder::new(codec, &symbols).encode(&into.trades, rows, &mut bytes).unwrap();
    bytes
}

/// What is wrong with a whole message, whatever the codec.
fn flawed(kind: u64, codec: Codec, good: &str, chance: &mut Chance) -> Sent {
    let text = |text: String| Some(text.into_bytes());
    let other = if codec == Codec::Json { Codec::Arrow } else { Codec::Json };
    let mut schema = None;
    let value = match kind {
        0 => text(good[..good.len() / 2].to_owned()),
        1 => Some((0..chance.below(300)).map(|_| chance.below(256) as u8).collect()),
        2 => Some(Vec::new()),
        3 => None,
        4 => Some(message_of(other, &[good.to_owned()])),
        5 => text("[".repeat(100_000)),
        6 => text("{\"symbol\":".repeat(20_000)),
        7 => text("{\"heartbeat\":9223372036854775807}".to_owned()),
        8 => text("{\"heartbeat\":7258118400000000000}".to_owned()),
        9 => text("{\"heartbeat\":-9223372036854775808}".to_owned()),
        10 => text("{\"heartbeat\":\"soon\"}".to_owned()),
        11 => text("{\"heartbeat\":1e400}".to_owned()),
        12 => text(format!("{}{}", " ".repeat(9 << 20), good)),
        13 => text("null".to_owned()),
        _ => {
            schema = Some("quote/1");
            Some(message_of(codec, &[good.to_owned()]))
        }
    };
    Sent { value, schema, used: 0, refused: 1 }
}

/// What is wrong with one record of JSON.
fn flawed_record(kind: u64, good: &str) -> String {
    match kind {
        0 => good
            .replacen("\"A\"", "\"\"", 1)
            .replacen("\"B\"", "\"\"", 1)
            .replacen("\"C\"", "\"\"", 1),
        1 => good.replacen(".5", ".5e999", 1),
        2 => good.replacen("\"price\":", "\"price\":-", 1),
        3 => good.replacen("\"size\":10", "\"size\":\"many\"", 1),
        4 => good.replacen("\"ts_event\":1", "\"ts_event\":9", 1),
        5 => good.replacen('}', ",\"trans_type\":\"bust\"}", 1),
        6 => good.replacen('}', ",\"trans_type\":\"cancel\"}", 1),
        7 => good.replacen("\"price\"", "\"prize\"", 1),
        _ => good.replacen("\"ts_event\":17", "\"ts_event\":19", 1),
    }
}

/// The messages of one partition.
fn messages(codec: Codec, partition: u32, chance: &mut Chance) -> Vec<Sent> {
    let (mut list, mut second) = (Vec::new(), 0);
    let mut number = u64::from(partition) * 1_000_000;
    for _ in 0..MESSAGES / u64::from(PARTITIONS) {
        number += 10;
        second += chance.below(3) as i64;
        let good = trade(number, second);
        list.push(match chance.below(20) {
            0 => flawed(chance.below(15), codec, &good, chance),
            1 if codec == Codec::Json => {
                let bad = flawed_record(chance.below(9), &good);
                let trades = [trade(number + 1, second), bad, trade(number + 2, second)];
                let value = Some(message_of(codec, &trades));
                Sent { value, schema: None, used: 2, refused: 1 }
            }
            2 => {
                let beat = START_NS + (second - 5) * 1_000_000_000;
                let value = Some(format!("{{\"heartbeat\":{beat}}}").into_bytes());
                Sent { value, schema: None, used: 0, refused: 0 }
            }
            more => {
                let count = 1 + more % 4;
                let trades: Vec<_> = (0..count).map(|k| trade(number + k, second)).collect();
                let value = Some(message_of(codec, &trades));
                Sent { value, schema: Some("trade/1"), used: count, refused: 0 }
            }
        });
    }
    // The last hour has a trade, and is closed.
    let last = message_of(codec, &[trade(number + 10, 5_600)]);
    list.push(Sent { value: Some(last), schema: None, used: 1, refused: 0 });
    let end = START_NS + 9_060 * 1_000_000_000;
    let value = Some(format!("{{\"heartbeat\":{end}}}").into_bytes());
    list.push(Sent { value, schema: None, used: 0, refused: 0 });
    list
}

/// Writes them all; where the refused records lie, and how many are used.
fn send(lab: &Lab, codec: Codec, chance: &mut Chance) -> (BTreeSet<(u32, u64)>, u64, u64) {
    let large = BTreeMap::from([("message.max.bytes".to_owned(), "20000000".to_owned())]);
    let settings = Settings::new(&lab.source, large).unwrap();
    let plan = TopicPlan {
        name: lab.ticks.clone(),
        partitions: PARTITIONS as i32,
        replication: -1,
        config: vec![("max.message.bytes", "20000000".to_owned())],
    };
    Topics::open(&settings).unwrap().ensure(&[plan]).unwrap();
    let mut producer = Producer::open(&settings, 5).unwrap();
    let (mut places, mut used, mut refused) = (BTreeSet::new(), 0, 0);
    for partition in 0..PARTITIONS {
        for (offset, sent) in messages(codec, partition, chance).iter().enumerate() {
            let headers = sent.schema.map(|schema| Headers::of(&[("schema", schema)]));
            let record = Record {
                topic: &lab.ticks,
                partition: Some(partition as i32),
                key: Some(b"k"),
                value: sent.value.as_deref(),
                headers: headers.as_ref(),
                timestamp_ms: None,
            };
            producer.send(&record).unwrap();
            (used, refused) = (used + sent.used, refused + sent.refused);
            if sent.refused > 0 {
                places.insert((partition, offset as u64));
            }
        }
    }
    assert!(producer.flush(Duration::from_secs(60)).unwrap());
    (places, used, refused)
}

/// Where the letters of a deployment lie in the log, each once, and how many there are.
fn letters(committed: &Committed) -> (BTreeSet<(u32, u64)>, u64) {
    let mut keys = BTreeSet::new();
    let mut places = BTreeSet::new();
    for ((_, _), records) in committed.iter().filter(|((topic, _), _)| topic == "dead_letter") {
        for (key, value) in records {
            assert!(keys.insert(key.clone()), "twice: {key}");
            let value: Value = serde_json::from_str(value).unwrap();
            let partition = value["partition"].as_u64().unwrap() as u32;
            places.insert((partition, value["offset"].as_u64().unwrap()));
            assert!(value["reason"].is_string() && value["raw"].is_string(), "{value}");
        }
    }
    (places, keys.len() as u64)
}

/// Trades in the bars of a deployment, each as it was last told.
fn trades_in_bars(committed: &Committed) -> u64 {
    let mut last = BTreeMap::new();
    for (_, records) in committed.iter().filter(|((topic, _), _)| topic == "aggregated_data_1min") {
        for (key, value) in records {
            let value: Value = serde_json::from_str(value).unwrap();
            last.insert(key.clone(), value["trade_count"].as_u64().unwrap());
        }
    }
    last.values().sum()
}

fn mixed(codec: Codec) {
    let mut lab = Lab::new("kills", PARTITIONS);
    lab.source_keys = format!("codec = \"{codec}\"");
    let mut chance = lab.chance();
    let (places, used, refused) = send(&lab, codec, &mut chance);
    for _ in 0..8 {
        let life = Life { ms: 300 + chance.below(700), ..Life::of_chance(&mut chance) };
        lab.live(&life, &mut chance);
    }
    lab.finish("kills");
    lab.finish("clean");
    lab.compare("clean", "kills");
    let committed = lab.committed("kills");
    let (found, count) = letters(&committed);
    assert_eq!(places.difference(&found).next(), None, "lost");
    assert_eq!(found.difference(&places).next(), None, "refused though nothing is wrong with it");
    assert_eq!((count, trades_in_bars(&committed)), (refused, used));
    // The summary of a replay says the same.
    let codec = codec.to_string();
    let brokers = lab.source.clone();
    let args = ["replay", "--topic", &lab.ticks, "--brokers", &brokers, "--codec", &codec];
    let told = lab.told(&[&args[..], &["--data", "replay", "--json"]].concat());
    let numbers = ["read", "used", "refused"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(numbers, [used + refused, used, refused], "{told}");
    assert_eq!(
        json!(refused),
        told["refused_by_reason"].as_object().map_or(json!(0), |all| {
            all.values().map(|count| count.as_u64().unwrap()).sum::<u64>().into()
        })
    );
}

#[test]
fn bad_messages_of_json_are_refused_once_and_stop_nothing() {
    mixed(Codec::Json);
}

#[test]
fn bad_messages_of_arrow_are_refused_once_and_stop_nothing() {
    mixed(Codec::Arrow);
}
