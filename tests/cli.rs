//! The command as its users meet it: what it prints, where, and how it exits.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own for each test, removed when the test passed.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tidemill-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the command in the folder.
    fn run(&self, args: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        Done(command.args(args).current_dir(&self.0).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

struct Done(Output);

impl Done {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}\n{}", self.out(), self.err());
        self
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.0.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.out()))
    }

    /// One line on standard error, after the command's name.
    #[track_caller]
    fn says(self, wanted: &str) -> Self {
        let text = self.err();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("tidemill: ") && text.contains(wanted), "{text}");
        assert!(self.out().is_empty(), "{}", self.out());
        self
    }
}

fn counts_add_up(document: &serde_json::Value) {
    let number = |key: &str| document[key].as_u64().unwrap();
    assert_eq!(number("read"), number("used") + number("refused"), "{document}");
    let by_reason = document["refused_by_reason"].as_object().unwrap();
    assert_eq!(by_reason.values().map(|v| v.as_u64().unwrap()).sum::<u64>(), number("refused"));
}

fn tables(folder: &Path, data: &str) -> Vec<String> {
    ["aggregated_data", "technical_indicators", "dead_letters"]
        .map(|table| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
            let sql = format!("SELECT * FROM {table} ORDER BY 1, 2, 3, 4");
            let args = ["query", &sql, "--data", data, "--format", "csv"];
            Done(command.args(args).current_dir(folder).output().unwrap()).exits(0).out()
        })
        .to_vec()
}

#[test]
fn a_demo_is_stored_shown_and_the_same_again() {
    let folder = Folder::new();
    let demo = ["demo", "--trades", "20000", "--data", "store"];
    let shown = folder.run(&demo).exits(0).out();
    for symbol in
        ["NQ", "NVDA", "AMD", "WDC", "SLV", "GS", "NET", "EWJ", "EURUSD", "INRJPY", ".BRL", ".GBP"]
    {
        assert!(
            shown.lines().any(|line| line.starts_with(&format!("{symbol} "))),
            "{symbol}: {shown}"
        );
    }
    assert!(shown.contains("report.html"), "{shown}");
    let first =
        (tables(&folder.0, "store"), std::fs::read(folder.0.join("store/report.html")).unwrap());
    let again =
        folder.run(&["demo", "--trades", "20000", "--data", "store", "--json"]).exits(0).json();
    counts_add_up(&again);
    assert!(again["revised"].as_u64() > Some(0) && again["late"].as_u64() > Some(0), "{again}");
    for reason in ["duplicate", "future", "price", "size"] {
        assert!(again["refused_by_reason"][reason].as_u64() > Some(0), "{reason}: {again}");
    }
    let second =
        (tables(&folder.0, "store"), std::fs::read(folder.0.join("store/report.html")).unwrap());
    assert!(first == second, "a second run changed the tables or the report");
    let page = String::from_utf8(second.1).unwrap();
    assert!(!page.contains("://"), "the report fetches something");
}

#[test]
fn workers_change_nothing() {
    let folder = Folder::new();
    let stores = ["1", "2", "4"].map(|workers| {
        let demo = ["demo", "--trades", "20000", "--data", workers, "--workers", workers];
        folder.run(&demo).exits(0);
        // The time of the first start is in what `future` letters say; every other byte is the log's.
        let mut tables = tables(&folder.0, workers);
        tables.pop();
        tables
    });
    assert!(stores.iter().all(|tables| *tables == stores[0]));
}

#[test]
fn another_configuration_is_refused_unless_replaced() {
    let folder = Folder::new();
    folder.run(&["demo", "--trades", "1000"]).exits(0);
    folder.run(&["demo", "--trades", "2000"]).exits(2).says("--replace");
    folder.run(&["demo", "--trades", "2000", "--replace"]).exits(0);
}

