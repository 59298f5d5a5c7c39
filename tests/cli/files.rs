//! `replay`, `simulate` and `check FILE`.

use super::{Folder, counts_add_up, tables};
use std::path::Path;

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

/// A trade 100 s behind is beyond the one source's horizon and within the other's.
#[test]
fn sources_have_a_lateness_and_a_horizon_of_their_own() {
    let folder = Folder::new();
    let head = "ts_event,symbol,price,size\n";
    let trades = |symbol: &str| {
        let seconds = (0..200).chain([100]).chain(200..300);
        let line = |second: i64| format!("{},{symbol},{},1\n", 1_704_205_800 + second, 1 + second);
        head.to_owned() + &seconds.map(line).collect::<String>()
    };
    folder.file("a.csv", &trades("A"));
    folder.file("b.csv", &trades("B"));
    let source = |name: &str, timing: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nfiles = [\"{name}.csv\"]\norder = \"log\"\n\
             columns = \"ts_event=ts_event:s\"\n{timing}\n"
        )
    };
    let short = "lateness = \"1s\"\nhorizon = \"20s\"";
    let long = "lateness = \"30s\"\nhorizon = \"10min\"";
    folder.file("two.toml", &(source("a", short) + &source("b", long)));
    let stores = ["1", "2", "4"].map(|workers| {
        let run =
            ["run", "--config", "two.toml", "--data", workers, "--workers", workers, "--json"];
        let summary = folder.run(&run).exits(0).json();
        counts_add_up(&summary);
        assert_eq!(summary["refused_by_reason"], serde_json::json!({"horizon": 1}));
        assert_eq!((&summary["used"], &summary["late"]), (&601.into(), &1.into()));
        tables(&folder.0, workers)
    });
    assert!(stores.iter().all(|tables| *tables == stores[0]));
    let rows =
        |sql: &str| folder.run(&["query", sql, "--data", "1", "--format", "csv"]).exits(0).out();
    let sql =
        "SELECT symbol, sum(trade_count), sum(revision) FROM aggregated_data GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(sql).lines().skip(1).collect::<Vec<_>>(), ["A,300,0", "B,301,1"]);
    // Every row is known only where the slower source's head has come.
    let sql =
        "SELECT count(*) FROM aggregated_data WHERE known_at < ts_open + 60000000000 + 30000000000";
    assert_eq!(rows(sql).lines().nth(1), Some("0"));
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
    let unknown = ["replay", "trades.csv", "--columns", "price=cost"];
    folder.run(&unknown).exits(2).says("--columns: no column \"cost\"");
    // Under a key of a file it is the key that is named.
    for (keys, wanted) in [
        ("columns = \"price=cost\"", "cluster.toml: source.columns: no column \"cost\""),
        ("where = \"kind = 4\"", "cluster.toml: source.where: no column \"kind\""),
    ] {
        folder.file("cluster.toml", &format!("[[source]]\nfiles = \"trades.csv\"\n{keys}\n"));
        folder.run(&["run"]).exits(2).says(wanted);
    }
    folder.run(&["replay", "*.parquet"]).exits(2).says("*.parquet");
    folder.run(&["replay", "."]).exits(2).says("is a folder");
}

#[test]
fn a_slip_of_the_flags_leaves_no_store_behind() {
    let folder = Folder::new();
    let stragglers: String =
        (0..5000).map(|k| format!("{},NVDA,1,1\n", 1_704_205_800 - k)).collect();
    folder.file("trades.csv", &format!("time,symbol,price,size\n{stragglers}"));
    folder.run(&["replay", "trades.csv"]).exits(2).says("ts_event");
    let columns = ["replay", "trades.csv", "--columns", "ts_event=time:s"];
    folder.run(&columns).exits(2).says("--order");
    folder.run(&[&columns[..], &["--order", "any"]].concat()).exits(0);
    // One that has something in it stays.
    folder.run(&columns).exits(2).says("--replace");
    folder.run(&["query", "SELECT count(*) FROM aggregated_data"]).exits(0);
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
    folder.run(&["simulate", "--out", "s.csv", "--columns", "some"]).exits(2).says("required");
    folder.run(&["simulate", "--out", "s.csv", "--late", "2"]).exits(2).says("--late = 2");
}

