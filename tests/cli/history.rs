//! History in files, and topics that go on behind it: final values are those of one log that holds both.

use super::observe::{Run, get, until};
use super::{Folder, counts_add_up};
use ::kafka::trial;

const SERIES: [&str; 4] = ["--widths", "1min,1h", "--indicators", "sma(5),rsi(14)"];

/// A session as lines of CSV, the first of which names the columns.
fn session(folder: &Folder, flags: &[&str]) -> Vec<String> {
    let args = ["simulate", "--out", "all.csv", "--trades", "4000", "--symbols", "7"];
    folder.run(&[&args[..], flags].concat()).exits(0);
    let text = std::fs::read_to_string(folder.0.join("all.csv")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn part(folder: &Folder, name: &str, lines: &[String], from: usize, to: usize) {
    folder.file(name, &format!("{}\n{}\n", lines[0], lines[1 + from..1 + to].join("\n")));
}

/// Feeds a file into a topic of its own.
fn feed(folder: &Folder, file: &str, partitions: &str) -> String {
    let (topic, brokers) = (trial::fresh("ticks"), trial::brokers());
    let args = ["ingest", file, "--brokers", &brokers, "--topic", &topic, "--order", "log"];
    folder.run(&[&args[..], &["--partitions", partitions, "--batch", "16"]].concat()).exits(0);
    topic
}

/// A configuration whose source has `history`.
fn configure(folder: &Folder, history: &str, more: &str) {
    let brokers = trial::brokers();
    folder.file(
        "c.toml",
        &format!(
            "[[source]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"none\"]\n{more}\
             history = {{ {history} }}\n"
        ),
    );
}

/// Bars and indicators in the end: how often they changed, and when, is another matter.
fn values(folder: &Folder, data: &str, bars: &str) -> [String; 2] {
    let bar = "symbol, width, ts_open, open, high, low, close, volume, vwap, trade_count";
    let queries = [
        format!("SELECT {bar} FROM aggregated_data WHERE {bars} ORDER BY 1, 2, 3"),
        format!(
            "SELECT symbol, width, ts_open, sma_5, rsi_14 FROM technical_indicators WHERE {bars} ORDER BY 1, 2, 3"
        ),
    ];
    queries
        .map(|sql| folder.run(&["query", &sql, "--data", data, "--format", "csv"]).exits(0).out())
}

#[test]
fn final_values_are_those_of_one_log() {
    let folder = Folder::new();
    let lines = session(&folder, &["--late", "0.02", "--duplicate", "0.01"]);
    let all = [&["replay", "all.csv", "--order", "log", "--data", "one"], &SERIES[..]].concat();
    folder.run(&all).exits(0);
    let one = values(&folder, "one", "1");
    assert!(one[0].lines().count() > 1_000);
    let count = lines.len() - 1;
    // Nothing in both, a little, more than the horizon, all; and a seam that is the beginning or the end.
    let cases = [
        ("1", 2_000, 0, "1"),
        ("3", 1_500, 40, "2"),
        ("4", 2_500, 900, "3"),
        ("2", count, count, "1"),
        ("2", 1, 1, "2"),
    ];
    for (number, (partitions, end, overlap, workers)) in cases.into_iter().enumerate() {
        part(&folder, "early.csv", &lines, 0, end);
        part(&folder, "late.csv", &lines, end - overlap, count);
        let topic = feed(&folder, "late.csv", partitions);
        configure(&folder, "files = \"early.csv\", order = \"log\"", "");
        let data = format!("both-{number}");
        let args = ["replay", "--config", "c.toml", "--topic", &topic, "--data", &data, "--json"];
        let args = [&args[..], &["--workers", workers], &SERIES[..]].concat();
        let told = folder.run(&args).exits(0).json();
        counts_add_up(&told);
        let counted = told["read"].as_u64().unwrap() + told["left_out"].as_u64().unwrap();
        assert_eq!(counted, (count + overlap) as u64, "{told}");
        assert_eq!(told["left_out"].as_u64(), Some(overlap as u64), "{told}");
        assert_eq!(told["spread_symbols"], 0);
        let both = values(&folder, &data, "1");
        assert!(both == one, "case {number} differs");
    }
}

#[test]
fn trades_without_ids_go_on_behind_the_last_time_of_history() {
    let folder = Folder::new();
    let lines = session(&folder, &["--columns", "required"]);
    let all = [&["replay", "all.csv", "--data", "one"], &SERIES[..]].concat();
    folder.run(&all).exits(0);
    // Files of overlapping times, sorted as one.
    part(&folder, "a-1.csv", &lines, 0, 1_600);
    part(&folder, "a-2.csv", &lines, 1_600, 2_200);
    part(&folder, "late.csv", &lines, 1_900, lines.len() - 1);
    let topic = feed(&folder, "late.csv", "2");
    configure(&folder, "files = [\"a-2.csv\", \"a-1.csv\"], order = \"any\"", "");
    let args = ["replay", "--config", "c.toml", "--topic", &topic, "--data", "both", "--json"];
    let told = folder.run(&[&args[..], &SERIES[..]].concat()).exits(0).json();
    assert_eq!((told["left_out"].as_u64(), told["refused"].as_u64()), (Some(300), Some(0)));
    assert!(values(&folder, "one", "1") == values(&folder, "both", "1"));
    let check = folder.run(&["check", "--config", "c.toml"]).exits(0).out();
    assert!(check.contains("history a-2.csv, a-1.csv, then topics none of"), "{check}");
}

#[test]
fn a_range_holds_what_lies_between_two_times() {
    let folder = Folder::new();
    let lines = session(&folder, &[]);
    let bars = [&["--widths", "1min", "--indicators", "sma(5),rsi(14)"], &[][..]].concat();
    folder.run(&[&["replay", "all.csv", "--data", "one"], &bars[..]].concat()).exits(0);
    let (from, to) = ("2024-01-02T15:00:00Z", "2024-01-02T17:00:00Z");
    let (from_ns, to_ns) = (1_704_207_600_000_000_000i64, 1_704_214_800_000_000_000i64);
    let within = format!("ts_open >= {from_ns} AND ts_open < {to_ns}");
    let one = values(&folder, "one", &within);
    assert!(one[0].lines().count() > 500);
    for partitions in ["1", "3"] {
        let (topic, brokers) = (feed(&folder, "all.csv", partitions), trial::brokers());
        let source = ["replay", "--topic", &topic, "--brokers", &brokers, "--data", partitions];
        let range = ["--from", from, "--to", to, "--json", "--workers", "2"];
        let told = folder.run(&[&source[..], &range, &bars[..]].concat()).exits(0).json();
        counts_add_up(&told);
        assert!(told["left_out"].as_u64() > Some(100), "{told}");
        assert!(told["read"].as_u64() < Some(lines.len() as u64 / 2), "{told}");
        assert!(values(&folder, partitions, "1")[0] == one[0], "{partitions} partitions");
    }
    let file = ["replay", "all.csv", "--from", from, "--to", to, "--data", "file"];
    folder.run(&[&file[..], &bars[..]].concat()).exits(0);
    assert!(values(&folder, "file", "1")[0] == one[0]);
    let wrong = ["replay", "all.csv", "--from", to, "--to", from];
    folder.run(&wrong).exits(2).says("--to = 2024-01-02T15:00:00Z: a time after --from");
    folder.run(&["replay", "all.csv", "--to", "noon"]).exits(2).says("--to = \"noon\"");
}

#[test]
fn what_lies_in_neither_is_told() {
    let folder = Folder::new();
    let lines = session(&folder, &[]);
    part(&folder, "early.csv", &lines, 0, 1_000);
    part(&folder, "late.csv", &lines, 900, lines.len() - 1);
    let topic = feed(&folder, "late.csv", "1");
    configure(&folder, "files = \"early.csv\"", "");
    let replay = |data: &str| {
        let args = ["replay", "--config", "c.toml", "--topic", &topic, "--data", data, "--json"];
        folder.run(&args).exits(0).json()
    };
    assert_eq!(replay("whole")["gaps"].as_array().map(Vec::len), Some(0));
    // What retention took.
    trial::delete_before(&(topic.clone(), 0), 30).unwrap();
    let gaps = replay("cut")["gaps"].clone();
    let gap = gaps[0].as_str().unwrap();
    assert!(gap.starts_with("history ends at 2024-01-02T"), "{gap}");
    assert!(gap.contains(&format!("and {topic}/0 begins at ")), "{gap}");
}

#[test]
fn files_that_are_no_history_are_refused() {
    let folder = Folder::new();
    let lines = session(&folder, &[]);
    part(&folder, "b.csv", &lines, 0, 10);
    let topic = feed(&folder, "b.csv", "1");
    let replay = ["replay", "--config", "c.toml", "--topic", &topic];
    configure(&folder, "files = \"none-*.csv\"", "");
    folder.run(&replay).exits(2).says("history: pattern \"none-*.csv\"");
    configure(&folder, "files = [\"b.csv\", \"all.csv\"]", "");
    folder.run(&replay).exits(2).says("\"all.csv\" begins at");
    folder.file("f.toml", "[[source]]\nfiles = [\"b.csv\"]\nhistory = { files = \"all.csv\" }\n");
    folder.run(&["check", "--config", "f.toml"]).exits(2).says("only a source of kind kafka");
}

#[test]
fn history_that_has_ended_has_a_name_in_runs_that_go_on_behind_it() {
    let folder = Folder::new();
    let lines = session(&folder, &[]);
    part(&folder, "early.csv", &lines, 0, 1_000);
    part(&folder, "late.csv", &lines, 900, 2_000);
    let (topic, brokers, name) =
        (feed(&folder, "late.csv", "1"), trial::brokers(), trial::fresh("ended"));
    folder.file(
        "cluster.toml",
        &format!(
            "[deployment]\nname = \"{name}\"\n[cluster]\ncheckpoints = {{ every = \"50ms\" }}\n[[source]]\n\
             name = \"ticks\"\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics = [\"{topic}\"]\n\
             control = \"{name}-control\"\nhistory = {{ files = \"early.csv\" }}\n\
             [observe]\nlisten = \"127.0.0.1:0\"\nlogs = \"json\"\n"
        ),
    );
    let partitions = |address: &str| get(address, "/status").1["partitions"].clone();
    let run = Run::start(&folder, "cluster.toml", "info");
    let mut from = 2_000;
    until("a checkpoint behind history", || {
        // The log goes on, or the last checkpoint would wait for it.
        part(&folder, "more.csv", &lines, from, from + 20);
        from += 20;
        let more = ["ingest", "more.csv", "--brokers", &brokers, "--topic", &topic];
        folder.run(&more).exits(0);
        let listed = folder.run(&["checkpoints", "list", "--json"]).exits(0).json();
        let last = listed["entries"].as_array()?.last()?["positions"].clone();
        last.as_array()?.get(1)?[1].as_u64()
    });
    run.interrupt();
    std::fs::remove_file(folder.0.join("early.csv")).unwrap();
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let address = run.address();
    let all = until("both partitions", || {
        Some(partitions(&address)).filter(|all| all.as_array().is_some_and(|all| all.len() == 2))
    });
    let ended = &all[0];
    assert_eq!(
        (&ended["partition"], &ended["ended"]),
        (&"history of ticks".into(), &true.into()),
        "{all}"
    );
    run.interrupt();
}