#[test]
fn usage_and_configuration_errors_exit_with_2_and_one_line() {
    let folder = Folder::new();
    folder.run(&["run"]).exits(2).says("cluster.toml: cannot be read");
    folder
        .run(&["demo", "--workers", "0"])
        .exits(2)
        .says("--workers = 0: a whole number from 1 to 256");
    folder.run(&["demo", "--symbols", "0"]).exits(2).says("--symbols = 0");
    folder.run(&["query", "SELECT 1"]).exits(2).says("no store at tidemill-data");
    folder.run(&["dead-letters", "list"]).exits(2).says("no store at tidemill-data");
    folder
        .run(&["query", "SELECT 1", "--format", "xml"])
        .exits(2)
        .says("wanted table, csv or json");
    folder.file("cluster.toml", "[cluster]\nworker = 2\n");
    let nearest = "cluster.toml: cluster.worker: unknown key, the nearest is \"workers\"";
    folder.run(&["run"]).exits(2).says(nearest);
    folder.run(&["check"]).exits(2).says(nearest);
    folder.file("cluster.toml", "[cluster]\nworkers = 2\n");
    folder.run(&["run"]).exits(2).says("no source");
    let unknown = folder.run(&["frobnicate"]).exits(2);
    assert!(unknown.out().is_empty() && unknown.err().contains("frobnicate"));
    assert!(folder.run(&["replay"]).exits(2).err().contains("FILES"));
}

