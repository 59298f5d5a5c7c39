//! Every command but `replay`: the demo, configuration errors, `init`, letters, questions.

use super::{Folder, counts_add_up, tables};

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
    let nonsense = ["dead-letters", "list", "--reason", "nonsense"];
    folder
        .run(&nonsense)
        .exits(2)
        .says("--reason = \"nonsense\": one of malformed, missing, symbol, time");
    folder.run(&["dead-letters", "export", "--reason", "nonsense"]).exits(2).says("is wanted");
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
fn symbols_the_universe_does_not_name_are_refused() {
    let folder = Folder::new();
    folder.file("universe.csv", "symbol,price_scale\nNVDA,4\nAMD,\n");
    let source =
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 9000, partitions = 3 }\n";
    let universe = "[universe]\nfile = \"universe.csv\"\n";
    folder.file("admit.toml", &format!("{source}{universe}"));
    let refuse = format!("{source}{universe}defaults = {{ unknown_symbols = \"refuse\" }}\n");
    folder.file("refuse.toml", &refuse);
    folder.file("none.toml", &refuse.replace("file =", "#"));
    let run = |config: &str, workers: &str, code: i32| {
        let data = format!("{config}-{workers}");
        let args = ["run", "--config", config, "--data", &data, "--workers", workers, "--json"];
        folder.run(&args).exits(code)
    };
    run("none.toml", "1", 2).says("unknown_symbols = \"refuse\": a universe.file is wanted");
    assert_eq!(run("admit.toml", "1", 0).json()["used"], 9000);
    // Most of the records are refused, and of those no more are kept than of any other reason.
    let [one, two, four] = ["1", "2", "4"].map(|workers| run("refuse.toml", workers, 3).json());
    counts_add_up(&one);
    let refused = &one["refused_by_reason"];
    assert_eq!(refused["unknown_symbol"], one["refused"]);
    assert!(one["used"].as_u64() > Some(0) && one["refused"].as_u64() > Some(0));
    assert!(*refused == two["refused_by_reason"] && *refused == four["refused_by_reason"]);
    let stores =
        ["1", "2", "4"].map(|workers| tables(&folder.0, &format!("refuse.toml-{workers}")));
    assert!(stores.iter().all(|tables| *tables == stores[0]));
    let symbols = "SELECT DISTINCT symbol FROM aggregated_data ORDER BY 1";
    let query = ["query", symbols, "--data", "refuse.toml-1", "--format", "csv"];
    assert_eq!(folder.run(&query).exits(0).out(), "symbol\nAMD\nNVDA\n");
    let other = ["run", "--config", "admit.toml", "--data", "refuse.toml-1"];
    folder.run(&other).exits(2).says("unknown_symbols");
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
