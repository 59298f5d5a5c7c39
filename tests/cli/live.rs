//! The live view of a run over a real topic: its last word is the log's, whoever reads it and however slowly.

use super::observe::{Run, ask, get, until};
use super::{Folder, tables};
use ::kafka::{Producer, Record, trial};
use market::{Price, Scale, Size};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const WIDTHS: [(&str, i64); 3] = [("1min", 60), ("5min", 300), ("1h", 3600)];
const SECOND: i64 = 1_000_000_000;

/// A trade of the log, as text.
struct Trade {
    symbol: String,
    ts_event: i64,
    price: String,
    size: String,
}

/// A simulated session, some of it late.
fn session(folder: &Folder) -> Vec<Trade> {
    let args = ["simulate", "--out", "trades.csv", "--trades", "4000", "--symbols", "6"];
    folder.run(&[&args[..], &["--late", "0.05", "--columns", "required"]].concat()).exits(0);
    let text = std::fs::read_to_string(folder.0.join("trades.csv")).unwrap();
    let trade = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [symbol, ts_event, price, size] = cells[..] else { panic!("{line}") };
        let [symbol, price, size] = [symbol, price, size].map(str::to_owned);
        Trade { symbol, ts_event: ts_event.parse().unwrap(), price, size }
    };
    text.lines().skip(1).map(trade).collect()
}

/// Writes trades, each symbol's into one of two partitions.
fn write(topic: &str, trades: &[Trade]) {
    let mut producer = Producer::open(&trial::settings(), 0).unwrap();
    for Trade { symbol, ts_event, price, size } in trades {
        let value = format!(
            r#"{{"symbol":"{symbol}","ts_event":{ts_event},"price":{price},"size":{size}}}"#
        );
        let partition = Some(i32::from(symbol.as_bytes()[symbol.len() - 1] % 2));
        let (key, value) = (Some(symbol.as_bytes()), Some(value.as_bytes()));
        let record = Record { topic, partition, key, value, headers: None, timestamp_ms: None };
        producer.send(&record).unwrap();
    }
    assert!(producer.flush(Duration::from_secs(30)).unwrap());
}

/// The value that a symbol must end with, folded from the log by hand.
fn expected(trades: &[Trade], symbol: &str) -> Value {
    let own: Vec<&Trade> = trades.iter().filter(|trade| trade.symbol == symbol).collect();
    // Of trades of one time the later one is newer, as `max_by_key` has it.
    let newest = own.iter().max_by_key(|trade| trade.ts_event).unwrap();
    let scale = Scale::default();
    let raw = |text: &str| Price::parse(text, scale).unwrap().raw();
    let number = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    let price = |raw: i64| number(Price::from_raw(raw).decimal(scale).to_string());
    let size = |raw: i64| number(Size::from_raw(raw).decimal(scale).to_string());
    let bars: Vec<Value> = WIDTHS
        .iter()
        .map(|(width, seconds)| {
            let length = seconds * SECOND;
            let open = newest.ts_event - newest.ts_event.rem_euclid(length);
            let mut inside: Vec<&&Trade> = own
                .iter()
                .filter(|trade| (open..open + length).contains(&trade.ts_event))
                .collect();
            inside.sort_by_key(|trade| trade.ts_event);
            let prices: Vec<i64> = inside.iter().map(|trade| raw(&trade.price)).collect();
            let volume: i64 = inside.iter().map(|trade| raw(&trade.size)).sum();
            json!({
                "width": width, "ts_open": open, "ts_close": open + length,
                "open": price(prices[0]), "close": price(prices[prices.len() - 1]),
                "high": price(*prices.iter().max().unwrap()), "low": price(*prices.iter().min().unwrap()),
                "volume": size(volume), "trade_count": inside.len(), "final": false,
            })
        })
        .collect();
    json!({
        "symbol": symbol, "price": number(newest.price.clone()), "size": number(newest.size.clone()),
        "ts_event": newest.ts_event, "bars": bars,
    })
}

/// A connection to `/live`.
struct Subscriber(BufReader<TcpStream>);

impl Subscriber {
    fn open(address: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut from = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(from.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.contains(" 200 ") && head.contains("application/x-ndjson"), "{head}");
        Subscriber(from)
    }

    /// Reads until the last value of each symbol is the one that is wanted; how many lines that took.
    fn reads(&mut self, wanted: &BTreeMap<String, Value>) -> usize {
        let (mut last, mut lines) = (BTreeMap::new(), 0);
        while last != *wanted {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "it ended before {wanted:?}");
            let mut value: Value = serde_json::from_str(&line).unwrap();
            for bar in value["bars"].as_array_mut().unwrap() {
                let vwap = bar.as_object_mut().unwrap().remove("vwap").unwrap();
                let between =
                    bar["low"].as_f64() <= vwap.as_f64() && vwap.as_f64() <= bar["high"].as_f64();
                assert!(between, "{vwap} {bar}");
            }
            last.insert(value["symbol"].as_str().unwrap().to_owned(), value);
            lines += 1;
        }
        lines
    }
}