#[test]
fn every_command_helps_with_an_example() {
    let folder = Folder::new();
    let commands: [&[&str]; 10] = [
        &["demo"],
        &["run"],
        &["replay"],
        &["simulate"],
        &["query"],
        &["check"],
        &["init"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["dead-letters", "export"],
    ];
    for command in commands {
        let help = folder.run(&[command, &["--help"]].concat()).exits(0).out();
        assert!(help.contains("Example") && help.contains("tidemill"), "{help}");
    }
    assert!(folder.run(&["--version"]).exits(0).out().starts_with("tidemill "));
}

#[test]
fn what_init_writes_is_checked_and_runs() {
    let folder = Folder::new();
    folder.run(&["init"]).exits(0);
    folder.run(&["init"]).exits(2).says("give --replace");
    folder.run(&["init", "--replace"]).exits(0);
    let print = folder.run(&["check", "--print"]).exits(0).out();
    assert!(print.contains("[[bars]]") && print.contains("# fingerprint "), "{print}");
    let checked = folder.run(&["check", "--json"]).exits(0).json();
    assert!(print.contains(checked["fingerprint"].as_str().unwrap()));
    let text = std::fs::read_to_string(folder.0.join("cluster.toml")).unwrap();
    folder.file(
        "cluster.toml",
        &text.replace("#simulator.trades = 400000", "simulator.trades = 5000"),
    );
    let summary = folder.run(&["run", "--json"]).exits(0).json();
    assert_eq!(summary["used"], 5000);
    folder.run(&["run", "--process", "1"]).exits(2).says("process 1: there are 1");
}

#[test]
fn refused_records_are_listed_shown_and_exported() {
    let folder = Folder::new();
    let summary = folder.run(&["demo", "--trades", "20000", "--json"]).exits(0).json();
    let list = folder.run(&["dead-letters", "list", "--json"]).exits(0).json();
    assert_eq!(list["kept"], summary["refused"]);
    let only =
        folder.run(&["dead-letters", "list", "--reason", "duplicate", "--json"]).exits(0).json();
    assert_eq!(only["kept"], summary["refused_by_reason"]["duplicate"]);
    assert!(folder.run(&["dead-letters", "show", "1"]).exits(0).out().contains("reason"));
    folder.run(&["dead-letters", "show", "999999"]).exits(2).says("no dead letter 999999");
    folder.run(&["dead-letters", "export", "--out", "out.json"]).exits(0);
    let text = std::fs::read_to_string(folder.0.join("out.json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(all.as_array().unwrap().len() as u64, summary["refused"].as_u64().unwrap());
}

#[test]
fn strict_and_too_many_refusals_exit_with_3() {
    let folder = Folder::new();
    folder.run(&["demo", "--trades", "2000", "--strict"]).exits(3);
    let source = "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 10000, bad = 0.02 }\n";
    folder.file("cluster.toml", source);
    folder.run(&["run", "--data", "a"]).exits(3);
    folder.file("cluster.toml", &format!("{source}[admission]\nmax_refused = 0.05\n"));
    folder.run(&["run", "--data", "b"]).exits(0);
}

#[test]
fn questions_are_answered_in_three_formats() {
    let folder = Folder::new();
    folder.run(&["demo", "--trades", "2000"]).exits(0);
    let sql = "SELECT count(*) AS bars FROM aggregated_data WHERE symbol = 'NVDA' AND width = '1h'";
    assert_eq!(folder.run(&["query", sql, "--format", "csv"]).exits(0).out(), "bars\n7\n");
    assert_eq!(folder.run(&["query", sql, "--json"]).exits(0).json()[0]["bars"], 7);
    assert!(folder.run(&["query", sql]).exits(0).out().contains("bars"));
    folder.run(&["query", "DELETE FROM aggregated_data"]).exits(2).says("would write");
    folder.run(&["query", "SELECT nonsense FROM"]).exits(2).says("query:");
}

#[test]
fn a_stopped_run_exits_with_130_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let source =
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 20000, session = \"10min\" }\n";
    folder.file("paced.toml", &format!("{source}pace = \"100x\"\n"));
    folder.file("fast.toml", source);
    let child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--config", "paced.toml", "--data", "store", "--json"])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The store is there once the run has begun; a handler is set before it is opened.
    while !folder.0.join("store/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let stopped = Done(child.wait_with_output().unwrap()).exits(130).json();
    assert_eq!(stopped["complete"], false);
    assert!(stopped["read"].as_u64() < Some(20_000));
    folder.run(&["run", "--config", "fast.toml", "--data", "store"]).exits(0);
    folder.run(&["run", "--config", "fast.toml", "--data", "clean"]).exits(0);
    assert_eq!(tables(&folder.0, "store"), tables(&folder.0, "clean"));
}

const TRADES: &str = "ts_event,symbol,price,size\n\
    1704205800000000000,NVDA,490.15,100\n\
    1704205801500000000,NVDA,490.20,50\n\
    1704205802000000000,AMD,145.5,10\n\
    1704205861000000000,NVDA,489.9,10\n";

#[test]
fn files_are_replayed_into_every_sink() {
    let folder = Folder::new();
    folder.file("trades.csv", TRADES);
    let args =
        ["replay", "trades.csv", "--widths", "1min", "--sink", "sqlite,parquet,jsonl", "--json"];
    let summary = folder.run(&args).exits(0).json();
    counts_add_up(&summary);
    assert_eq!((&summary["used"], &summary["tables"][0]["rows"]), (&4.into(), &3.into()));
    let sql = "SELECT symbol, open, high, low, close, volume, trade_count FROM aggregated_data ORDER BY 1, ts_open";
    assert_eq!(
        folder
            .run(&["query", sql, "--format", "csv"])
            .exits(0)
            .out()
            .replace(".0,", ",")
            .replace('\r', ""),
        "symbol,open,high,low,close,volume,trade_count\n\
         AMD,145.5,145.5,145.5,145.5,10,1\n\
         NVDA,490.15,490.2,490.15,490.2,150,2\n\
         NVDA,489.9,489.9,489.9,489.9,10,1\n"
    );
    let lines = std::fs::read_to_string(folder.0.join("tidemill-data/jsonl/aggregated_data.jsonl"))
        .unwrap();
    assert_eq!(lines.lines().count(), 3);
    let parquet =
        folder.0.join("tidemill-data/parquet/aggregated_data/date=2024-01-02/data.parquet");
    assert!(parquet.exists());
    // Another file of the same name is another log.
    folder.file("trades.csv", &TRADES.replace("490.20", "490.25"));
    folder.run(&args).exits(2).says("--replace");
}

#[test]
fn flags_of_a_replay_are_checked_like_keys() {
    let folder = Folder::new();
    folder.file("trades.csv", TRADES);
    for (flag, value, wanted) in [
        ("--widths", "1min,7min", "--widths = \"7min\": a width must divide a day evenly"),
        ("--indicators", "sma(0)", "--indicators = \"sma(0)\":"),
        ("--indicators", "smma(3)", "did you mean"),
        ("--lateness", "2", "--lateness = \"2\": a duration is"),
        ("--order", "random", "--order = \"random\": one of time, log, any is wanted"),
        ("--partition", "x", "--partition = \"x\": one of file, sequence"),
        ("--sink", "sqlite,redis", "--sink = \"redis\": one of"),
        ("--empty", "fill", "--empty = \"fill\""),
        ("--pace", "fast", "--pace = \"fast\""),
        ("--columns", "price=cost", "cost"),
        ("--delimiter", "ab", "--delimiter = \"ab\""),
    ] {
        folder.run(&["replay", "trades.csv", flag, value]).exits(2).says(wanted);
    }
    folder.run(&["replay", "nothing.csv"]).exits(2).says("nothing.csv");
    folder.run(&["replay", "*.parquet"]).exits(2).says("*.parquet");
    folder.run(&["replay", "."]).exits(2).says("is a folder");
}

#[test]
fn what_cannot_be_used_exits_with_3() {
    let folder = Folder::new();
    folder.file("empty.csv", "");
    folder
        .file("bad.csv", "ts_event,symbol,price,size\nx,NVDA,1,1\n1704205800000000000,NVDA,-1,1\n");
    let read = |name: &str, data: &str| {
        folder.run(&["replay", name, "--json", "--data", data]).exits(3).json()
    };
    assert_eq!(read("empty.csv", "a")["read"], 0);
    let bad = read("bad.csv", "b");
    counts_add_up(&bad);
    assert_eq!(bad["refused_by_reason"], serde_json::json!({"time": 1, "price": 1}));
}

#[test]
fn a_simulated_file_gives_what_the_simulator_gives() {
    let folder = Folder::new();
    let flags = ["--trades", "5000", "--late", "0.02", "--duplicate", "0.01"];
    for name in ["s.csv", "s.csv.gz", "s.parquet"] {
        folder.run(&[&["simulate", "--out", name][..], &flags].concat()).exits(0);
        folder.run(&["replay", name, "--data", name.trim_start_matches("s.")]).exits(0);
    }
    folder.file(
        "cluster.toml",
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 5000, late = 0.02, duplicate = 0.01 }\n",
    );
    folder.run(&["run", "--data", "direct"]).exits(0);
    let bars = |data: &str| tables(&folder.0, data).swap_remove(0);
    assert!(bars("direct").lines().count() > 12);
    for data in ["csv", "csv.gz", "parquet"] {
        assert!(bars(data) == bars("direct"), "{data}");
    }
    folder.run(&["simulate", "--out", "s.txt"]).exits(2).says(".parquet");
    folder.run(&["simulate", "--out", "s.csv", "--late", "2"]).exits(2).says("--late = 2");
}

#[test]
fn the_first_rows_of_a_file_are_shown_as_understood() {
    let folder = Folder::new();
    folder.file("trades.csv", &(TRADES.to_owned() + "x,NVDA,1,1\n"));
    let shown = folder.run(&["check", "trades.csv", "--json"]).exits(0).json();
    assert_eq!(shown["rows"].as_array().unwrap().len(), 5);
    assert_eq!(shown["rows"][0]["ts_event"], "2024-01-02T14:30:00Z");
    assert_eq!(shown["rows"][1]["price"], "490.2");
    assert_eq!(shown["rows"][4]["refused"], "time");
    assert!(
        folder.run(&["check", "trades.csv"]).exits(0).out().contains("row 4 is refused (time)")
    );
    folder.run(&["check", "nothing.csv"]).exits(2).says("nothing.csv");
}

/// Real files by flags alone, with counts that were taken from them with other tools.
#[test]
fn real_files_go_through_by_flags_alone() {
    let folder = Folder::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");
    assert!(Path::new(data).is_dir(), "the shared data lies beside the checkout");
    let replay = |files: &str, store: &str, flags: &[&str]| {
        let path = format!("{data}/{files}");
        let args = [&["replay", &path, "--json", "--data", store][..], flags].concat();
        let summary = folder.run(&args).exits(0).json();
        counts_add_up(&summary);
        summary
    };
    let fx = "ts_event=ts_ns:ns, symbol=symbol, venue=venue, price=mid(bid,ask), size='1'";
    let quotes =
        replay("fx_ticks/quotes_20140507_09.csv.gz", "fx", &["--columns", fx, "--workers", "2"]);
    assert_eq!(quotes["used"], 926_020);
    let lobster =
        "ts_event='2012-06-21'+c1:s:America/New_York, symbol='AAPL', size=c4, price=c5*0.0001";
    let flags = ["--no-header", "--columns", lobster, "--where", "c2 in (4,5)", "--widths", "1s"];
    let executions = replay("lobster_aapl_l10_sample/*message*.csv", "lobster", &flags);
    assert_eq!((&executions["used"], &executions["filtered"]), (&159.into(), &840.into()));
    let debs = "ts_event=Date+Trading time:\"%d-%m-%Y %H:%M:%S%.f\":Europe/Berlin, symbol=ID, price=Last, size='1'";
    let flags = ["--columns", debs, "--where", "Last != ''", "--comment", "#", "--order", "log"];
    let trades = replay("debs2022_sample/*sample100.csv.gz", "debs", &flags);
    assert_eq!(trades["used"], 147);
}
