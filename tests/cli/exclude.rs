//! Trades that are taken out from outside: in a file for replays, and in the control topic of a run.

use super::Folder;
use super::kafka::{session, write};
use super::observe::{Run, get, until};
use ::kafka::{read_committed, trial};
use serde_json::Value;

const FLAGS: [&str; 4] = ["--widths", "1min,5min", "--indicators", "sma(5),rsi(14)"];
/// Some minutes of one symbol of a session, which has its trades from 14:30 on.
const SOME: &str = "symbol = 'NQ' and ts_event >= '2024-01-02T15:00:00Z' \
                    and ts_event < '2024-01-02T16:10:30Z'";

/// The values of all rows, without how often and when they changed.
fn values(folder: &Folder, data: &str) -> Vec<String> {
    [
        "open, high, low, close, volume, vwap, trade_count FROM aggregated_data",
        "sma_5, rsi_14 FROM technical_indicators",
    ]
    .map(|what| {
        let sql = format!("SELECT symbol, width, ts_open, {what} ORDER BY 1, 2, 3");
        folder.run(&["query", &sql, "--data", data, "--format", "csv"]).exits(0).out()
    })
    .to_vec()
}

/// The session without the trades that are taken out, as a file of its own.
fn clean(folder: &Folder, file: &str) -> u64 {
    let text = std::fs::read_to_string(folder.0.join(file)).unwrap();
    let from = 1_704_207_600_000_000_000i64;
    let is_out = |line: &&str| {
        let cells: Vec<&str> = line.split(',').collect();
        let ts = cells[1].parse().unwrap_or(0);
        cells[0] == "NQ" && (from..from + 4_230_000_000_000).contains(&ts)
    };
    let (out, kept): (Vec<&str>, Vec<&str>) = text.lines().partition(is_out);
    folder.file("clean.csv", &(kept.join("\n") + "\n"));
    out.len() as u64
}

fn replay(folder: &Folder, args: &[&str]) -> Value {
    folder.run(&[&["replay"], args, &FLAGS[..], &["--json"]].concat()).exits(0).json()
}

#[test]
fn a_file_of_exclusions_takes_trades_out_of_every_replay() {
    let folder = Folder::new();
    session(&folder);
    let out = clean(&folder, "trades.csv");
    let order = ["--order", "log", "--data"];
    replay(&folder, &[&["clean.csv"], &order[..], &["clean"]].concat());
    replay(&folder, &[&["trades.csv"], &order[..], &["whole"]].concat());
    let ask = ["exclude", "--where", SOME, "--reason", "a bad feed", "--data", "whole"];
    let dry = folder.run(&[&ask[..], &["--dry-run", "--json"]].concat()).exits(0).json();
    assert_eq!(
        (dry["written"].clone(), &dry["stored"][0]["width"]),
        (serde_json::json!([]), &"1min".into())
    );
    folder.run(&[&ask[..], &["--exclusions", "out.jsonl"]].concat()).exits(0);
    let made = ["trades.csv", "--exclusions", "out.jsonl"];
    let told = replay(&folder, &[&made, &order[..], &["made"]].concat());
    assert!(out > 50, "{out}");
    // Of copies the first reason is told.
    assert!(told["refused_by_reason"]["excluded"].as_u64().unwrap() >= out - out / 20, "{told}");
    assert_eq!(values(&folder, "made"), values(&folder, "clean"));
    assert_ne!(values(&folder, "made"), values(&folder, "whole"));
    // Without the file it is another log.
    let again = [&["replay", "trades.csv"], &order[..], &["made"], &FLAGS].concat();
    folder.run(&again).exits(2).says("excluded");
}

#[test]
fn wrong_exclusions_are_told_in_a_line() {
    let folder = Folder::new();
    let ask = |condition: &str, more: &[&str]| {
        let args = ["exclude", "--where", condition, "--exclusions", "out.jsonl"];
        folder.run(&[&args[..], more].concat())
    };
    ask("price > 5", &["--reason", "x"])
        .exits(2)
        .says("--where = \"price > 5\": price: wanted symbol");
    ask("symbol = 'A'", &["--reason", " "]).exits(2).says("--reason");
    ask("symbol = 'A'", &["--reason", "x", "--ids", "none"]).exits(2).says("--ids = \"none\"");
    assert!(!folder.0.join("out.jsonl").exists());
    folder.file("bad.jsonl", "{\"exclude\":5}\n");
    folder.file("t.csv", "symbol,ts_event,price,size\nA,5,1,1\n");
    let replayed = folder.run(&["replay", "t.csv", "--exclusions", "bad.jsonl"]);
    replayed.exits(2).says("line 1 of bad.jsonl");
    folder.file("cluster.toml", "[[source]]\nkind = \"simulator\"\n");
    folder
        .run(&["exclude", "--where", "symbol = 'A'", "--reason", "x"])
        .exits(2)
        .says("--exclusions");
}

/// A run takes them out where it is, and every later reading finds that in its place.
#[test]
fn what_a_control_topic_asks_for_is_taken_out_live_and_in_every_replay() {
    let folder = Folder::new();
    let trades = session(&folder);
    let (topic, control) = (trial::topic("exclude", 1), trial::fresh("control"));
    let config = format!(
        "[deployment]\nname = \"{}\"\ndata = \"live\"\n[cluster]\ncheckpoints = {{ every = \"200ms\", to = \"kept\" }}\n\
         [[source]]\nkind = \"kafka\"\nbrokers = \"{}\"\ntopics = [\"{topic}\"]\nstart = \"earliest\"\n\
         control = \"{control}\"\nhorizon = \"1d\"\nmax_jump = \"1d\"\n[[bars]]\nwidths = [\"1min\", \"5min\"]\n\
         [[indicators]]\nlist = [\"sma(5)\", \"rsi(14)\"]\n[observe]\nlisten = \"127.0.0.1:0\"\nlogs = \"json\"\n",
        trial::fresh("deployment"),
        trial::brokers(),
    );
    folder.file("cluster.toml", &config);
    let (first, second) = trades.split_at(2_000);
    write(&topic, first, 10);
    let mut run = Run::start(&folder, "cluster.toml", "info");
    let address = run.address();
    let read = |count: usize| {
        until("all records", || (get(&address, "/status").1["read"] == count as u64).then_some(()));
    };
    read(first.len());
    let ask = ["exclude", "--where", SOME, "--reason", "a bad feed", "--data", "live"];
    folder.run(&ask).exits(0);
    let begun = || {
        let mut begun = 0;
        let each = |_: Option<&[u8]>, value: Option<&[u8]>| {
            begun += usize::from(value.is_some_and(|value| value.starts_with(b"{\"excluded\"")));
        };
        read_committed(&trial::settings(), &control, 0, each).unwrap();
        (begun == 1).then_some(())
    };
    until("where it begins", begun);
    write(&topic, second, 10);
    read(trades.len());
    run.interrupt();
    // The same run, read again, and files from which the trades were taken out.
    let again = ["--config", "cluster.toml", "--topic", &topic, "--data"];
    let told = replay(&folder, &[&again[..], &["replayed"]].concat());
    let excluded = told["excluded"].as_u64().unwrap();
    assert!(excluded > 20, "{told}");
    clean(&folder, "trades.csv");
    replay(&folder, &["clean.csv", "--order", "log", "--data", "clean", "--horizon", "1d"]);
    assert_eq!(values(&folder, "replayed"), values(&folder, "clean"));
}