fn config(topic: &str, data: &str, live: bool) -> String {
    let (brokers, name) = (trial::brokers(), trial::fresh("live"));
    let widths = WIDTHS.map(|(width, _)| format!("{width:?}")).join(", ");
    format!(
        "[deployment]\nname = \"{name}\"\ndata = \"{data}\"\n[observe]\nlisten = \"127.0.0.1:0\"\nlogs = \"json\"\n\
         live = {live}\n[[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\n\
         start = \"earliest\"\n[[bars]]\nwidths = [{widths}]\n[cluster]\nworkers = 2\n"
    )
}

#[test]
fn every_subscriber_ends_with_what_the_log_says() {
    let folder = Folder::new();
    let (trades, topic) = (session(&folder), trial::topic("live", 2));
    folder.file("cluster.toml", &config(&topic, "data", true));
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let address = run.address();
    let symbols: Vec<String> = trades.iter().map(|trade| trade.symbol.clone()).collect();
    let of = |trades: &[Trade], symbols: &[String]| -> BTreeMap<String, Value> {
        symbols.iter().map(|symbol| (symbol.clone(), expected(trades, symbol))).collect()
    };
    let mut all = Subscriber::open(&address, "/live");
    let mut one = Subscriber::open(&address, &format!("/live?symbols={},UNSEEN", symbols[0]));
    // It asks and never reads.
    let stopped = Subscriber::open(&address, "/live");
    let (first, second) = trades.split_at(2500);
    write(&topic, first);
    let known: Vec<String> = first.iter().map(|trade| trade.symbol.clone()).collect();
    let lines = all.reads(&of(first, &known));
    assert!(
        (known.iter().collect::<std::collections::BTreeSet<_>>().len()..=2500).contains(&lines)
    );
    write(&topic, second);
    all.reads(&of(&trades, &symbols));
    one.reads(&of(&trades, &symbols[..1]));
    // What is known comes first, once a symbol.
    let late = Subscriber::open(&address, "/live").reads(&of(&trades, &symbols));
    assert_eq!(late, of(&trades, &symbols).len());
    let (_, status) = get(&address, "/status");
    assert_eq!(status["refused"], 0, "{status}");
    let (_, _, text) = ask(&address, "GET /metrics");
    for metric in [
        "tidemill_live_subscribers{} 3.0",
        "tidemill_live_updates_total",
        "tidemill_live_conflated_total",
    ] {
        assert!(text.contains(metric), "{metric}: {text}");
    }
    drop(stopped);
    run.interrupt();
}

#[test]
fn tables_are_the_same_with_a_live_view_and_without() {
    let folder = Folder::new();
    let (trades, topic) = (session(&folder), trial::topic("live", 2));
    write(&topic, &trades);
    let [with, without] = [true, false].map(|live| {
        let data = format!("live-{live}");
        folder.file("cluster.toml", &config(&topic, &data, live));
        let args = ["replay", "--topic", &topic, "--config", "cluster.toml", "--json"];
        assert_eq!(folder.run(&args).exits(0).json()["used"], trades.len());
        tables(&folder.0, &data)
    });
    assert!(with[0].lines().count() > 100);
    assert_eq!(with, without);
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = Folder::new();
    let topic = trial::topic("live", 2);
    folder.file("cluster.toml", &config(&topic, "data", true));
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let address = run.address();
    for (path, word) in [
        ("/live?symbols=", "a symbol is wanted"),
        ("/live?symbols=A,,B", "a symbol is wanted"),
        ("/live?symbols=%zz", "%zz"),
        ("/live?symbols=A&depth=10", "only ?symbols=A,B"),
        ("/live?depth=10", "only ?symbols=A,B"),
    ] {
        let (code, told) = get(&address, path);
        assert!(code == 400 && told["error"].as_str().unwrap().contains(word), "{path}: {told}");
    }
    assert_eq!(ask(&address, "POST /live").0, 405);
    assert_eq!(ask(&address, "HEAD /live").0, 200);
    let open = || Subscriber::open(&address, "/live?symbols=A");
    let many: Vec<Subscriber> = (0..32).map(|_| open()).collect();
    let (code, head, body) = ask(&address, "GET /live");
    assert!(code == 503 && head.contains("retry-after") && body.contains("32"), "{head} {body}");
    drop(many);
    // Their places are free again.
    until("a place", || (ask(&address, "HEAD /live").0 == 200).then_some(()));
    until("no subscriber", || {
        let (_, _, text) = ask(&address, "GET /metrics");
        text.contains("tidemill_live_subscribers{} 0.0").then_some(())
    });
    drop(open());
    run.interrupt();
    folder.file("cluster.toml", &config(&topic, "data", false));
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let (code, told) = get(&run.address(), "/live");
    assert!(code == 404 && told["error"] == "observe.live is not set", "{told}");
    run.interrupt();
    let nowhere = config(&topic, "data", true).replace("listen = \"127.0.0.1:0\"\n", "");
    folder.file("cluster.toml", &nowhere);
    folder.run(&["run"]).exits(2).says("observe.live");
}
