//! Topics of a real broker through the command.

use super::{Folder, counts_add_up, tables};
use ::kafka::{Producer, Record, trial};
use operators::indicator::Registry;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemill::{Engine, Watch, config::Config};

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
        "[[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n\
         kafka = {{ \"client.rack\" = \"r1\" }}\n"
    );
    let config = Config::parse("test", &source, &[], &Registry::standard()).unwrap();
    let (memory, watch) = (sinks::MemorySink::new(), Watch::default());
    let engine = Engine::new(config).sink(Box::new(memory.clone())).watch(watch.clone());
    let run = std::thread::spawn(move || engine.run().unwrap());
    let rows = || memory.dump().lines().count();
    let wait_for_more = |than: usize| {
        while rows() <= than {
            assert!(!run.is_finished());
            std::thread::sleep(Duration::from_millis(10));
        }
        rows()
    };
    // What came while it waited, one message or many, is seen without anything that follows it being asked for.
    let (first, second) = trades.split_at(1_000);
    write(&topic, first, 10);
    let some = wait_for_more(100);
    write(&topic, second, 1);
    wait_for_more(some + 100);
    watch.stop.store(true, Ordering::SeqCst);
    let told = run.join().unwrap();
    assert_eq!(told.counts.read, told.counts.used + told.counts.refused_total());
}

#[test]
fn a_quiet_partition_holds_nobody_back_and_a_replay_gives_what_was_live() {
    let folder = Folder::new();
    let trades = session(&folder);
    // Nothing ever comes in the second partition.
    let topic = trial::topic("idle", 2);
    let brokers = trial::brokers();
    let source = format!(
        "[deployment]\nname = \"{}\"\n[[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\n\
         topics = [\"{topic}\"]\nstart = \"earliest\"\nidle_after = \"100ms\"\ncontrol = \"{}\"\n\
         max_jump = \"1d\"\n",
        trial::fresh("deployment"),
        trial::fresh("control"),
    );
    let engine = || {
        let config = Config::parse("test", &source, &[], &Registry::standard()).unwrap();
        let memory = sinks::MemorySink::new();
        (Engine::new(config).sink(Box::new(memory.clone())), memory)
    };
    let (live, memory) = engine();
    let watch = Watch::default();
    let live = live.watch(watch.clone());
    let run = std::thread::spawn(move || live.run().unwrap());
    write(&topic, &trades, 10);
    while memory.dump().lines().count() < 500 {
        assert!(!run.is_finished());
        std::thread::sleep(Duration::from_millis(10));
    }
    watch.stop.store(true, Ordering::SeqCst);
    run.join().unwrap();
    let (replay, replayed) = engine();
    replay.until_now().run().unwrap();
    // The replay closes at its end what the live run left open: it has more, and all that was live.
    let (live, replayed) = (memory.dump_changes(), replayed.dump_changes());
    let there: std::collections::HashSet<&str> = replayed.lines().collect();
    let missing: Vec<&str> = live.lines().filter(|line| !there.contains(line)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