#[test]
fn a_simulated_session_corrects_itself_where_it_is_asked_to() {
    let folder = Folder::new();
    let simulate = |out: &str, more: &[&str]| {
        let args = ["simulate", "--out", out, "--trades", "5000", "--json"];
        folder.run(&[&args[..], more].concat())
    };
    let zeros = ["--cancel", "0", "--replace", "0"];
    assert_eq!(simulate("plain.csv", &[]).exits(0).json()["corrections"], 0);
    simulate("zeros.csv", &zeros).exits(0);
    let read = |name: &str| std::fs::read(folder.0.join(name)).unwrap();
    assert!(read("plain.csv") == read("zeros.csv"));
    let rates = ["--cancel", "0.02", "--replace", "0.04"];
    let said = simulate("c.csv", &rates).exits(0).json();
    simulate("again.csv", &rates).exits(0);
    assert!(read("c.csv") == read("again.csv"));
    let text = String::from_utf8(read("c.csv")).unwrap();
    let (cancels, replaces) =
        (text.matches(",cancel\n").count(), text.matches(",replace\n").count());
    assert!(text.starts_with("symbol,ts_event,price,size,trade_id,side,trans_type\n"));
    assert_eq!(said["corrections"], cancels + replaces);
    assert!((80..160).contains(&cancels) && (170..290).contains(&replaces), "{cancels} {replaces}");
    simulate("d.csv", &["--cancel", "0.6", "--replace", "0.6"])
        .exits(2)
        .says("a share of at most 1");
    let required = ["--columns", "required", "--cancel", "0.1"];
    simulate("d.csv", &required).exits(2).says("no trade_id, which corrections name");
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
    let corrected =
        "symbol,ts_event,price,size,trade_id,x\nA,1,2,3,7,T\nA,,,,7,C\nA,1,5,3,7,R\nA,1,5,3,,R\n";
    folder.file("corrected.csv", corrected);
    let map = ["--columns", "trans_type=x{T:new,C:cancel,R:replace}"];
    let check = |more: &str| folder.run(&[&["check", "corrected.csv", more][..], &map].concat());
    let shown = check("--json").exits(0).json();
    let row = |number: usize| &shown["rows"][number];
    let cancel = serde_json::json!({"row": 1, "ts_event": null, "symbol": "A", "price": null, "size": null,
        "side": null, "trans_type": "cancel"});
    assert_eq!(row(1), &cancel);
    assert_eq!((&row(0)["trans_type"], &row(2)["trans_type"]), (&"new".into(), &"replace".into()));
    assert_eq!((&row(2)["price"], &row(3)["refused"]), (&"5".into(), &"missing".into()));
    let table = check("--rows=9").exits(0).out();
    assert!(table.contains("trans_type") && table.contains("cancel"), "{table}");
}

#[test]
fn conditions_decide_by_a_tape_what_a_trade_counts_for() {
    let folder = Folder::new();
    let second = |k: u64| 1_704_205_800_000_000_000 + k * 1_000_000_000;
    let rows =
        [("490", "@"), ("600", "@ I"), ("480", "@ Z"), ("491", "F"), ("7", "M"), ("495", "W")];
    let line = |(k, (price, codes)): (usize, &(&str, &str))| {
        format!("{},NVDA,{price},10,{codes}\n", second(k as u64))
    };
    let lines: String = rows.iter().enumerate().map(line).collect();
    folder.file("trades.csv", &format!("ts_event,symbol,price,size,conditions\n{lines}"));
    let bar = |data: &str, flags: &[&str]| {
        let args = ["replay", "trades.csv", "--data", data, "--widths", "1min", "--horizon", "1s"];
        folder.run(&[&args[..], flags].concat()).exits(0);
        let sql = "SELECT open, high, low, close, volume FROM aggregated_data";
        let found = folder.run(&["query", sql, "--data", data, "--format", "csv"]).exits(0).out();
        found.lines().nth(1).unwrap_or_default().to_owned()
    };
    // `W` is a code of tape C alone, and one that is not known counts for all.
    assert_eq!(bar("none", &[]), "490,600,7,495,60");
    assert_eq!(bar("utp", &["--conditions", "utp"]), "490,491,480,491,50");
    assert_eq!(bar("cta", &["--conditions", "cta"]), "490,495,480,495,50");
    let again = ["replay", "trades.csv", "--data", "cta", "--widths", "1min", "--horizon", "1s"];
    let other = "this store was made with source.conditions = cta by tables 1";
    let said = folder.run(&again).exits(2).err();
    assert!(said.contains("conditions"), "{said} {other}");
    let wrong = ["replay", "trades.csv", "--conditions", "nyse"];
    folder.run(&wrong).exits(2).says("--conditions = \"nyse\": one of none, cta, utp is wanted");
    folder.file("plain.csv", TRADES);
    let bare = ["replay", "plain.csv", "--data", "plain", "--conditions", "cta"];
    folder.run(&bare).exits(2).says("--conditions: no column \"conditions\"");
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
