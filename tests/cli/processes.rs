//! Threads, processes and Ctrl-C.

use super::{Done, Folder, tables};
use std::process::{Command, Stdio};

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

/// What a run into `store` says that is interrupted as soon as there is something to see.
fn interrupted(folder: &Folder, config: &str) -> serde_json::Value {
    let child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--config", config, "--data", "store", "--json"])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The store is there once the run has begun; a handler is set before it is opened.
    while !folder.0.join("store/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    // The shell's own `kill`: a bare machine has no other.
    let interrupt = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
    Done(child.wait_with_output().unwrap()).exits(130).json()
}

#[test]
fn a_stopped_run_exits_with_130_and_goes_on_where_it_was() {
    let folder = Folder::new();
    let source =
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 20000, session = \"10min\" }\n";
    folder.file("paced.toml", &format!("{source}pace = \"100x\"\n"));
    folder.file("fast.toml", source);
    let stopped = interrupted(&folder, "paced.toml");
    assert_eq!(stopped["complete"], false);
    assert!(stopped["read"].as_u64() < Some(20_000));
    folder.run(&["run", "--config", "fast.toml", "--data", "store"]).exits(0);
    folder.run(&["run", "--config", "fast.toml", "--data", "clean"]).exits(0);
    assert_eq!(tables(&folder.0, "store"), tables(&folder.0, "clean"));
}

/// The other process never comes: the run waits for it, and ends when it is told to.
#[test]
fn a_process_that_waits_for_others_can_be_stopped() {
    let folder = Folder::new();
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster =
        format!("[cluster]\nprocesses = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\n", free(), free());
    folder.file("cluster.toml", &format!("{cluster}[[source]]\nkind = \"simulator\"\n"));
    let stopped = interrupted(&folder, "cluster.toml");
    assert_eq!((&stopped["complete"], &stopped["read"]), (&false.into(), &0.into()));
}

/// The store's start lies in the middle of the session: what comes more than `max_ahead` after it is the
/// future, in whatever process it is read.
#[test]
fn every_process_judges_the_future_by_the_recorded_start() {
    let folder = Folder::new();
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster =
        format!("[cluster]\nprocesses = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\n", free(), free());
    let source =
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 5000, partitions = 2 }\n";
    folder.file("two.toml", &format!("{cluster}{source}"));
    folder.file("one.toml", source);
    let start = market::Time::parse("2024-01-02T17:00:00Z").unwrap().ns();
    for store in ["one", "two"] {
        folder.run(&["run", "--config", "one.toml", "--data", store]).exits(0);
        let path = folder.0.join(store).join("store.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
        state["started_at_ns"] = start.into();
        std::fs::write(&path, state.to_string()).unwrap();
        for entry in std::fs::read_dir(folder.0.join(store)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("tidemill.sqlite") || name.starts_with("dead_letters") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    let spawn = |process: &str| {
        let args = ["run", "--config", "two.toml", "--data", "two", "--json", "--process", process];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(&folder.0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let ended = |child: std::process::Child, code: i32| -> serde_json::Value {
        Done(child.wait_with_output().unwrap()).exits(code).json()
    };
    let [first, second] = ["0", "1"].map(spawn);
    let (first, second) = (ended(first, 3), ended(second, 0));
    let one = folder.run(&["run", "--config", "one.toml", "--data", "one", "--json"]);
    let one = one.exits(3).json();
    assert_eq!(first["refused_by_reason"], one["refused_by_reason"]);
    // The other process reads one of the two logs.
    let refused = |summary: &serde_json::Value| summary["refused_by_reason"]["future"].as_u64();
    let (all, theirs) = (refused(&one).unwrap(), refused(&second).unwrap());
    assert!(0 < theirs && theirs < all && all < 5000, "{theirs} of {all}");
    assert!(tables(&folder.0, "two") == tables(&folder.0, "one"));
}

#[test]
fn two_processes_store_what_one_does() {
    let folder = Folder::new();
    // Ports that were free a moment ago.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster =
        format!("[cluster]\nprocesses = [\"127.0.0.1:{}\", \"127.0.0.1:{}\"]\n", free(), free());
    let source = "[[source]]\nkind = \"simulator\"\n\
        simulator = { trades = 20000, partitions = 3, late = 0.03 }\n\
        [[indicators]]\nlist = [\"sma(20)\", \"rsi(14)\"]\n";
    folder.file("two.toml", &format!("{cluster}{source}"));
    folder.file("one.toml", source);
    let start = |process: &str| {
        let args = ["run", "--config", "two.toml", "--data", "two", "--process", process];
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(&folder.0).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children = ["0", "1"].map(start);
    for child in children {
        Done(child.wait_with_output().unwrap()).exits(0);
    }
    folder.run(&["run", "--config", "one.toml", "--data", "one"]).exits(0);
    assert!(tables(&folder.0, "two") == tables(&folder.0, "one"));
}
