//! Topics of a real broker through the command.

use super::{Folder, counts_add_up, tables};
use ::kafka::{Producer, Record, trial};
use operators::indicator::Registry;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemill::{Engine, Watch, config::Config};

/// A simulated session as a CSV file, some of its records bad.
pub(super) fn session(folder: &Folder) -> Vec<String> {
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
pub(super) fn write(topic: &str, trades: &[String], at_once: usize) {
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
        "[deployment]\nname = \"{}\"\ndata = \"{}\"\n\
         [[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n\
         kafka = {{ \"client.rack\" = \"r1\" }}\n",
        trial::fresh("deployment"),
        folder.0.join("run").display(),
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
        "[deployment]\nname = \"{}\"\ndata = \"{}\"\n[[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\n\
         topics = [\"{topic}\"]\nstart = \"earliest\"\nidle_after = \"100ms\"\ncontrol = \"{}\"\n\
         max_jump = \"1d\"\n",
        trial::fresh("deployment"),
        folder.0.join("live").display(),
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

/// Columns of bars and indicators, but for when they were known and how often they were revised.
const FINAL: [&str; 2] = [
    "SELECT symbol, width, ts_open, ts_close, open, high, low, close, volume, vwap, trade_count \
     FROM aggregated_data ORDER BY 1, 2, 3",
    "SELECT symbol, width, ts_open, sma_5, rsi_14 FROM technical_indicators ORDER BY 1, 2, 3",
];

#[test]
fn one_partition_or_many_or_files_give_the_same_values_in_the_end() {
    let folder = Folder::new();
    let args = ["simulate", "--out", "trades.csv", "--trades", "20000", "--symbols", "40"];
    folder.run(&[&args[..], &["--late", "0.02", "--duplicate", "0.01"]].concat()).exits(0);
    let brokers = trial::brokers();
    let replay = |source: &[&str], data: &str| -> Vec<String> {
        let flags = ["--widths", "1min,5min", "--indicators", "sma(5),rsi(14)", "--data", data];
        folder.run(&[&["replay"], source, &flags[..]].concat()).exits(0);
        let query = |sql: &str| folder.run(&["query", sql, "--data", data, "--format", "csv"]);
        FINAL.map(|sql| query(sql).exits(0).out()).to_vec()
    };
    let wanted = replay(&["trades.csv", "--order", "log"], "file");
    assert!(wanted[0].lines().count() > 1_000);
    for partitions in ["1", "4", "16"] {
        let topic = trial::fresh("spread");
        let into = ["--topic", &topic, "--brokers", &brokers, "--partitions", partitions];
        let from = ["ingest", "trades.csv", "--order", "log", "--batch", "50"];
        folder.run(&[&from[..], &into].concat()).exits(0);
        let source = ["--topic", &topic, "--brokers", &brokers];
        assert!(replay(&source, partitions) == wanted, "{partitions} partitions");
    }
}

/// A run of topics with checkpoints, until one is written where one is wanted, else until it reads; what ended it
/// before. While it reads, `more` comes.
fn kept_run(
    source: &str,
    every: &str,
    accept: bool,
    mut more: impl FnMut() -> bool,
) -> Result<(), String> {
    let text = source.replace("EVERY", every);
    let config = Config::parse("test", &text, &[], &Registry::standard()).unwrap();
    let watch = Watch::default();
    let engine = Engine::new(config).store(false).accept_gap(accept).watch(watch.clone());
    let run = std::thread::spawn(move || engine.run().map_err(|error| error.to_string()));
    let progress = &watch.progress;
    // A partition is cut when it goes on: so it is kept going.
    let goes_on = |more: &mut dyn FnMut() -> bool| match progress.counts().read {
        0 => true,
        _ => more() && progress.checkpoints().written == 0,
    };
    while !run.is_finished() && goes_on(&mut more) {
        std::thread::sleep(Duration::from_millis(10));
    }
    watch.stop.store(true, Ordering::SeqCst);
    run.join().unwrap().map(|_| ())
}

#[test]
fn a_gap_stops_the_start_until_it_is_accepted_and_later_starts_know() {
    let folder = Folder::new();
    let trades = session(&folder);
    let topic = trial::topic("gap", 1);
    let chunks = |some: &[String]| some.chunks(10).map(<[String]>::to_vec).collect::<Vec<_>>();
    let mut first = chunks(&trades[..1_000]).into_iter();
    // Writes some more, as long as there are.
    let topic_of = topic.clone();
    let mut next = move || first.next().map(|some| write(&topic_of, &some, 1)).is_some();
    let nothing = || false;
    assert!(next());
    let source = format!(
        "[deployment]\nname = \"{}\"\ndata = \"{}\"\n[cluster]\ncheckpoints = {{ every = \"EVERY\" }}\n\
         [[source]]\nkind = \"kafka\"\nbrokers = \"{}\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n\
         control = \"{}\"\n",
        trial::fresh("deployment"),
        folder.0.join("data").display(),
        trial::brokers(),
        trial::fresh("control"),
    );
    kept_run(&source, "50ms", false, &mut next).unwrap();
    while next() {}
    write(&topic, &trades[1_000..], 1);
    trial::delete_before(&(topic.clone(), 0), 1_500).unwrap();
    let error = kept_run(&source, "1h", false, nothing).unwrap_err();
    let wanted = "are not kept any more, the first is 1500; --accept-gap goes on behind it";
    assert!(error.contains(&topic) && error.ends_with(wanted), "{error}");
    // Nothing is kept of the run that accepts it but what it decided.
    kept_run(&source, "1h", true, nothing).unwrap();
    kept_run(&source, "1h", false, nothing).unwrap();
    trial::delete_before(&(topic.clone(), 0), 2_000).unwrap();
    let error = kept_run(&source, "1h", false, nothing).unwrap_err();
    assert!(error.contains("offsets 1500 to 1999 are not kept"), "{error}");

    // Made anew, the topic begins again, and none of it counts as read.
    trial::delete_topic(&topic).unwrap();
    let admin = ::kafka::Admin::new(&trial::settings()).unwrap();
    while admin.topic(&topic).unwrap().is_some() {}
    trial::make(&topic, 1);
    let mut all = chunks(&trades).into_iter();
    let topic_of = topic.clone();
    let mut next = move || all.next().map(|some| write(&topic_of, &some, 1)).is_some();
    assert!(next());
    let error = kept_run(&source, "1h", false, nothing).unwrap_err();
    assert!(error.contains("was made anew since"), "{error}");
    kept_run(&source, "50ms", true, next).unwrap();
    kept_run(&source, "1h", false, nothing).unwrap_or_else(|error| panic!("{error}"));
}
