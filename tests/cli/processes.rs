//! Threads, processes and Ctrl-C.

use super::{Done, Folder, tables};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

#[test]
fn workers_change_nothing() {
    let folder = Folder::new();
    let stores = ["1", "2", "4"].map(|workers| {
        let demo = ["demo", "--trades", "20000", "--data", workers, "--workers", workers];
        folder.run(&demo).exits(0);
        tables(&folder.0, workers)
    });
    assert!(stores.iter().all(|tables| *tables == stores[0]));
}

/// A cluster of two processes, at ports that were free a moment ago.
pub(super) fn two() -> String {
    cluster_of(2)
}

/// The same of so many.
pub(super) fn cluster_of(processes: usize) -> String {
    let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ports: Vec<_> = (0..processes).map(|_| listen()).collect();
    let quoted = |port: &std::net::TcpListener| format!("\"{}\"", port.local_addr().unwrap());
    let addresses: Vec<String> = ports.iter().map(quoted).collect();
    format!("[cluster]\nprocesses = [{}]\n", addresses.join(", "))
}

fn spawn(folder: &Folder, config: &str, data: &str, process: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .args(["run", "--config", config, "--data", data, "--json", "--process", process])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends Ctrl-C, once there is a store: a handler is set before one is opened.
pub(super) fn interrupt(folder: &Folder, child: &Child) {
    while !folder.0.join("store/tidemill.sqlite").exists() {
        std::thread::yield_now();
    }
    // The shell's own `kill`: a bare machine has no other.
    let interrupt = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &interrupt]).status().unwrap().success());
}

/// What a run into `store` says that is interrupted as soon as there is something to see.
fn interrupted(folder: &Folder, config: &str) -> serde_json::Value {
    let child = spawn(folder, config, "store", "0");
    interrupt(folder, &child);
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

/// A run that reads a long log again for an indicator that was added is told to end meanwhile.
#[test]
fn a_run_that_warms_up_can_be_stopped() {
    let folder = Folder::new();
    let kept = "[cluster]\ncheckpoints = { every = \"100ms\", to = \"kept\" }\n";
    let source =
        "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 40000000, partitions = 2 }\n";
    let indicators = |list: &str| format!("{kept}{source}[[indicators]]\nlist = [{list}]\n");
    folder.file("one.toml", &indicators("\"sma(20)\""));
    folder.file("two.toml", &indicators("\"sma(20)\", \"ema(12)\""));
    folder.run(&["run", "--config", "one.toml", "--data", "store"]).exits(0);
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(["run", "--config", "two.toml", "--data", "store"]).current_dir(&folder.0);
        command.env("TIDEMILL_LOG", "info").stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut child = start();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("warming up from") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it warmed up");
    }
    interrupt(&folder, &child);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("stopped before it began"), "{rest}");
    folder.run(&["run", "--config", "two.toml", "--data", "store"]).exits(0);
}

/// The other process never comes: the run waits for it, and ends when it is told to.
#[test]
fn a_process_that_waits_for_others_can_be_stopped() {
    let folder = Folder::new();
    let cluster = two();
    folder.file("cluster.toml", &format!("{cluster}[[source]]\nkind = \"simulator\"\n"));
    let stopped = interrupted(&folder, "cluster.toml");
    assert_eq!((&stopped["complete"], &stopped["read"]), (&false.into(), &0.into()));
}

/// The store's start lies in the middle of the session: what comes more than `max_ahead` after it is the
/// future, in whatever process it is read.
#[test]
fn every_process_judges_the_future_by_the_recorded_start() {
    let folder = Folder::new();
    let cluster = two();
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
    let ended = |child: Child, code: i32| -> serde_json::Value {
        Done(child.wait_with_output().unwrap()).exits(code).json()
    };
    let [first, second] = ["0", "1"].map(|process| spawn(&folder, "two.toml", "two", process));
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
    let cluster = two();
    let source = "[[source]]\nkind = \"simulator\"\n\
        simulator = { trades = 20000, partitions = 3, late = 0.03 }\n\
        [[indicators]]\nlist = [\"sma(20)\", \"rsi(14)\"]\n";
    folder.file("two.toml", &format!("{cluster}{source}"));
    folder.file("one.toml", source);
    let children = ["0", "1"].map(|process| spawn(&folder, "two.toml", "two", process));
    for child in children {
        Done(child.wait_with_output().unwrap()).exits(0);
    }
    folder.run(&["run", "--config", "one.toml", "--data", "one"]).exits(0);
    assert!(tables(&folder.0, "two") == tables(&folder.0, "one"));
}

#[test]
fn processes_that_were_not_given_the_same_do_not_begin() {
    let folder = Folder::new();
    let cluster = two();
    for (name, trades) in [("a.toml", 1000), ("b.toml", 1001)] {
        let source = format!("kind = \"simulator\"\nsimulator = {{ trades = {trades} }}\n");
        folder.file(name, &format!("{cluster}[[source]]\n{source}"));
    }
    let children =
        [("a.toml", "0"), ("b.toml", "1")].map(|(name, n)| spawn(&folder, name, "store", n));
    for child in children {
        Done(child.wait_with_output().unwrap()).exits(2).says("not given the same configuration");
    }
}

/// Either process is interrupted; the other one ends too, and says why.
#[test]
fn a_process_that_loses_another_ends() {
    for (stopped, other) in [("0", "1"), ("1", "0")] {
        let folder = Folder::new();
        let source = "[[source]]\nkind = \"simulator\"\npace = \"10x\"\n";
        folder.file("two.toml", &format!("{}{source}", two()));
        let [mut stopped, other] = [stopped, other].map(|n| spawn(&folder, "two.toml", "store", n));
        // They have met once it says what was read.
        let mut said = stopped.stderr.take().unwrap();
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b" read") {
            said.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        interrupt(&folder, &stopped);
        assert_eq!(stopped.wait().unwrap().code(), Some(130));
        let other = Done(other.wait_with_output().unwrap());
        assert!(other.exits(4).err().contains("another process of this run is gone"));
    }
}
