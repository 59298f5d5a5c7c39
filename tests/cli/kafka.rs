//! Topics of a real broker through the command.

use super::{Folder, counts_add_up, tables};
use ::kafka::{Producer, Record, trial};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A simulated session as a CSV file, some of its records bad.
fn session(folder: &Folder) -> Vec<String> {
    let args = ["simulate", "--out", "trades.csv", "--trades", "3000", "--symbols", "5"];
    let flaws = ["--late", "0.02", "--duplicate", "0.01", "--columns", "required"];
    folder.run(&[&args[..], &flaws].concat()).exits(0);
    let text = std::fs::read_to_string(folder.0.join("trades.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("symbol,ts_event,price,size"));
    let json = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let [symbol, ts_event, price, size] = cells[..] else { panic!("{line}") };
        format!(r#"{{"symbol":"{symbol}","ts_event":{ts_event},"price":{price},"size":{size}}}"#)
    };
    lines.map(json).collect()
}

/// Writes the session into partition 0 of a topic, so many trades a message.
fn write(topic: &str, trades: &[String], at_once: usize) {
    let mut producer = Producer::open(&trial::settings(), 5).unwrap();
    for some in trades.chunks(at_once) {
        let list = format!("[{}]", some.join(","));
        let value = if at_once == 1 { some[0].as_bytes() } else { list.as_bytes() };
        let key = Some(&b"k"[..]);
        let partition = Some(0);
        let none =
            Record { topic, partition, key, value: Some(value), headers: None, timestamp_ms: None };
        producer.send(&none).unwrap();
    }
    assert!(producer.flush(Duration::from_secs(30)).unwrap());
}

/// Tables without what names the source and the place in it.
fn values(folder: &Folder, data: &str) -> Vec<String> {
    tables(&folder.0, data)[..2].to_vec()
}

#[test]
fn a_topic_gives_what_a_file_of_the_same_records_gives() {
    let folder = Folder::new();
    let trades = session(&folder);
    let flags = ["--widths", "1min,5min", "--indicators", "sma(5),rsi(14)", "--json", "--data"];
    let replay = |source: &[&str], data: &str| {
        let args = [&["replay"], source, &flags[..], &[data]].concat();
        let told = folder.run(&args).exits(0).json();
        counts_add_up(&told);
        (told["read"].as_u64().unwrap(), told["used"].as_u64().unwrap())
    };
    let file = replay(&["trades.csv", "--order", "log"], "file");
    assert_eq!(file.0, trades.len() as u64);
    let brokers = trial::brokers();
    for at_once in [1, 7, 1_000] {
        let topic = trial::topic("replay", 1);
        write(&topic, &trades, at_once);
        let data = at_once.to_string();
        let source = ["--topic", &topic, "--brokers", &brokers];
        assert_eq!(replay(&source, &data), file);
        assert_eq!(values(&folder, &data), values(&folder, "file"), "{at_once} a message");
    }
}

#[test]
fn what_cannot_be_read_is_said_in_a_line() {
    let folder = Folder::new();
    let brokers = trial::brokers();
    let replay = ["replay", "--topic", "no-such-topic", "--brokers", &brokers];
    folder.run(&replay).exits(2).says("topics: \"no-such-topic\": there is no such topic");
    folder.run(&["replay", "--topic", "t"]).exits(2).says("source.brokers = \"\"");
    folder.run(&["replay", "--topic", "t", "a.csv"]).exits(2);
}

#[test]
fn a_run_reads_what_comes_until_it_is_stopped() {
    let folder = Folder::new();
    let trades = session(&folder);
    let topic = trial::topic("run", 1);
    let brokers = trial::brokers();
    let source = format!(
        "kind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n\
         kafka = {{ \"client.rack\" = \"r1\" }}\n"
    );
    folder.file("cluster.toml", &format!("[[source]]\n{source}"));
    let child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--json", "--data", "live"])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (first, second) = trades.split_at(1_000);
    write(&topic, first, 10);
    let count = || {
        let sql = "SELECT count(*) FROM aggregated_data";
        let done = folder.run(&["query", sql, "--data", "live", "--format", "csv"]);
        done.out().lines().last().and_then(|line| line.parse::<u64>().ok()).unwrap_or(0)
    };
    let wait_for_more = |than: u64| {
        while count() <= than {
            std::thread::sleep(Duration::from_millis(50));
        }
        count()
    };
    let some = wait_for_more(0);
    write(&topic, second, 1);
    wait_for_more(some + 100);
    let stop = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &stop]).status().unwrap().success());
    let told = super::Done(child.wait_with_output().unwrap()).exits(130).json();
    counts_add_up(&told);
}
